"""From the share of electrons that scatter to the numbers that a detector puts out."""

import math

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.optics.spec import DetectorModel, OpticsSpec

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


def pulses(electrons: Plane, detector: DetectorModel, rng: np.random.Generator) -> Plane:
    """What counted electrons give together, in mean electrons: each pulse has a height of its own.

    The sum of N heights of unit mean is drawn from a gamma distribution, which is exact for gamma pulses.
    """
    spread = detector.pulse_spread
    if not spread:
        return electrons
    return rng.standard_gamma(electrons / np.float32(spread**2), dtype=np.float32) * np.float32(spread**2)


def delayed(signal: Plane, detector: DetectorModel, dwell_s: float, flyback_s: float) -> Plane:
    """The signal as the scintillator and the amplifier give it, line after line with the flyback between."""
    late = signal
    if detector.response_us:
        late = _decaying(late, detector.response_us * 1e-6, dwell_s, flyback_s)
    if detector.afterglow:
        glow = _decaying(late, detector.afterglow_us * 1e-6, dwell_s, flyback_s)
        late = late + np.float32(detector.afterglow) * (glow - late)
    return late


def _decaying(signal: Plane, tau_s: float, dwell_s: float, flyback_s: float) -> Plane:
    """The mean over each dwell of an exponential answer; what a line leaves over decays during the flyback."""
    from scipy.signal import lfilter  # 0.3 s of import that most worlds never need

    kept = math.exp(-dwell_s / tau_s)
    mean = tau_s / dwell_s * (1 - kept)
    """Of what is there at the start of a dwell, over it."""
    rows, columns = signal.shape
    filtered, ends = lfilter([1 - mean, mean - kept], [1.0, -kept], signal, axis=1, zi=np.zeros((rows, 1)))
    left = np.zeros(rows)
    for row in range(1, rows):
        gone = math.exp(-flyback_s / tau_s)
        left[row] = gone * (ends[row - 1, 0] + left[row - 1] * kept**columns)
    return np.asarray(filtered + left[:, None] * kept ** np.arange(columns), np.float32)


def digitised(
    electrons: Plane, detector: DetectorModel, rng: np.random.Generator, gain: float = 1.0
) -> Plane:
    """Counts with gain, offset, read noise and clipping, (rows, columns) float32."""
    counts = rng.standard_normal(electrons.shape, dtype=np.float32)
    counts *= np.float32(detector.read_noise_counts)
    counts += np.float32(detector.offset_counts)
    counts += electrons * np.float32(detector.counts_per_electron * gain)
    if detector.digital:
        np.maximum(np.rint(counts, out=counts), 0, out=counts)
    return np.minimum(counts, np.float32(detector.saturation_counts), out=counts)
