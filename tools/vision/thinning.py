"""Fewer electrons and coarser pixels, made from a frame that has been taken.

Poisson counts of which each is kept with probability k are Poisson counts of k times the dose, and counts that are
dealt out among new pixels by the area they share stay Poisson and independent: both are exact where every
electron was counted. Of a frame whose unit is not known, noise is measured and what is missing of it is added;
that is an equivalent, not a scan, and `Electrons.how` says so.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.core.errors import BadInput

Array = NDArray[np.float64]

_NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
"""Insensitive to brightness that changes linearly or quadratically (Immerkaer, CVIU 64 (1996) 300)."""
_COUNTED = 0.272
"""Residual from whole numbers [e], rms, up to which single electrons are told apart: 0.29 is what no counting gives,
0.3 e of read noise gives 0.26."""
_SMOOTH_PX = 1.5


@dataclass(frozen=True)
class Electrons:
    """An image in detected electrons."""

    image: Array
    """(H, W) float64 [electrons per pixel]; NaN where a pixel is missing."""
    exact: bool
    """Single electrons can be told apart, so that thinning is exact."""
    how: str
    """How the electrons are known, for the person."""


def electrons_of(image: NDArray[np.floating], counts_per_electron: float | None = None) -> Electrons:
    """The image in electrons: by the detector's calibration, or by its own noise.

    Parameters
    ----------
    image
        (H, W) float [counts, after offset; any unit without a calibration].
    counts_per_electron
        Detector calibration; None if nobody knows.

    Raises
    ------
    BadInput
        If the calibration is not positive, or there is neither a calibration nor noise to go by.
    """
    if counts_per_electron is not None:
        if not counts_per_electron > 0:
            raise BadInput(f"{counts_per_electron:g} counts for an electron", "must be above zero")
        pixels = np.asarray(image, np.float64) / counts_per_electron
        if _whole(pixels) <= _COUNTED:
            return Electrons(pixels, True, "single electrons, by the detector's calibration")
        return Electrons(pixels, False, "the detector's calibration; single electrons are not told apart")
    gain, zero = _by_noise(np.asarray(image, np.float64))
    text = f"equivalent electrons by the frame's own noise ({gain:.3g} units each); no calibration is known"
    return Electrons((np.asarray(image, np.float64) - zero) / gain, False, text)


def _whole(pixels: Array) -> float:
    known = pixels[np.isfinite(pixels)]
    return float(np.sqrt(np.mean((known - np.rint(known)) ** 2))) if known.size else 1.0


def _by_noise(pixels: Array) -> tuple[float, float]:
    """(unit of one electron, value of none) from how variance grows with brightness."""
    filled = np.where(np.isfinite(pixels), pixels, np.nanmedian(pixels))
    variance = (ndimage.convolve(filled, _NOISE_MASK)[2:-2, 2:-2] / 6) ** 2
    level = ndimage.gaussian_filter(filled, _SMOOTH_PX)[2:-2, 2:-2]
    edges = np.quantile(level, np.linspace(0, 1, 25))
    rows = np.clip(np.searchsorted(edges, level.ravel()) - 1, 0, 23)
    count = np.maximum(np.bincount(rows, minlength=24), 1)
    x = np.bincount(rows, level.ravel(), 24) / count
    y = np.bincount(rows, variance.ravel(), 24) / count
    gain, at_zero = (float(v) for v in np.polyfit(x, y, 1, w=1 / np.maximum(y, 1e-30)))
    if not gain > 1e-9 * max(float(np.ptp(level)), 1e-30) or not float(y.mean()) > 0:
        raise BadInput(
            "no counts are known for this frame, and its noise does not grow with brightness",
            "so nobody can say how many electrons made it",
            "give the detector's counts for one electron",
        )
    zero = min(-at_zero / gain, float(np.quantile(level, 0.001)))  # read noise is no brightness below zero
    return gain, max(zero, min(0.0, float(filled.min())))


def thinned(frame: Electrons, keep: float | Array, rng: np.random.Generator) -> Electrons:
    """The frame as it would be with a part of its electrons.

    Parameters
    ----------
    keep
        Share of the electrons that stay, 0 to 1: one number, or (H, W) for each pixel.

    Raises
    ------
    BadInput
        If more than all are to be kept, or nothing.
    """
    share = np.asarray(keep, np.float64)
    if not (np.all(share >= 0) and np.all(share <= 1) and np.any(share > 0)):
        raise BadInput(
            f"keeping {float(np.max(share)):g} of the electrons",
            "only a share above 0 and up to 1 can be kept",
            "a frame cannot be made brighter than it was taken",
        )
    missing = ~np.isfinite(frame.image)
    pixels = np.where(missing, 0.0, frame.image)
    made = _counted(pixels, share, rng) if frame.exact else _equivalent(pixels, share, rng)
    return replace(frame, image=np.where(missing, np.nan, made))


def _counted(pixels: Array, share: Array, rng: np.random.Generator) -> Array:
    """Every electron kept or not by itself; read noise stays what it is."""
    whole = np.maximum(np.rint(pixels), 0)
    kept: Array = rng.binomial(whole.astype(np.int64), share) + (pixels - whole)
    return kept


def _equivalent(pixels: Array, share: Array, rng: np.random.Generator) -> Array:
    """Scaled, with the noise that fewer electrons would have had more of."""
    level = np.maximum(ndimage.gaussian_filter(pixels, _SMOOTH_PX), 0)
    made: Array = share * pixels + rng.normal(size=pixels.shape) * np.sqrt(share * (1 - share) * level)
    return made


def coarser(frame: Electrons, factor: float, rng: np.random.Generator) -> Electrons:
    """The frame with pixels `factor` times as wide, at the same dose for each area.

    Parameters
    ----------
    factor
        1 or more. Electrons of a pixel that two new ones share are dealt out by area.

    Raises
    ------
    BadInput
        If the pixels were to become finer, or fewer than 64 would be left along an edge.
    """
    if not factor >= 1:
        raise BadInput(
            f"pixels of {factor:g} times the frame's",
            "what a finer scan would have seen is not in the frame",
            "ask for 1 or more, or take a frame with finer pixels",
        )
    if min(frame.image.shape) / factor < 64:
        raise BadInput(
            f"pixels {factor:g} times as wide leave {min(frame.image.shape) / factor:.0f} along an edge",
            "64 are needed to see a lattice",
        )
    if factor == 1:
        return frame
    made = frame.image
    for _ in range(2):
        made = _dealt(made, factor, frame.exact, rng).T
    return replace(frame, image=np.ascontiguousarray(made))


def _dealt(pixels: Array, factor: float, exact: bool, rng: np.random.Generator) -> Array:
    """Rows of pixels summed into rows of wider ones; a rest at the end is dropped."""
    count = int(pixels.shape[1] / factor)
    start = np.arange(pixels.shape[1]) / factor
    first = np.floor(start + 1e-9).astype(np.int64)
    beyond = np.clip((start + 1 / factor - first - 1) * factor, 0.0, 1.0)
    over = _part(pixels, beyond, exact, rng)
    made = np.zeros((pixels.shape[0], count + 2))
    for part, target in ((pixels - over, first), (over, first + 1)):
        inside = target < count + 2
        np.add.at(made.T, target[inside], part.T[inside])
    return made[:, :count]


def _part(pixels: Array, share: Array, exact: bool, rng: np.random.Generator) -> Array:
    """What of each pixel goes to the next wider one."""
    crossed = np.broadcast_to(share, pixels.shape)
    if not exact:
        return np.where(
            crossed > 0, pixels * crossed, 0.0
        )  # nothing of a missing pixel goes where none of it lies
    known = np.where(np.isfinite(pixels), pixels, 0)
    whole = np.maximum(np.rint(known), 0)
    gone = rng.binomial(whole.astype(np.int64), crossed).astype(np.float64)
    part = gone + np.where(crossed > 0.5, pixels - whole, 0.0)
    result: Array = np.where(np.isfinite(pixels) | (crossed == 0), part, np.nan)
    return result
