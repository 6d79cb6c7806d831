"""The stage: where it was told to go, what it says, and where it is (reference note, §3.1)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import Defect
from eucentric.instruments.twin.presets import StagePreset

Vector = NDArray[np.float64]

AXES = ("x", "y", "z", "alpha", "beta")
ALPHA_LIMIT_DEG, BETA_LIMIT_DEG = 35.0, 30.0
MAX_STEP = 500e-6
_TRIVIAL = np.array([1e-9, 1e-9, 1e-9, 1e-7, 1e-7])
"""Steps below are not jittered [m, rad]."""


@dataclass(frozen=True)
class Motion:
    """Per-axis figures of a preset in SI, (5,) each."""

    backlash: Vector
    jitter: Vector
    settle: Vector
    quantum: Vector
    speed: Vector
    travel: Vector


def motion_of(preset: StagePreset) -> Motion:
    """A preset as arrays; tilts have no settling yet."""
    nm, deg = 1e-9, math.pi / 180

    def five(linear_nm: float, tilt_deg: float) -> Vector:
        return np.array([linear_nm * nm] * 3 + [tilt_deg * deg] * 2)

    travel = [preset.travel_um * 1e-6] * 2 + [preset.z_travel_um * 1e-6]
    return Motion(
        backlash=five(preset.backlash_nm, preset.tilt_backlash_deg),
        jitter=five(preset.jitter_nm, preset.tilt_jitter_deg),
        settle=five(preset.settle_nm, 0.0),
        quantum=five(preset.readback_nm, preset.tilt_readback_deg),
        speed=five(preset.speed_um_per_s * 1e3, preset.tilt_speed_deg_per_s),
        travel=np.array([*travel, ALPHA_LIMIT_DEG * deg, BETA_LIMIT_DEG * deg]),
    )


class Stage:
    """Five axes. `commanded` and `reported` are for the driver, `actual` for imaging and the oracle."""

    def __init__(self, preset: StagePreset, rng: np.random.Generator) -> None:
        self.preset, self.motion, self._rng = preset, motion_of(preset), rng
        self.commanded = np.zeros(5)
        self._drive = np.zeros(5)
        """What the encoder shows: the commanded value, unless a move was stopped on its way."""
        self._base = np.zeros(5)
        self._creep = np.zeros(5)
        self._slack = self.motion.backlash * rng.uniform(-0.5, 0.5, 5)
        self._matrix = self._draw_matrix()
        self._phase = rng.uniform(0, 2 * math.pi, 5)
        self._velocity = self._draw_velocity(preset.thermal_nm_per_s * 1e-9)
        self._moved_s = 0.0
        self._time_s = 0.0

    def _draw_matrix(self) -> Vector:
        scale, cross = self.preset.scale, self.preset.cross_axis
        turn = cross * self._rng.standard_normal()
        off = 0.5 * cross * self._rng.standard_normal(2)
        matrix = np.eye(5)
        matrix[:2, :2] += np.diag(scale * self._rng.standard_normal(2))
        matrix[:2, :2] += np.array([[0.0, off[0] - turn], [off[1] + turn, 0.0]])
        return matrix

    def _draw_velocity(self, speed: float) -> Vector:
        angle = self._rng.uniform(0, 2 * math.pi)
        return speed * np.array([math.cos(angle), math.sin(angle), 0.0, 0.0, 0.0])

    @property
    def reported(self) -> Vector:
        """Read-back [m, rad], (5,)."""
        quantum = self.motion.quantum
        steps = np.divide(self._drive, quantum, out=np.zeros(5), where=quantum > 0)
        return np.asarray(np.where(quantum > 0, np.round(steps) * quantum, self._drive))

    def actual(self, times_s: NDArray[np.float64]) -> Vector:
        """True position at times not before the last command, (len(times), 5) [m, rad]."""
        since = np.maximum(times_s - self._time_s, 0.0)[:, None]
        return self._base + self._velocity * since + self._settled(times_s)

    def _settled(self, times_s: NDArray[np.float64]) -> Vector:
        since = np.maximum(times_s - self._moved_s, 0.0)[:, None]
        return np.asarray(self._creep * (1 - np.exp(-since / self.preset.settle_s)))

    def advance(self, time_s: float) -> None:
        """Let drift act until `time_s`; its velocity wanders."""
        dt = time_s - self._time_s
        if dt < 0:
            raise Defect(f"stage time would run backwards by {-dt:g} s")
        if dt == 0:
            return
        self._base = self._base + self._velocity * dt
        wander = 0.1e-9 * self.preset.thermal_nm_per_s * math.sqrt(dt / 60)
        self._velocity = self._velocity + wander * np.array([*self._rng.standard_normal(2), 0.0, 0.0, 0.0])
        self._time_s = time_s

    def kick(self, speed: float) -> None:
        """Add a thermal drift of `speed` [m/s] in a random direction."""
        self._velocity = self._velocity + self._draw_velocity(speed)

    def seconds(self, target: Vector) -> float:
        """How long a move takes [s]."""
        return self.preset.overhead_s + float(np.max(np.abs(target - self._drive) / self.motion.speed))

    def draw_miss(self) -> bool:
        """Whether the next move is missed."""
        return bool(self._rng.random() < self.preset.miss)

    def arrive(self, target: Vector, share: float, missed: bool) -> None:
        """End a move begun at the last `advance`; `share` < 1 if it was stopped on its way."""
        self.commanded = target.copy()
        start = self._drive
        self._drive = target.copy() if share >= 1 else start + share * (target - start)
        jitter = self._rng.standard_normal(5)
        settle = self._rng.standard_normal(5)
        if missed:
            return
        step = self._drive - start
        moved = np.abs(step) > _TRIVIAL
        effective = self._play(step)
        self._base = self._base + self._settled(np.array([self._time_s]))[0]
        self._base = self._base + self._matrix @ effective + self._screw(self._drive) - self._screw(start)
        self._base = self._base + self.motion.jitter * jitter * moved
        self._creep = self.motion.settle * (0.5 * settle * moved + 0.5 * np.sign(effective))
        self._moved_s = self._time_s

    def _play(self, step: Vector) -> Vector:
        """The part of a step that gets through the backlash."""
        pushed = self._slack + step
        self._slack = np.clip(pushed, -self.motion.backlash / 2, self.motion.backlash / 2)
        return pushed - self._slack

    def _screw(self, position: Vector) -> Vector:
        turns = 2 * math.pi * position / (self.preset.screw_period_um * 1e-6) + self._phase
        error: Vector = self.preset.screw_nm * 1e-9 * np.sin(turns)
        error[2:] = 0.0
        return error
