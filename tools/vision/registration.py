"""Where one image lies in another, with a confidence that may say no.

Two jobs. `locate` finds a small image in a larger one of the same kind of texture (normalised
cross-correlation, with a prior on the displacement). `drift` measures a small shift between two
images of the same field. Both report the margin to the best *other* peak: on a periodic texture
the margin is small, and then the answer is "cannot tell".
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import match_template

Image = NDArray[np.float32]

MIN_PEAK = 0.35
MIN_MARGIN = 0.12
"""Below either, `locate` is not sure. Chosen on twin pairs: wrong matches stay under 0.1 of margin."""
MIN_SIGMA = 7.0
"""Below it, `drift` is not sure: the highest of 10^5 noise values is near 4.5."""


@dataclass(frozen=True)
class Match:
    """A displacement with its confidence."""

    rows: float
    """Shift along rows [px], subpixel."""
    columns: float
    peak: float
    """Correlation at the best place, -1 … 1."""
    margin: float
    """Confidence: for `locate` the difference to the best place elsewhere, for `drift` the height of the
    peak over the noise of the correlation [standard deviations]."""
    sure: bool
    """Whether it may be acted on."""


def rescaled(image: Image, factor: float) -> Image:
    """`image` with its pixel enlarged by `factor`, block-averaged so that noise falls as it should."""
    if factor > 1:
        image = ndimage.gaussian_filter(image, 0.45 * factor)
    shape = np.maximum(1, np.round(np.array(image.shape) / factor).astype(int))
    rows = (np.arange(shape[0]) - (shape[0] - 1) / 2) * factor + (image.shape[0] - 1) / 2
    columns = (np.arange(shape[1]) - (shape[1] - 1) / 2) * factor + (image.shape[1] - 1) / 2
    grid = np.meshgrid(rows, columns, indexing="ij")
    out: Image = ndimage.map_coordinates(image, grid, order=1, mode="nearest").astype(np.float32)
    return out


def _parabola(before: float, at: float, after: float) -> float:
    curve = before - 2 * at + after
    return 0.0 if curve >= 0 else float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5))


def _subpixel(score: NDArray[np.floating], row: int, column: int) -> tuple[float, float]:
    inside_r, inside_c = 0 < row < score.shape[0] - 1, 0 < column < score.shape[1] - 1
    down = _parabola(*score[row - 1 : row + 2, column]) if inside_r else 0.0
    right = _parabola(*score[row, column - 1 : column + 2]) if inside_c else 0.0
    return row + down, column + right


def _best(score: NDArray[np.floating], apart: int) -> tuple[int, int, float, float]:
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    peak = float(score[row, column])
    others = score.copy()
    others[max(0, row - apart) : row + apart + 1, max(0, column - apart) : column + apart + 1] = -1
    return int(row), int(column), peak, peak - float(others.max())


def locate(small: Image, large: Image, expected: tuple[float, float], reach: float) -> Match:
    """Find `small` in `large` (same pixel size) near where it is expected.

    Parameters
    ----------
    small, large
        (H, W) float32 [any unit].
    expected
        (row, column) of the small image's centre in the large one [px].
    reach
        Largest believable distance from there [px].

    Returns
    -------
    Match
        Displacement of the centre from `expected`. Parts of the search area outside `large` are padded
        with its mean, so a target near the edge loses confidence rather than raising.
    """
    half = np.array(small.shape) // 2
    pad = int(np.ceil(reach + max(half) + 2))
    smooth = ndimage.gaussian_filter(large, 1.0)
    padded = np.pad(smooth, pad, constant_values=float(large.mean()))
    centre = np.round(np.array(expected)).astype(int) + pad
    span = half + int(np.ceil(reach)) + 1
    low = np.clip(centre - span, 0, None)
    window = padded[low[0] : centre[0] + span[0] + 1, low[1] : centre[1] + span[1] + 1]
    score = match_template(window, ndimage.gaussian_filter(small, 1.0))
    row, column, peak, margin = _best(score, apart=6)
    fine = _subpixel(score, row, column)
    found = np.array(fine) + (np.array(small.shape) - 1) / 2 + low - pad
    sure = peak >= MIN_PEAK and margin >= MIN_MARGIN
    return Match(float(found[0] - expected[0]), float(found[1] - expected[1]), peak, margin, sure)


def _prepared(image: Image, sigma: float) -> NDArray[np.float64]:
    band = ndimage.gaussian_filter(image.astype(np.float64), sigma)
    band -= ndimage.gaussian_filter(band, 12 * sigma)
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    tapered: NDArray[np.float64] = (band - band.mean()) * window
    return tapered


def drift(
    first: Image,
    second: Image,
    reach_px: float,
    sigma: float = 1.0,
    expected: tuple[float, float] = (0.0, 0.0),
) -> Match:
    """Shift of the content from `first` to `second`, within `reach_px` of `expected` (rows, columns) [px].

    The reach is the prior: on a lattice it must stay below half the spacing, or neighbours are confused.
    """
    a, b = _prepared(first, sigma), _prepared(second, sigma)
    norm = float(np.sqrt((a**2).sum() * (b**2).sum())) or 1.0
    full = scipy.fft.irfft2(np.conj(scipy.fft.rfft2(a)) * scipy.fft.rfft2(b), s=a.shape) / norm
    score = np.fft.fftshift(full)
    centre = np.array(score.shape) // 2
    rows, columns = np.ogrid[: score.shape[0], : score.shape[1]]
    away = np.hypot(rows - centre[0] - expected[0], columns - centre[1] - expected[1])
    allowed = np.where(away <= reach_px, score, -1.0)
    row, column, peak, _ = _best(allowed, apart=2)
    fine = _subpixel(score, row, column)
    noise = 1.4826 * float(np.median(np.abs(score - np.median(score)))) or 1e-12
    return Match(fine[0] - centre[0], fine[1] - centre[1], peak, peak / noise, peak / noise >= MIN_SIGMA)
