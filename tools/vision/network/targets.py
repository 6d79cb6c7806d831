"""Labels as maps: what the network is asked to draw."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.tools.vision.network.scene import GRID_A, Scene

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

CHANNELS = ("atom", "vacancy", "extra")
SIGMA_PX = (1.3, 2.0, 2.0)
"""Width of the spot of each channel on the physical grid [px]."""
_MASK_PX = 8.0


@dataclass(frozen=True)
class Labels:
    """Maps on the physical grid."""

    maps: Maps
    """(3, H, W) float32, 0 to 1."""
    trusted: NDArray[np.bool_]
    """(H, W) bool: False where nobody can say."""


def to_grid(xy: Array, source: tuple[int, int], grid: tuple[int, int]) -> Array:
    """Places on an image [px] as places on the grid it was resampled to."""
    scale = np.array([grid[1] / source[1], grid[0] / source[0]])
    places: Array = (xy + 0.5) * scale - 0.5
    return places


def from_grid(xy: Array, source: tuple[int, int], grid: tuple[int, int]) -> Array:
    """The other way."""
    return to_grid(xy, grid, source)


def grid_shape(shape: tuple[int, ...], pixel_a: float) -> tuple[int, int]:
    """(H, W) of an image resampled to 0.12 Å."""
    rows, columns = (max(8, round(n * pixel_a / GRID_A)) for n in shape)
    return rows, columns


def labels_of(scene: Scene, grid: tuple[int, int]) -> Labels:
    """Spots at the places of a scene."""
    source = (scene.image.shape[0], scene.image.shape[1])
    places = (scene.atoms_xy, scene.vacancies_xy, scene.extras_xy)
    maps = np.stack([
        spots(to_grid(xy, source, grid), grid, sigma) for xy, sigma in zip(places, SIGMA_PX, strict=True)
    ])  # fmt: skip
    unsure = spots(to_grid(scene.unsure_xy, source, grid), grid, _MASK_PX)
    return Labels(maps, unsure < 0.5)


def spots(xy: Array, shape: tuple[int, int], sigma: float) -> Maps:
    """(H, W) float32: Gaussian spots of height 1; where they overlap, the higher one counts."""
    canvas = np.zeros(shape, np.float32)
    half = int(np.ceil(3 * sigma))
    centre = np.rint(xy).astype(int)
    span = np.arange(-half, half + 1)
    for (x, y), (col, row) in zip(xy, centre, strict=True):
        rows, cols = row + span, col + span
        rows, cols = rows[(rows >= 0) & (rows < shape[0])], cols[(cols >= 0) & (cols < shape[1])]
        if not len(rows) or not len(cols):
            continue
        spot = np.exp(-0.5 * (rows - y) ** 2 / sigma**2)[:, None] * np.exp(-0.5 * (cols - x) ** 2 / sigma**2)
        box = canvas[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        np.maximum(box, spot.astype(np.float32), out=box)
    return canvas
