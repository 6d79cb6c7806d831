"""Columns erased from a real image, in several ways, and the image turned and rescaled afterwards.

What is left of an erased column depends on the way: none of them is a vacancy, each is an idea of one. Noise in a
patch is that of a place near by.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Image = NDArray[np.float32]

_DISC, _SOFT_PX = 0.5, 1.0
"""Radius of a patch over the spacing of sites, and how soft its rim is."""
_NOISE_PX = 2.0
"""What is finer than this is taken as noise."""
_APART = 3.0
"""Spacings between two erased columns."""
_LEFT = 0.1
"""Share of a fitted column that stays: light atoms."""


@dataclass(frozen=True)
class Ground:
    """An image, and what is known of its columns."""

    image: Image
    smooth: Image
    xy: Array
    """(n, 2) float64 [px]: all sites."""
    spacing: float
    sigma: float
    """Distance of neighbouring sites, width of a column [px]."""
    height: float
    """Of the mean column above its background."""

    @property
    def noise(self) -> Image:
        """What is finer than the columns."""
        return self.image - self.smooth


def ground(image: Image, xy: Array, spacing: float, sigma: float, height: float) -> Ground:
    """Prepare an image."""
    return Ground(image, ndimage.gaussian_filter(image, _NOISE_PX), xy, spacing, sigma, height)


def chosen(on: Ground, allowed: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of random allowed sites, none close to another."""
    taken: list[int] = []
    for row in rng.permutation(np.flatnonzero(allowed)):
        gap = on.xy[taken] - on.xy[row]
        if not len(gap) or np.hypot(gap[:, 0], gap[:, 1]).min() > _APART * on.spacing:
            taken.append(int(row))
        if len(taken) == count:
            break
    return np.array(taken, np.int64)


@dataclass(frozen=True)
class _Patch:
    """Pixels around one site."""

    ys: Array
    xs: Array
    centre: Array
    hollows: Array
    """(m, 2) float64 [px]: the places between the column and its neighbours."""


Filler = Callable[[Ground, _Patch, np.random.Generator], Array]


def erased(on: Ground, rows: NDArray[np.int64], recipe: str, rng: np.random.Generator) -> Image:
    """The image without the columns of some sites."""
    if recipe == "fitted":
        return _subtracted(on, rows)
    out = on.image.copy()
    half = math.ceil(_DISC * on.spacing + 4 * _SOFT_PX)
    tree = cKDTree(on.xy)
    for x, y in on.xy[rows]:
        top, left = max(0, round(y) - half), max(0, round(x) - half)
        box = np.s_[top : round(y) + half + 1, left : round(x) + half + 1]
        ys, xs = (grid + first for grid, first in zip(np.indices(out[box].shape), (top, left), strict=True))
        mask = 1 / (1 + np.exp((np.hypot(xs - x, ys - y) - _DISC * on.spacing) / _SOFT_PX))
        patch = _Patch(ys, xs, np.array([x, y]), _hollows(on, tree, x, y))
        out[box] = out[box] * (1 - mask) + mask * _FILLERS[recipe](on, patch, rng)
    return out


def _hollows(on: Ground, tree: cKDTree, x: float, y: float) -> Array:
    """Centres of the triangles that the site forms with its six neighbours."""
    _, near = tree.query((x, y), k=7)
    step = on.xy[near[1:]] - (x, y)
    step = step[np.argsort(np.arctan2(step[:, 1], step[:, 0]))]
    places: Array = np.array([x, y]) + (step + np.roll(step, -1, 0)) / 3
    return places


def _read(image: Image, xs: Array, ys: Array) -> Array:
    values: Array = ndimage.map_coordinates(image, [ys, xs], order=1, mode="nearest").astype(float)
    return values


def _noise_near(on: Ground, patch: _Patch, rng: np.random.Generator) -> Array:
    """Noise of a place two to four spacings away."""
    angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(2, 4) * on.spacing
    return _read(on.noise, patch.xs + round(far * math.cos(angle)), patch.ys + round(far * math.sin(angle)))


def _between(on: Ground, patch: _Patch, rng: np.random.Generator) -> Array:
    """The level between the column and its neighbours."""
    return float(np.median(_read(on.smooth, *patch.hollows.T))) + _noise_near(on, patch, rng)


def _window(on: Ground, patch: _Patch) -> Image:
    x, y = np.rint(patch.centre).astype(int)
    reach = math.ceil(2 * on.spacing)
    return on.smooth[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]


def _lowest(on: Ground, patch: _Patch, rng: np.random.Generator) -> Array:
    """The lowest tenth of the neighbourhood: the nearest to a background that can be read off the image."""
    return float(np.percentile(_window(on, patch), 10)) + _noise_near(on, patch, rng)


def _mean(on: Ground, patch: _Patch, rng: np.random.Generator) -> Array:
    """The mean of the neighbourhood, columns included."""
    return float(_window(on, patch).mean()) + _noise_near(on, patch, rng)


def _copied(on: Ground, patch: _Patch, rng: np.random.Generator) -> Array:
    """Pixels of a place between columns, flanks of its three columns and all."""
    step = patch.hollows[rng.integers(len(patch.hollows))] - patch.centre
    return _read(on.image, patch.xs + step[0], patch.ys + step[1])


def _subtracted(on: Ground, rows: NDArray[np.int64]) -> Image:
    """Minus the mean column, but for what light atoms leave."""
    out = on.image.copy()
    half = math.ceil(4 * on.sigma)
    for x, y in on.xy[rows]:
        top, left = max(0, round(y) - half), max(0, round(x) - half)
        box = np.s_[top : round(y) + half + 1, left : round(x) + half + 1]
        ys, xs = np.indices(out[box].shape)
        gap2 = (ys + top - y) ** 2 + (xs + left - x) ** 2
        out[box] -= (1 - _LEFT) * on.height * np.exp(-0.5 * gap2 / on.sigma**2)
    return out


_FILLERS: dict[str, Filler] = {"between": _between, "lowest": _lowest, "copied": _copied, "mean": _mean}
RECIPES = ("fitted", "lowest", "between", "copied", "mean")
"""The deepest first: what the last leaves is more than half a column."""


@dataclass(frozen=True)
class View:
    """How an image is looked at: turned about its middle, and its pixels made larger or smaller."""

    degrees: float
    factor: float
    """New pixel size over the old one."""

    def of(self, image: Image) -> Image:
        """Resampled with cubic splines on a canvas of the same extent; corners without data are 0."""
        side = [round(n / self.factor) for n in image.shape]
        middle, centre = (np.array(side) - 1) / 2, (np.array(image.shape) - 1) / 2
        seen: Image = ndimage.affine_transform(
            image,
            self._turn,
            offset=centre - self._turn @ middle,
            output_shape=tuple(side),
            order=3,
            cval=0.0,
        )
        return seen

    def places(self, xy: Array, shape: tuple[int, ...]) -> Array:
        """Where places of the image lie in the view [px]."""
        side = np.array([round(n / self.factor) for n in shape])
        rows_cols = (xy[:, ::-1] - (np.array(shape) - 1) / 2) @ np.linalg.inv(self._turn).T + (side - 1) / 2
        turned: Array = rows_cols[:, ::-1]
        return turned

    @property
    def _turn(self) -> Array:
        c, s = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        return np.array([[c, -s], [s, c]]) * self.factor
