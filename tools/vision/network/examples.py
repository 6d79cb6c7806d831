"""Crops with labels, ready for training: drawn scenes, and pieces of real images that were labelled by lattice and fit.

Importing this imports torch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.knowledge.projection import ProjectedCell
from eucentric.tools.vision.network.grid import in_units, on_grid
from eucentric.tools.vision.network.scene import GRID_A, Recipe, Scene, draw_scene
from eucentric.tools.vision.network.targets import Labels, labels_of

Array = NDArray[np.float64]
Image = NDArray[np.float32]

_SPARE_PX = 2


@dataclass(frozen=True)
class Example:
    """One crop."""

    image: NDArray[np.float16]
    """(P, P), in the network's units."""
    maps: NDArray[np.uint8]
    """(3, P, P), 255 for 1: thousands of crops are kept."""
    trusted: NDArray[np.bool_]


def drawn_example(cell: ProjectedCell, rng: np.random.Generator, crop_px: int, recipe: Recipe) -> Example:
    """A crop of a scene of one crystal."""
    scene = draw_scene(cell, rng, (crop_px + _SPARE_PX) * GRID_A, recipe)
    image = on_grid(scene.image, scene.pixel_a)
    return _cut(image, labels_of(scene, image.shape), crop_px)


def _cut(image: Image, labels: Labels, crop_px: int) -> Example:
    short = [max(0, crop_px - n) for n in image.shape]
    pad = [(0, n) for n in short]
    image = np.pad(image, pad)[:crop_px, :crop_px]
    maps = np.pad(labels.maps, [(0, 0), *pad])[:, :crop_px, :crop_px]
    trusted = np.pad(labels.trusted, pad)[:crop_px, :crop_px]
    return Example(image.astype(np.float16), np.rint(255 * maps).astype(np.uint8), trusted)


def pool_of(
    cells: Sequence[tuple[ProjectedCell, float]], count: int, seed: int, crop_px: int, recipe: Recipe,
    progress: Callable[[int, int], None],
) -> list[Example]:  # fmt: skip
    """Many crops, the crystals in proportion to their weights; each is a function of the seed and its number."""
    share = np.array([weight for _, weight in cells])
    made = []
    for number in range(count):
        rng = np.random.default_rng([seed, 1, number])
        cell = cells[int(rng.choice(len(cells), p=share / share.sum()))][0]
        made.append(drawn_example(cell, rng, crop_px, recipe))
        progress(number + 1, count)
    return made


def piece_of(source: Scene, rng: np.random.Generator, crop_px: int) -> Example:
    """A crop of a labelled real image: turned, mirrored, 0.8-1.25 times as large, dirtier, noisier, shaken.

    The labels move along; nothing is drawn into the image.
    """
    scale, turn = float(np.exp(rng.uniform(math.log(0.8), math.log(1.25)))), rng.uniform(0, 2 * math.pi)
    step = GRID_A / source.pixel_a / scale  # source pixels for one of the grid
    c, s = math.cos(turn) * step, math.sin(turn) * step
    matrix = np.array([[c, -s], [s, c]]) @ np.diag([1.0, rng.choice([-1.0, 1.0])])
    middle = np.array([rng.uniform(0.2, 0.8) * n for n in source.image.shape[::-1]])
    half = (crop_px - 1) / 2
    cols, rows = np.meshgrid(np.arange(crop_px) - half, np.arange(crop_px) - half)
    at = np.stack([cols.ravel(), rows.ravel()], -1) @ matrix.T + middle
    smooth = ndimage.gaussian_filter(source.image, 0.4 * step) if step > 1.2 else source.image
    crop = ndimage.map_coordinates(smooth, at[:, ::-1].T, order=1, mode="mirror").reshape(crop_px, crop_px)
    outside = ((at < 0) | (at > np.array(source.image.shape[::-1]) - 1)).any(1).reshape(crop_px, crop_px)
    back = np.linalg.inv(matrix)

    def moved(xy: Array) -> Array:
        places: Array = (xy - middle) @ back.T + half
        return places[((places > -3) & (places < crop_px + 2)).all(1)]

    image = in_units(_worse(crop.astype(np.float32), rng))
    turned = Scene(
        image, GRID_A, moved(source.atoms_xy), moved(source.vacancies_xy), moved(source.extras_xy),
        moved(source.unsure_xy),
    )  # fmt: skip
    labels = labels_of(turned, (crop_px, crop_px))
    return _cut(image, Labels(labels.maps, labels.trusted & ~outside), crop_px)


def _worse(crop: Image, rng: np.random.Generator) -> Image:
    """More noise, dirt and scan error than the image has; often none."""
    n, spread = len(crop), float(crop.std()) or 1.0
    noise = rng.uniform(0, 1.5) if rng.random() < 0.6 else 0.0
    dirt = ndimage.gaussian_filter(rng.standard_normal((n, n), np.float32), 25.0, mode="wrap")
    crop = crop + np.float32(rng.uniform(0, 1) * spread / max(float(dirt.std()), 1e-9)) * dirt
    shift = np.rint(rng.normal(0, rng.uniform(0, 0.6), n)).astype(int)
    index = np.clip(np.arange(n)[None] + shift[:, None], 0, n - 1)
    shaken = np.take_along_axis(crop, index, 1)
    worse: Image = shaken + np.float32(noise * spread) * rng.standard_normal((n, n), np.float32)
    return worse
