"""Which of scattered seeds is nearest, for every pixel."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed, uniform
from eucentric.instruments.twin.raster import Raster

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
_JITTER = 0.8
"""Seeds lie in the middle part of their cells, so that the nearest one is never far."""
_BLOCK = 16


@dataclass(frozen=True)
class Seeds:
    """One seed in each cell of a square grid; a cell's number names its grain."""

    seed: int
    pitch: float
    """[m]."""

    def within(self, box: tuple[float, float, float, float]) -> tuple[Index, Floats]:
        """Cells (n, 2) and places (n, 2) [m] of all seeds that may be nearest to a point of a box."""
        spans = [
            np.arange(math.floor(low / self.pitch) - 2, math.floor(high / self.pitch) + 3, dtype=np.int64)
            for low, high in ((box[0], box[1]), (box[2], box[3]))
        ]
        i, j = (grid.ravel() for grid in np.meshgrid(*spans))
        off = [(0.5 + _JITTER * (uniform(subseed(self.seed, n), i, j) - 0.5)) for n in (1, 2)]
        return np.stack([i, j], axis=1), np.stack(
            [(i + off[0]) * self.pitch, (j + off[1]) * self.pitch], axis=1
        )

    def at(self, x: float, y: float) -> tuple[int, int]:
        """The cell whose seed is nearest to a point [m]."""
        cells, places = self.within((x, x, y, y))
        i, j = cells[int(((places - (x, y)) ** 2).sum(axis=1).argmin())].tolist()
        return i, j

    def labels(self, raster: Raster) -> tuple[Index, Index]:
        """Cells (n, 2), and (rows, columns) which of them each pixel belongs to.

        Voronoi cells are convex: a block of pixels whose corners belong to one grain belongs to it as a whole.
        """
        cells, places = self.within(raster.box())
        rows, columns = raster.shape
        r = np.unique(np.append(np.arange(0, rows, _BLOCK), rows - 1))
        c = np.unique(np.append(np.arange(0, columns, _BLOCK), columns - 1))
        y = raster.y2d()
        corner = _nearest(places, raster.x[None, c], y[np.ix_(r, c)] if y.shape[1] > 1 else y[r])
        label = np.empty(raster.shape, dtype=np.int64)
        for m in range(len(r) - 1 or 1):
            self._band(label, corner, places, raster, (r, c), m)
        used, label = np.unique(label, return_inverse=True)
        return cells[used], label.reshape(raster.shape)

    def _band(
        self, label: Index, corner: Index, places: Floats, raster: Raster, at: tuple[Index, Index], m: int
    ) -> None:
        """Fill the rows between two lines of corners."""
        r, c = at
        down = slice(int(r[m]), int(r[min(m + 1, len(r) - 1)]) + 1)
        y = raster.y2d()
        for n in range(len(c) - 1 or 1):
            across = slice(int(c[n]), int(c[min(n + 1, len(c) - 1)]) + 1)
            four = corner[m : m + 2, n : n + 2]
            if (four == four[0, 0]).all():
                label[down, across] = four[0, 0]
            else:
                part = y[down, across] if y.shape[1] > 1 else y[down]
                label[down, across] = _nearest(places, raster.x[None, across], part)


def _nearest(places: Floats, x: Floats, y: Floats) -> Index:
    """Which place is nearest, over the broadcast shape of x and y."""
    x, y = np.broadcast_arrays(x, y)
    low, high = (np.array([f(x), f(y)]) for f in (np.min, np.max))
    middle, reach = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    away = np.linalg.norm(places - middle, axis=1)
    near = np.flatnonzero(away <= away.min() + 2 * reach + 1e-15)
    best = np.full(x.shape, np.inf)
    found = np.zeros(x.shape, dtype=np.int64)
    for one in near.tolist():
        off = (x - places[one, 0]) ** 2 + (y - places[one, 1]) ** 2
        closer = off < best
        best[closer], found[closer] = off[closer], one
    return found
