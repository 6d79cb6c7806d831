"""The driver of the twin: the vendor's side of the instrument, in SI, with no policy and no truth."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import numpy as np

from eucentric.core.errors import (
    BadInput,
    Busy,
    ConnectionLost,
    LimitRefused,
    UnknownAxis,
    UnknownDetector,
    Unsupported,
)
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import DriverState, LoggedCommand, Pixels, RawFrames, ScanSpec
from eucentric.instruments.twin.clock import Clock, PacedClock, RealClock, StopCount, Stops, VirtualClock
from eucentric.instruments.twin.column import Column, check_settings
from eucentric.instruments.twin.controllerlog import ControllerLog
from eucentric.instruments.twin.declaration import declare
from eucentric.instruments.twin.exposure_log import ExposureLog
from eucentric.instruments.twin.faults import FaultBox, FaultSpec, of_kind
from eucentric.instruments.twin.goniometer import Goniometer
from eucentric.instruments.twin.health import Health
from eucentric.instruments.twin.illumination import Illumination
from eucentric.instruments.twin.presets import PRESETS
from eucentric.instruments.twin.retraction import Retraction
from eucentric.instruments.twin.scanner import Scanner
from eucentric.instruments.twin.specimen import Specimen
from eucentric.instruments.twin.stage import AXES, Stage, Vector
from eucentric.instruments.twin.world import WorldSpec

ClockKind = Literal["virtual", "paced", "real"]
T = TypeVar("T")

_STAGE, _FAULTS = 101, 103


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
        ``virtual`` jumps, ``paced`` takes its time for each jump, ``real`` runs with the wall clock; `speed`
        instrument seconds a second.
    faults
        What goes wrong.

    Raises
    ------
    BadInput
        An unknown preset, or a fault of a detector that there is not.
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
        _check_faults(faults, world)
        self._world = world
        self._clock = _clock(clock, speed)
        self._stage = Stage(presets[stage], np.random.default_rng([seed, _STAGE]))
        self._fault_rng = np.random.default_rng([seed, _FAULTS])
        self._faults = FaultBox(faults)
        self._exposures = ExposureLog()
        self._specimen = Specimen(world, seed, self._exposures)
        self._health = Health(world.health, faults)
        self._column = Column(world.optics, self._health, seed)
        self._detectors = Retraction(world.detectors)
        self._declared = declare(world, seed, stage, presets[stage], abort_mid_frame=clock != "virtual")
        self._commands, self._log = 0, ControllerLog()
        self._command, self._state, self._stops = threading.Lock(), threading.RLock(), StopCount()
        self._light = Illumination(self._clock, self._stage, self._health, self._column, self._exposures)
        self._goniometer = Goniometer(self._stage, world.pole_piece, self._faults, self._fault_rng)
        self._scanner = Scanner(
            self._specimen, self._stage, self._light, self._health, self._detectors, self._faults,
            seed=seed, clock=self._clock, lock=self._state, read=self.read, threaded=clock != "virtual",
            parked_s=self._declared.parked_s,
        )  # fmt: skip

    # --- reading ------------------------------------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        """The declaration."""
        return self._declared

    def read(self) -> DriverState:
        """Fresh read-back."""
        with self._state:
            now = self._clock.now()
            self._faults.notice(now)
            return DriverState(
                commanded=dict(zip(AXES, self._stage.commanded.tolist(), strict=True)),
                reported=dict(zip(AXES, self._stage.reported.tolist(), strict=True)),
                optics=self._column.shown(now),
                blanked=self._light.blanker.blanked,
                beam_on=self._health.on(now),
                holder=self._world.holder,
                loading=self._world.loading,
                epoch=0,
                time_s=now,
                commands=self._commands,
                inserted=dict(self._detectors.reported),
                touch=self._goniometer.touch,
                signals=self._health.signals(now),
            )

    def command_log(self, after: int) -> tuple[LoggedCommand, ...]:
        """What the controller was told, from the command after that number on."""
        with self._state:
            return self._log.after(after)

    # --- commands: one at a time --------------------------------------------------------------------------

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        """Move axes to absolute targets [m, rad], all at once along a straight line.

        A holder that meets a pole piece stops there: `touch` is then true and nothing moves until `clear_touch`.

        Raises
        ------
        UnknownAxis, LimitRefused
            Nothing moved: beyond the travel, or the touch alarm is on.
        CommandTimeout, ConnectionLost
            The stage did not answer; it may or may not have moved.
        InstrumentFault
            Its controller reports an error; it stands where it reads back.
        """
        target = self._target(targets)
        self._goniometer.refuse_if_touching("a move")
        self._do(stop, "move", targets, lambda stopped: self._move(target, stopped))

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        """Set controls [SI]; Unsupported or LimitRefused if one can't be, and then none is."""
        settle = check_settings(self._declared.optics, values)
        self._do(stop, "set_optics", values, lambda stopped: self._set(values, settle, stopped))

    def insert(self, detector: str, inside: bool, stop: threading.Event) -> None:
        """Drive a retractable detector in or out; stopped on its way it is out.

        Raises
        ------
        UnknownDetector, Unsupported, LimitRefused
            Nothing moved: no such detector, it is fixed, or the touch alarm is on.
        """
        self._need_detectors((detector,), "nothing moved")
        if detector not in self._detectors.reported:
            known = ", ".join(self._detectors.reported) or "none"
            raise Unsupported(f"detector {detector!r} is fixed", "nothing moved", f"retractable: {known}")
        self._goniometer.refuse_if_touching(f"driving {detector}")
        told = {"detector": detector, "inside": inside}
        self._do(stop, "insert", told, lambda stopped: self._insert(detector, inside, stopped))

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        """Scan once with the beam as it is. A detector that is not in records noise.

        Raises
        ------
        UnknownDetector, Unsupported
            Nothing was scanned.
        BeamLost
            The gun has tripped or an interlock has shut the column, before or during the scan.
        ConnectionLost
            The frame may have been scanned; it is lost.
        """
        self._check_scan(scan)
        told = scan.model_dump(mode="json")
        return self._do(stop, "acquire", told, lambda stopped: self._scanner.acquire(scan, stopped))

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Let instrument time pass [s]."""
        stopped, _ = self._begin(stop, counts=False)
        try:
            self._pass(self._clock.now() + max(0.0, seconds), stopped)
        finally:
            self._command.release()

    def clear_touch(self) -> None:
        """What staff do after a look at the holder: switch the touch alarm off."""
        with self._state:
            self._goniometer.touch = False
            self._commands += 1
            self._heard("clear_touch", {})

    # --- blank and stop: any thread -----------------------------------------------------------------------

    def set_blank(self, on: bool) -> None:
        """Blank or unblank; idempotent; from any thread."""
        with self._state:
            if on != self._light.blanker.blanked:
                self._light.switch(on)
                self._commands += 1
                self._heard("blank" if on else "unblank", {})

    def is_blanked(self) -> bool:
        """True if no beam reaches the specimen."""
        return self._light.dark()

    def stop(self) -> None:
        """End the running command; from any thread."""
        self._stops.add()

    def close(self) -> None:
        """Blank and let go."""
        self.stop()
        self.set_blank(True)

    # --- inside -------------------------------------------------------------------------------------------

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
        going = self._goniometer.begin(target, start)
        end = start + going.furthest * going.seconds
        now = self._pass(end, stopped)
        arrived = going.furthest < 1 and now >= end
        share = going.furthest if arrived else min(1.0, max(0.0, (now - start) / going.seconds))
        with self._state:
            self._goniometer.end(going, share, now)

    def _set(self, values: Mapping[str, float], settle_s: float, stopped: Stops) -> None:
        if not stopped():
            with self._state:
                self._light.charge_parked()
                self._column.set(values, self._clock.now())
            self._pass(self._clock.now() + settle_s, stopped)

    def _insert(self, detector: str, inside: bool, stopped: Stops) -> None:
        if stopped() or self._detectors.reported[detector] == inside:
            return
        with self._state:
            self._detectors.leave(detector)
        self._pass(self._clock.now() + self._detectors.seconds(detector), stopped)
        with self._state:
            self._detectors.arrive(detector, inside and not stopped())
            self._stage.disturb(self._stage.preset.insertion_drift_nm * 1e-9)

    def _need_detectors(self, names: tuple[str, ...], so: str) -> None:
        for name in names:
            if self._declared.detector(name) is None:
                known = ", ".join((*self._world.detectors, *self._world.cameras))
                raise UnknownDetector(f"detector {name!r}", so, f"detectors: {known}")

    def _check_scan(self, scan: ScanSpec) -> None:
        self._need_detectors(scan.detectors, "nothing was scanned")
        self._check_patterns(scan)
        fits = 1 <= scan.rows <= self._declared.max_pixels and 1 <= scan.columns <= self._declared.max_pixels
        least = 0.0 if scan.pattern_px else self._declared.min_dwell_s
        if not (fits and scan.dwell_s >= least and 0 < scan.fov_m <= 50e-6):
            raise Unsupported(
                f"scan of {scan.rows} x {scan.columns} px, {scan.fov_m:g} m, {scan.dwell_s:g} s",
                f"up to {self._declared.max_pixels} px, 50e-6 m, at least {self._declared.min_dwell_s:g} s",
                "nothing was scanned",
            )

    def _check_patterns(self, scan: ScanSpec) -> None:
        spec = self._declared.camera(scan.detectors[0])
        alone = len(scan.detectors) == 1 or not any(one in self._world.cameras for one in scan.detectors)
        if not alone or (spec is None) is not (scan.pattern_px == 0):
            raise Unsupported(
                f"a scan with {', '.join(scan.detectors)}",
                "a camera records patterns, one at a time, other detectors images",
                "nothing was scanned",
            )
        if spec is None:
            return
        fits = 32 <= scan.pattern_px <= spec.max_px and scan.rows * scan.columns <= spec.max_patterns
        if not (fits and spec.min_exposure_s <= scan.dwell_s <= spec.max_exposure_s):
            raise Unsupported(
                f"{scan.rows} x {scan.columns} patterns of {scan.pattern_px} px, {scan.dwell_s:g} s",
                f"{spec.max_patterns} of {spec.max_px} px, {spec.min_exposure_s:g} to {spec.max_exposure_s:g} s",
                "nothing was scanned",
            )

    def _do(self, stop: threading.Event, name: str, args: Mapping[str, Any], work: Callable[[Stops], T]) -> T:
        """One command, unless another runs; a connection may be lost before or after it was carried out."""
        stopped, number = self._begin(stop)
        try:
            due = self._faults.due("command", self._clock.now())
            if deaf := of_kind(due, "stop_ignored"):
                self._faults.record(deaf, self._clock.now(), name)
                stopped = Stops(threading.Event(), StopCount())
            lost = of_kind(due, "lost_connection")
            if lost is None:
                self._heard(name, args, number)
                return work(stopped)
            heard = bool(self._fault_rng.random() < 0.5)
            self._faults.record(lost, self._clock.now(), "carried out" if heard else "not carried out")
            if heard:
                self._heard(name, args, number)
                work(stopped)
            raise ConnectionLost(
                "the connection to the instrument was lost",
                "the command may or may not have been carried out",
                "read the state, then look",
            )
        finally:
            self._command.release()

    def _heard(self, name: str, args: Mapping[str, Any], number: int | None = None) -> None:
        """The controller writes down what has arrived."""
        with self._state:
            self._log.add(number or self._commands, name, args, self._clock.now())

    def _begin(self, stop: threading.Event, *, counts: bool = True) -> tuple[Stops, int]:
        """Take the command lock, count, and bring the stage up to now; the caller releases it."""
        stopped = Stops(stop, self._stops)
        if not self._command.acquire(blocking=False):
            raise Busy("the twin is busy with another command", "nothing was sent", "wait for it, or stop it")
        with self._state:
            self._commands += counts
            number = self._commands
            self._catch_up()
        return stopped, number

    def _pass(self, moment: float, stopped: Stops) -> float:
        now = self._clock.until(moment, stopped)
        with self._state:
            self._catch_up()
        return now

    def _catch_up(self) -> None:
        now = self._clock.now()
        self._light.charge_parked()
        self._stage.advance(now)
        self._faults.notice(now)


def _clock(kind: ClockKind, speed: float) -> Clock:
    if kind == "virtual":
        return VirtualClock()
    return RealClock(speed) if kind == "real" else PacedClock(speed)


def _check_faults(faults: tuple[FaultSpec, ...], world: WorldSpec) -> None:
    for fault in faults:
        known = (*world.detectors, *world.cameras)
        if fault.detector and fault.detector not in known:
            raise BadInput(
                f"fault {fault.name}: detector {fault.detector!r}",
                remedy=f"known: {', '.join(known)}",
            )
