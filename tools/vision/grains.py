"""Grains: regions whose columns lie on one lattice each, found by what the lattices so far do not explain.

A lattice explains a place if peaks lie on its sites there. Where the first does not, a second is looked for with the
directions of that region's own spectrum, and so on. Each place then goes to the lattice that explains it best, each
lattice is fitted again to its own peaks, and a band along every boundary belongs to none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision.lattice import Lattice, fit_lattice
from eucentric.tools.vision.patches import Patches, cells_of, values_at
from eucentric.tools.vision.scale import directions_of

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
        cell = cells_of(lattice.xy, self.spacing, self.grid)
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
    own = peaks[values_at(region, peaks, pitch).astype(bool)]
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
    inside = peaks[values_at(own, peaks, field.spacing).astype(bool)]
    near = values_at(own, lattice.xy, field.spacing).astype(bool)
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
    near = values_at(wide, lattice.xy, pitch).astype(bool)
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
