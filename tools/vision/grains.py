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
Explained = tuple[Lattice, Array]
"""A lattice, and the local share of its sites that have a peak, on a grid of one site spacing."""

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
_TURNED_DEG = 1.5
"""Grains less turned than this are one crystal, where a first lattice was no good start."""


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
    seen = _Seen(small, filtered, peaks, phase, pixel_pm, spacing, cKDTree(peaks))
    found = [(lattice, seen.explained(lattice))]
    poor = _in_grain(found[0][1]) < _POOR
    if poor:
        found = [_started_again(found[0], seen)]
    level = _CHANCE + _EXPLAINED * (_in_grain(found[0][1]) - _CHANCE)
    _search(found, level, seen)
    if len(found) == 1:
        return Patches((lattice,), None, None, spacing)
    patches = _settled(found, level, seen)
    if poor and _one_crystal(patches, phase):  # a lattice fitted to a corner, found again elsewhere
        return Patches((lattice,), None, None, spacing)
    return patches


def _in_grain(explained: Array) -> float:
    """Share that is explained inside the largest grain."""
    return float(np.quantile(explained, _IN_GRAIN))


def _search(found: list[Explained], level: float, seen: "_Seen") -> None:
    """Add lattices until no large region is left that none explains."""
    tried = np.zeros(seen.grid, bool)
    while len(found) < _MOST:
        so_far = np.max([share for _, share in found], 0)
        region = _largest((so_far < level) & ~tried)
        if region.sum() < _LEAST_SITES:
            return
        new = _new_lattice(region, so_far, level, seen)
        if new is None:
            tried |= region
        else:
            found.append(new)


def _new_lattice(region: Mask, so_far: Array, level: float, seen: "_Seen") -> Explained | None:
    """A lattice that explains part of a region better than all so far."""
    for part in _parts_of(region):
        one = _lattice_in(part, seen)
        if one is None:
            continue
        share = seen.explained(one)
        if (region & (share > level) & (share > so_far + _BETTER)).sum() >= _SPECK:
            return one, share
    return None


def _one_crystal(patches: Patches, phase: Phase) -> bool:
    """No grain is turned against the largest."""
    turns = np.array([grain.turn_deg for grain in patches.as_grains(1, 1.0, phase)])
    apart = phase.lattice.angle_deg
    return bool((np.abs((turns - turns[0] + apart / 2) % apart - apart / 2) < _TURNED_DEG).all())


@dataclass(frozen=True)
class _Seen:
    """The image on its working grid, and where lattices explain its peaks, on a grid of one site spacing."""

    small: NDArray[np.float32]
    filtered: NDArray[np.float32]
    peaks: Array
    phase: Phase
    pixel_pm: float
    spacing: float
    tree: cKDTree

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        height, width = (int(n / self.spacing) + 1 for n in self.small.shape)
        return height, width

    def peaks_in(self, region: Mask) -> Array:
        """(n, 2) float64 [px]: the peaks in a region of the grid."""
        inside: Array = self.peaks[values_at(region, self.peaks, self.spacing).astype(bool)]
        return inside

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


def _started_again(first: Explained, seen: _Seen) -> Explained:
    """The best of lattices from discs all over: the rings of two grains may blur into a direction between them."""
    rows, columns = np.indices(seen.grid)
    tried = [first]
    for down, across in _STARTS:
        disc = np.hypot(rows - down * seen.grid[0], columns - across * seen.grid[1]) < _DISC
        one = _lattice_in(disc, seen)
        if one is not None:
            tried.append((one, seen.explained(one)))
    return max(tried, key=lambda one: _in_grain(one[1]))


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


def _lattice_in(region: Mask, seen: _Seen) -> Lattice | None:
    """A lattice for one region, with directions from its own spectrum."""
    rows, columns = (np.flatnonzero(region.any(axis)) for axis in (1, 0))
    pitch = seen.spacing
    top, left = int(rows[0] * pitch), int(columns[0] * pitch)
    part = seen.small[top : int((rows[-1] + 1) * pitch) + 1, left : int((columns[-1] + 1) * pitch) + 1]
    inner = region[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    scale = directions_of(part, _enlarged(inner, part.shape, pitch), seen.phase, seen.pixel_pm)
    if scale is None:
        return None
    basis = scale.real_basis("column" if seen.phase.equal_columns else "cell")
    return _fitted(basis, region, seen)


def _fitted(basis: Array, region: Mask, seen: _Seen) -> Lattice | None:
    shape = (seen.small.shape[0], seen.small.shape[1])
    return fit_lattice(seen.filtered, seen.peaks_in(region), basis, shape, _innermost(region, seen.spacing))


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


def _settled(explained: list[Explained], level: float, seen: _Seen) -> Patches:
    """Every place to its lattice, every lattice fitted to its own peaks, twice."""
    found = [lattice for lattice, _ in explained]
    labels = _labelled([share for _, share in explained], level)
    for _ in range(2):
        found = [_again(one, labels == k, seen) for k, one in enumerate(found)]
        labels = _labelled([seen.explained(one) for one in found], level)
    sizes = np.bincount(labels[labels >= 0], minlength=len(found))
    order = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= _SPECK]
    labels = np.select([labels == k for k in order], range(len(order)), -1)
    kept = [_within(found[k], labels == new, seen.spacing) for new, k in enumerate(order)]
    if len(kept) == 1 and (labels == 0).mean() > 0.98:
        return Patches((kept[0],), None, None, seen.spacing)
    return Patches(tuple(kept), labels, _border(labels), seen.spacing)


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


def _again(lattice: Lattice, own: Mask, seen: _Seen) -> Lattice:
    """The lattice of a grain from its own peaks only."""
    if own.sum() < _SPECK:
        return lattice
    near = values_at(own, lattice.xy, seen.spacing).astype(bool)
    basis = lattice.basis if near.sum() < _SPECK else _mean_vectors(lattice, near)
    return _fitted(basis, own, seen) or lattice


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
