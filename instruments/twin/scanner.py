"""One frame as the vendor's scan system takes it: faults, lines that went dark, the true exposure."""

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BeamLost
from eucentric.instruments.driver import DriverState, Pixels, RawFrames, ScanSpec
from eucentric.instruments.twin.acquisition import Develops, Film, Shot, expose
from eucentric.instruments.twin.camera.patterns import Patterns
from eucentric.instruments.twin.clock import Clock, Stops
from eucentric.instruments.twin.column import Column
from eucentric.instruments.twin.exposure import record_scan
from eucentric.instruments.twin.faults import GAUGE_KINDS, FaultBox, FaultSpec, of_kind
from eucentric.instruments.twin.health import Health
from eucentric.instruments.twin.illumination import Illumination
from eucentric.instruments.twin.optics.scan_unit import distortion_of, jumps, late_px
from eucentric.instruments.twin.optics.spec import ScanUnitSpec
from eucentric.instruments.twin.render import View
from eucentric.instruments.twin.retraction import Retraction
from eucentric.instruments.twin.specimen import Specimen
from eucentric.instruments.twin.stage import Stage

_NOISE, _GLITCH, _JUMPS = 102, 104, 105


def view_of(
    column: Column, unit: ScanUnitSpec, scan: ScanSpec, positions: NDArray[np.float64], time_s: float
) -> View:
    """What a scan looks at with the column as it then is; positions are those of the stage at each line, (rows, 5)."""
    truly = column.aberrations(time_s)
    return View(
        positions=positions,
        shift=column.beam_shift,
        defocus=truly.c1,
        others=replace(truly, c1=0.0),
        set_optics=column.optics,
        distortion=distortion_of(unit),
        late=late_px(unit, scan),
    )


class Scanner:
    """Takes frames of a specimen.

    Parameters
    ----------
    lock
        The instrument's state lock.
    read
        The instrument's read-back.
    threaded
        True on a real clock: frames develop beside the wait, so that a stop is answered at once.
    parked_s
        How long the beam stands on the first and on the last pixel of a scan [s].
    """

    def __init__(
        self,
        specimen: Specimen,
        stage: Stage,
        light: Illumination,
        health: Health,
        detectors: Retraction,
        faults: FaultBox,
        *,
        seed: int,
        clock: Clock,
        lock: threading.RLock,
        read: Callable[[], DriverState],
        threaded: bool,
        parked_s: float,
    ) -> None:
        self._specimen, self._stage, self._light, self._health = specimen, stage, light, health
        self._detectors, self._faults, self._seed = detectors, faults, seed
        self._clock, self._lock, self._read, self._threaded = clock, lock, read, threaded
        self._parked_s = parked_s
        self._last: Pixels = ()

    def acquire(self, scan: ScanSpec, stopped: Stops) -> tuple[RawFrames, Pixels]:
        """Scan once with the beam as it is; BeamLost if there is none before or during it."""
        before, start = self._read(), self._clock.now()
        due = self._faults.due("acquire", start)
        self._strike(due, scan, start)
        self._need_beam(start)
        shot = self._shot(scan, start + self._specimen.world.scan.overhead_ms * 1e-3)
        with self._lock:
            lit = self._light.begin_scan()
        try:
            view = self._view(shot)
            film = self._film(shot, self._glitched(view, shot, due))
            pixels, lines = expose(film, shot, self._clock, stopped, lit=lit, threaded=self._threaded)
            if lit:
                pixels = self._darkened(pixels, shot, film, lines)
            frames = self._finish(shot, view, before, lines)
            if isinstance(film, Patterns):
                frames = frames.model_copy(update={"pattern_rad": film.pixel_rad})
        finally:
            with self._lock:
                self._light.end_scan()
        return frames, self._stale(pixels, due, shot)

    def _film(self, shot: Shot, view: View) -> Film | Patterns:
        kind = Patterns if shot.scan.pattern_px else Film
        return kind(self._specimen, shot, view, (self._seed, _NOISE))

    def _need_beam(self, time_s: float) -> None:
        if self._health.tripped():
            raise BeamLost("no beam", "the gun has tripped", "an operator must bring the emission back")
        if not self._health.on(time_s):
            raise BeamLost("no beam", "an interlock has shut the column", "an operator must reset it")

    def _shot(self, scan: ScanSpec, start_s: float) -> Shot:
        column = self._light.column
        shot = Shot(
            scan, dict(column.settings), start_s, self._specimen.world.scan.flyback_us * 1e-6,
            self._faults.counts["acquire"], np.zeros(scan.rows), self._detectors.blind(), self._detectors.gains(),
        )  # fmt: skip
        currents = column.currents(shot.line_times())
        flowing = currents[currents > 0]
        truly = {"probe_current": float(flowing.mean()) if flowing.size else 0.0}
        return replace(shot, currents=currents, settings=shot.settings | truly)

    def _view(self, shot: Shot) -> View:
        unit, times = self._specimen.world.scan, shot.line_times()
        rng = np.random.Generator(np.random.SFC64([self._seed, _JUMPS, shot.number]))
        positions = self._stage.actual(times)
        positions[:, :2] += jumps(unit, shot.scan, times, rng)
        return view_of(self._light.column, unit, shot.scan, positions, float(times[len(times) // 2]))

    def _lines_lit(self, shot: Shot) -> NDArray[np.bool_]:
        times = shot.line_times()
        with self._lock:
            return self._light.lit(times) & (times < self._clock.now())

    def _darkened(self, pixels: Pixels, shot: Shot, film: Develops, lines: int) -> Pixels:
        """Noise where the beam was off."""
        dark = np.repeat(~self._lines_lit(shot)[:lines], shot.scan.pattern_px or 1)
        if dark.any():
            for plane, noise in zip(pixels, film.dark(), strict=True):
                plane[: len(dark)][dark] = noise[: len(dark)][dark]
        return pixels

    def _finish(self, shot: Shot, view: View, before: DriverState, lines: int) -> RawFrames:
        now, lit = self._clock.now(), self._lines_lit(shot)
        with self._lock:
            self._stage.advance(now)
        record_scan(self._light.exposures, self._specimen, shot, view, lit, self._parked_s)
        return RawFrames(
            scan=shot.scan,
            before=before,
            time_s=shot.start_s,
            duration_s=max(0.0, now - before.time_s),
            beam_s=float(lit.sum()) * shot.line_s,
            aborted=lines < shot.scan.rows,
            lines_done=lines,
        )

    # --- faults -------------------------------------------------------------------------------------------

    def _strike(self, due: tuple[FaultSpec, ...], scan: ScanSpec, time_s: float) -> None:
        """Let the faults act that change the instrument and not this frame alone."""
        for fault in due:
            if fault.kind == "stale_frame":
                continue  # known only when the frame is there
            name = fault.detector or scan.detectors[0]
            if fault.kind == "drift_step":
                self._stage.kick(fault.drift_nm_per_s * 1e-9)
            elif fault.kind == "beam_trip":
                self._health.trip()
            elif fault.kind == "focus_jump":
                self._light.column.focus_error += fault.defocus_nm * 1e-9
            elif fault.kind == "astigmatism_jump":
                self._light.column.astigmatism_error += complex(*fault.a1_nm) * 1e-9
            elif fault.kind == "contamination_growth":
                self._specimen.change.contaminate(fault.growth)
            elif fault.kind == "specimen_hole":
                self._burst(fault, time_s)
            elif fault.kind == "detector_not_inserted":
                self._detectors.fail(name)
            elif fault.kind == "detector_saturation":
                self._detectors.amplify(name, fault.gain)
            elif fault.kind in GAUGE_KINDS:
                self._health.begin(fault, time_s)
            self._faults.record(fault, time_s, name if fault.kind.startswith("detector_") else "")

    def _burst(self, fault: FaultSpec, time_s: float) -> None:
        """A hole opens where the field is."""
        x, y, radius = (size * 1e-9 for size in fault.hole_nm)
        place, shift = self._stage.actual(np.array([time_s]))[0], self._light.column.beam_shift
        self._specimen.change.hole(float(place[0]) + shift[0] + x, float(place[1]) + shift[1] + y, radius)

    def _glitched(self, view: View, shot: Shot, due: tuple[FaultSpec, ...]) -> View:
        """The scan coils throw some lines sideways."""
        fault = of_kind(due, "scan_glitch")
        if fault is None:
            return view
        rng = np.random.Generator(np.random.SFC64([self._seed, _GLITCH, shot.number]))
        hit = rng.random(shot.scan.rows) < fault.glitch_lines
        hit[rng.integers(shot.scan.rows)] = True
        jump = hit * rng.standard_normal(shot.scan.rows) * fault.glitch_px * shot.scan.pixel_m
        positions = view.positions.copy()
        positions[:, 0] += jump - jump[len(jump) // 2]  # the frame is centred on its middle line
        return replace(view, positions=positions)

    def _stale(self, pixels: Pixels, due: tuple[FaultSpec, ...], shot: Shot) -> Pixels:
        """The frame before once more, if it had the same size; the specimen was exposed all the same."""
        fault = of_kind(due, "stale_frame")
        last, self._last = self._last, tuple(plane.copy() for plane in pixels) if self._keeps() else ()
        if fault is None:
            return pixels
        fits = [plane.shape for plane in last] == [plane.shape for plane in pixels]
        self._faults.record(fault, shot.start_s, "the frame before" if fits else "no such frame before")
        return last if fits else pixels

    def _keeps(self) -> bool:
        return any(spec.kind == "stale_frame" for spec in self._faults.specs)
