"""Do two conditions differ? A test over what may differ by itself (samples, or frames), and how large the effect is.

With enough units the labels are exchanged (permutation test). With fewer no exchange is rare enough, and a
quasi-likelihood ratio is used: Poisson counts on each unit's effective sites, whose scatter beyond counting is
measured within the conditions (McCullagh and Nelder, Generalized Linear Models, 1989, 9.2), F(1, units - 2).
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from eucentric.core.base import Model
from eucentric.core.calls import Finding, Interval
from eucentric.core.errors import BadInput
from eucentric.tools.vision.statistics.aggregation import Level, aggregated, grouped, units_of
from eucentric.tools.vision.statistics.tally import Tally, Z

Array = NDArray[np.float64]

_RARE = 0.01
"""Labels are exchanged if the rarest exchange is at most as likely as this."""
_ALL = 5000
"""Exchanges up to which all are made; more are drawn."""
LEVEL = 0.05


class Comparison(Model):
    """Two conditions side by side."""

    a: Finding
    b: Finding
    difference: Interval
    """b − a [% of sites], 95 %."""
    ratio: Interval | None
    """b / a; None if nothing was seen in a."""
    p_value: float | None
    test: str
    level: Level
    """What was counted as one unit."""
    units: tuple[int, int]
    overdispersion: float
    """Scatter of units of one condition over that of counting."""
    verdict: str
    remarks: tuple[str, ...] = ()


def compare(a: Sequence[Tally], b: Sequence[Tally], *, what: str, seed: int = 0) -> Comparison:
    """Compare the densities of two conditions.

    Parameters
    ----------
    a, b
        One tally an image, of different places, each with its sample.
    what
        Such as 'Ti vacancy density'.
    seed
        Of permutations and bootstraps.

    Raises
    ------
    BadInput
        If a side has no image.
    """
    if not any(t.sites for t in a) or not any(t.sites for t in b):
        raise BadInput(
            "one side has no image that was counted", remedy="see which images were left out, and why"
        )
    one, two = ([t for t in side if t.sites] for side in (a, b))
    level: Level = "samples" if len(grouped(one)) + len(grouped(two)) > 2 else "frames"
    left, right = units_of(one, level), units_of(two, level)
    model = _Model(left, right)
    p, test = _tested(left, right, model, seed)
    difference, ratio = model.effects()
    found = [
        aggregated(side, what=what, finding_id=name, seed=seed) for name, side in (("a", one), ("b", two))
    ]
    return Comparison(
        a=found[0], b=found[1],
        difference=difference, ratio=ratio, p_value=None if p is None else round(p, 6), test=test, level=level,
        units=(len(left), len(right)), overdispersion=round(model.spread, 3), verdict=_verdict(p, difference, level),
        remarks=tuple(_remarks(one, two, level, model)),
    )  # fmt: skip


class _Model:
    """Counts of units as Poisson about false calls + effective sites × density of their condition."""

    def __init__(self, a: Sequence[Tally], b: Sequence[Tally]) -> None:
        self.sides = [_columns(side) for side in (a, b)]
        self.both = _columns([*a, *b])
        self.densities = [density(*side) for side in self.sides]
        self.freedom = len(a) + len(b) - 2
        misfit = sum(_pearson(*side, d) for side, d in zip(self.sides, self.densities, strict=True))
        scatter = misfit / self.freedom if self.freedom > 0 else 1.0
        self.spread = max(
            1.0, scatter, float(np.mean([t.spread for t in (*a, *b)])) if self.freedom < 1 else 1.0
        )
        self.calibration = math.hypot(
            *(np.mean([sum(t.calibration) / 2 / Z for t in side]) for side in (a, b))
        )

    def likelihood_ratio(self) -> float:
        """p of the ratio."""
        apart = sum(_deviance(*side, d) for side, d in zip(self.sides, self.densities, strict=True))
        alike = _deviance(*self.both, density(*self.both))
        return float(special.fdtrc(1, self.freedom, max(alike - apart, 0.0) / self.spread))

    def effects(self) -> tuple[Interval, Interval | None]:
        """(difference [%], ratio), 95 %."""
        (a, b), (error_a, error_b) = self.densities, (self._error(k) for k in (0, 1))
        t = float(special.stdtrit(self.freedom, 0.975)) if self.freedom > 0 else 1.96
        half = t * math.hypot(error_a, error_b, self.calibration)
        difference = Interval(value=100 * (b - a), low=100 * (b - a - half), high=100 * (b - a + half))
        if a <= 0 or b <= 0:
            return difference, None
        log = t * math.hypot(error_a / a, error_b / b)
        return difference, Interval(
            value=b / a, low=b / a * math.exp(-min(log, 50)), high=b / a * math.exp(min(log, 50))
        )

    def _error(self, side: int) -> float:
        _, sites, false = self.sides[side]
        # Nothing seen is no certainty: at least one call is taken for the scatter.
        least = 1 / max(float(sites.sum()), 1.0)
        mean = false + sites * max(self.densities[side], least)
        return math.sqrt(self.spread / float((sites**2 / mean).sum()))


def _columns(side: Sequence[Tally]) -> tuple[Array, Array, Array]:
    """Calls, effective sites, false calls, of each unit."""
    return (
        np.array([t.called for t in side], float), np.array([t.gain * t.sites for t in side]),
        np.array([t.rate * t.sites for t in side]),
    )  # fmt: skip


def density(called: Array, sites: Array, false: Array) -> float:
    """The likeliest density [share], not below 0 (Newton's method on a concave likelihood)."""
    d = max(float((called - false).sum() / sites.sum()), 1e-9)
    if not false.any():
        return float(called.sum() / sites.sum())
    if float((sites * (called / np.maximum(false, 1e-12) - 1)).sum()) <= 0:
        return 0.0
    for _ in range(50):
        mean = false + sites * d
        slope, bend = float((sites * (called / mean - 1)).sum()), float((sites**2 * called / mean**2).sum())
        d = max(d + slope / bend, 1e-12)
    return d


def _pearson(called: Array, sites: Array, false: Array, d: float) -> float:
    mean = np.maximum(false + sites * d, 1e-9)
    return float(((called - mean) ** 2 / mean).sum()) if called.any() else 0.0


def _deviance(called: Array, sites: Array, false: Array, d: float) -> float:
    mean = np.maximum(false + sites * d, 1e-12)
    seen = np.where(called > 0, called, 1.0)
    return float(2 * (np.where(called > 0, called * np.log(seen / mean), 0.0) - (called - mean)).sum())


def _tested(a: Sequence[Tally], b: Sequence[Tally], model: _Model, seed: int) -> tuple[float | None, str]:
    number = math.comb(len(a) + len(b), len(a))
    if 2 / number <= _RARE:
        return permuted(
            a, b, seed
        ), f"permutation of labels ({'all ' + str(number) if number <= _ALL else _ALL})"
    if model.freedom > 0:
        return model.likelihood_ratio(), f"quasi-likelihood ratio, F(1, {model.freedom})"
    return None, "none: one unit a side"


def permuted(a: Sequence[Tally], b: Sequence[Tally], seed: int) -> float:
    """p of the difference of pooled densities when the labels of the units are exchanged."""
    called, sites, false = (np.concatenate(pair) for pair in zip(_columns(a), _columns(b), strict=True))
    n, k = len(called), len(a)
    if math.comb(n, k) <= _ALL:
        left = np.zeros((math.comb(n, k), n), bool)
        for row, chosen in enumerate(combinations(range(n), k)):
            left[row, list(chosen)] = True
    else:
        order = np.random.default_rng(seed).random((_ALL, n)).argsort(1) < k
        left = np.concatenate([(np.arange(n) < k)[None], order])
    net = called - false
    apart = np.abs(left @ net / (left @ sites) - (~left) @ net / ((~left) @ sites))
    return float((apart >= apart[0] * (1 - 1e-12) - 1e-15).mean())


def _verdict(p: float | None, difference: Interval, level: Level) -> str:
    if p is None:
        return "cannot tell: one unit a side shows no scatter to hold a difference against"
    if p >= LEVEL:
        return "no difference seen"
    way = "higher" if (difference.value or 0) > 0 else "lower"
    return (
        f"b is {way}"
        if level == "samples"
        else f"the sample of b is {way}; of the conditions, one sample a side can't tell"
    )


def _remarks(a: Sequence[Tally], b: Sequence[Tally], level: Level, model: _Model) -> list[str]:
    out = []
    if level == "frames":
        out.append(
            "frames are the units, samples are not: the statement is about these samples, not about others made alike"
        )
    if 0 < model.freedom < 4:
        out.append(f"{model.freedom + 2} units in all: only a large difference could have been seen")
    fewest = min(sum(t.called for t in side) for side in (a, b))
    if fewest < 5:
        out.append(f"only {int(fewest)} vacancies called on one side")
    if level == "samples" and min(len(grouped(side)) for side in (a, b)) < 3:
        out.append("fewer than three samples on one side")
    return out
