"""One scan: expected electrons, counts, and what a stop or the blanker leaves of them."""

import contextlib
import math
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eucentric.core.units import ELECTRON_C
from eucentric.instruments.driver import Pixels, ScanSpec
from eucentric.instruments.twin.clock import Clock, Stops
from eucentric.instruments.twin.detector import (
    Annulus,
    Plane,
    beyond_disc,
    collection_at,
    counted,
    delayed,
    digitised,
    disc_share,
    pulses,
    remaining,
)
from eucentric.instruments.twin.render import View, lost_shares, scattered_shares
from eucentric.instruments.twin.specimen import REFERENCE_MRAD, Specimen


@dataclass(frozen=True)
class Shot:
    """Scan and settings of one frame."""

    scan: ScanSpec
    settings: dict[str, float]
    """As they truly are in the column; the probe current is the mean over the lines."""
    start_s: float
    """Instrument time at the first pixel."""
    flyback_s: float
    number: int
    """Counts frames of the instrument's life; each has noise of its own."""
    currents: NDArray[np.float64]
    """(rows,) probe current during each line [A]."""
    blind: frozenset[str] = frozenset()
    """Detectors that no electron reaches."""
    gains: dict[str, float] = field(default_factory=dict)
    """Runaway gains."""

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


class Develops(Protocol):
    """What becomes of a scan: an image on each detector, or a camera's patterns."""

    def lit(self) -> Pixels:
        """Counts of all lines with the beam on."""
        ...

    def dark(self) -> Pixels:
        """Counts of all lines with the beam off."""
        ...

    def blank(self) -> Pixels:
        """Zeros: no line was scanned."""
        ...


class Film:
    """The developing of one frame: what every line would show if nothing interrupts it."""

    def __init__(self, specimen: Specimen, shot: Shot, view: View, seed: tuple[int, int]) -> None:
        self._specimen, self._shot, self._view = specimen, shot, view
        self._rng = np.random.Generator(np.random.SFC64([*seed, shot.number]))
        self._shares: dict[Annulus, Plane] = {}

    def lit(self) -> Pixels:
        """Counts of all lines with the beam on."""
        shot = self._shot
        electrons = (shot.currents * shot.scan.dwell_s / ELECTRON_C).astype(np.float32)[:, None]
        return tuple(self._detected(electrons, name) for name in shot.scan.detectors)

    def _detected(self, electrons: Plane, name: str) -> Plane:
        detector = self._specimen.world.detectors[name]
        collected = np.zeros(1, np.float32) if name in self._shot.blind else self._collected(name)
        shape = (self._shot.scan.rows, self._shot.scan.columns)
        expected = np.broadcast_to(collected * electrons, shape)
        signal = pulses(counted(expected, self._rng), detector, self._rng)
        late = delayed(signal, detector, self._shot.scan.dwell_s, self._shot.flyback_s)
        return digitised(late, detector, self._rng, self._shot.gains.get(name, 1.0))

    def _collected(self, name: str) -> Plane:
        """Share of the beam that a detector collects: of the bright disc, and of what is scattered out of it."""
        optics, detector = self._view.optics(self._specimen), self._specimen.world.detectors[name]
        annulus = collection_at(detector, optics, self._shot.settings["camera_length"])
        disc, outside = (
            disc_share(annulus, optics.convergence_mrad),
            beyond_disc(annulus, optics.convergence_mrad),
        )
        if not disc and outside:
            return self._scattered(outside)
        plane = np.float32(disc) * remaining(self._scattered(REFERENCE_MRAD), detector)
        lost = lost_shares(
            self._specimen, self._shot.scan, self._view, max(annulus[1], optics.convergence_mrad)
        )
        if lost is not None:
            plane = plane * (1 - lost)
        return plane + self._scattered(outside) if outside else plane

    def _scattered(self, annulus: Annulus) -> Plane:
        if annulus not in self._shares:
            towards = self._specimen.towards(annulus)
            self._shares[annulus] = scattered_shares(towards, self._shot.scan, self._view)
        return self._shares[annulus]

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


_DARKROOM = threading.Lock()
"""One picture develops at a time: those of stopped scans must not pile up and starve the threads of a host."""


_NICE = 10


def _step_back() -> None:
    """Let whoever stops, blanks or keeps a heartbeat run before a picture is computed, where threads can be told so."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class _Background:
    """Runs `work` in a thread; its exception comes out of `result`."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._wanted = True
        self._pixels: Pixels | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="twin-render", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with _DARKROOM:
                _step_back()
                if self._wanted:
                    self._pixels = self._work()
        except BaseException as error:
            self._error = error

    def drop(self) -> None:
        """Nobody will ask for the result."""
        self._wanted = False

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
    film: Develops, shot: Shot, clock: Clock, stopped: Stops, *, lit: bool, threaded: bool
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
        developing.drop()
        return film.blank(), 0
    pixels = developing.result()
    for plane in pixels:
        plane[lines * (shot.scan.pattern_px or 1) :] = 0
    return pixels, lines
