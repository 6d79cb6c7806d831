"""The lattice of column sites: indices grown from a seed, a polynomial drift field, what is left over.

The directions come from the power spectrum, the origin from folding a patch into one cell, and the
indices from a disc that grows while the field is fitted again: no index is ever guessed far from what
has been fitted. After the polynomial, a local mean of the residuals takes up slow scan distortion.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.knowledge.plan_lattice import HEXAGONAL, SQUARE, PlanLattice

Array = NDArray[np.float64]

_GATE = 0.30
"""A peak belongs to a site if it lies within this share of the lattice period (random peaks: about 0.3 do)."""
_FOLD = 24
_FIT_ORDER = ((250, 1), (1200, 2))
"""(number of peaks, order of the polynomial) up to which that order is used; beyond: cubic.
A curve fitted too early follows noise peaks and loses the indices (found at 10 counts a column)."""


@dataclass(frozen=True)
class Lattice:
    """Where the periodic part says the sites are."""

    index: NDArray[np.int64]
    """(n, 2) int64: integer coordinates of the points of the fitted lattice inside the image."""
    xy: Array
    """(n, 2) float64 [px]: their places, x then y."""
    basis: Array
    """(2, 2) float64 [px]: mean lattice vectors, rows, 60° or 90° apart."""
    period_px: float
    residual_px: float
    """rms 2D distance of the peaks from the polynomial lattice, outliers left out [px]."""
    matched: float
    """Share of the sites that have a peak within the gate."""
    n_matched: int
    displacement_px: Array
    """(n, 2) float64 [px]: peak minus site, NaN where no peak is near."""

    @property
    def stretch(self) -> float:
        """Longer over shorter axis of the mean cell against a regular one, minus 1."""
        singular = np.linalg.svd(np.linalg.inv(self._ideal) @ self.basis, compute_uv=False)
        return float(singular[0] / singular[1] - 1)

    def straightened(self, xy: Array) -> Array:
        """Places (n, 2) [px] as if the mean cell were regular and of the same area; turned by some angle."""
        ideal = self._ideal
        scale = np.sqrt(abs(np.linalg.det(self.basis) / np.linalg.det(ideal)))
        regular: Array = xy @ np.linalg.inv(self.basis) @ ideal * scale
        return regular

    @property
    def _ideal(self) -> Array:
        first, second = self.basis
        oblique = float(first @ second) > 0.25 * float(np.hypot(*first) * np.hypot(*second))
        return (HEXAGONAL if oblique else SQUARE).ideal

    def offset(self, fraction: float) -> Array:
        """Places of sites shifted by `fraction` of both lattice vectors (1/3 or 1/2: the second sublattice)."""
        jacobian = _local_vectors(self.index, self.xy, self.basis)
        shifted: Array = self.xy + fraction * (jacobian[:, 0] + jacobian[:, 1])
        return shifted


@dataclass(frozen=True)
class _Field:
    """Polynomial map from index to place, on scaled indices."""

    coefficients: Array
    order: int
    centre: Array
    scale: float

    def __call__(self, index: Array) -> Array:
        place: Array = _powers((index - self.centre) / self.scale, self.order) @ self.coefficients
        return place


def fit_lattice(
    filtered: NDArray[np.float32],
    peaks: Array,
    basis: Array,
    shape: tuple[int, int],
    seeds: Array | None = None,
) -> Lattice | None:
    """Lattice of period `basis` through the brightest columns, or None if no seed grows.

    Parameters
    ----------
    filtered
        (H, W) float32: the band-passed image that the peaks come from.
    peaks
        (n, 2) float64 [px].
    basis
        (2, 2) float64 [px]: start vectors, rows, 60° or 90° apart.
    shape
        (H, W) of the image.
    seeds
        (k, 2) float64 [px]: where to start; None spreads nine over the image.
    """
    if len(peaks) < 12:
        return None
    tree = cKDTree(peaks)
    period = period_of(basis)
    best: tuple[float, NDArray[Any], Array] | None = None
    for seed in _seeds(shape, period) if seeds is None else seeds:
        origin = seed + _fold_origin(filtered, seed, basis, period)
        field, share = _grow(tree, peaks, origin, basis, period, reach=9 * period)
        if field is not None and (best is None or share > best[0]):
            best = (share, field(np.zeros((1, 2)))[0], _vectors_of(field))
    if best is None:
        return None
    field, _ = _grow(tree, peaks, best[1], best[2], period, reach=float(np.hypot(*shape)))
    return _finished(field, tree, peaks, shape) if field is not None else None


def period_of(basis: Array) -> float:
    """Mean length of two lattice vectors [px]."""
    return float(np.sqrt(np.hypot(*basis[0]) * np.hypot(*basis[1])))


def _seeds(shape: tuple[int, int], period: float) -> list[Array]:
    height, width = shape
    margin = min(7 * period, 0.3 * min(shape))
    xs, ys = np.linspace(margin, width - margin, 3), np.linspace(margin, height - margin, 3)
    return [np.array([x, y]) for y in ys for x in xs]


def _fold_origin(filtered: NDArray[np.float32], seed: Array, basis: Array, period: float) -> Array:
    """Offset from `seed` to the brightest place of the mean cell of a patch ±6 periods around it."""
    half = int(6 * period)
    x0, y0 = max(0, int(seed[0]) - half), max(0, int(seed[1]) - half)
    patch = filtered[y0 : int(seed[1]) + half, x0 : int(seed[0]) + half]
    across, down = np.arange(patch.shape[1]) + x0 - seed[0], np.arange(patch.shape[0]) + y0 - seed[1]
    (along_x, along_y) = np.linalg.inv(basis) * _FOLD
    u, v = (
        np.floor(across * along_x[k] + (down * along_y[k])[:, None]).astype(np.int64) % _FOLD for k in (0, 1)
    )
    flat = (u * _FOLD + v).ravel()
    total = np.bincount(flat, patch.ravel(), _FOLD * _FOLD)
    mean = (total / np.maximum(np.bincount(flat, minlength=_FOLD * _FOLD), 1)).reshape(_FOLD, _FOLD)
    smooth = sum(np.roll(mean, (i, j), (0, 1)) for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2))
    best = np.unravel_index(int(np.argmax(smooth)), mean.shape)
    offset: Array = ((np.array(best) + 0.5) / _FOLD) @ basis
    return offset


def _grow(
    tree: cKDTree, peaks: Array, origin: Array, basis: Array, period: float, reach: float
) -> tuple[_Field | None, float]:
    """Fit the field in a disc around `origin`, enlarge the disc by 1.35, fit again, until `reach`."""
    span = int(np.ceil(1.2 * reach / period)) + 2
    all_index = np.stack(np.meshgrid(np.arange(-span, span + 1), np.arange(-span, span + 1)), -1).reshape(
        -1, 2
    )
    distance = np.hypot(*(all_index @ basis).T)
    low, high = peaks.min(0) - period, peaks.max(0) + period
    radius, share = 3.2 * period, 0.0
    field = _Field(np.vstack([origin, basis]), 1, np.zeros(2), 1.0)
    while True:
        index = all_index[distance <= radius]
        for _ in range(2):
            site = field(index.astype(float))
            inside = ((site > low) & (site < high)).all(1)
            gap, nearest = tree.query(site[inside], distance_upper_bound=_GATE * period)
            hit = np.isfinite(gap)
            if hit.sum() < 8:
                return None, 0.0
            share = float(hit.mean())
            field = _robust_fit(index[inside][hit], peaks[nearest[hit]])
        if radius >= reach:
            return field, share
        radius = min(1.35 * radius, reach)


def _robust_fit(index: NDArray[np.int64], place: Array) -> _Field:
    """Least squares, then once more without what lies beyond three robust sigma."""
    order = next((order for count, order in _FIT_ORDER if len(index) < count), 3)
    centre = index.mean(0)
    scale = float(np.abs(index - centre).max() or 1.0)
    design = _powers((index - centre) / scale, order)
    keep = np.ones(len(index), bool)
    coefficients: NDArray[Any] = np.zeros((design.shape[1], 2))
    for _ in range(3):
        chosen = design[keep]
        # Normal equations: the terms are scaled to ±1, and an SVD of a tall matrix is what would cost the time.
        normal = chosen.T @ chosen + 1e-9 * len(chosen) * np.eye(design.shape[1])
        coefficients = np.linalg.solve(normal, chosen.T @ place[keep])
        distance = np.hypot(*(place - design @ coefficients).T)
        middle = np.partition(distance, len(distance) // 2)[len(distance) // 2]
        keep = distance < 3.0 * middle / 0.83 + 1e-9  # median of a Rayleigh over its rms
    return _Field(coefficients, order, centre, scale)


def _powers(t: Array, order: int) -> Array:
    """Columns 1, u, v, u², uv, v², …"""
    u, v = t[:, 0], t[:, 1]
    terms = np.empty((len(t), (order + 1) * (order + 2) // 2))
    terms[:, 0] = 1.0
    last = 0  # column of the first term of the order before
    for n in range(1, order + 1):
        first = last + n
        terms[:, first : first + n] = terms[:, last:first] * u[:, None]
        terms[:, first + n] = terms[:, first - 1] * v
        last = first
    return terms


def _vectors_of(field: _Field) -> Array:
    """Lattice vectors at index (0, 0)."""
    ends = field(np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]]))
    return np.array([ends[0] - ends[1], ends[2] - ends[3]])


def _finished(field: _Field, tree: cKDTree, peaks: Array, shape: tuple[int, int]) -> Lattice:
    height, width = shape
    corners = np.array([[-1.0, -1.0], [width, -1.0], [-1.0, height], [width, height]])
    mid_vectors = _vectors_of(field)
    start = field(np.zeros((1, 2)))[0]
    reach = np.ceil(np.abs((corners - start) @ np.linalg.inv(mid_vectors)).max(0) * 1.15 + 3).astype(int)
    index = np.stack(
        np.meshgrid(np.arange(-reach[0], reach[0] + 1), np.arange(-reach[1], reach[1] + 1)), -1
    ).reshape(-1, 2)
    near = _in_frame(start + index @ mid_vectors, shape, 0.12 * max(shape))
    index = index[near]
    site = field(index.astype(float))
    inside = _in_frame(site, shape, -0.5)
    index, site = index[inside], site[inside]
    basis = np.linalg.lstsq(np.column_stack([index, np.ones(len(index))]).astype(float), site, rcond=None)[0][
        :2
    ]
    period = period_of(basis)
    gap, nearest = tree.query(site)
    hit = gap < _GATE * period
    displacement = np.where(hit[:, None], peaks[nearest] - site, np.nan)
    trimmed = gap[hit][gap[hit] < 3.0 * np.median(gap[hit]) / 0.83]
    residual = float(np.sqrt(np.mean(trimmed**2))) if len(trimmed) else float("inf")
    xy = site + _local_mean(site, displacement, period)
    return Lattice(
        index, xy, basis, period, residual, float(hit.mean()), int(hit.sum()),
        np.where(hit[:, None], peaks[nearest] - xy, np.nan),
    )  # fmt: skip


def _in_frame(xy: Array, shape: tuple[int, int], slack: float) -> NDArray[np.bool_]:
    low = -0.5 - slack if slack > 0 else -0.5
    inside: NDArray[np.bool_] = (
        (xy[:, 0] >= low)
        & (xy[:, 1] >= low)
        & (xy[:, 0] < shape[1] - 1 - low)
        & (xy[:, 1] < shape[0] - 1 - low)
    )
    return inside


def _local_mean(site: Array, displacement: Array, period: float, neighbours: int = 60) -> Array:
    """Mean of the residuals around each site (Gaussian, 3 periods), drawn to zero where few are known."""
    known = np.isfinite(displacement[:, 0])
    count = min(neighbours, int(known.sum()))
    if count < 8:
        return np.zeros_like(site)
    gap, near = cKDTree(site[known]).query(site, k=count)
    weight = np.exp(-0.5 * (gap / (3.0 * period)) ** 2)
    values = displacement[known][near]
    mean: Array = (weight[..., None] * values).sum(1) / (weight.sum(1) + 4.0)[:, None]
    return mean


def _local_vectors(index: NDArray[np.int64], xy: Array, basis: Array) -> Array:
    """(n, 2, 2) [px]: the lattice vectors at each site, from a quadratic of the places."""
    field = _robust_fit(index, xy)
    steps = np.array([[0.5, 0.0], [0.0, 0.5]])
    return np.stack([field(index + step) - field(index - step) for step in steps], 1)


def neighbour_coherence(peaks: Array, spacing_px: float, lattice: PlanLattice = HEXAGONAL) -> float:
    """\\|mean of exp(niθ)\\| over the vectors between neighbouring peaks, n = 6 or 4 by the lattice.

    Neighbours are 0.65 to 1.35 (square: 1.2) of `spacing_px` apart. 1 for a perfect triangular, honeycomb or square
    arrangement, about 0 for disorder.
    """
    pairs = cKDTree(peaks).query_pairs(lattice.shell * spacing_px, output_type="ndarray")
    if len(pairs) < 12:
        return 0.0
    step = peaks[pairs[:, 1]] - peaks[pairs[:, 0]]
    length = np.hypot(step[:, 0], step[:, 1])
    step = step[length > 0.65 * spacing_px]
    turn = 1j * lattice.fold * np.arctan2(step[:, 1], step[:, 0])
    return float(abs(np.exp(turn).mean())) if len(step) else 0.0
