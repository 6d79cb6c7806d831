"""Points onto pixels."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MARGIN = 2
"""A point must lie so many pixels inside the plane."""


def splat(row: Floats, column: Floats, weight: Floats, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Points shared among 4 × 4 pixels by a cubic B-spline, (rows, columns) float32.

    `taken_back` undoes the spline's own blur. Sharing among 2 × 2 pixels would send a lattice ring of 1.5 Å at
    50 pm a pixel to wrong frequencies with up to a fifth of its amplitude; this sends a twenty-fifth.

    Parameters
    ----------
    row, column
        (N,) in pixels, at least `MARGIN` inside the plane.
    """
    top, left = np.floor(row), np.floor(column)
    down, across = _cubic(row - top), _cubic(column - left)
    corner = ((top - 1) * shape[1] + left - 1).astype(np.int64)
    total = np.zeros(shape[0] * shape[1])
    for r in range(4):
        line = down[r] * weight
        for c in range(4):
            total += np.bincount(corner + (r * shape[1] + c), line * across[c], minlength=total.size)
    return total.reshape(shape).astype(np.float32)


def _cubic(part: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights of the pixels at -1, 0, 1, 2 for a point `part` of the way from 0 to 1."""
    rest = 1 - part
    square = part * part
    near = 2 / 3 - square * (1 - 0.5 * part)
    return rest**3 / 6, near, 1 - (rest**3 + square * part) / 6 - near, square * part / 6


def taken_back(down: NDArray[np.float32], across: NDArray[np.float32]) -> NDArray[np.float32]:
    """By what to divide a spectrum, for frequencies in cycles per pixel (rows, 1) and (1, columns)."""
    spline: NDArray[np.float32] = (np.sinc(down) * np.sinc(across)) ** 4
    return spline
