"""An image on the network's grid, in the network's units. Importing this imports torch."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from eucentric.tools.vision.network.targets import grid_shape

Image = NDArray[np.float32]

_WINDOW_PX = 61
"""What varies over more than 7 Å is background."""
_MOST = 8.0


def on_grid(image: Image, pixel_a: float) -> Image:
    """(H, W) float32: resampled to 0.12 Å/px, background taken out, spread 1.

    Parameters
    ----------
    image
        (h, w) float32 [any unit], finite.
    pixel_a
        [Å]
    """
    return in_units(_resampled(image, grid_shape(image.shape, pixel_a)))


def _resampled(image: Image, shape: tuple[int, int]) -> Image:
    """Bilinear; where pixels get larger, each is a mean of all that it covers."""
    if image.shape == shape:
        return np.ascontiguousarray(image, np.float32)
    source = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    made = functional.interpolate(source, size=shape, mode="bilinear", align_corners=False, antialias=True)
    return np.asarray(made[0, 0].numpy(), np.float32)


def in_units(image: Image) -> Image:
    """Background out, over the spread of what is left; single hits are cut."""
    flat = image - ndimage.uniform_filter(image, min(_WINDOW_PX, min(image.shape)), mode="nearest")
    low, high = np.percentile(flat[::2, ::2], (0.5, 99.5))
    spread = float(np.std(np.clip(flat, 2 * low, 2 * high)))
    if not spread > 0:
        return np.zeros_like(flat)
    cut: Image = np.clip(flat / np.float32(spread), -_MOST, _MOST).astype(np.float32)
    return cut
