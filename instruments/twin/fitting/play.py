"""Backlash, affine error, screw error, jitter and missed moves from the jumps of a stage."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_GRID, _ROUNDS = 41, 3
_PERIODS = np.geomspace(4e-6, 80e-6, 241)
"""Of the screw [m]."""
_DECIDABLE = 8.0
"""A move is called missed or made only if it should have gone so many sigmas."""
_CLIP = 5.0
_NO_SCREW = math.inf
_WORTH = 30.0
"""A screw is believed if it makes the jumps so much more likely (2 log ratio; of noise alone 60 periods give < 20)."""


@dataclass(frozen=True)
class Jumps:
    """N moves: from where to where the drive went and what followed, [m]."""

    start: Floats
    """(N, 2)."""
    end: Floats
    """(N, 2)."""
    seen: Floats
    """(N, 2)."""
    variance: Floats
    """(N,) of what was seen, by measuring [m²]."""


@dataclass(frozen=True)
class Played:
    """What explains the jumps."""

    backlash: float
    matrix: Floats
    """(2, 2) true displacement for a commanded one."""
    period: float
    """Of the screw [m]; infinite if none shows."""
    screw: float
    """Amplitude [m]."""
    jitter: float
    """One sigma of a move, measuring apart [m]."""
    missed: Flags
    """(N,)."""
    decidable: Flags
    """(N,) whether a miss would have shown."""
    effective: Floats = field(repr=False)
    """(N, 2) what got through the backlash [m]."""


def effective_steps(steps: Floats, backlash: float, missed: Flags) -> tuple[Floats, Flags]:
    """(N, 2) what gets through the backlash, and (N, 2) where the slack before the move is known."""
    half, slack, sure = backlash / 2, np.zeros(2), np.zeros(2, dtype=np.bool_)
    through, known = np.zeros_like(steps), np.zeros(steps.shape, dtype=np.bool_)
    for n, step in enumerate(steps):
        if missed[n]:
            known[n] = sure
            continue
        pushed = slack + step
        slack = np.clip(pushed, -half, half)
        through[n], known[n] = pushed - slack, sure
        sure = sure | (np.abs(step) >= backlash)
    return through, known


def explain(jumps: Jumps) -> Played:
    """Fit all of it: backlash by search, the rest by least squares; misses are found and left out."""
    steps = jumps.end - jumps.start
    missed, period = np.zeros(len(steps), dtype=np.bool_), _NO_SCREW
    longest = 0.5 * float(np.abs(steps).max())
    grid = np.concatenate([[0.0], np.geomspace(1e-4 * longest, longest, _GRID)])
    for _ in range(_ROUNDS):
        backlash = _searched(jumps, missed, grid, period)
        period = _period(jumps, missed, backlash)
        missed = _missed(jumps, missed, backlash, period)[0]
        grid = _around(backlash, max(0.25 * backlash, 2e-4 * longest))
    for narrow in (0.05, 0.004):
        backlash = _searched(jumps, missed, _around(backlash, max(narrow * backlash, 1e-5 * longest)), period)
    return _finished(jumps, missed, backlash, period)


def _around(middle: float, reach: float) -> Floats:
    return np.linspace(max(0.0, middle - reach), middle + reach, _GRID)


def _searched(jumps: Jumps, missed: Flags, grid: Floats, period: float) -> float:
    """The backlash that leaves least."""
    return float(grid[int(np.argmin([_Fit(jumps, missed, one, period).cost for one in grid]))])


def _period(jumps: Jumps, missed: Flags, backlash: float) -> float:
    """Of the screw, if there is one: no longer than the travel that was used."""
    played = effective_steps(jumps.end - jumps.start, backlash, missed)

    def cost(period: float) -> float:
        return _Fit(jumps, missed, backlash, period, played).cost

    possible = _PERIODS[float(np.ptp(jumps.end, axis=0).max()) >= _PERIODS]
    if not possible.size:
        return _NO_SCREW
    best = possible[int(np.argmin([cost(one) for one in possible]))]
    fine = best * np.linspace(0.985, 1.015, 31)
    best = float(fine[int(np.argmin([cost(one) for one in fine]))])
    gain = 4 * len(jumps.seen) * math.log(cost(_NO_SCREW) / max(cost(best), 1e-30))
    return best if gain > _WORTH else _NO_SCREW


class _Fit:
    """Least squares at one backlash and one period of the screw."""

    def __init__(
        self,
        jumps: Jumps,
        missed: Flags,
        backlash: float,
        period: float,
        played: tuple[Floats, Flags] | None = None,
    ) -> None:
        self.through, known = played or effective_steps(jumps.end - jumps.start, backlash, missed)
        self.used = known.all(axis=1) & ~missed
        self.design = [_design(jumps, self.through, axis, period) for axis in range(2)]
        self.found = [self._solve(axis, jumps) for axis in range(2)]
        left = [jumps.seen[:, axis] - self.design[axis] @ self.found[axis] for axis in range(2)]
        self.left = np.stack(left, axis=1)
        kept = np.abs(self.left[self.used])
        self.sigma = 1.4826 * float(np.median(kept)) if len(kept) else math.inf
        self.cost = float(np.mean(np.minimum(kept, _CLIP * self.sigma + 1e-12))) if len(kept) else math.inf

    def _solve(self, axis: int, jumps: Jumps) -> Floats:
        """Three rounds, outliers left out."""
        design, seen, use = self.design[axis], jumps.seen[:, axis], self.used.copy()
        found: Floats = np.zeros(design.shape[1])
        for _ in range(3):
            found = np.asarray(np.linalg.lstsq(design[use], seen[use], rcond=None)[0], np.float64)
            left = np.abs(seen - design @ found)
            use = self.used & (left <= _CLIP * 1.4826 * float(np.median(left[self.used])) + 1e-12)
        return found


def _design(jumps: Jumps, through: Floats, axis: int, period: float) -> Floats:
    turn = 2 * math.pi / period
    first, last = jumps.start[:, axis] * turn, jumps.end[:, axis] * turn
    return np.stack(
        [through[:, 0], through[:, 1], np.sin(last) - np.sin(first), np.cos(last) - np.cos(first)], axis=1
    )


def _missed(jumps: Jumps, missed: Flags, backlash: float, period: float) -> tuple[Flags, Flags]:
    """Which moves did not happen, and for which that can be told."""
    fit = _Fit(jumps, missed, backlash, period)
    steps, half = jumps.end - jumps.start, backlash / 2
    slack, gone = np.zeros(2), np.zeros(len(steps), dtype=np.bool_)
    told = np.zeros(len(steps), dtype=np.bool_)
    for n, step in enumerate(steps):
        pushed = slack + step
        after = np.clip(pushed, -half, half)
        far = float(np.hypot(*(pushed - after)))
        told[n] = far > _DECIDABLE * fit.sigma
        gone[n] = told[n] and float(np.hypot(*jumps.seen[n])) < 0.5 * far
        slack = slack if gone[n] else after
    return gone, told


def _finished(jumps: Jumps, missed: Flags, backlash: float, period: float) -> Played:
    fit = _Fit(jumps, missed, backlash, period)
    gone, told = _missed(jumps, missed, backlash, period)
    steps = jumps.end - jumps.start
    moved = (np.abs(steps) > 1e-9) & fit.used[:, None] & (np.abs(fit.left) < 6 * fit.sigma + 1e-12)
    spread = fit.left**2 - jumps.variance[:, None]
    freedom = 1 - 8 / max(int(moved.sum()), 9)
    return Played(
        backlash=backlash,
        matrix=np.array([fit.found[0][:2], fit.found[1][:2]]),
        period=period,
        screw=math.sqrt(float(np.mean([one[2] ** 2 + one[3] ** 2 for one in fit.found]))),
        jitter=math.sqrt(max(0.0, float(np.mean(spread[moved])) / freedom)) if moved.any() else 0.0,
        missed=gone,
        decidable=told,
        effective=fit.through,
    )
