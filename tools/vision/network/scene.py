"""Random labelled scenes by the linear image model: what the network learns from, and what it is calibrated on.

Every scene is another crystal orientation, stretch, width, dose, dirt and scan; what is drawn is known, so labels are
exact. No instrument and no simulator's truth is asked.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from eucentric.core.base import Model
from eucentric.knowledge.linear_image import Spot, drawn
from eucentric.knowledge.projection import ProjectedCell
from eucentric.knowledge.scattering import haadf_cross_section_a2

Array = NDArray[np.float64]
Image = NDArray[np.float32]
Rows = NDArray[np.int64]
Generator = np.random.Generator

GRID_A = 0.12
"""Pixel of the network's physical grid [Å]."""
Range = tuple[float, float]


class Recipe(Model):
    """Ranges that scenes are drawn from."""

    pixel_a: Range = (0.055, 0.17)
    lattice: Range = (0.97, 1.03)
    """Lattice constant over that of the crystal."""
    affine: float = 0.02
    sigma_a: Range = (0.38, 0.64)
    """Width of a column [Å]."""
    tail_share: Range = (0.0, 0.3)
    counts: Range = (0.13, 50.0)
    """At the peak of the brightest column, in a pixel of 0.12 Å; drawn in the logarithm."""
    vacancies: Range = (0.005, 0.06)
    clustered: float = 0.3
    """Share of vacancies beside another one."""
    substitutes: Range = (0.0, 0.02)
    extras: Range = (0.0, 0.02)
    """On columns; off columns as many again."""
    displacement_a: Range = (0.01, 0.07)
    """Of columns from their sites along one axis; in a fifth of the scenes twice as far."""
    unevenness: Range = (0.0, 0.08)
    """Scatter of brightness among full columns; in a third of the scenes three times as large, as real MXenes show."""
    remainder: Range = (0.0, 0.25)
    """Of one heavy atom, on a site that lost them all: terminations, dirt."""
    contamination: Range = (0.0, 0.5)
    boundary: float = 0.15
    """Chance of a second grain."""
    hole: float = 0.08
    """Chance of a part without specimen."""
    amorphous: float = 0.04
    """Chance that there is no lattice at all."""


@dataclass(frozen=True)
class Scene:
    """An image and what is in it; places are (n, 2) float64 [px], x = column, 0 = centre of the first pixel."""

    image: Image
    pixel_a: float
    atoms_xy: Array
    """Columns that are there, half ones too."""
    vacancies_xy: Array
    """Sites of the lattice where at least one heavy atom is missing."""
    extras_xy: Array
    """Atoms too many: on a column, or between columns."""
    unsure_xy: Array = field(default_factory=lambda: np.zeros((0, 2)))
    """Places that nobody can label: the loss leaves them out."""
    counts: float = 0.0
    """Net counts of the brightest kind of column."""


@dataclass(frozen=True)
class _Sites:
    xy: Array
    """[Å]"""
    pile: Rows


def draw_scene(cell: ProjectedCell, rng: Generator, size_a: float, recipe: Recipe | None = None) -> Scene:
    """One scene of about `size_a` × `size_a` [Å]."""
    recipe = recipe or Recipe()
    pixel = float(np.exp(rng.uniform(*np.log(recipe.pixel_a))))
    n = max(16, round(size_a / pixel))
    sites = _sites(cell, rng, n * pixel, recipe)
    spot = Spot(
        rng.uniform(*recipe.sigma_a), rng.uniform(*recipe.tail_share), rng.uniform(1.2, 2.6),
        rng.uniform(1.0, 1.15), rng.uniform(0, math.pi),
    )  # fmt: skip
    held = _Held.of(cell, sites, rng, recipe)
    apart = rng.uniform(*recipe.displacement_a) * (2 if rng.random() < 0.2 else 1)
    moved = sites.xy + rng.normal(0, apart, sites.xy.shape)
    clean = drawn(
        np.concatenate([moved, held.between]) / pixel, np.concatenate([held.weight, held.between_weight]),
        (n, n), pixel, spot,
    )  # fmt: skip
    peak_counts = float(np.exp(rng.uniform(*np.log(recipe.counts))))
    brightest = max(pile.weight for pile in cell.piles)
    per_weight = peak_counts / GRID_A**2 * 2 * math.pi * spot.sigma_a**2 / brightest * pixel**2
    image = _acquired(clean * np.float32(per_weight), rng, pixel, recipe)
    column, vacant = np.flatnonzero(held.column), np.flatnonzero(held.vacant)
    extra = np.concatenate([moved[held.extra], held.between]) / pixel
    atoms = np.concatenate([moved[column], held.between]) / pixel
    counts = peak_counts / GRID_A**2 * 2 * math.pi * spot.sigma_a**2
    return Scene(image, pixel, _in(atoms, n), _in(sites.xy[vacant] / pixel, n), _in(extra, n), counts=counts)


def _in(xy: Array, n: int) -> Array:
    inside: Array = xy[((xy > -0.5) & (xy < n - 0.5)).all(1)]
    return inside


def _sites(cell: ProjectedCell, rng: Generator, size: float, recipe: Recipe) -> _Sites:
    """One grain, or two with a straight boundary; perhaps a part without anything."""
    if rng.random() < recipe.amorphous:
        return _amorphous(cell, rng, size)
    sites = _grain(cell, rng, size, recipe)
    if rng.random() < recipe.boundary:
        sites = _joined(sites, _grain(cell, rng, size, recipe), rng, size, cell.spacing_angstrom)
    if rng.random() < recipe.hole:
        keep = ~_beyond(sites.xy, rng, size)
        sites = _Sites(sites.xy[keep], sites.pile[keep])
    return sites


def _amorphous(cell: ProjectedCell, rng: Generator, size: float) -> _Sites:
    """Nothing, or atoms anywhere that nobody could count: they lie over each other."""
    n = rng.poisson(6 * size**2 / cell.spacing_angstrom**2) if rng.random() < 0.6 else 0
    return _Sites(rng.uniform(-3, size + 3, (n, 2)), np.full(n, -1, np.int64))


def _grain(cell: ProjectedCell, rng: Generator, size: float, recipe: Recipe) -> _Sites:
    turn = rng.uniform(0, 2 * math.pi)
    c, s = math.cos(turn), math.sin(turn)
    stretch = np.eye(2) + rng.uniform(-recipe.affine, recipe.affine, (2, 2)) / math.sqrt(2)
    vectors = rng.uniform(*recipe.lattice) * cell.vectors @ np.array([[c, -s], [s, c]]) @ stretch
    if rng.random() < 0.5:
        vectors = vectors * np.array([1.0, -1.0])
    reach = math.ceil((size + 10) / math.sqrt(abs(float(np.linalg.det(vectors))))) + 2
    index = np.stack(np.meshgrid(np.arange(-reach, reach), np.arange(-reach, reach)), -1).reshape(-1, 2)
    uv = np.array([(pile.u, pile.v) for pile in cell.piles])
    places = ((index[:, None] + uv + rng.random(2)) @ vectors).reshape(-1, 2) + size / 2
    pile = np.tile(np.arange(len(uv)), len(index))
    near = ((places > -5) & (places < size + 5)).all(1)
    return _Sites(places[near], pile[near])


def _beyond(xy: Array, rng: Generator, size: float) -> NDArray[np.bool_]:
    """(n,) bool: on the far side of a random straight line through the middle part."""
    turn = rng.uniform(0, 2 * math.pi)
    offset = (xy - rng.uniform(0.25, 0.75, 2) * size) @ np.array([math.cos(turn), math.sin(turn)])
    far: NDArray[np.bool_] = offset > 0
    return far


def _joined(first: _Sites, second: _Sites, rng: Generator, size: float, spacing: float) -> _Sites:
    state = rng.bit_generator.state
    here = ~_beyond(first.xy, rng, size)
    rng.bit_generator.state = state  # the same line for both
    there = _beyond(second.xy, rng, size)
    mine, other = first.xy[here], second.xy[there]
    if len(mine) and len(other):
        gap, _ = cKDTree(mine).query(other)
        there[np.flatnonzero(there)[gap < rng.uniform(0.6, 0.95) * spacing]] = False
    return _Sites(
        np.concatenate([mine, second.xy[there]]), np.concatenate([first.pile[here], second.pile[there]])
    )


@dataclass(frozen=True)
class _Held:
    """What each site holds; what lies between sites."""

    weight: Array
    column: NDArray[np.bool_]
    vacant: NDArray[np.bool_]
    extra: NDArray[np.bool_]
    between: Array
    between_weight: Array

    @classmethod
    def of(cls, cell: ProjectedCell, sites: _Sites, rng: Generator, recipe: Recipe) -> "_Held":
        """Random vacancies, substitutes and extra atoms on the sites of a scene."""
        kinds = _Kinds.of(cell, rng)
        pile = np.maximum(sites.pile, 0)
        regular = (sites.pile >= 0) & np.array(cell.seen)[pile]
        missing = _missing(sites, regular, kinds.count[pile], rng, recipe, cell.spacing_angstrom)
        vacant = missing > 0
        free = np.flatnonzero(regular & ~vacant)
        changed = _some(free, rng.uniform(*recipe.substitutes), rng)
        extra = _some(np.setdiff1d(free, changed), rng.uniform(*recipe.extras), rng)
        left = kinds.count[pile] - missing
        weight = kinds.light[pile] + kinds.heavy(pile, left)
        weight *= np.exp(
            rng.normal(0, rng.uniform(*recipe.unevenness) * (3 if rng.random() < 0.3 else 1), len(pile))
        )
        weight[vacant & (left == 0)] += kinds.one[pile[vacant & (left == 0)]] * rng.uniform(*recipe.remainder)
        weight[changed] += kinds.one[pile[changed]] * (_substitute(len(changed), rng) - 1)
        weight[extra] += kinds.one[pile[extra]] * rng.uniform(0.7, 1.2, len(extra))
        is_extra = np.zeros(len(pile), bool)
        is_extra[extra] = True
        between = _between(sites, regular, rng.uniform(*recipe.extras), rng, cell.spacing_angstrom)
        between_weight = rng.uniform(0.5, 1.5, len(between)) * float(kinds.one.max())
        return cls(weight, regular & (left > 0), vacant, is_extra, between, between_weight)


@dataclass(frozen=True)
class _Kinds:
    """Brightness of the parts of each pile in one scene."""

    count: Rows
    """Heavy atoms of one layer."""
    one: Array
    light: Array
    together: float
    """Atoms over each other scatter together: two may be up to 1.7 times as bright as their sum."""

    @classmethod
    def of(cls, cell: ProjectedCell, rng: Generator) -> "_Kinds":
        """Cross-sections are good to a tenth or two: they vary from scene to scene."""
        names = sorted({element for pile in cell.piles for element in pile.elements})
        scale = dict(zip(names, np.exp(rng.normal(0, 0.12, len(names))), strict=True))
        own = {name: haadf_cross_section_a2(name) * float(scale[name]) for name in names}
        count = np.array([pile.elements.count(pile.elements[0]) for pile in cell.piles])
        one = np.array([own[pile.elements[0]] for pile in cell.piles])
        light = np.array([
            sum(own[element] for element in pile.elements if element != pile.elements[0]) for pile in cell.piles
        ])  # fmt: skip
        return cls(count, one, light, rng.uniform(0, 0.7))

    def heavy(self, pile: Rows, left: Rows) -> Array:
        """Brightness of `left` heavy atoms over each other."""
        more: Array = self.one[pile] * left * (1 + self.together * np.maximum(left - 1, 0))
        return more


def _missing(
    sites: _Sites, regular: NDArray[np.bool_], count: Rows, rng: Generator, recipe: Recipe, spacing: float
) -> Rows:
    """(n,) how many heavy atoms are missing at each site."""
    missing = np.zeros(len(sites.xy), np.int64)
    pool = np.flatnonzero(regular)
    chosen = _some(pool, rng.uniform(*recipe.vacancies), rng)
    if len(chosen) and len(pool) > 6:
        tree = cKDTree(sites.xy[pool])
        beside = chosen[rng.random(len(chosen)) < recipe.clustered]
        _, near = tree.query(sites.xy[beside].reshape(-1, 2), k=7)
        moved = pool[near[np.arange(len(beside)), rng.integers(1, 7, len(beside))]]
        chosen = np.union1d(chosen, moved)
    whole = rng.random(len(chosen)) < 0.4
    missing[chosen] = np.where(whole, count[chosen], rng.integers(1, count[chosen] + 1) if len(chosen) else 0)
    return missing


def _some(pool: Rows, share: float, rng: Generator) -> Rows:
    chosen: Rows = pool[rng.random(len(pool)) < share]
    return chosen


def _substitute(n: int, rng: Generator) -> Array:
    """Brightness over that of the atom replaced: dimmer as V on Mo, or brighter as W on Mo."""
    return np.where(rng.random(n) < 0.5, rng.uniform(0.35, 0.6, n), rng.uniform(1.5, 2.4, n))


def _between(
    sites: _Sites, regular: NDArray[np.bool_], share: float, rng: Generator, spacing: float
) -> Array:
    """Places of adatoms that lie on no column."""
    columns = sites.xy[regular]
    if not len(columns):
        return np.zeros((0, 2))
    near = columns[rng.random(len(columns)) < 0.5 * share]
    turn = rng.uniform(0, 2 * math.pi, len(near))
    places = near + spacing * rng.uniform(0.5, 0.6, (len(near), 1)) * np.stack(
        [np.cos(turn), np.sin(turn)], -1
    )
    gap, _ = cKDTree(columns).query(places.reshape(-1, 2))
    apart: Array = places[gap > 0.48 * spacing]
    return apart


def _acquired(clean: Image, rng: Generator, pixel: float, recipe: Recipe) -> Image:
    """Dirt, background, a scan that shakes, counting and reading noise; sometimes a smoothed average."""
    n = len(clean)
    mean = max(float(clean.mean()), 1e-6)
    dirt = ndimage.gaussian_filter(
        rng.standard_normal((n, n), np.float32), min(8.0 / pixel, n / 4), mode="wrap"
    )
    dirt /= max(float(dirt.std()), 1e-9)
    slope = np.linspace(-1, 1, n)[:, None] * rng.normal(0, 0.2) + np.linspace(-1, 1, n) * rng.normal(0, 0.2)
    haze = rng.uniform(*recipe.contamination) * mean * np.clip(1 + 0.5 * dirt + slope, 0, None)
    expected = _shaken(clean + haze.astype(np.float32), rng.normal(0, rng.uniform(0, 0.035) / pixel, n))
    image = rng.poisson(np.maximum(expected, 0)) + rng.normal(0, rng.uniform(0.1, 0.5), (n, n))
    if rng.random() < 0.15:  # the gain of each line differs a little
        image *= 1 + rng.normal(0, 0.02, (n, 1))
    if rng.random() < 0.25:  # a registered average is smooth
        image = ndimage.gaussian_filter(image, rng.uniform(0.08, 0.25) / pixel)
    return image.astype(np.float32)


def _shaken(image: Image, shift: Array) -> Image:
    """Each line moved along itself by its own shift [px]."""
    at = np.clip(np.arange(image.shape[1])[None] + shift[:, None], 0, image.shape[1] - 1.001)
    low = np.floor(at).astype(np.int64)
    part = (at - low).astype(np.float32)
    left, right = np.take_along_axis(image, low, 1), np.take_along_axis(image, low + 1, 1)
    moved: Image = left * (1 - part) + right * part
    return moved
