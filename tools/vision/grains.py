"""Grains: regions whose columns lie on one lattice each, found by what the lattices so far do not explain.

A lattice explains a place if peaks lie on its sites there. Where the first does not, a second is looked for with the
directions of that region's own spectrum, and so on. Each place then goes to the lattice that explains it best, each
lattice is fitted again to its own peaks, and a band along every boundary belongs to none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision.atom_map import Grain
from eucentric.tools.vision.columns import Sites, sites_of, usual_width
from eucentric.tools.vision.lattice import Lattice, fit_lattice
from eucentric.tools.vision.scale import directions_of
from eucentric.tools.vision.sites import column_profile, site_heights

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]

_GATE = 0.2
"""A site is explained if a peak lies within this share of the spacing of sites."""
_CHANCE = 0.15
"""Share of the sites that have a peak so near by chance."""
_EXPLAINED = 0.45
"""On the way from chance to what is usual in the best part of the image."""
_IN_GRAIN, _POOR = 0.85, 0.55
"""This quantile of what is explained is that inside the largest grain; below this share a lattice is no good start."""
_STARTS = ((0.5, 0.5), (0.27, 0.27), (0.27, 0.73), (0.73, 0.27), (0.73, 0.73))
_REACH = 1.6
"""What is explained is averaged over a Gaussian of this many spacings."""
_MOST = 6
_LEAST_SITES = 60
"""Smaller regions are not looked at for a lattice of their own."""
_BETTER = 0.15
_DISC = 6.5
"""Radius of the parts of a region that are looked at on their own, in spacings."""
_BORDER = 1.5
"""Half the width of a boundary, in spacings."""
_SPECK = 25


@dataclass(frozen=True)
class Patches:
    """The grains of an image."""

    lattices: tuple[Lattice, ...]
    """The largest first."""
    labels: Labels | None
    """(h, w) int64 on a grid of one site spacing: grain of every place, -1 for none; None with one grain."""
    border: Mask | None
    """(h, w) bool on the same grid: within a boundary."""
    pitch: float
    """Of that grid [px]."""

    def grain_at(self, xy: Array) -> Labels:
        """(n,) int64: grain of places (n, 2) [px], -1 for none and for boundaries."""
        if self.labels is None or self.border is None:
            return np.zeros(len(xy), np.int64)
        own = _at(self.labels, xy, self.pitch)
        return np.where(_at(self.border, xy, self.pitch), -1, own)

    def border_at(self, xy: Array) -> Mask:
        """(n,) bool: on a lattice, but within a boundary."""
        if self.labels is None or self.border is None:
            return np.zeros(len(xy), bool)
        border: Mask = _at(self.border & (self.labels >= 0), xy, self.pitch).astype(bool)
        return border

    def averaged(self, xy: Array, figure: Callable[[Array], float]) -> float:
        """A figure of places (n, 2) [px], worked out within each grain and averaged by their number."""
        own = self.grain_at(xy)
        parts = [xy[own == k] for k in range(len(self.lattices))]
        if not any(len(part) for part in parts):
            return 0.0
        return float(np.average([figure(part) for part in parts], weights=[len(part) for part in parts]))

    @property
    def site_px2(self) -> float:
        """Area of a lattice point, mean of the grains [px²]."""
        areas = [abs(float(np.linalg.det(one.basis))) for one in self.lattices]
        return float(np.average(areas, weights=[len(one.xy) for one in self.lattices]))

    def as_grains(self, factor: int, step_pm: float, phase: Phase) -> tuple[Grain, ...]:
        """For the map of the image, whose pixels are `factor` times finer and `step_pm` / `factor` [pm] wide."""
        cell = phase.lattice.cell_of_sites if phase.equal_columns else np.eye(2)
        return tuple(
            Grain(cell @ lattice.basis * factor, share, lattice.residual_px * step_pm)
            for lattice, share in zip(self.lattices, self.shares, strict=True)
        )

    @property
    def residual_px(self) -> float:
        """rms 2D distance of the peaks from the lattices [px]."""
        weight = [len(one.xy) for one in self.lattices]
        return float(np.sqrt(np.average([one.residual_px**2 for one in self.lattices], weights=weight)))

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the area of every grain, boundaries left out."""
        if self.labels is None or self.border is None:
            return (1.0,)
        inner = np.where(self.border, -1, self.labels)
        return tuple(float((inner == k).mean()) for k in range(len(self.lattices)))

    @property
    def boundary_share(self) -> float:
        """Share of the area that boundaries take."""
        return 0.0 if self.border is None else float(self.border.mean())


def find_grains(
    small: NDArray[np.float32], filtered: NDArray[np.float32], peaks: Array, lattice: Lattice, phase: Phase,
    pixel_pm: float, spacing: float,
) -> Patches:  # fmt: skip
    """All grains of an image, from the lattice that fits it best as a whole.

    Parameters
    ----------
    small
        (H, W) float32: the image.
    filtered
        (H, W) float32: the band-passed image that the peaks come from.
    peaks
        (n, 2) float64 [px].
    lattice
        What was fitted to all of it.
    pixel_pm
        Pixel size [pm].
    spacing
        Distance of neighbouring sites [px].
    """
    field = _Field(small.shape, cKDTree(peaks), spacing)
    found, explained = [lattice], [field.explained(lattice)]
    best = float(np.quantile(explained[0], _IN_GRAIN))
    if best < _POOR:
        found, explained = _started_again(small, filtered, peaks, lattice, phase, pixel_pm, field)
        best = float(np.quantile(explained[0], _IN_GRAIN))
    level = _CHANCE + _EXPLAINED * (best - _CHANCE)
    tried = np.zeros(field.grid, bool)
    while len(found) < _MOST:
        region = _largest((np.max(explained, 0) < level) & ~tried)
        if region.sum() < _LEAST_SITES:
            break
        for part in _parts_of(region):
            one = _lattice_in(part, small, filtered, peaks, phase, pixel_pm, field)
            share = field.explained(one) if one is not None else explained[0]
            gained = region & (share > level) & (share > np.max(explained, 0) + _BETTER)
            if one is not None and gained.sum() >= _SPECK:
                found.append(one)
                explained.append(share)
                break
        else:
            tried |= region
    if len(found) == 1:
        return Patches((lattice,), None, None, spacing)
    return _settled(found, explained, level, filtered, peaks, field)


@dataclass(frozen=True)
class _Field:
    """Where lattices explain the peaks, on a grid of one site spacing."""

    shape: tuple[int, ...]
    tree: cKDTree
    spacing: float

    @property
    def grid(self) -> tuple[int, int]:
        height, width = (int(n / self.spacing) + 1 for n in self.shape)
        return height, width

    def explained(self, lattice: Lattice) -> Array:
        """Local share of the lattice's sites that have a peak."""
        gap, _ = self.tree.query(lattice.xy)
        cell = _cells(lattice.xy, self.spacing, self.grid)
        flat = cell[:, 0] * self.grid[1] + cell[:, 1]
        size = self.grid[0] * self.grid[1]
        hits = np.bincount(flat, (gap < _GATE * self.spacing).astype(float), size).reshape(self.grid)
        sites = np.bincount(flat, minlength=size).reshape(self.grid).astype(float)
        smooth = _smooth(np.stack([hits, sites]))
        share: Array = smooth[0] / np.maximum(smooth[1], 1e-6)
        return share


def _started_again(
    small: NDArray[np.float32], filtered: NDArray[np.float32], peaks: Array, lattice: Lattice, phase: Phase,
    pixel_pm: float, field: _Field,
) -> tuple[list[Lattice], list[Array]]:  # fmt: skip
    """The best of lattices from discs all over: the rings of two grains may blur into a direction between them."""
    rows, columns = np.indices(field.grid)
    tried = [lattice]
    for down, across in _STARTS:
        disc = np.hypot(rows - down * field.grid[0], columns - across * field.grid[1]) < _DISC
        one = _lattice_in(disc, small, filtered, peaks, phase, pixel_pm, field)
        if one is not None:
            tried.append(one)
    shares = [field.explained(one) for one in tried]
    best = max(range(len(tried)), key=lambda k: float(np.quantile(shares[k], _IN_GRAIN)))
    return [tried[best]], [shares[best]]


def _smooth(layers: Array) -> Array:
    result: Array = ndimage.gaussian_filter(layers, (0, _REACH, _REACH), mode="constant")
    return result


def _cells(xy: Array, pitch: float, grid: tuple[int, ...]) -> Labels:
    cell: Labels = np.clip((xy[:, ::-1] / pitch).astype(np.int64), 0, np.array(grid) - 1)
    return cell


def _at(values: NDArray[np.generic], xy: Array, pitch: float) -> NDArray[np.generic]:
    cell = _cells(xy, pitch, values.shape)
    return values[cell[:, 0], cell[:, 1]]


def _largest(mask: Mask) -> Mask:
    """The largest connected part, opened once: what hangs together by a thread is not one region."""
    opened = ndimage.binary_opening(mask)
    parts, count = ndimage.label(opened)
    if not count:
        return np.zeros(mask.shape, bool)
    largest: Mask = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return largest


def _parts_of(region: Mask) -> Iterator[Mask]:
    """A region as a whole, then discs in it: it may hold several grains."""
    yield region
    rows, columns = np.indices(region.shape)
    for column, row in _innermost(region, 1.0) - 0.5:
        disc: Mask = region & (np.hypot(rows - row, columns - column) < _DISC)
        if disc.sum() >= _LEAST_SITES:
            yield disc


def _lattice_in(
    region: Mask, small: NDArray[np.float32], filtered: NDArray[np.float32], peaks: Array, phase: Phase,
    pixel_pm: float, field: _Field,
) -> Lattice | None:  # fmt: skip
    """A lattice for one region, with directions from its own spectrum."""
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    pitch = field.spacing
    top, left = int(rows[0] * pitch), int(columns[0] * pitch)
    part = small[top : int((rows[-1] + 1) * pitch) + 1, left : int((columns[-1] + 1) * pitch) + 1]
    inner = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    scale = directions_of(part, _enlarged(inner, part.shape, pitch), phase, pixel_pm)
    if scale is None:
        return None
    basis = scale.real_basis("column" if phase.equal_columns else "cell")
    own = peaks[_at(region, peaks, pitch).astype(bool)]
    return fit_lattice(filtered, own, basis, (small.shape[0], small.shape[1]), _innermost(region, pitch))


def _enlarged(mask: NDArray[np.float32], shape: tuple[int, ...], pitch: float) -> NDArray[np.float32]:
    """A mask of the grid on the pixels, with soft edges."""
    rows = np.minimum((np.arange(shape[0]) / pitch).astype(int), mask.shape[0] - 1)
    columns = np.minimum((np.arange(shape[1]) / pitch).astype(int), mask.shape[1] - 1)
    soft: NDArray[np.float32] = ndimage.gaussian_filter(mask, 1.0)[np.ix_(rows, columns)]
    return soft


def _innermost(region: Mask, pitch: float) -> Array:
    """(4, 2) [px]: places deep in a region, apart from each other."""
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]
    seeds = []
    for _ in range(4):
        row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
        seeds.append([(column + 0.5) * pitch, (row + 0.5) * pitch])
        reach = max(3, int(depth[row, column]))
        depth[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] *= 0.3
    return np.array(seeds)


def _settled(
    found: list[Lattice], explained: list[Array], level: float, filtered: NDArray[np.float32], peaks: Array,
    field: _Field,
) -> Patches:  # fmt: skip
    """Every place to its lattice, every lattice fitted to its own peaks, twice."""
    labels = _labelled(explained, level)
    for _ in range(2):
        found = [_again(one, labels == k, filtered, peaks, field) for k, one in enumerate(found)]
        labels = _labelled([field.explained(one) for one in found], level)
    sizes = np.bincount(labels[labels >= 0], minlength=len(found))
    order = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= _SPECK]
    labels = np.select([labels == k for k in order], range(len(order)), -1)
    kept = [_within(found[k], labels == new, field.spacing) for new, k in enumerate(order)]
    if len(kept) == 1 and (labels == 0).mean() > 0.98:
        return Patches((kept[0],), None, None, field.spacing)
    return Patches(tuple(kept), labels, _border(labels), field.spacing)


def _labelled(explained: list[Array], level: float) -> Labels:
    """The lattice that explains a place best, -1 if none does; specks are filled from around."""
    labels = np.where(np.max(explained, 0) > level, np.argmax(explained, 0), -1)
    for label in np.unique(labels):
        parts, _ = ndimage.label(labels == label)
        small = np.isin(parts, 1 + np.flatnonzero(np.bincount(parts.ravel())[1:] < _SPECK))
        labels[small] = -2
    if (labels == -2).any() and (labels != -2).any():
        near = ndimage.distance_transform_edt(labels == -2, return_distances=False, return_indices=True)
        labels = labels[tuple(near)]
    settled: Labels = labels.astype(np.int64)
    return settled


def _again(
    lattice: Lattice, own: Mask, filtered: NDArray[np.float32], peaks: Array, field: _Field
) -> Lattice:
    """The lattice of a grain from its own peaks only."""
    if own.sum() < _SPECK:
        return lattice
    inside = peaks[_at(own, peaks, field.spacing).astype(bool)]
    near = _at(own, lattice.xy, field.spacing).astype(bool)
    basis = lattice.basis if near.sum() < _SPECK else _mean_vectors(lattice, near)
    shape = (int(field.shape[0]), int(field.shape[1]))
    return fit_lattice(filtered, inside, basis, shape, _innermost(own, field.spacing)) or lattice


def _mean_vectors(lattice: Lattice, near: Mask) -> Array:
    design = np.column_stack([lattice.index[near], np.ones(int(near.sum()))]).astype(float)
    vectors: Array = np.linalg.lstsq(design, lattice.xy[near], rcond=None)[0][:2]
    return vectors


def _within(lattice: Lattice, own: Mask, pitch: float) -> Lattice:
    """The same lattice, of the sites of one grain and half a cell around it; residual and share over those."""
    wide = ndimage.binary_dilation(own)
    near = _at(wide, lattice.xy, pitch).astype(bool)
    displacement = lattice.displacement_px[near]
    gap = np.hypot(displacement[:, 0], displacement[:, 1])
    hit = np.isfinite(gap)
    trimmed = gap[hit][gap[hit] < 3.0 * np.median(gap[hit]) / 0.83] if hit.any() else gap[hit]
    return replace(
        lattice, index=lattice.index[near], xy=lattice.xy[near], basis=_mean_vectors(lattice, near),
        residual_px=float(np.sqrt(np.mean(trimmed**2))) if len(trimmed) else float("inf"),
        matched=float(hit.mean()) if len(hit) else 0.0, n_matched=int(hit.sum()), displacement_px=displacement,
    )  # fmt: skip


def _border(labels: Labels) -> Mask:
    """Places near another label."""
    border = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        own = labels == label
        border |= own & (ndimage.distance_transform_edt(own) < _BORDER)
    return border


def sites_of_grains(
    small: NDArray[np.float32], patches: Patches, phase: Phase, spacing: float
) -> tuple[Sites, Labels]:
    """All sites of all grains, and the grain of each, -1 at boundaries and where there is none.

    Near a boundary, of two sites too close together the one of the smaller grain is left out.
    """
    if patches.labels is None:
        sites = sites_of(small, patches.lattices[0], phase, spacing)
        return sites, np.zeros(len(sites.xy), np.int64)
    parts = []
    for number, lattice in enumerate(patches.lattices):
        one = _sorted(sites_of(small, lattice, phase, spacing), phase)
        own = _at(patches.labels, one.xy, patches.pitch) == number
        parts.append((one.xy[own], one.sublattice[own]))
    xy, sublattice = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = _apart(xy, 0.6 * spacing)
    xy, sublattice = xy[keep], sublattice[keep]
    bright = xy if phase.equal_columns else xy[sublattice == 0]
    around = (
        1.0 if phase.equal_columns else sum(c.weight for c in phase.columns[1:]) / (phase.lattice.parts - 1)
    )
    profile = column_profile(
        small, bright, spacing, around, usual=usual_width(phase), fold=phase.lattice.fold
    )
    heights = site_heights(small, xy, profile.sigma_px, spacing)
    return Sites(xy, sublattice, heights, profile), patches.grain_at(xy)


def _sorted(sites: Sites, phase: Phase) -> Sites:
    """Sublattices in order of brightness also where all are alike: each grain numbers them from its own origin."""
    parts = range(phase.lattice.parts)
    order = sorted(parts, key=lambda s: -float(np.median(sites.heights[sites.sublattice == s])))
    return replace(sites, sublattice=np.argsort(order)[sites.sublattice].astype(np.int64))


def _apart(xy: Array, least: float) -> Mask:
    pairs = cKDTree(xy).query_pairs(least, output_type="ndarray").reshape(-1, 2)
    keep = np.ones(len(xy), bool)
    keep[pairs.max(1)] = False
    return keep
