"""The driver of the twin: the vendor's side of the instrument, in SI, with no policy and no truth."""

import threading
from collections.abc import Mapping
from typing import Literal

import numpy as np

from eucentric.core.errors import (
    BadInput,
    BeamLost,
    Busy,
    CommandTimeout,
    LimitRefused,
    UnknownAxis,
    UnknownDetector,
    Unsupported,
)
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import DriverState, Pixels, RawFrames, ScanSpec
from eucentric.instruments.twin.acquisition import Film, Shot, expose
from eucentric.instruments.twin.blanker import Blanker
from eucentric.instruments.twin.clock import Clock, RealClock, StopCount, Stops, VirtualClock
from eucentric.instruments.twin.column import check_settings, initial_settings
from eucentric.instruments.twin.declaration import FLYBACK_S, FRAME_OVERHEAD_S, declare
from eucentric.instruments.twin.exposure import ExposureLog, record_scan
from eucentric.instruments.twin.faults import FaultBox, FaultSpec
from eucentric.instruments.twin.presets import PRESETS
from eucentric.instruments.twin.render import View
from eucentric.instruments.twin.specimen import Specimen
from eucentric.instruments.twin.stage import AXES, Stage, Vector
from eucentric.instruments.twin.world import WorldSpec

ClockKind = Literal["virtual", "real"]

_STAGE, _NOISE, _FAULTS = 101, 102, 103
_TIMEOUT_S = 10.0
"""How long the control software waits for a stage that does not answer [s]."""
_PARKED_WIDTH = 1.5e-10
"""Edge of the square over which a parked probe is taken to spread [m]."""


class TwinDriver:
    """A simulated microscope. Same world, seed and commands on a virtual clock: same bytes.

    Parameters
    ----------
    world
        What it is made of.
    seed
        Draws specimen, stage, noise and faults, each from its own stream.
    stage
        Preset: ideal, good, worn, piezo, or one that the world declares.
    clock
        ``virtual`` jumps, ``real`` runs with the wall clock, `speed` instrument seconds a second.
    faults
        What goes wrong.

    Raises
    ------
    BadInput
        An unknown preset.
    """

    def __init__(
        self,
        world: WorldSpec,
        seed: int = 0,
        stage: str = "good",
        clock: ClockKind = "virtual",
        speed: float = 1.0,
        faults: tuple[FaultSpec, ...] = (),
    ) -> None:
        presets = PRESETS | world.stages
        if stage not in presets:
            raise BadInput(f"stage preset {stage!r}", remedy=f"known: {', '.join(presets)}")
        self._world, self._seed = world, seed
        self._clock: Clock = RealClock(speed) if clock == "real" else VirtualClock()
        self._stage = Stage(presets[stage], np.random.default_rng([seed, _STAGE]))
        self._fault_rng = np.random.default_rng([seed, _FAULTS])
        self._faults = FaultBox(faults)
        self._specimen = Specimen(world, seed)
        self._exposures = ExposureLog()
        self._declared = declare(world, seed, stage, presets[stage], abort_mid_frame=clock == "real")
        self._settings = initial_settings(world.optics)
        self._threaded = clock == "real"
        self._blanker, self._beam_on, self._commands = Blanker(), True, 0
        self._scanning, self._parked_since = False, 0.0
        self._command, self._state, self._stops = threading.Lock(), threading.RLock(), StopCount()

    def capabilities(self) -> Capabilities:
        """The declaration."""
        return self._declared

    def read(self) -> DriverState:
        """Fresh read-back."""
        with self._state:
            return DriverState(
                commanded=dict(zip(AXES, self._stage.commanded.tolist(), strict=True)),
                reported=dict(zip(AXES, self._stage.reported.tolist(), strict=True)),
                optics=dict(self._settings),
                blanked=self._blanker.blanked,
                beam_on=self._beam_on,
                holder=self._world.holder,
                loading=self._world.loading,
                epoch=0,
                time_s=self._clock.now(),
                commands=self._commands,
            )

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        """Move axes to absolute targets [m, rad].

        Raises
        ------
        UnknownAxis, LimitRefused
            Nothing moved.
        CommandTimeout
            The stage did not answer; it may or may not have moved.
        """
        target = self._target(targets)
        stopped = self._begin(stop)
        try:
            self._move(target, stopped)
        finally:
            self._command.release()

    def _target(self, targets: Mapping[str, float]) -> Vector:
        target = self._stage.commanded.copy()
        for name, value in targets.items():
            spec = self._declared.axis(name)
            if spec is None:
                raise UnknownAxis(f"axis {name!r}", "nothing moved", f"axes: {', '.join(AXES)}")
            if not spec.lower <= value <= spec.upper:
                raise LimitRefused(
                    f"{name} to {value:g} {spec.unit}",
                    f"travel {spec.lower:g} to {spec.upper:g} {spec.unit}; nothing moved",
                )
            target[AXES.index(name)] = value
        return target

    def _move(self, target: Vector, stopped: Stops) -> None:
        start = self._clock.now()
        due = self._faults.due("move", start)
        missed = self._stage.draw_miss() or any(fault.kind == "missed_move" for fault in due)
        silent = [fault for fault in due if fault.kind == "time_out"]
        if silent:
            missed = missed or bool(self._fault_rng.random() < 0.5)
        seconds = _TIMEOUT_S if silent else self._stage.seconds(target)
        now = self._pass(start + seconds, stopped)
        share = min(1.0, max(0.0, (now - start) / seconds))
        with self._state:
            self._stage.arrive(target, 1.0 if silent else share, missed)
        for fault in due:
            self._faults.record(fault, now, "did not move" if missed else "moved")
        if silent:
            raise CommandTimeout(
                f"the stage did not answer within {_TIMEOUT_S:g} s",
                "its position is unknown",
                "read it, then look",
            )

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        """Set controls [SI]; Unsupported or LimitRefused if one can't be, and then none is."""
        settle = check_settings(self._declared.optics, values)
        stopped = self._begin(stop)
        try:
            if not stopped():
                with self._state:
                    self._settings.update({name: float(value) for name, value in values.items()})
                self._pass(self._clock.now() + settle, stopped)
        finally:
            self._command.release()

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        """Scan once with the beam as it is.

        Raises
        ------
        UnknownDetector, Unsupported
            Nothing was scanned.
        BeamLost
            The gun has tripped, before or during the scan.
        """
        self._check_scan(scan)
        stopped = self._begin(stop)
        try:
            self._scanning = True
            return self._acquire(scan, stopped)
        finally:
            self._scanning = False
            self._command.release()

    def _check_scan(self, scan: ScanSpec) -> None:
        for name in scan.detectors:
            if self._declared.detector(name) is None:
                known = ", ".join(self._world.detectors)
                raise UnknownDetector(f"detector {name!r}", "nothing was scanned", f"detectors: {known}")
        fits = 1 <= scan.rows <= self._declared.max_pixels and 1 <= scan.columns <= self._declared.max_pixels
        if not (fits and scan.dwell_s >= self._declared.min_dwell_s and 0 < scan.fov_m <= 50e-6):
            raise Unsupported(
                f"scan of {scan.rows} x {scan.columns} px, {scan.fov_m:g} m, {scan.dwell_s:g} s",
                f"up to {self._declared.max_pixels} px, 50e-6 m, at least {self._declared.min_dwell_s:g} s",
                "nothing was scanned",
            )

    def _acquire(self, scan: ScanSpec, stopped: Stops) -> tuple[RawFrames, Pixels]:
        before, start = self.read(), self._clock.now()
        due = self._faults.due("acquire", start)
        for fault in (fault for fault in due if fault.kind == "drift_step"):
            self._stage.kick(fault.drift_nm_per_s * 1e-9)
            self._faults.record(fault, start)
        trips = [fault for fault in due if fault.kind == "beam_trip"]
        for fault in trips:
            self._faults.record(fault, start)
        if trips or not self._beam_on:
            self._beam_on = False
            raise BeamLost("no beam", "the gun has tripped", "an operator must bring the emission back")
        shot = Shot(
            scan, dict(self._settings), start + FRAME_OVERHEAD_S, FLYBACK_S, self._faults.counts["acquire"]
        )
        with self._state:
            self._blanker.forget()
            lit = not self._blanker.blanked
        view = View(self._stage.actual(shot.line_times()), self._beam_shift(), self._settings["defocus"])
        film = Film(self._specimen, shot, view, (self._seed, _NOISE))
        pixels, lines = expose(film, shot, self._clock, stopped, lit=lit, threaded=self._threaded)
        return self._finish(shot, view, before, film, pixels, lines)

    def _finish(
        self,
        shot: Shot,
        view: View,
        before: DriverState,
        film: Film,
        pixels: Pixels,
        lines: int,
    ) -> tuple[RawFrames, Pixels]:
        now = self._clock.now()
        times = shot.line_times()
        with self._state:
            self._stage.advance(now)
            lit = self._blanker.open_at(times) & (times < now)
            self._parked_since = now
        dark = ~lit[:lines]
        if dark.any() and lit.any():
            for plane, noise in zip(pixels, film.dark(), strict=True):
                plane[:lines][dark] = noise[:lines][dark]
        record_scan(self._exposures, self._specimen, shot, view, lit)
        frames = RawFrames(
            scan=shot.scan,
            before=before,
            time_s=shot.start_s,
            duration_s=max(0.0, now - before.time_s),
            beam_s=float(lit.sum()) * shot.line_s,
            aborted=lines < shot.scan.rows,
            lines_done=lines,
        )
        return frames, pixels

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Let instrument time pass [s]."""
        stopped = self._begin(stop, counts=False)
        try:
            self._pass(self._clock.now() + max(0.0, seconds), stopped)
        finally:
            self._command.release()

    def set_blank(self, on: bool) -> None:
        """Blank or unblank; idempotent; from any thread."""
        with self._state:
            if on == self._blanker.blanked:
                return
            self._charge_parked()
            self._blanker.switch(on, self._clock.now())
            self._commands += 1

    def is_blanked(self) -> bool:
        """True if no beam reaches the specimen."""
        return self._blanker.blanked or not self._beam_on

    def stop(self) -> None:
        """End the running command; from any thread."""
        self._stops.add()

    def close(self) -> None:
        """Blank and let go."""
        self.stop()
        self.set_blank(True)

    def _begin(self, stop: threading.Event, *, counts: bool = True) -> Stops:
        """Take the command lock and bring the stage up to now; the caller releases it."""
        stopped = Stops(stop, self._stops)
        if not self._command.acquire(blocking=False):
            raise Busy("the twin is busy with another command", "nothing was sent", "wait for it, or stop it")
        with self._state:
            self._commands += counts
            self._charge_parked()
            self._stage.advance(self._clock.now())
        return stopped

    def _pass(self, moment: float, stopped: Stops) -> float:
        now = self._clock.until(moment, stopped)
        with self._state:
            self._charge_parked()
            self._stage.advance(self._clock.now())
        return now

    def _beam_shift(self) -> tuple[float, float]:
        return self._settings["beam_shift_x"], self._settings["beam_shift_y"]

    def _charge_parked(self) -> None:
        """A beam that is neither blanked nor scanning burns one spot."""
        now, since = self._clock.now(), self._parked_since
        self._parked_since = now
        if self.is_blanked() or self._scanning or now <= since:
            return
        x, y = self._stage.actual(np.array([now]))[0, :2] + np.array(self._beam_shift())
        charge = self._settings["probe_current"] * (now - since)
        self._exposures.add((float(x), float(y)), (_PARKED_WIDTH, _PARKED_WIDTH), charge, now)
