"""Pixels as the steps after them want them: finite, of one unit, and not finer than columns need."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.core.errors import BadInput

Mask = NDArray[np.bool_]

_WORKING_PM = 13.0
"""Pixels much finer than this are summed: a column's width is 45-60 pm, no information is lost."""

_ENOUGH_PIXELS = 1 << 17
"""Quantiles of larger images are read from about so many of their pixels."""


def working_factor(pixel_pm: float) -> int:
    """How many pixels along an edge are summed."""
    return max(1, round(_WORKING_PM / pixel_pm))


def prepared(image: NDArray[np.float32]) -> tuple[tuple[NDArray[np.float32], float], Mask]:
    """((pixels, unit), missing): pixels over their spread and that spread, and where there is no image.

    That is where the file holds no number, and lines of one value all along: a scan cut short, the margin of a shifted
    frame, a dead line.

    Raises
    ------
    BadInput
        If the array is not two-dimensional, smaller than 64 px, or mostly not numbers.
    """
    if image.ndim != 2 or min(image.shape) < 64:
        raise BadInput(
            f"the image has shape {tuple(image.shape)}",
            "an image of at least 64×64 px is needed",
            "give one two-dimensional frame",
        )
    pixels = np.ascontiguousarray(image, np.float32)
    missing = ~np.isfinite(pixels)
    if missing.mean() > 0.5:
        raise BadInput(
            f"{missing.mean():.0%} of the pixels are not numbers", "more than half", "give a complete frame"
        )
    missing |= _lines_of_one_value(pixels)
    if missing.any():
        pixels = _filled(pixels, missing)
        missing = ndimage.binary_opening(missing, np.ones((3, 3)))  # single pixels are bridged well enough
    return _normalised(pixels), missing


def _lines_of_one_value(pixels: NDArray[np.float32]) -> Mask:
    """(H, W) bool: whole rows and columns without an image, but for an image that has nothing else."""
    rows, columns = (pixels == pixels[:, :1]).all(1), (pixels == pixels[:1]).all(0)
    dead: Mask = np.logical_or(rows[:, None], columns)
    return np.zeros_like(dead) if dead.all() else dead


def _filled(pixels: NDArray[np.float32], missing: Mask) -> NDArray[np.float32]:
    """Missing pixels as the mean of their surroundings."""
    known = np.where(missing, np.float32(0), pixels)
    weight = ndimage.gaussian_filter((~missing).astype(np.float32), 2.0)
    around = ndimage.gaussian_filter(known, 2.0) / np.maximum(weight, 1e-6)
    fallback = np.float32(np.median(pixels[~missing]))
    filled: NDArray[np.float32] = np.where(missing, np.where(weight > 1e-3, around, fallback), pixels)
    return filled


def _normalised(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Pixels over their spread, X-ray hits cut, and that spread: nothing below depends on the unit of the file."""
    some = pixels.ravel()[:: max(1, pixels.size // _ENOUGH_PIXELS) | 1]
    low, middle, high = np.percentile(some, (1, 50, 99))
    cut = np.clip(pixels, low - 8 * (high - low), high + 8 * (high - low)) if high > low else pixels
    unit = float(np.std(cut, dtype=np.float64))
    if unit <= 1e-6 * abs(float(middle)):
        return np.zeros_like(pixels), 1.0  # a dead or blanked detector: no lattice will be found
    return (cut / np.float32(unit)).astype(np.float32), unit


def summed(pixels: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Sums of factor×factor pixels; a rest at the right and lower edge is dropped."""
    if factor == 1:
        return pixels
    height, width = (n // factor for n in pixels.shape)
    block = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor)
    total: NDArray[np.float32] = block.sum((1, 3), dtype=np.float32)
    return total
