"""The least error that counts allow: Fisher information of a Gaussian column on its local background.

Poisson noise and 0.3 e of read noise, from the noiseless image: the bound that no unbiased fit of one column
can beat. Column width: source, thermal motion and a probe of 0.28 Å together.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_READ_VARIANCE = 0.09
_PROBE_A, _THERMAL_A = 0.28, 0.075


@dataclass(frozen=True)
class Bounds:
    """Per column: net counts and the least 2D error."""

    counts: Array
    rms_pm: Array


def column_width_a(source_fwhm_a: float, thermal_a: float = _THERMAL_A) -> float:
    """Standard deviation of a column's image [Å]."""
    return math.sqrt((source_fwhm_a / 2.3548) ** 2 + thermal_a**2 + _PROBE_A**2)


def bounds_of(noiseless: Array, xy: Array, width_a: float, pixel_a: float) -> Bounds:
    """Counts and Cramér-Rao bound of every column; NaN where its window leaves the image.

    Parameters
    ----------
    noiseless
        (H, W) float [expected counts/px].
    xy
        (n, 2) float64 [px].
    width_a
        Column width, standard deviation [Å].
    pixel_a
        Pixel size [Å].
    """
    sigma = width_a / pixel_a
    both = [_one(noiseless, x, y, sigma, pixel_a) for x, y in xy]
    counts, rms = (
        (np.array(column, float) for column in zip(*both, strict=True)) if both else (np.zeros(0),) * 2
    )
    return Bounds(counts, rms)


def _one(image: Array, x: float, y: float, sigma: float, pixel_a: float) -> tuple[float, float]:
    half = int(3 * sigma + 1)
    col, row = round(x), round(y)
    if min(col, row) < half or col + half >= image.shape[1] or row + half >= image.shape[0]:
        return math.nan, math.nan
    box = image[row - half : row + half + 1, col - half : col + half + 1]
    dx = np.arange(col - half, col + half + 1)[None, :] - x
    dy = np.arange(row - half, row + half + 1)[:, None] - y
    gauss = np.exp(-(dx**2 + dy**2) / (2 * sigma**2))
    near = gauss > 0.2
    design = np.column_stack([gauss[near], np.ones(int(near.sum()))])
    height, _ = np.linalg.lstsq(design, box[near], rcond=None)[0]
    if height <= 0:
        return math.nan, math.nan
    weight = (height * gauss / sigma**2) ** 2 / (np.maximum(box, 0) + _READ_VARIANCE)
    # A weight per axis; the two are added as variances, so a window cut unevenly by pixels does not favour one.
    variance = 1 / float((weight * dx**2).sum()) + 1 / float((weight * dy**2).sum())
    return 2 * math.pi * sigma**2 * float(height), 100 * pixel_a * math.sqrt(variance)
