"""Local strain from refined places alone: the cell around every column by least squares, with its standard error.

The places are those of the data alone, without the lattice as prior: a prior draws columns towards their sites, and
the strain with them. Columns beside a defect are left out. Within one sublattice only differences count: a tilt that
shifts the layers against each other is no strain.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.spatial import cKDTree

from eucentric.tools.vision.atom_map import AtomMap, Grain

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

COMPONENTS = ("exx", "eyy", "exy", "rotation")
_REACH = 3.8
"""Neighbours up to this many spacings make one cell, 55 columns of a triangular lattice or 45 of a square one. It lies
between two shells of either: at a shell, noise would choose the near half of it, and the cell came out too small."""
_NEIGHBOURS = 60
_LEAST = 12
_BESIDE = 1.25
"""Columns nearer to a defect than this many spacings are left out."""
_BLOCKS = 4
_LEAST_BLOCKS = 4


@dataclass(frozen=True)
class Mean:
    """A mean over the image with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class StrainMap:
    """Strain of every column whose surroundings are whole, against the mean regular lattice of its grain.

    x points right and y down; a positive rotation turns x towards y. Unit: 1, rotation [rad].
    """

    xy: Array
    """(n, 2) float64 [px of the image]."""
    values: Array
    """(n, 4) float64: exx, eyy, exy, rotation."""
    errors: Array
    """(n, 4) float64: standard errors, from the scatter of places about their cell, and at least what makes cells
    that share no column as different as they are: noise of neighbours is not independent."""
    mean: dict[str, Mean]
    reach_nm: float
    """Radius that one value is averaged over [nm]."""
    place_sigma_pm: float
    """Of a column about its local cell, along one axis: noise and true scatter [pm]."""
    left_out: int
    """Columns beside a defect, at a boundary, an edge, or without a lattice."""


def strain_of(atoms: AtomMap) -> StrainMap | None:
    """Strain maps of an image that was read, or None where there are too few whole surroundings.

    Parameters
    ----------
    atoms
        What `find_atoms` says of it.
    """
    if atoms.pixel_pm is None or not atoms.grains or len(atoms.atoms_xy) < _LEAST:
        return None
    good = _undisturbed(atoms)
    parts = []
    for number, grain in enumerate(atoms.grains):
        own = np.flatnonzero(good & (atoms.sites_grain[atoms.atoms_site] == number))
        if len(own) > _LEAST:
            part = atoms.sites_sublattice[atoms.atoms_site[own]]
            parts.append(_of_grain(atoms.atoms_free_xy[own], part, grain, _spacing_px(atoms)))
    if not parts or not sum(len(one[0]) for one in parts):
        return None
    xy, values, variance, scatter = (np.concatenate(column) for column in zip(*parts, strict=True))
    sigma = math.sqrt(float(np.mean(scatter)))
    errors = sigma * np.sqrt(variance)
    errors = errors * _widened(xy, values, errors, _REACH * _spacing_px(atoms))
    return StrainMap(
        xy, values, errors, _means(xy, values, atoms.shape),
        _REACH * atoms.phase.spacing_angstrom / 10, sigma * atoms.pixel_pm, len(atoms.atoms_xy) - len(xy),
    )  # fmt: skip


def _spacing_px(atoms: AtomMap) -> float:
    return atoms.phase.spacing_angstrom * 100 / (atoms.pixel_pm or math.inf)


def _undisturbed(atoms: AtomMap) -> Mask:
    """(n,) bool over the atoms: counted, full, and not beside a site that is not."""
    odd = np.array([state not in ("full", "empty site") for state in atoms.sites_state], bool)
    odd |= (atoms.sites_p_vacancy > 0.5) & (np.array(atoms.sites_state, object) != "empty site")
    good: Mask = atoms.sites_examined[atoms.atoms_site].copy()
    if odd.any():
        gap, _ = cKDTree(atoms.sites_xy[odd]).query(atoms.atoms_xy)
        good &= gap > _BESIDE * _spacing_px(atoms)
    return good


def _of_grain(
    xy: Array, sublattice: NDArray[np.int64], grain: Grain, spacing: float
) -> tuple[Array, Array, Array, Array]:
    """(places, values, variance of a value over that of a place, variance of a place) in one grain."""
    count = min(_NEIGHBOURS, len(xy))
    gap, near = cKDTree(xy).query(xy, k=count)
    used = gap < _REACH * spacing
    cells, steps = _differences(xy[near], sublattice[near], used, grain.vectors_px)
    square = np.einsum("nki,nkj->nij", cells, cells)
    whole = (used.sum(1) >= _LEAST) & (np.linalg.det(square) > 1e-6 * (used.sum(1) + 1.0) ** 2)
    cells, steps, square, used = cells[whole], steps[whole], square[whole], used[whole]
    inverse = np.linalg.inv(square) if len(square) else square
    basis = inverse @ np.einsum("nki,nkj->nij", cells, steps)
    left = steps - cells @ basis
    free = np.maximum(2.0 * used.sum(1) - 4.0 - 2.0 * len(np.unique(sublattice)), 2.0)
    regular = regular_cell(grain.vectors_px)
    undo = np.linalg.inv(regular)
    gradient = undo @ basis - np.eye(2)
    spread = undo @ inverse @ undo.T
    return xy[whole], _components(gradient), _variances(spread), (left**2).sum((1, 2)) / free


def _differences(xy: Array, part: NDArray[np.int64], used: Mask, vectors: Array) -> tuple[Array, Array]:
    """(n, k, 2) cell indices and places about the mean of each sublattice in the neighbourhood; unused ones are 0."""
    cells, steps = np.zeros_like(xy), np.zeros_like(xy)
    undo = np.linalg.inv(vectors)
    for kind in np.unique(part):
        of = (part == kind) & used
        first = np.argmax(of, axis=1)
        step = xy - xy[np.arange(len(xy)), first][:, None]
        index = np.round(step @ undo)
        number = np.maximum(of.sum(1), 1)[:, None, None]
        for array, into in ((index, cells), (step, steps)):
            mean = (array * of[..., None]).sum(1, keepdims=True) / number
            into += (array - mean) * of[..., None]
    return cells, steps


def regular_cell(vectors: Array) -> Array:
    """(2, 2) float64: the undistorted cell of the same area and mean direction.

    Parameters
    ----------
    vectors
        (2, 2) float64: two vectors of a cell, rows, about 60° or 90° apart.
    """
    apart = math.radians(60.0 if _oblique(vectors) else 90.0)
    turned = 1.0 if np.linalg.det(vectors) > 0 else -1.0
    ideal = np.array([[1.0, 0.0], [math.cos(apart), turned * math.sin(apart)]])
    u, _, vt = np.linalg.svd(np.linalg.inv(ideal) @ vectors)
    cell = ideal @ (u @ vt)
    scaled: Array = cell * math.sqrt(abs(np.linalg.det(vectors)) / abs(np.linalg.det(cell)))
    return scaled


def _oblique(vectors: Array) -> bool:
    first, second = vectors
    return bool(first @ second > 0.25 * np.hypot(*first) * np.hypot(*second))


def _components(gradient: Array) -> Array:
    """exx, eyy, exy, rotation of displacement gradients (n, 2, 2), rows the direction of the step."""
    xx, xy, yx, yy = gradient[:, 0, 0], gradient[:, 0, 1], gradient[:, 1, 0], gradient[:, 1, 1]
    return np.stack([xx, yy, 0.5 * (xy + yx), 0.5 * (xy - yx)], -1)


def _variances(spread: Array) -> Array:
    """The same for variances: both columns of the gradient have covariance `spread` (n, 2, 2) and are independent."""
    xx, yy = spread[:, 0, 0], spread[:, 1, 1]
    mixed = 0.25 * (xx + yy)
    return np.stack([xx, yy, mixed, mixed], -1)


def _widened(xy: Array, values: Array, errors: Array, reach: float) -> float:
    """Factor by which cells two radii apart differ more than their errors say, at least 1."""
    thinned = slice(None, None, max(1, len(xy) // 600))
    place, value, error = xy[thinned], values[thinned], errors[thinned]
    pairs = cKDTree(place).query_pairs(2.6 * reach, output_type="ndarray").reshape(-1, 2)
    step = place[pairs[:, 0]] - place[pairs[:, 1]]
    pairs = pairs[np.hypot(step[:, 0], step[:, 1]) > 2.0 * reach]
    if len(pairs) < _LEAST:
        return 1.0
    expected = np.hypot(error[pairs[:, 0]], error[pairs[:, 1]])
    ratio = np.abs(value[pairs[:, 0]] - value[pairs[:, 1]]) / expected
    return max(1.0, 1.4826 * float(np.median(ratio)))


def _means(xy: Array, values: Array, shape: tuple[int, ...]) -> dict[str, Mean]:
    """Means over the image; the interval by the scatter of blocks, as neighbouring values share their columns."""
    block = np.clip((xy / (np.array(shape[::-1]) / _BLOCKS)).astype(int), 0, _BLOCKS - 1)
    flat = block[:, 0] * _BLOCKS + block[:, 1]
    kept = [k for k in range(_BLOCKS**2) if (flat == k).sum() >= 0.25 * len(flat) / _BLOCKS**2]
    parts = np.array([values[flat == k].mean(0) for k in kept])
    out = {}
    for i, name in enumerate(COMPONENTS):
        centre = float(values[:, i].mean())
        half = math.inf
        if len(kept) >= _LEAST_BLOCKS:
            half = float(
                special.stdtrit(len(kept) - 1, 0.975) * parts[:, i].std(ddof=1) / math.sqrt(len(kept))
            )
        out[name] = Mean(centre, centre - half, centre + half)
    return out
