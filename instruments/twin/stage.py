"""The stage: where it was told to go, what it says, and where it is (reference note, §3.1)."""

import math
from dataclasses import dataclass, replace

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
_LARGE_TILT_DEG = 1.0
"""Smaller tilts cause no transient of their own."""
_OVER = 25
"""After so many time constants a transient has ended (to 1e-11 of its size)."""


@dataclass(frozen=True)
class Motion:
    """Per-axis figures of a preset in SI, (5,) each."""

    backlash: Vector
    jitter: Vector
    settle: Vector
    quantum: Vector
    speed: Vector
    travel: Vector


@dataclass(frozen=True, eq=False)
class Creep:
    """A displacement that is still on its way: amplitude·(1 - exp(-(t - start)/τ))."""

    start_s: float
    tau_s: float
    amplitude: Vector
    """(5,) [m, rad]."""

    def at(self, times_s: NDArray[np.float64]) -> Vector:
        """How far it has come, (len(times), 5)."""
        since = np.maximum(times_s - self.start_s, 0.0)[:, None]
        return np.asarray(self.amplitude * (1 - np.exp(-since / self.tau_s)))


def motion_of(preset: StagePreset) -> Motion:
    """A preset as arrays; tilts do not settle."""
    nm, deg = 1e-9, math.pi / 180

    def five(linear_nm: float, tilt_deg: float) -> Vector:
        return np.array([linear_nm * nm] * 3 + [tilt_deg * deg] * 2)

    travel = [preset.travel_um * 1e-6] * 2 + [preset.z_travel_um * 1e-6]
    return Motion(
        backlash=np.append(
            five(preset.backlash_nm, preset.alpha_backlash_deg)[:4], preset.beta_backlash_deg * deg
        ),
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
        self._transient_rng = rng.spawn(1)[0]  # of its own: a tilt leaves the jitter of later moves as it is
        self.commanded = np.zeros(5)
        self._drive = np.zeros(5)
        """What the encoder shows: the commanded value, unless a move was stopped on its way."""
        self._lie = np.zeros(5)
        """By which the read-back is off."""
        self._stale: tuple[Vector, float] | None = None
        """What it shows instead, and until when [s]."""
        self._base = np.zeros(5)
        self._creep = Creep(0.0, preset.settle_s, np.zeros(5))
        """Settling after the last move; the next one ends it."""
        self._transients: tuple[Creep, ...] = ()
        self._slack = self.motion.backlash * rng.uniform(-0.5, 0.5, 5)
        self._matrix = self._draw_matrix()
        self._phase = rng.uniform(0, 2 * math.pi, 5)
        self._velocity = self._draw_velocity(preset.thermal_nm_per_s * 1e-9)
        self._time_s = 0.0

    def _draw_matrix(self) -> Vector:
        scale, cross = self.preset.scale, self.preset.cross_axis
        turn = cross * self._rng.standard_normal()
        off = 0.5 * cross * self._rng.standard_normal(2)
        matrix = np.eye(5)
        matrix[:2, :2] += np.diag(scale * self._rng.standard_normal(2))
        matrix[:2, :2] += np.array([[0.0, off[0] - turn], [off[1] + turn, 0.0]])
        if self.preset.matrix is not None:
            matrix[:2, :2] = self.preset.matrix
        return matrix

    def _draw_velocity(self, speed: float) -> Vector:
        angle = self._rng.uniform(0, 2 * math.pi)
        return speed * np.array([math.cos(angle), math.sin(angle), 0.0, 0.0, 0.0])

    @property
    def reported(self) -> Vector:
        """Read-back [m, rad], (5,)."""
        drive = self._drive if self._stale is None else self._stale[0]
        shown, quantum = drive + self._lie, self.motion.quantum
        steps = np.divide(shown, quantum, out=np.zeros(5), where=quantum > 0)
        return np.asarray(np.where(quantum > 0, np.round(steps) * quantum, shown))

    def actual(self, times_s: NDArray[np.float64]) -> Vector:
        """True position at times not before the last command, (len(times), 5) [m, rad]."""
        since = np.maximum(times_s - self._time_s, 0.0)[:, None]
        place: Vector = self._base + self._velocity * since + self._creep.at(times_s)
        for transient in self._transients:
            place = place + transient.at(times_s)
        return place

    def advance(self, time_s: float) -> None:
        """Let drift act until `time_s`; its velocity wanders."""
        if self._stale is not None and time_s >= self._stale[1]:
            self._stale = None
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

    def disturb(self, size: float) -> None:
        """Begin a transient of `size` [m] in a random direction: something heavy was moved."""
        if size > 0:
            angle = self._transient_rng.uniform(0, 2 * math.pi)
            way = size * np.array([math.cos(angle), math.sin(angle), 0.0, 0.0, 0.0])
            self._fold_old()
            self._transients += (Creep(self._time_s, self.preset.transient_s, way),)

    def _fold_old(self) -> None:
        old = [t for t in self._transients if self._time_s - t.start_s > _OVER * t.tau_s]
        self._transients = tuple(t for t in self._transients if t not in old)
        for transient in old:
            self._base = self._base + transient.amplitude

    def loosen(self, backlash: float) -> None:
        """Add backlash to x, y and z [m]."""
        more = np.array([backlash] * 3 + [0.0] * 2)
        self.motion = replace(self.motion, backlash=self.motion.backlash + more)

    def misreport(self, offset: float) -> None:
        """Let the reading of x be off from now on [m]."""
        self._lie[0] += offset

    def freeze_reading(self, seconds: float) -> None:
        """Let the read-back show for a while where the stage is now [s]."""
        self._stale = (self._drive.copy(), self._time_s + seconds)

    def seconds(self, target: Vector) -> float:
        """How long a move takes [s]."""
        return self.preset.overhead_s + float(np.max(np.abs(target - self._drive) / self.motion.speed))

    def draw_miss(self) -> bool:
        """Whether the next move is missed."""
        return bool(self._rng.random() < self.preset.miss)

    def way(self, target: Vector, share: float = 1.0) -> Vector:
        """(5,) true displacement that a move would bring, jitter apart [m, rad]."""
        end = self._end(target, share)
        effective = self._play(end - self._drive)[0]
        return np.asarray(self._matrix @ effective + self._screw(end) - self._screw(self._drive))

    def _end(self, target: Vector, share: float) -> Vector:
        return target.copy() if share >= 1 else self._drive + share * (target - self._drive)

    def arrive(
        self, target: Vector, share: float, missed: bool, *, slips: float = 0.0, slow: Creep | None = None
    ) -> None:
        """End a move begun at the last `advance`.

        Parameters
        ----------
        target
            (5,) [m, rad].
        share
            Below 1 if it was stopped on its way.
        missed
            Only the encoder moved.
        slips
            Part of the step that the encoder counts and the stage does not make.
        slow
            An unusual settling: its amplitude is taken along the move.
        """
        self.commanded = target.copy()
        start, self._drive = self._drive, self._end(target, share)
        jitter = self._rng.standard_normal(5)
        settle = self._rng.standard_normal(5)
        if missed:
            return
        step = self._drive - start
        moved = np.abs(step) > _TRIVIAL
        effective, self._slack = self._play(step * (1 - slips))
        self._base = self._base + self._creep.at(np.array([self._time_s]))[0]
        self._base = self._base + self._matrix @ effective + self._screw(self._drive) - self._screw(start)
        self._base = self._base + self.motion.jitter * jitter * moved
        creep = self.motion.settle * (0.5 * settle * moved + 0.5 * np.sign(effective))
        self._creep = Creep(self._time_s, self.preset.settle_s, creep)
        if slow is not None:
            self._creep = replace(
                slow, start_s=self._time_s, amplitude=creep + slow.amplitude * np.sign(step)
            )
        tilted = math.degrees(float(np.abs(step[3:]).max()))
        if tilted >= _LARGE_TILT_DEG:
            self.disturb(self.preset.tilt_drift_nm_per_deg * 1e-9 * tilted)

    def _play(self, step: Vector) -> tuple[Vector, Vector]:
        """The part of a step that gets through the backlash, and the slack after it."""
        pushed = self._slack + step
        slack = np.clip(pushed, -self.motion.backlash / 2, self.motion.backlash / 2)
        return pushed - slack, slack

    def _screw(self, position: Vector) -> Vector:
        turns = 2 * math.pi * position / (self.preset.screw_period_um * 1e-6) + self._phase
        error: Vector = self.preset.screw_nm * 1e-9 * np.sin(turns)
        error[2:] = 0.0
        return error
