"""The deepest place of overlapping rectangles, each with a dose.

Rectangles of one group are rigid among themselves: though each of them may reach a place, together they can't put
more on it than the deepest place of the group has. That is the group's cap. Groups that images have tied together are
a body, with a cap of its own: two of them can't both lie on a place if they are known to lie apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EXACT = 160
"""Up to so many different edges the deepest place is found exactly; beyond, on a grid of cells."""
_CELLS = 64
Grid = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Pile:
    """Rectangles with their doses."""

    edges: Grid
    """(n, 4): x from, x to, y from, y to."""
    dose: Grid
    """(n,)"""
    group: Numbers
    """(n,) which group each belongs to."""
    cap: Grid
    """(groups,) most dose that a group can put on one place."""
    body: Numbers
    """(groups,) which body each group belongs to."""
    body_cap: Grid
    """(bodies,) most dose that a body can put on one place."""

    def most(self, rows: Numbers) -> float:
        """More than these rectangles can't put on any place."""
        of_groups = np.minimum(np.bincount(self.group[rows], self.dose[rows], len(self.cap)), self.cap)
        of_bodies = np.bincount(self.body, of_groups, len(self.body_cap))
        return float(np.minimum(of_bodies, self.body_cap).sum())

    def deepest(self, rows: Numbers) -> float:
        """Largest dose at any place, of these rectangles."""
        if not len(rows):
            return 0.0
        columns, left, right = _cells(self.edges[rows, 0], self.edges[rows, 1])
        lines, top, bottom = _cells(self.edges[rows, 2], self.edges[rows, 3])
        return float(self.on(rows, (left, right, top, bottom), (lines, columns)).max())

    def on(
        self, rows: Numbers, spans: tuple[Numbers, Numbers, Numbers, Numbers], shape: tuple[int, int]
    ) -> Grid:
        """Dose of each cell of a grid, (ny, nx), by spans of cells in x and y, one for each of these rectangles."""
        body = self.body[self.group[rows]]
        bound = np.isfinite(self.body_cap[body])
        total = self._of_groups(rows, spans, ~bound, shape)
        for one in np.unique(body[bound]):
            total += np.minimum(self._of_groups(rows, spans, body == one, shape), self.body_cap[one])
        return total

    def _of_groups(
        self,
        rows: Numbers,
        spans: tuple[Numbers, Numbers, Numbers, Numbers],
        kept: NDArray[np.bool_],
        shape: tuple[int, int],
    ) -> Grid:
        """Of some of these rectangles, each group at most its cap."""
        rows, spans = rows[kept], (spans[0][kept], spans[1][kept], spans[2][kept], spans[3][kept])
        dose, group = self.dose[rows], self.group[rows]
        capped = np.flatnonzero(np.bincount(group, dose, len(self.cap)) > self.cap)
        free = ~np.isin(group, capped)
        total = _stacked(spans, dose, free, shape)
        for one in capped:
            total += np.minimum(_stacked(spans, dose, group == one, shape), self.cap[one])
        return total


def _cells(low: Grid, high: Grid) -> tuple[int, Numbers, Numbers]:
    """Number of cells, and each interval's span of cells: exact if there are few edges, else a wider span."""
    edges = np.unique(np.round(np.concatenate([low, high]), 7))
    if len(edges) > _EXACT:
        edges = np.linspace(edges[0], edges[-1], _CELLS + 1)
    begin = (np.searchsorted(edges, np.round(low, 7), "right") - 1).clip(0)
    end = np.searchsorted(edges, np.round(high, 7), "left").clip(1)
    return len(edges) - 1, begin, end


def _stacked(
    spans: tuple[Numbers, Numbers, Numbers, Numbers],
    dose: Grid,
    kept: NDArray[np.bool_],
    shape: tuple[int, int],
) -> Grid:
    left, right, top, bottom = (span[kept] for span in spans)
    steps = np.zeros((shape[0] + 1, shape[1] + 1))
    for y, x, sign in ((top, left, 1.0), (top, right, -1.0), (bottom, left, -1.0), (bottom, right, 1.0)):
        np.add.at(steps, (y, x), sign * dose[kept])
    return np.asarray(steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1])
