"""From the share of electrons that scatter to the numbers that a detector puts out."""

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.world import DetectorModel, OpticsSpec
from eucentric.knowledge.scattering import haadf_cross_section_a2

Plane = NDArray[np.float32]

_NORMAL_FROM = 200.0
"""Above this many electrons a rounded normal draw replaces Poisson (skewness below 0.07)."""


def collected(scattered: Plane, detector: DetectorModel, optics: OpticsSpec) -> Plane:
    """Share of the beam that the detector collects, from the share that goes to 60-140 mrad."""
    if detector.kind == "bright_field":
        return np.asarray(np.exp(np.float32(-detector.loss_ratio) * scattered))
    inner, outer = detector.collection_mrad
    scale = haadf_cross_section_a2("Ti", optics.voltage_kv, inner, outer)
    return scattered * np.float32(scale / haadf_cross_section_a2("Ti", optics.voltage_kv, 60, 140))


def counted(expected: Plane, rng: np.random.Generator) -> Plane:
    """Electrons counted, from the expected number in each pixel."""
    mean = np.maximum(expected, 0)
    if float(mean.min()) < _NORMAL_FROM:
        return rng.poisson(mean).astype(np.float32)
    noise = rng.standard_normal(mean.shape, dtype=np.float32)
    noise *= np.sqrt(mean)
    noise += mean
    return np.rint(noise, out=noise)


def digitised(electrons: Plane, detector: DetectorModel, rng: np.random.Generator) -> Plane:
    """Counts with gain, offset, read noise and clipping, (rows, columns) float32."""
    counts = rng.standard_normal(electrons.shape, dtype=np.float32)
    counts *= np.float32(detector.read_noise_counts)
    counts += np.float32(detector.offset_counts)
    counts += electrons * np.float32(detector.counts_per_electron)
    return np.minimum(counts, np.float32(detector.saturation_counts), out=counts)
