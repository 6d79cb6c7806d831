"""How a list of atoms or vacancies is compared with the truth: mutual nearest neighbours inside an edge margin.

The radii, the margin, the pooling and the dose buckets are those of the published comparison of peers, so a
figure here can be put beside theirs. Calibration has no published rule; the one used is `calibration`'s.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ATOM_RADIUS_A, VACANCY_RADIUS_A = 0.5, 0.7
BUCKETS = (("high", 2e4), ("mid", 5e3), ("low", 0.0))
"""Names with the least dose of each [e/Å²]."""


def bucket_of(dose_e_per_a2: float) -> str:
    """high ≥ 2e4, mid ≥ 5e3, low below [e/Å²]."""
    return next(name for name, least in BUCKETS if dose_e_per_a2 >= least)


def margin_px(lattice_a: float, pixel_a: float) -> float:
    """Points nearer to the edge than 1.5·a/√3 are not counted."""
    return 1.5 * lattice_a / math.sqrt(3) / pixel_a


def inside(xy: Array, shape: tuple[int, int], margin: float) -> Mask:
    """(n,) bool: margin ≤ x < W - margin, and y likewise."""
    limit = np.array(shape[::-1], float) - margin
    result: Mask = np.all((xy >= margin) & (xy < limit), axis=1)
    return result


def partners(found: Array, truth: Array, radius_px: float) -> NDArray[np.int64]:
    """(n,) int64: row of the truth that each found point matches, -1 for none; all points take part.

    Two points match if each is the nearest to the other and they are closer than the radius.
    """
    none = np.full(len(found), -1, np.int64)
    if not len(found) or not len(truth):
        return none
    gap, to = cKDTree(truth).query(found)
    _, back = cKDTree(found).query(truth)
    mutual: Mask = np.logical_and(gap < radius_px, back[to] == np.arange(len(found)))
    return np.where(mutual, to, none)


@dataclass
class Tally:
    """Counts pooled over images."""

    predicted: int = 0
    predicted_true: int = 0
    true: int = 0
    found: int = 0
    square_a2: float = 0.0
    pairs: int = 0

    @property
    def precision(self) -> float:
        """NaN if nothing was predicted."""
        return self.predicted_true / self.predicted if self.predicted else math.nan

    @property
    def recall(self) -> float:
        """NaN if there is nothing to find."""
        return self.found / self.true if self.true else math.nan

    @property
    def f1(self) -> float:
        """0 if precision or recall is 0 or undefined."""
        p, r = self.precision, self.recall
        return 2 * p * r / (p + r) if p + r > 0 else 0.0

    @property
    def rms_pm(self) -> float:
        """2D distance over matched pairs whose truth is inside [pm]."""
        return 100 * math.sqrt(self.square_a2 / self.pairs) if self.pairs else math.nan

    def add(self, other: "Tally") -> None:
        """Pool with another."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def score(
    found: Array, truth: Array, radius_a: float, pixel_a: float, shape: tuple[int, int], margin: float
) -> Tally:
    """Precision and recall counts of one list in one image, positions (n, 2) [px]."""
    to = partners(found, truth, radius_a / pixel_a)
    hit = to >= 0
    taken = np.zeros(len(truth), bool)
    taken[to[hit]] = True
    inner_found, inner_truth = inside(found, shape, margin), inside(truth, shape, margin)
    pairs = np.flatnonzero(hit)
    pairs = pairs[inner_truth[to[pairs]]]
    gap = (found[pairs] - truth[to[pairs]]) * pixel_a
    return Tally(
        int(inner_found.sum()), int((inner_found & hit).sum()), int(inner_truth.sum()),
        int((inner_truth & taken).sum()), float((gap**2).sum()), len(pairs),
    )  # fmt: skip


@dataclass
class Calls:
    """Stated probabilities and what was there, over candidate sites."""

    p: list[float] = field(default_factory=list)
    true: list[bool] = field(default_factory=list)

    def add(self, p: Array, true: Mask) -> None:
        """Sites of one image."""
        self.p.extend(float(value) for value in p)
        self.true.extend(bool(value) for value in true)


def calibration(calls: Calls, least: float = 0.0) -> dict[str, float | int | None]:
    """Expected calibration error in ten bins of equal width, and the Brier score, over sites with p > `least`."""
    p, y = np.array(calls.p), np.array(calls.true, float)
    chosen = p > least
    p, y = p[chosen], y[chosen]
    if not len(p):
        return {"n": 0, "ece": None, "brier": None, "mean_p": None, "share_true": None}
    bins = np.minimum((p * 10).astype(int), 9)
    error = sum(abs(float(p[bins == b].sum() - y[bins == b].sum())) for b in range(10)) / len(p)
    return {
        "n": len(p), "ece": round(error, 4), "brier": round(float(((p - y) ** 2).mean()), 4),
        "mean_p": round(float(p.mean()), 4), "share_true": round(float(y.mean()), 4),
    }  # fmt: skip


def auroc(ordinary: list[float], odd: list[float]) -> float:
    """Chance that an odd image scores above an ordinary one, ties half (NaN without both)."""
    if not ordinary or not odd:
        return math.nan
    a, b = np.array(ordinary)[:, None], np.array(odd)[None, :]
    return float(((b > a) + 0.5 * (b == a)).mean())
