"""How well a list of places agrees with another: each the nearest of the other, within a radius."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Counts; they add up over images."""

    found: int = 0
    true: int = 0
    both: int = 0

    def __add__(self, other: "Agreement") -> "Agreement":
        """Pooled."""
        return Agreement(self.found + other.found, self.true + other.true, self.both + other.both)

    @property
    def precision(self) -> float | None:
        """None if nothing was found."""
        return round(self.both / self.found, 4) if self.found else None

    @property
    def recall(self) -> float | None:
        """None if there was nothing to find."""
        return round(self.both / self.true, 4) if self.true else None

    @property
    def f1(self) -> float | None:
        """None if there was nothing to find and nothing was found."""
        return round(2 * self.both / (self.found + self.true), 4) if self.found + self.true else None


def agreement(found: Array, truth: Array, radius_px: float, shape: tuple[int, int], margin_px: float) -> Agreement:
    """Mutual nearest neighbours within `radius_px`, counted where the place lies inside the margin."""
    limit = np.array(shape[::-1]) - margin_px

    def inside(xy: Array) -> NDArray[np.bool_]:
        result: NDArray[np.bool_] = ((xy >= margin_px) & (xy < limit)).all(1)
        return result

    if not len(found) or not len(truth):
        return Agreement(int(inside(found).sum()), int(inside(truth).sum()), 0)
    gap, to = cKDTree(truth).query(found)
    _, back = cKDTree(found).query(truth)
    match = (gap < radius_px) & (back[to] == np.arange(len(found)))
    return Agreement(int(inside(found).sum()), int(inside(truth).sum()), int((match & inside(found)).sum()))
