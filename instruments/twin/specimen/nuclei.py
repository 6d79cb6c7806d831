"""Points scattered over the plane from hashes: at most one in each cell of a grid, so that none is stored."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed, uniform

Floats = NDArray[np.float64]
_OCCUPIED = 0.5
"""Share of the cells that hold a point."""


@dataclass(frozen=True)
class Nuclei:
    """Points in a box, in the order of their cells."""

    x: Floats
    """(n,) [m]."""
    y: Floats
    draws: Floats
    """(n, k) numbers in [0, 1) that belong to each."""

    def __len__(self) -> int:
        return len(self.x)


def nuclei_in(seed: int, per_m2: float, box: tuple[float, float, float, float], count: int) -> Nuclei:
    """All points in a box (x low, x high, y low, y high) [m], with `count` draws each."""
    if per_m2 <= 0:
        return Nuclei(np.zeros(0), np.zeros(0), np.zeros((0, count)))
    cell = math.sqrt(_OCCUPIED / per_m2)
    i, j = (grid.ravel() for grid in np.meshgrid(_cells(box[0], box[1], cell), _cells(box[2], box[3], cell)))
    held = uniform(seed, i, j) < _OCCUPIED
    i, j = i[held], j[held]
    drawn = [uniform(subseed(seed, n), i, j) for n in range(1, 3 + count)]
    x, y = (i + drawn[0]) * cell, (j + drawn[1]) * cell
    inside = (x >= box[0]) & (x <= box[1]) & (y >= box[2]) & (y <= box[3])
    rest = np.stack(drawn[2:], axis=1) if count else np.zeros((len(x), 0))
    return Nuclei(x[inside], y[inside], rest[inside])


def _cells(low: float, high: float, cell: float) -> NDArray[np.int64]:
    return np.arange(math.floor(low / cell), math.floor(high / cell) + 1, dtype=np.int64)
