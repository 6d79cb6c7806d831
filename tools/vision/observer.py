"""How far every site falls short of a full column, seen through the filter that this very image calls for.

A missing column is looked for in what several smoothed copies of the image say at its site. Their weights
are the ones that tell a missing column best from the scatter of the full columns (Hotelling's observer:
Barrett and Myers, Foundations of Image Science (2004), ch. 13). With shot noise alone that is the matched
filter; where contamination or neighbours make most of the scatter, it looks at the peak on the site and not
at how dark the place is. No other image, and no truth, goes into it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_BY_WIDTH, _BY_SPACING = (0.7, 1.1, 1.6), (0.6, 0.9, 1.3)
"""Smoothings, standard deviation over the column's width and over the spacing of sites."""
_FIRST = np.array([0.0, 1.0, 0.0, 0.0, 0.0, -1.0])
"""Weights before anything is known: matched filter, 1.3 spacings of surroundings as its zero."""
_REACH = 3.3
"""Spacings at which a column is no longer felt."""
_NEIGHBOURS = 48
_CLIP, _OUTLIER = 3.5, 4.0
"""Robust standard deviations at which a copy is cut, and beyond which a site does not count as full."""
_LEAST_SITES = 80
_RIDGE = 1e-3
_PIXELS_PER_WIDTH = 4.0
"""Smoothing wider than twice this is done on summed pixels."""


@dataclass(frozen=True)
class Bank:
    """Smoothed copies of an image, read at its sites."""

    seen: Array
    """(n, k) float64 [image units]."""
    unit: Array
    """(k,) what a column of height 1 gives at its own site."""
    crosstalk: Array
    """(m, k) float64: what a column of height 1 gives at another site, for m pairs of sites."""
    pairs: tuple[NDArray[np.int32], NDArray[np.int32]]
    """Columns and row starts of the pairs, as in a sparse (n, n) matrix."""
    widths: Array
    """(k,) float64 [px]: of the smoothings."""

    def without(self, missing: Array) -> Array:
        """(n, k): the copies as if what is `missing` (n,) [image units] around each site were there."""
        if not missing.any():
            return self.seen
        copies = range(self.seen.shape[1])
        filled: Array = self.seen + np.stack([self.matrix(self.crosstalk[:, k]) @ missing for k in copies], 1)
        return filled

    def matrix(self, values: Array) -> sparse.csr_matrix:
        """(n, n) with one value for every pair of sites."""
        n = len(self.seen)
        return sparse.csr_matrix((values, *self.pairs), shape=(n, n))


@dataclass(frozen=True)
class Around:
    """Neighbours of one sublattice among themselves, the site itself left out."""

    rows: NDArray[np.int64]
    """(m,) int64: the sublattice in the arrays of all sites."""
    near: NDArray[np.int64]
    """(m, j) int64, rows of the sublattice."""
    weight: Array
    """(m, j) float64, falling with distance."""


def bank_of(image: NDArray[np.float32], xy: Array, sigma_px: float, spacing_px: float) -> Bank:
    """Smooth an image in several ways and read it at the sites.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    xy
        (n, 2) float64 [px].
    sigma_px
        Width of a column [px].
    spacing_px
        Distance of neighbouring sites [px].
    """
    widths = np.array([w * sigma_px for w in _BY_WIDTH] + [w * spacing_px for w in _BY_SPACING])
    seen = np.stack([_smoothed_at(image, xy, width) for width in widths], 1)
    pairs = cKDTree(xy).query_pairs(_REACH * spacing_px, output_type="ndarray")
    gap2 = np.tile(((xy[pairs[:, 0]] - xy[pairs[:, 1]]) ** 2).sum(1), 2)
    both = (gap2, (pairs.ravel("F"), pairs[:, ::-1].ravel("F")))
    matrix = sparse.csr_matrix(both, shape=(len(xy), len(xy)))
    crosstalk = np.stack([_overlap(matrix.data, sigma_px, width) for width in widths], 1)
    unit = _overlap(np.zeros(1), sigma_px, widths)
    return Bank(seen, unit, crosstalk, (matrix.indices, matrix.indptr), widths)


def _smoothed_at(image: NDArray[np.float32], xy: Array, width: float) -> Array:
    """(n,) values of the smoothed image; wide smoothing is done on summed pixels, whose own width is taken off."""
    factor = max(1, int(width // _PIXELS_PER_WIDTH))
    height, breadth = (n // factor * factor for n in image.shape)
    blocks = image[:height, :breadth].reshape(height // factor, factor, breadth // factor, factor)
    small = blocks.mean((1, 3), dtype=np.float32) if factor > 1 else image
    rest = np.sqrt(width**2 - (factor**2 - 1) / 12) / factor
    smooth = ndimage.gaussian_filter(small, rest, truncate=3.0)
    place = (xy.T[::-1] - (factor - 1) / 2) / factor
    value: Array = ndimage.map_coordinates(smooth, place, order=1, mode="nearest").astype(float)
    return value


def _overlap(gap2: Array, sigma_px: float, width: Array | float) -> Array:
    """Smoothed column of height 1 at a distance: two Gaussians convolved."""
    variance = sigma_px**2 + np.square(width)
    value: Array = sigma_px**2 / variance * np.exp(-0.5 * gap2 / variance)
    return value


def around(xy: Array, of: Mask) -> Around:
    """Neighbours within one sublattice."""
    rows = np.flatnonzero(of)
    gap, near = cKDTree(xy[rows]).query(xy[rows], k=min(_NEIGHBOURS, len(rows) - 1) + 1)
    gap, near = gap[:, 1:], near[:, 1:]
    return Around(rows, near, np.exp(-0.5 * (gap / (0.6 * gap[:, -1:])) ** 2))


def observed(
    bank: Bank, parts: list[Around], missing: Array, trusted: Array, learn: bool
) -> tuple[Array, Array]:
    """(excess (n,) [image units], weights (k,)): height of every site over the full columns of its sublattice around.

    The excess is 0 for a full column, minus its height for a missing one, NaN for sites of no part.

    Parameters
    ----------
    bank
        The image.
    parts
        Sublattices that share one kind of column.
    missing
        (n,) float64 [image units]: height known to be missing at each site; it disturbs its neighbours no longer.
    trusted
        (n,) float64: weight of a site among full columns.
    learn
        False: the filter for shot noise alone, while it is not known what is full.
    """
    filled = bank.without(missing)
    weights = _FIRST / float(_FIRST @ bank.unit)
    if learn:
        weights = _best_weights(filled, bank.unit, parts, trusted, weights)
    value = filled @ weights
    excess = np.full(len(value), np.nan)
    for part in parts:
        own = value[part.rows]
        excess[part.rows] = own - local_level(own, trusted[part.rows], part)
    return excess, weights


def _best_weights(filled: Array, unit: Array, parts: list[Around], trusted: Array, first: Array) -> Array:
    """Weights that give the unit column 1 with the least scatter among full columns."""
    rest = np.concatenate([_off_level(filled[part.rows], trusted[part.rows], part) for part in parts])
    rest = rest[np.concatenate([trusted[part.rows] for part in parts]) > 0.5]
    if len(rest) < _LEAST_SITES:
        return first
    for _ in range(4):
        scale = np.maximum(_robust_sigma(rest), 1e-30)
        cut = np.clip(rest / scale, -_CLIP, _CLIP)
        covariance = cut.T @ cut / len(cut) + _RIDGE * np.eye(len(unit))
        weights = np.linalg.solve(covariance, unit / scale) / scale
        weights = weights / float(unit @ weights)
        one = rest @ weights
        rest = rest[np.abs(one) < _OUTLIER * _robust_sigma(one)]
    result: Array = weights
    return result


def _off_level(copies: Array, trusted: Array, part: Around) -> Array:
    """(m, k): copies minus their trusted mean around."""
    weight = part.weight * trusted[part.near]
    total = np.maximum(weight.sum(1), 1e-12)
    mean: Array = np.einsum("mj,mjk->mk", weight, copies[part.near]) / total[:, None]
    return copies - mean


def _robust_sigma(values: Array) -> Array:
    sigma: Array = 1.4826 * np.median(np.abs(values - np.median(values, 0)), 0)
    return sigma


def local_level(value: Array, trusted: Array, part: Around) -> Array:
    """Level of the full columns around each site: the median, then the trusted mean about it."""
    middle = np.median(value[part.near], 1)
    scatter = 1.4826 * float(np.median(np.abs(value - middle))) or 1e-12
    weight = part.weight * trusted[part.near]
    weight *= np.abs(value[part.near] - middle[:, None]) < 3.5 * scatter
    total = weight.sum(1)
    mean = (weight * value[part.near]).sum(1) / np.maximum(total, 1e-12)
    level: Array = np.where(total > 2, mean, middle)
    return level
