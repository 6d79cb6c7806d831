"""From the share of electrons that scatter to the numbers that a detector puts out."""

import math

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.world import DetectorModel, OpticsSpec

Plane = NDArray[np.float32]
Annulus = tuple[float, float]
"""Inner and outer angle [mrad]."""

_NORMAL_FROM = 200.0
"""Above this many electrons a rounded normal draw replaces Poisson (skewness below 0.07)."""


def collection_at(detector: DetectorModel, optics: OpticsSpec, camera_length_m: float) -> Annulus:
    """Collection angles at a camera length: the detector stays, the pattern grows [mrad]."""
    ratio = camera_length_m / (optics.camera_length_mm * 1e-3)
    if math.isclose(ratio, 1.0, rel_tol=1e-12):
        return detector.collection_mrad
    inner, outer = detector.collection_mrad
    return inner / ratio, outer / ratio


def disc_share(annulus: Annulus, convergence_mrad: float) -> float:
    """Part of the undisturbed, evenly filled bright disc that falls on the detector."""
    inner, outer = (min(angle, convergence_mrad) for angle in annulus)
    return (outer**2 - inner**2) / convergence_mrad**2


def beyond_disc(annulus: Annulus, convergence_mrad: float) -> Annulus | None:
    """The part of the collection range outside the bright disc, or None."""
    inner, outer = max(annulus[0], convergence_mrad), annulus[1]
    return (inner, outer) if inner < outer else None


def remaining(scattered: Plane, detector: DetectorModel) -> Plane:
    """Part of the bright disc's intensity that stays in it, from the share that goes to 60-140 mrad.

    Incoherent: what is lost is taken evenly from the disc, so phase contrast is missing.
    """
    return np.asarray(np.exp(np.float32(-detector.loss_ratio) * scattered))


def counted(expected: Plane, rng: np.random.Generator) -> Plane:
    """Electrons counted, from the expected number in each pixel."""
    mean = np.maximum(expected, 0)
    if float(mean.min()) < _NORMAL_FROM:
        return rng.poisson(mean).astype(np.float32)
    noise = rng.standard_normal(mean.shape, dtype=np.float32)
    noise *= np.sqrt(mean)
    noise += mean
    return np.rint(noise, out=noise)


def digitised(
    electrons: Plane, detector: DetectorModel, rng: np.random.Generator, gain: float = 1.0
) -> Plane:
    """Counts with gain, offset, read noise and clipping, (rows, columns) float32."""
    counts = rng.standard_normal(electrons.shape, dtype=np.float32)
    counts *= np.float32(detector.read_noise_counts)
    counts += np.float32(detector.offset_counts)
    counts += electrons * np.float32(detector.counts_per_electron * gain)
    return np.minimum(counts, np.float32(detector.saturation_counts), out=counts)
