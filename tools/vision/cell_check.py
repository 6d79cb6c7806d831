"""Does the image look like the cell that it is read by, where a lattice alone would fit another one as well?

Ti3C2 and MoS2 have the same lattice: their images differ in which sites of a cell hold a column. A phase with columns
on all three sites shows none that is empty, and its gaps, which lie in triangles that point up and down in turn, are
alike. A honeycomb (MoS2, graphene) shows nothing in its hollow.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import Delaunay, cKDTree

from eucentric.knowledge.phases import Phase

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_EMPTY = 0.15
"""In columns of the brightest kind. The dimmest of Ti3C2 has 0.30 and more, in simulated and in real images."""
_FILLED = 0.5
"""Of the dimmest column: what a hollow holds. 0.86 and more where it is none, 0.1 at most where it is."""
_LEAST_STEP = 0.12
"""In columns of the brightest kind: what the dimmest stands above the hollow at least; S2 beside W has 0.16."""
_ALIKE = 0.5
"""The dimmer of two columns that are alike over the brighter."""
_IN_GAPS = 0.2
"""In columns: what one kind of gap has over the other. Real images of Ti3C2, with aberrations, have up to 0.11."""
_SURE, _RATHER_SURE = 3.0, 2.0
"""Standard errors."""
_FEWEST = 50
_UNEVEN = 0.2
"""How far the edges of a triangle may be off the spacing."""


def wrong_cell(
    image: NDArray[np.float32], phase: Phase, xy: Array, heights: Array, sublattice: NDArray[np.int64],
    holds: Mask, *, spacing: float, sigma_px: float,
) -> str:  # fmt: skip
    """What speaks against the phase's cell, for a person; nothing if nothing does, or where this is no way to tell.

    Parameters
    ----------
    image
        (H, W) float32, on the working grid.
    xy, heights, sublattice, holds
        (n, 2) [px], (n,), (n,), (n,): sites of one grain, away from the edge; whether the phase has a column there.
    spacing, sigma_px
        Of neighbouring sites, and width of a column [px].
    """
    if phase.lattice.fold != 6 or len(xy) < _FEWEST:
        return ""
    lit = _lit(xy, heights, sublattice)
    kinds = np.unique(sublattice[lit])
    if lit.sum() < _FEWEST or len(kinds) < 3:
        return ""
    each = [heights[lit & (sublattice == kind)] for kind in kinds]
    level = np.array([np.median(one) for one in each])
    error = 1.25 * np.array([one.std() / math.sqrt(len(one)) for one in each])
    full = np.array([holds[sublattice == kind].any() for kind in kinds])
    if not full.any() or level[full].max() <= 0:
        return ""
    if not full.all():
        return _wrong_honeycomb(level / level[full].max(), error / level[full].max(), full, phase.alike)
    if not phase.equal_columns:
        return ""
    if level.min() < _EMPTY * level.max():
        return "one site of each cell holds no column"
    more, doubt = (value / float(level.mean()) for value in _between(image, xy[lit], spacing, sigma_px))
    return f"every other gap holds {more:.0%} of a column" if more > _IN_GAPS + _SURE * doubt else ""


def _lit(xy: Array, heights: Array, sublattice: NDArray[np.int64]) -> Mask:
    """(n,) bool: by a column of the brightest kind; not in a hole, which holds no column of any phase."""
    kinds = np.unique(sublattice)
    high = [float(np.quantile(heights[sublattice == kind], 0.9)) for kind in kinds]
    bright = np.flatnonzero(sublattice == kinds[int(np.argmax(high))])
    nearest = bright[cKDTree(xy[bright]).query(xy)[1]]
    lit: Mask = heights[nearest] > 0.5 * max(high)
    return lit


def _wrong_honeycomb(level: Array, error: Array, full: Mask, alike: bool) -> str:
    """Levels and their errors are in columns of the brightest kind."""
    dimmest, hollow = float(level[full].min()), float(level[~full].max())
    if hollow > max(_FILLED * dimmest, _EMPTY):
        return "the hollow of each cell holds a column"
    if alike and dimmest < _ALIKE:
        return "columns that should be alike are not"
    doubt = math.hypot(error[full][level[full].argmin()], error[~full][level[~full].argmax()])
    if dimmest - hollow + _RATHER_SURE * doubt < _LEAST_STEP:
        return "only one site of each cell holds a column"
    return ""


def _between(image: NDArray[np.float32], xy: Array, spacing: float, sigma_px: float) -> tuple[float, float]:
    """(how much brighter one kind of gap is, its standard error)."""
    centre, up = _gaps(xy, spacing)
    if min(up.sum(), (~up).sum()) < _FEWEST:
        return 0.0, 0.0
    smooth = ndimage.gaussian_filter(image, 0.5 * sigma_px)
    level = ndimage.map_coordinates(smooth, centre[:, ::-1].T, order=1)
    error = math.sqrt(sum(float(level[one].var() / one.sum()) for one in (up, ~up)))
    return abs(float(level[up].mean() - level[~up].mean())), error


def _gaps(xy: Array, spacing: float) -> tuple[Array, Mask]:
    """(m, 2) centres of triangles of neighbours [px], and (m,) which of them point one way."""
    corners = xy[Delaunay(xy).simplices]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    corners = corners[(np.abs(edges / spacing - 1) < _UNEVEN).all(axis=1)]
    centre = corners.mean(axis=1)
    out = corners[:, 0] - centre
    turn = 3 * np.arctan2(
        out[:, 1], out[:, 0]
    )  # the corners of a triangle are one; up and down half a turn apart
    axis = 0.5 * float(np.angle(np.exp(2j * turn).mean())) if len(turn) else 0.0
    return centre, np.cos(turn - axis) > 0
