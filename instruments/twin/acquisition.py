"""One scan: expected electrons, counts, and what a stop or the blanker leaves of them."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.core.units import ELECTRON_C
from eucentric.instruments.driver import Pixels, ScanSpec
from eucentric.instruments.twin.clock import Clock, Stops
from eucentric.instruments.twin.detector import Plane, collected, counted, digitised
from eucentric.instruments.twin.render import View, scattered_shares
from eucentric.instruments.twin.specimen import Specimen


@dataclass(frozen=True)
class Shot:
    """Scan and settings of one frame."""

    scan: ScanSpec
    settings: dict[str, float]
    start_s: float
    """Instrument time at the first pixel."""
    flyback_s: float
    number: int
    """Counts frames of the instrument's life; each has noise of its own."""

    @property
    def line_s(self) -> float:
        """One line with its flyback [s]."""
        return self.scan.columns * self.scan.dwell_s + self.flyback_s

    @property
    def end_s(self) -> float:
        """Instrument time after the last line."""
        return self.start_s + self.scan.rows * self.line_s

    def line_times(self) -> NDArray[np.float64]:
        """(rows,) start of each line [s]."""
        return np.asarray(self.start_s + self.line_s * np.arange(self.scan.rows))


class Film:
    """The developing of one frame: what every line would show if nothing interrupts it."""

    def __init__(self, specimen: Specimen, shot: Shot, view: View, seed: tuple[int, int]) -> None:
        self._specimen, self._shot, self._view = specimen, shot, view
        self._rng = np.random.Generator(np.random.SFC64([*seed, shot.number]))

    def lit(self) -> Pixels:
        """Counts of all lines with the beam on."""
        shot = self._shot
        shares = scattered_shares(self._specimen, shot.scan, self._view)
        electrons = shot.settings["probe_current"] * shot.scan.dwell_s / ELECTRON_C
        return tuple(self._detected(shares, electrons, name) for name in shot.scan.detectors)

    def _detected(self, shares: Plane, electrons: float, name: str) -> Plane:
        world = self._specimen.world
        detector = world.detectors[name]
        expected = collected(shares, detector, world.optics) * np.float32(electrons)
        return digitised(counted(expected, self._rng), detector, self._rng)

    def dark(self) -> Pixels:
        """Counts of all lines with the beam off."""
        detectors = (self._specimen.world.detectors[name] for name in self._shot.scan.detectors)
        nothing = np.zeros((self._shot.scan.rows, self._shot.scan.columns), dtype=np.float32)
        return tuple(digitised(nothing, detector, self._rng) for detector in detectors)

    def blank(self) -> Pixels:
        """Zeros: no line was scanned."""
        shape = (self._shot.scan.rows, self._shot.scan.columns)
        return tuple(np.zeros(shape, dtype=np.float32) for _ in self._shot.scan.detectors)


Work = Callable[[], Pixels]


class _Background:
    """Runs `work` in a thread; its exception comes out of `result`."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._pixels: Pixels | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="twin-render", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._pixels = self._work()
        except BaseException as error:
            self._error = error

    @property
    def ready(self) -> bool:
        return self._pixels is not None

    def result(self) -> Pixels:
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._pixels is not None
        return self._pixels


def expose(
    film: Film, shot: Shot, clock: Clock, stopped: Stops, *, lit: bool, threaded: bool
) -> tuple[Pixels, int]:
    """The pixels and how many lines were scanned before the end or a stop.

    On a real clock the frame develops in a thread, so that a stop is answered at once; if it comes before
    the first picture is ready, no line is delivered though the specimen was exposed.
    """
    work = film.lit if lit else film.dark
    if not threaded:
        if stopped():
            return film.blank(), 0
        clock.until(shot.end_s, stopped)
        return work(), shot.scan.rows
    developing = _Background(work)
    now = clock.until(shot.end_s, stopped)
    if not stopped():
        return developing.result(), shot.scan.rows
    lines = min(shot.scan.rows, max(0, math.floor((now - shot.start_s) / shot.line_s)))
    if not developing.ready:
        return film.blank(), 0
    pixels = developing.result()
    for plane in pixels:
        plane[lines:] = 0
    return pixels, lines
