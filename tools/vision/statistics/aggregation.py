"""One density over samples and frames: how far it would differ if others had been looked at.

Frames of one sample are more alike than frames of two. So samples are drawn anew with replacement, and within each
of them its frames (hierarchical bootstrap; Davison and Hinkley, Bootstrap Methods, 1997, 3.8), with the percentiles
set out for few samples (Hesterberg, Am. Stat. 69 (2015) 371). Of fewer than `FEWEST` samples a bootstrap knows too
little: Student's t of their densities is used, on the scale of square roots, where their scatter is alike.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from eucentric.core.calls import Finding, Interval
from eucentric.core.errors import BadInput
from eucentric.tools.vision.statistics.density import interval_of
from eucentric.tools.vision.statistics.tally import Tally, together

Array = NDArray[np.float64]
Level = Literal["samples", "frames", "sites"]

FEWEST = 8
"""Units below which their densities, not their resampling, give the interval."""
_ROUNDS = 2000
_METHODS = {
    "bootstrap": "hierarchical bootstrap over {level}, expanded percentiles",
    "t": "Student's t over {level}, square-root scale",
    "counts": "counting statistics, widened for clustering: one image says nothing about others",
}


def grouped(tallies: Sequence[Tally]) -> dict[str, list[Tally]]:
    """Frames by sample, in order."""
    groups: dict[str, list[Tally]] = {}
    for one in tallies:
        groups.setdefault(one.sample, []).append(one)
    return groups


def level_of(tallies: Sequence[Tally]) -> Level:
    """What the units are that may differ: samples if there are several, else frames, else only sites."""
    return "samples" if len(grouped(tallies)) > 1 else "frames" if len(tallies) > 1 else "sites"


def units_of(tallies: Sequence[Tally], level: Level) -> list[Tally]:
    """One tally a unit."""
    return [together(group) for group in grouped(tallies).values()] if level == "samples" else list(tallies)


def aggregated(
    tallies: Sequence[Tally], *, what: str, finding_id: str = "vacancy-density-aggregated", seed: int = 0,
    rounds: int = _ROUNDS,
) -> Finding:  # fmt: skip
    """Density over samples and their frames, with a 95 % interval for the population that they come from.

    Parameters
    ----------
    tallies
        One an image, of different places, each with its sample.
    what
        Of the finding.
    seed, rounds
        Of the bootstrap.

    Raises
    ------
    BadInput
        If there is none, or none has sites.
    """
    kept = [one for one in tallies if one.sites > 0]
    if not kept:
        raise BadInput("there is no image to count in", remedy="give images that could be read")
    level, whole = level_of(kept), together(kept)
    units = units_of(kept, level)
    value = whole.density
    if whole.called <= 0 or level == "sites":
        kind, (interval, _) = "counts", interval_of(whole, whole.spread)
    elif len(units) < FEWEST:
        kind, interval = "t", _widened(value, *student([one.density for one in units]), whole)
    else:
        drawn = bootstrapped(kept, np.random.default_rng(seed), rounds)
        kind, interval = "bootstrap", _widened(value, *_expanded(drawn, len(units)), whole)
    return Finding(
        id=finding_id, what=what, unit="%", interval=interval, count=round(value * whole.sites, 3),
        of=int(whole.sites), evidence=tuple(one.image for one in kept), method=_METHODS[kind].format(level=level),
        details={
            "level": level, "samples": len(grouped(kept)), "images": len(kept), "called": int(whole.called),
            "recall": round(whole.recall, 4), "expected_false_calls": round(whole.false, 3),
            "densities": {name: round(100 * together(group).density, 4) for name, group in grouped(kept).items()},
        },
    )  # fmt: skip


def student(densities: Sequence[float]) -> tuple[float, float]:
    """95 % of the mean density [share], by Student's t of square roots."""
    roots = np.sqrt(np.asarray(densities, float))
    half = float(special.stdtrit(len(roots) - 1, 0.975) * roots.std(ddof=1) / math.sqrt(len(roots)))
    # The mean of squares is the square of the mean plus the variance.
    centre = math.sqrt(float((roots**2).mean()))
    return max(centre - half, 0.0) ** 2, min(centre + half, 1.0) ** 2


def bootstrapped(tallies: Sequence[Tally], rng: np.random.Generator, rounds: int) -> Array:
    """(rounds,) densities [share] of samples drawn anew, and in them their frames."""
    groups = list(grouped(tallies).values())
    most = max(map(len, groups))
    parts = np.zeros((len(groups), most, 2))
    for number, group in enumerate(groups):
        parts[number, : len(group)] = [
            (max(t.called - t.rate * t.sites, 0.0), t.gain * t.sites) for t in group
        ]
    size = np.array([len(group) for group in groups])
    chosen = (
        rng.integers(0, len(groups), (rounds, len(groups))) if len(groups) > 1 else np.zeros((rounds, 1), int)
    )
    frame = np.floor(rng.random((rounds, len(groups), most)) * size[chosen][..., None]).astype(int)
    used = np.arange(most) < size[chosen][..., None]
    picked = np.where(used[..., None], parts[chosen[..., None], frame], 0.0).sum((1, 2))
    return np.asarray(np.clip(picked[:, 0] / np.maximum(picked[:, 1], 1e-12), 0.0, 1.0))


def _expanded(drawn: Array, n: int) -> tuple[float, float]:
    """Percentiles of a bootstrap of n units, set out as far as Student's t and n - 1 ask for."""
    tail = float(special.ndtr(-special.stdtrit(n - 1, 0.975) * math.sqrt(n / (n - 1))))
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return float(low), float(high)


def _widened(value: float, low: float, high: float, whole: Tally) -> Interval:
    """Interval in percent, with the error of the correction, which all units share."""
    less, more = whole.calibration
    below, above = math.hypot(max(value - low, 0.0), less), math.hypot(max(high - value, 0.0), more)
    return Interval(value=100 * value, low=100 * max(0.0, value - below), high=100 * min(1.0, value + above))
