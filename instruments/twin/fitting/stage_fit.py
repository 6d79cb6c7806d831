"""A stage preset from a log of moves, so that a site's own stage can be simulated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from eucentric.instruments.twin.fitting.drift import thermal_speed
from eucentric.instruments.twin.fitting.moves import Looks
from eucentric.instruments.twin.fitting.play import Jumps, Played, explain
from eucentric.instruments.twin.fitting.settling import Settled, settle
from eucentric.instruments.twin.presets import StagePreset

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StageFit:
    """What a log tells about a stage."""

    preset: StagePreset
    moves: int
    missed: int
    decidable: int
    """Moves for which a miss would have shown."""
    miss_95: tuple[float, float]
    """Clopper-Pearson interval of the chance that a move is missed."""
    noise_nm: float
    """One sigma of a measured place."""


def binomial_95(successes: int, n: int) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson 1934); (0, 1) without trials."""
    if n == 0:
        return 0.0, 1.0
    low = float(special.betaincinv(successes, n - successes + 1, 0.025)) if successes else 0.0
    high = float(special.betaincinv(successes + 1, n - successes, 0.975)) if successes < n else 1.0
    return low, high


def fit_stage(log: Sequence[Looks]) -> StageFit:
    """A preset for the very stage that was measured: its affine error is kept as it is, not drawn again.

    Tilts, travel, z and transients are not in such a log and stay at their defaults.
    """
    settled = settle(log)
    seen, variance = settled.steps()
    told = np.array([one.commanded for one in log])
    played = explain(Jumps(told[:-1], told[1:], seen, variance))
    missed, decidable = int(played.missed.sum()), int(played.decidable.sum())
    overhead, speed = _pace(log, told)
    affine = played.matrix - np.eye(2)
    preset = StagePreset(
        backlash_nm=_digits(played.backlash * 1e9),
        jitter_nm=_digits(played.jitter * 1e9),
        scale=_digits(math.sqrt(float(np.mean(np.diag(affine) ** 2)))),
        cross_axis=_digits(math.sqrt(float(np.mean(affine[[0, 1], [1, 0]] ** 2) / 1.25))),
        matrix=((_digits(played.matrix[0, 0], 7), _digits(played.matrix[0, 1], 7)),
                (_digits(played.matrix[1, 0], 7), _digits(played.matrix[1, 1], 7))),
        thermal_nm_per_s=_digits(_thermal(settled) * 1e9),
        settle_nm=_digits(_creep(settled, played) * 1e9),
        settle_s=_digits(settled.tau_s),
        miss=_digits(missed / decidable) if decidable else 0.0,
        readback_nm=_digits(_quantum(np.array([one.reported for one in log])) * 1e9),
        screw_period_um=_digits(played.period * 1e6) if math.isfinite(played.period) else 20.0,
        screw_nm=_digits(played.screw * 1e9),
        speed_um_per_s=_digits(speed * 1e6),
        overhead_s=_digits(overhead),
    )  # fmt: skip
    interval = binomial_95(missed, decidable)
    return StageFit(preset, len(log) - 1, missed, decidable, interval, settled.noise * 1e9)


def _digits(value: float, count: int = 4) -> float:
    return float(f"{value:.{count}g}")


def _thermal(settled: Settled) -> float:
    variance = settled.noise**2 * settled.covariance[:, 2, 2]
    return thermal_speed(settled.arrived_s, settled.velocity, variance)


def _creep(settled: Settled, played: Played) -> float:
    """Half of it is random, half goes on in the direction of the move: the mean square is half of its square."""
    moved = (np.abs(played.effective) > 0) & ~played.missed[:, None]
    noise = settled.noise**2 * settled.covariance[1:, 1, 1]
    excess = (settled.creep[1:] ** 2 - noise[:, None])[moved]
    return math.sqrt(max(0.0, 2 * float(np.mean(excess)))) if excess.size else 0.0


def _pace(log: Sequence[Looks], told: Floats) -> tuple[float, float]:
    """Overhead [s] and speed [m/s] from how long the moves took."""
    way = np.abs(np.diff(told, axis=0)).max(axis=1)
    took = np.array([one.took_s for one in log[1:]])
    if np.ptp(way) == 0:
        return 0.0, max(float(way[0] / took[0]), 1e-9)
    slope, overhead = np.polyfit(way, took, 1)
    return max(0.0, float(overhead)), 1 / max(float(slope), 1e-3)


def _quantum(reported: Floats) -> float:
    """The coarsest step of which all readings are multiples; 0 if there is none of 0.01 nm or more."""
    levels = np.unique(np.round(reported.ravel(), 13))
    gaps = np.diff(levels)
    step = float(gaps[gaps > 5e-12].min()) if (gaps > 5e-12).any() else 0.0
    for parts in range(1, 11):
        if step and np.abs(levels / (step / parts) - np.round(levels / (step / parts))).max() < 0.02:
            return step / parts
    return 0.0
