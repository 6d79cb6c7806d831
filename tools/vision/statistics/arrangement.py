"""Sites by lattice index: who is whose neighbour, and how far apart two sites are, without a distance in pixels.

Indices grow from one site to the next over steps that are whole combinations of two basis vectors, so drift and
bending of the field do no harm. Grains that don't continue each other are counted apart.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import cKDTree

from eucentric.tools.vision.atom_map import AtomMap

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FIRST_SHELL = 1.2
"""Steps are to sites nearer than this share of the nearest one's distance: shells of a plane lattice lie √2 apart."""
_OFF_STEP = 0.25
"""A step is a combination of the basis within this share of its length."""
_SMALLEST_GRAIN, _MOST_GRAINS = 12, 12
_IDEAL = 0.13
"""How far the angle (cosine) and ratio of the basis may be from those of a triangular or square lattice."""


@dataclass(frozen=True)
class Grain:
    """One lattice: step lengths squared are h² + b·hk + c·k² of the shortest."""

    b: float
    c: float
    spacing_px: float

    def norms(self, h: Ints, k: Ints) -> Array:
        """Squared length of steps, in spacings."""
        value: Array = np.round(h * h + self.b * h * k + self.c * k * k, 2)
        return value


@dataclass(frozen=True)
class Arrangement:
    """Counted sites of one image."""

    index: Ints
    """(n, 2): steps along the basis of its grain."""
    grain: Ints
    """(n,): row in `grains`; -1 where no lattice goes on."""
    grains: tuple[Grain, ...]
    kind: Ints
    """(n,): sublattice; 0 for all where every column is alike."""
    p: Array
    """(n,): probability that the site is vacant."""
    row: Ints
    """(n,): row among the sites of the map."""
    xy: Array
    """(n, 2) [px]."""
    names: tuple[str, ...]
    """(n): what a vacancy here would be, such as 'V_Ti'."""
    spacing_nm: float
    """Shortest distance of two sites [nm]; 0 if the pixel size is not known."""

    @property
    def vacant(self) -> Mask:
        """(n,) bool: called."""
        return np.asarray(self.p > 0.5)

    @cached_property
    def neighbours(self) -> Ints:
        """(m, 2): pairs of neighbouring sites.

        Neighbours are sites of one kind at the shortest distance of that kind, and sites of two kinds at their
        shortest distance if that is not longer: in MoS2, Mo-Mo and S-S one lattice constant apart, Mo-S a/√3.
        """
        reach, found = self._reach, []
        for pairs, norm in self.pairs_within(max(reach.values(), default=0.0)):
            kinds = zip(self.kind[pairs[:, 0]].tolist(), self.kind[pairs[:, 1]].tolist(), strict=True)
            keep = np.array([reach.get((min(ab), max(ab))) == norm for ab in kinds], bool)
            found.append(pairs[keep])
        return np.concatenate([*found, np.zeros((0, 2), np.int64)])

    @cached_property
    def _reach(self) -> dict[tuple[int, int], float]:
        """Squared shortest distance of each pair of kinds, in spacings."""
        shortest: dict[tuple[int, int], float] = {}
        for pairs, norm in self.pairs_within(9.0):
            low, high = np.sort(self.kind[pairs], axis=1).T
            for kinds in set(zip(low.tolist(), high.tolist(), strict=True)):
                shortest[kinds] = min(norm, shortest.get(kinds, math.inf))
        same = max((norm for (a, b), norm in shortest.items() if a == b), default=0.0)
        return {kinds: norm for kinds, norm in shortest.items() if norm <= same}

    def pairs_within(self, norm: float) -> Iterator[tuple[Ints, float]]:
        """For each step up to this squared length [spacings²]: pairs of rows that it joins, and its squared length."""
        for number, grain in enumerate(self.grains):
            rows = np.flatnonzero(self.grain == number)
            if len(rows):
                yield from _joined(rows, self.index[rows], grain, norm)


def _joined(rows: Ints, index: Ints, grain: Grain, norm: float) -> Iterator[tuple[Ints, float]]:
    low = index.min(0)
    table = np.full(index.max(0) - low + 1, -1, np.int64)
    table[tuple((index - low).T)] = rows
    for h, k, length in _steps(grain, norm):
        if h >= table.shape[0] or abs(k) >= table.shape[1]:
            continue
        width = table.shape[1]
        here = table[: table.shape[0] - h, max(0, -k) : width - max(0, k)]
        there = table[h:, max(0, k) : width + min(0, k)]
        both = (here >= 0) & (there >= 0)
        yield np.stack([here[both], there[both]], axis=1), length


def _steps(grain: Grain, norm: float) -> list[tuple[int, int, float]]:
    """Half of all steps (the other half goes back), the shortest first."""
    most = int(math.sqrt(norm) * 2.2) + 1
    h, k = (grid.ravel() for grid in np.mgrid[0 : most + 1, -most : most + 1])
    length = grain.norms(h, k)
    keep = (length > 0) & (length <= norm + 1e-6) & ((h > 0) | (k > 0))
    return sorted(
        zip(h[keep].tolist(), k[keep].tolist(), length[keep].tolist(), strict=True), key=lambda s: s[2]
    )


def arrangement_of(atoms: AtomMap) -> Arrangement:
    """The counted sites of a map; empty if it holds none."""
    nm = 0.0 if atoms.pixel_pm is None else atoms.pixel_pm * 1e-3
    kind = np.zeros(len(atoms.sites_xy), np.int64) if atoms.phase.equal_columns else atoms.sites_sublattice
    names = atoms.sites_kind or ("",) * len(atoms.sites_xy)
    part = atoms.sites_grain if len(atoms.sites_grain) == len(kind) else None
    return arrange(
        atoms.sites_xy, kind, atoms.sites_p_vacancy, atoms.sites_examined, names=names, pixel_nm=nm, part=part
    )


def arrange(
    xy: Array, kind: Ints, p: Array, counted: Mask, *, names: tuple[str, ...] = (), pixel_nm: float = 0.0,
    part: Ints | None = None,
) -> Arrangement:  # fmt: skip
    """Sites from plain arrays.

    Parameters
    ----------
    xy
        (n, 2) float64 [px]: all sites of the lattice, counted or not, so that it hangs together.
    kind
        (n,) int64: sublattice.
    p
        (n,) float64: probability that a site is vacant.
    counted
        (n,) bool: sites that the statistics are about.
    names
        (n): what a vacancy would be called.
    pixel_nm
        Pixel size [nm]; 0 if not known.
    part
        (n,) int64: parts that do not continue each other, such as grains; -1 is in none. None: it is not known.
    """
    index, grain, grains = indices_of(xy) if part is None else _by_part(xy, part)
    row = np.flatnonzero(counted & (grain >= 0))
    spacing = float(np.median([g.spacing_px for g in grains])) if grains else 0.0
    return Arrangement(
        index[row], grain[row], grains, np.asarray(kind, np.int64)[row], np.asarray(p, float)[row], row, xy[row],
        tuple(names[k] for k in row) if names else ("",) * len(row), spacing * pixel_nm,
    )  # fmt: skip


def _by_part(xy: Array, part: Ints) -> tuple[Ints, Ints, tuple[Grain, ...]]:
    """As `indices_of`, part by part."""
    index, grain = np.zeros((len(xy), 2), np.int64), np.full(len(xy), -1, np.int64)
    grains: list[Grain] = []
    for label in np.unique(part[part >= 0]):
        rows = np.flatnonzero(part == label)
        index[rows], own, found = indices_of(xy[rows])
        grain[rows] = np.where(own >= 0, own + len(grains), -1)
        grains += found
    return index, grain, tuple(grains)


def indices_of(xy: Array) -> tuple[Ints, Ints, tuple[Grain, ...]]:
    """Lattice index and grain of each place, largest grain first as far as seeds go.

    Parameters
    ----------
    xy
        (n, 2) float64 [any unit].

    Returns
    -------
    tuple
        (n, 2) int64 indices, (n,) int64 grain or -1, and the grains.
    """
    n = len(xy)
    index, grain = np.zeros((n, 2), np.int64), np.full(n, -1, np.int64)
    if n < _SMALLEST_GRAIN:
        return index, grain, ()
    edges = _edges(xy)
    grains: list[Grain] = []
    tried = np.zeros(n, bool)
    for _ in range(3 * _MOST_GRAINS):
        basis, seed = _seed(xy, edges, ~tried)
        if basis is None or len(grains) == _MOST_GRAINS:
            break
        reached, found, basis = _grown(xy, edges, basis, seed, grain < 0)
        tried[seed] = tried[reached] = True
        if len(reached) >= _SMALLEST_GRAIN:
            index[reached], grain[reached] = found, len(grains)
            grains.append(_ideal(basis))
    return index, grain, tuple(grains)


def _edges(xy: Array) -> Ints:
    """(m, 2): both directions of every step to a nearest site."""
    far, near = cKDTree(xy).query(xy, k=min(7, len(xy)))
    keep = far[:, 1:] < _FIRST_SHELL * far[:, 1:2]
    here = np.repeat(np.arange(len(xy)), keep.sum(1))
    there = near[:, 1:][keep]
    both = np.concatenate([np.stack([here, there], 1), np.stack([there, here], 1)])
    return np.unique(both, axis=0)


def _seed(xy: Array, edges: Ints, free: Mask) -> tuple[Array | None, int]:
    """Two steps from the free site with most neighbours, nearest the middle of the free ones."""
    inside = edges[free[edges].all(1)]
    if not len(inside):
        return None, 0
    degree = np.bincount(inside[:, 0], minlength=len(xy))
    best = np.flatnonzero(degree >= min(4, int(degree.max())))
    seed = int(best[np.argmin(((xy[best] - xy[free].mean(0)) ** 2).sum(1))])
    steps = xy[inside[inside[:, 0] == seed, 1]] - xy[seed]
    first = steps[np.argmin((steps**2).sum(1))]
    sine = np.abs(first[0] * steps[:, 1] - first[1] * steps[:, 0]) / np.hypot(*first) / np.hypot(*steps.T)
    return (np.stack([first, steps[np.argmax(sine)]]) if sine.max() > 0.5 else None), seed


def _grown(xy: Array, edges: Ints, basis: Array, seed: int, free: Mask) -> tuple[Ints, Ints, Array]:
    """Sites reached from the seed, their indices, and the mean basis."""
    move = xy[edges[:, 1]] - xy[edges[:, 0]]
    for _ in range(2):  # the second time with the mean of all steps, not those of one site
        step = np.rint(move @ np.linalg.inv(basis)).astype(np.int64)
        off = np.hypot(*(move - step @ basis).T)
        good = (off < _OFF_STEP * np.hypot(*move.T)) & np.any(step, axis=1) & free[edges].all(1)
        graph = csr_matrix((np.ones(int(good.sum())), tuple(edges[good].T)), shape=(len(xy),) * 2)
        order, before = breadth_first_order(graph, seed)
        inside = np.zeros(len(xy), bool)
        inside[order] = True
        used = good & inside[edges].all(1)
        if used.sum() >= 6:
            basis = np.linalg.lstsq(step[used].astype(float), move[used], rcond=None)[0]
    numbers = csr_matrix((np.flatnonzero(good) + 1, tuple(edges[good].T)), shape=(len(xy),) * 2)
    came = step[np.asarray(numbers[before[order[1:]], order[1:]]).ravel() - 1]
    return _single(np.asarray(order, np.int64), _summed(came, order, before), basis)


def _summed(came: Ints, order: Ints, before: Ints) -> Ints:
    """Sum of the steps from the seed to each site, by jumping from parent to parent's parent."""
    place = np.zeros(len(before), np.int64)
    place[order] = np.arange(len(order))
    parent = np.concatenate([[0], place[before[order[1:]]]])
    total = np.concatenate([np.zeros((1, 2), np.int64), came])
    while parent.any():
        total, parent = total + total[parent], parent[parent]
    return total


def _single(order: Ints, index: Ints, basis: Array) -> tuple[Ints, Ints, Array]:
    """Around a dislocation two sites may get one index: the first keeps it."""
    _, first = np.unique(index, axis=0, return_index=True)
    first.sort()
    return order[first], index[first], basis


def _ideal(basis: Array) -> Grain:
    """The form of the lattice; small shears and stretches of a triangular or square one are drift."""
    one, two = np.hypot(*basis[0]), np.hypot(*basis[1])
    cosine = float(basis[0] @ basis[1] / one / two)
    ratio = float((two / one) ** 2)
    nearest = min((0.5, -0.5, 0.0), key=lambda ideal: abs(cosine - ideal))
    spacing = math.sqrt(one * two)
    if abs(cosine - nearest) < _IDEAL and abs(ratio - 1) < 2 * _IDEAL:
        return Grain(2 * nearest, 1.0, spacing)
    return Grain(2 * cosine * math.sqrt(ratio), ratio, float(one))
