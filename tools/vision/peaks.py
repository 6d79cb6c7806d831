"""Intensity peaks of an atomic-resolution image: local maxima after a band-pass of the column's width."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.tools.vision.highest import highest_around

Array = NDArray[np.float64]


def band_pass(image: NDArray[np.float32], spacing_px: float) -> NDArray[np.float32]:
    """Difference of Gaussians: 0.18 of the spacing, narrower than a column, minus 0.42.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    spacing_px
        Distance of neighbouring columns [px].
    """
    fine = ndimage.gaussian_filter(image, 0.18 * spacing_px, truncate=3.0)
    coarse = ndimage.gaussian_filter(image, 0.42 * spacing_px, truncate=3.0)
    result: NDArray[np.float32] = fine - coarse
    return result


def find_peaks(image: NDArray[np.float32], spacing_px: float) -> Array:
    """(n, 2) float64 [px], x then y: maxima above the local mean, to a fraction of a pixel."""
    return peaks_of(band_pass(image, spacing_px), spacing_px)


def peaks_of(filtered: NDArray[np.float32], spacing_px: float) -> Array:
    """Maxima of an already filtered image; two are never closer than 0.36 of the spacing along an axis."""
    half = max(1, int(0.36 * spacing_px))
    highest = highest_around(filtered, half)
    inner = np.zeros(filtered.shape, bool)
    inner[1:-1, 1:-1] = True
    rows, cols = np.nonzero((filtered == highest) & (filtered > 0) & inner)
    return np.stack([_vertex(filtered, rows, cols, 0, 1), _vertex(filtered, rows, cols, 1, 0)], -1)


def _vertex(
    filtered: NDArray[np.float32], rows: NDArray[np.intp], cols: NDArray[np.intp], dr: int, dc: int
) -> Array:
    """Vertex of the parabola through three pixels along one axis."""
    before, here = filtered[rows - dr, cols - dc].astype(float), filtered[rows, cols].astype(float)
    after = filtered[rows + dr, cols + dc].astype(float)
    bend = before - 2 * here + after
    shift = np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0.0)
    place: Array = (cols if dc else rows) + np.clip(shift, -0.5, 0.5)
    return place
