"""The highest value in a square around every pixel, in a few passes of whole-array maxima.

Two running maxima of length p, one shifted, make one of any length up to 2p, so a window of 17 costs five maxima of
arrays along each axis.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


def highest_around(image: Image, half: int, mode: Literal["edge", "wrap"] = "edge") -> Image:
    """(H, W) float32: maximum over (2·half + 1)² pixels.

    Parameters
    ----------
    image
        (H, W) float32.
    half
        Pixels on either side [px], at least 1.
    mode
        What lies beyond the border: its own pixels again, or the other side.
    """
    padded = np.pad(image, half, mode=mode)
    rows = _running(padded, 2 * half + 1)
    return np.ascontiguousarray(_running(rows.T, 2 * half + 1).T)


def _running(image: Image, length: int) -> Image:
    """Maxima of `length` rows each, along the first axis, as many as fit in."""
    so_far, covered = image, 1
    while covered < length:
        step = min(covered, length - covered)
        so_far = np.maximum(so_far[:-step], so_far[step:])
        covered += step
    return so_far
