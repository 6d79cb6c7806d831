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
    found_true: int = 0
    true: int = 0
    true_found: int = 0
    """At the margin the two kinds of match may differ by a few."""

    def __add__(self, other: "Agreement") -> "Agreement":
        """Pooled."""
        return Agreement(
            self.found + other.found, self.found_true + other.found_true, self.true + other.true,
            self.true_found + other.true_found,
        )  # fmt: skip

    @property
    def precision(self) -> float | None:
        """None if nothing was found."""
        return round(self.found_true / self.found, 4) if self.found else None

    @property
    def recall(self) -> float | None:
        """None if there was nothing to find."""
        return round(self.true_found / self.true, 4) if self.true else None

    @property
    def f1(self) -> float | None:
        """None if there was nothing to find and nothing was found."""
        if not self.found + self.true:
            return None
        p, r = self.found_true / max(self.found, 1), self.true_found / max(self.true, 1)
        return round(2 * p * r / (p + r), 4) if p + r else 0.0


def agreement(
    found: Array, truth: Array, radius_px: float, shape: tuple[int, int], margin_px: float
) -> Agreement:
    """Mutual nearest neighbours within `radius_px`, counted where the place lies inside the margin."""
    limit = np.array(shape[::-1]) - margin_px

    def inside(xy: Array) -> NDArray[np.bool_]:
        return np.asarray(((xy >= margin_px) & (xy < limit)).all(1), bool)

    inner_found, inner_truth = inside(found), inside(truth)
    if not len(found) or not len(truth):
        return Agreement(int(inner_found.sum()), 0, int(inner_truth.sum()), 0)
    gap, to = cKDTree(truth).query(found)
    _, back = cKDTree(found).query(truth)
    match = np.asarray((gap < radius_px) & (back[to] == np.arange(len(found))))
    taken = np.zeros(len(truth), bool)
    taken[to[match]] = True
    return Agreement(
        int(inner_found.sum()), int((match & inner_found).sum()), int(inner_truth.sum()),
        int((taken & inner_truth).sum()),
    )  # fmt: skip
