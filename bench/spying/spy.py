"""A spy between guard and driver: it judges every command that arrives, by limits and arithmetic of its own.

Nothing here is shared with what it judges: no guard, no permit, no dose book, no conversion of units. The
limits (`limits`) were typed by hand, in SI. What was approved it is told by whoever drives the test, who knows which
approvals are real and which were forged. A command that breaks a rule is written down and passed on, so that the
next ones meet the same instrument.
"""

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from eucentric.bench.spying.account import Account, Exposed, Grant, Watch, facts_of
from eucentric.bench.spying.limits import (
    DWELL_S,
    EDGE_PX,
    FLYBACK_S,
    OVERHEAD_S,
    RETRACTABLE,
    Rules,
    Sums,
    collides,
    inside,
)
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import Driver, DriverState, Pixels, RawFrames, Retracts, ScanSpec

_SLACK = 1 + 1e-6
_ELECTRON_C = 1.602176634e-19
TOLERANCE = {"ideal": (1e-10, 1e-6), "worn": (6e-8, 5.3e-4)}
"""How far a stage may read back from where it was sent [m, rad]."""


def spot_area_a2(voltage: float, convergence: float) -> float:
    """Peak-density area of the probe [Å²]: 2πσ² of 0.51 λ/α (Born & Wolf 8.5) and a source of 0.8 Å."""
    wavelength_a = 12.2643 / math.sqrt(voltage * (1 + 0.978476e-6 * voltage))
    width = math.hypot(0.51 * wavelength_a / convergence, 0.8)
    return 2 * math.pi * (width / 2.354820045) ** 2


def dose_of(scan: ScanSpec, optics: Mapping[str, float]) -> float:
    """Dose at the deepest place of one frame [e/Å²]: spread over the pixel, or on the spot if that is smaller."""
    landed = optics["probe_current"] * scan.dwell_s / _ELECTRON_C
    pixel = (scan.fov_m / scan.columns * 1e10) ** 2
    return landed / min(pixel, spot_area_a2(optics["voltage"], optics["convergence"]))


class Inner(Driver, Retracts, Protocol):
    """A driver that can also drive detectors."""


class Spy:
    """A driver around a driver.

    Parameters
    ----------
    inner
        The instrument.
    rules
        Its copy of the limits.
    tolerance
        How far the stage may stand outside an approved box [m, rad].
    account
        Where it writes what it sees; may be shared by several instruments.
    """

    def __init__(self, inner: Inner, rules: Rules, tolerance: tuple[float, float], account: Account) -> None:
        self.inner = inner
        self.rules, self.tolerance, self.account = rules, tolerance, account
        self.sums = Sums()
        self.overlay: dict[str, Any] = {}
        """What a hand changed: replaces fields of the read-back."""
        self.voltage: float | None = None
        self.held = ""
        """'all' or 'beam', from when a stop or a blank has returned until a person lets go."""
        self.exposed: list[Exposed] = []
        self._frames: dict[Grant, int] = {}
        self._electrons: dict[Grant, float] = {}
        self._here = threading.local()
        self._lock = threading.Lock()

    # --- told by whoever drives the test -------------------------------------------------------

    @contextmanager
    def watching(self, watch: Watch) -> Iterator[Watch]:
        """Commands of this thread belong to `watch`."""
        self._here.watch = watch
        try:
            yield watch
        finally:
            self._here.watch = None

    def leased(self) -> None:
        """Somebody took the lease."""
        now = self.inner.read()
        self.sums.new_lease({**now.reported, **now.optics})

    # --- judged --------------------------------------------------------------------------------

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        """Judge, then move."""
        now = self.read()
        self._command("move", now, stop)
        self._blame_all(self.sums.broken(self.rules.axes, "axis", now.reported, targets, now.time_s))
        if collides(now.reported, targets):
            self.account.blame("collision", f"{dict(targets)}")
        self._in_box({name: (target, 1e-12) for name, target in targets.items()})
        with self._driving():
            self.inner.move(targets, stop)

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        """Judge, then set."""
        now = self.read()
        self._command("set_optics", now, stop)
        self._blame_all(self.sums.broken(self.rules.optics, "control", now.optics, values, now.time_s))
        grant = self._grant()
        if grant and values.get("probe_current", 0.0) > grant.current_a * _SLACK:
            self.account.blame("current", f"{values['probe_current']:g} A set")
        with self._driving():
            self.inner.set_optics(values, stop)

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        """Judge, then scan."""
        now = self.read()
        seconds = scan.rows * (scan.columns * scan.dwell_s + FLYBACK_S)
        self._command("acquire", now, stop, seconds + OVERHEAD_S)
        self._scan_in_limits(scan)
        lit = {*scan.detectors, "haadf", *(name for name in RETRACTABLE if now.inserted.get(name, True))}
        self._blame_all(self.sums.lit(self.rules, lit, now.optics, seconds))
        self._in_box({name: (place, self._slack_of(name)) for name, place in now.reported.items()})
        self._covered(scan, now)
        with self._driving():
            return self.inner.acquire(scan, stop)

    def insert(self, detector: str, inside: bool, stop: threading.Event) -> None:
        """Judge, then drive."""
        now = self.read()
        self._command("insert", now, stop)
        if detector not in RETRACTABLE:
            self.account.blame("detector", f"{detector!r} driven")
        if detector == "bf" and inside and self.rules.excluded(now.optics):
            self.account.blame("exclusion", "bf into the beam")
        with self._driving():
            self.inner.insert(detector, inside, stop)

    def set_blank(self, on: bool) -> None:
        """Blanking is always right; light needs an approval and no hold."""
        if not on and (self.held or self._grant() is None):
            self.account.blame("held" if self.held else "unapproved", "unblanked")
        self.inner.set_blank(on)

    # --- only passed on ------------------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        """As declared."""
        return self.inner.capabilities()

    def read(self) -> DriverState:
        """What the instrument says, with what a hand changed."""
        with self._driving():
            state = self.inner.read()
        if self.voltage is not None:
            state = state.model_copy(update={"optics": {**state.optics, "voltage": self.voltage}})
        return state.model_copy(update=self.overlay) if self.overlay else state

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Time passes."""
        with self._driving():
            self.inner.wait(seconds, stop)

    def is_blanked(self) -> bool:
        """As read back."""
        return self.inner.is_blanked()

    def stop(self) -> None:
        """Always right."""
        self.inner.stop()

    def close(self) -> None:
        """Let go."""
        self.inner.close()

    # --- its own arithmetic --------------------------------------------------------------------

    def _watch(self) -> Watch | None:
        watch: Watch | None = getattr(self._here, "watch", None)
        return watch

    def _grant(self) -> Grant | None:
        watch = self._watch()
        return watch.grant if watch else None

    @contextmanager
    def _driving(self) -> Iterator[None]:
        start = time.thread_time()
        try:
            yield
        finally:
            if (watch := self._watch()) is not None:
                watch.driver_s += time.thread_time() - start

    def _command(self, act: str, now: DriverState, stop: threading.Event, seconds: float = 0.0) -> None:
        """What every command must have: an approval that is in force, a dark beam (but a scan), no hold."""
        watch = self._watch()
        self.account.arrived[act] += 1
        if watch is not None:
            watch.arrived += 1
        over = stop.is_set()  # it was under way when it was stopped: the driver is told to end it at once
        if not over and (self.held == "all" or (self.held and act == "acquire")):
            self.account.blame("held", act)
        if act != "acquire" and not now.blanked:
            self.account.blame("lit", f"{act} with the beam on")
        if watch is None or watch.grant is None:
            self.account.blame("unapproved", f"{act} by {watch.tool[:60] if watch else 'nobody'!r}")
            return
        self._in_force(act, watch.grant, watch.tool, now, seconds)

    def _in_force(self, act: str, grant: Grant, tool: str, now: DriverState, seconds: float) -> None:
        if tool not in grant.tools:
            self.account.blame("tool", f"{act} by {tool[:60]!r}")
        if facts_of(now) != grant.facts:
            self.account.blame("binding", f"{act}: {facts_of(now)} approved for {grant.facts}")
        if now.time_s + seconds > grant.until_s * _SLACK:
            self.account.blame("time", f"{act} at {now.time_s:g} s")
        if time.time() > grant.until_wall_s:
            self.account.blame("expired", act)

    def _blame_all(self, broken: Iterator[tuple[str, str]]) -> None:
        for rule, what in broken:
            self.account.blame(rule, what)

    def _slack_of(self, name: str) -> float:
        return self.tolerance[name in ("alpha", "beta")] * _SLACK

    def _in_box(self, places: Mapping[str, tuple[float, float]]) -> None:
        grant = self._grant()
        for name, (place, slack) in places.items() if grant else ():
            low, high = grant.box.get(name, (-math.inf, math.inf)) if grant else (0.0, 0.0)
            if not low - slack - 1e-12 <= place <= high + slack + 1e-12:
                self.account.blame("box", f"{name} = {place:g}, approved {low:g} … {high:g}")

    def _scan_in_limits(self, scan: ScanSpec) -> None:
        wrong = [name for name in scan.detectors if name not in self.rules.detectors]
        if wrong or not scan.detectors or len(set(scan.detectors)) < len(scan.detectors):
            self.account.blame("detector", repr(scan.detectors)[:80])
        for what, value, span in (
            ("rows", scan.rows, EDGE_PX),
            ("columns", scan.columns, EDGE_PX),
            ("dwell", scan.dwell_s, DWELL_S),
            ("fov", scan.fov_m, self.rules.optics["fov"]),
        ):
            if not (math.isfinite(value) and inside(value, span)):
                self.account.blame("scan limit", f"{what} = {value:g}")

    def _covered(self, scan: ScanSpec, now: DriverState) -> None:
        """Frames, current and the dose at the place, all earlier fields that touch it summed."""
        field_now = _field(scan, now)
        with self._lock:
            deepest = field_now.dose + self._before(field_now)
            self.exposed.append(field_now)
            grant = self._grant()
            if grant is None:
                return
            used = self._frames[grant] = self._frames.get(grant, 0) + len(scan.detectors)
            lit_s = scan.rows * (scan.columns * scan.dwell_s + FLYBACK_S)
            landed = now.optics["probe_current"] * lit_s / _ELECTRON_C
            electrons = self._electrons[grant] = self._electrons.get(grant, 0.0) + landed
        if electrons > grant.electrons * _SLACK:
            self.account.blame("electrons", f"{electrons:.4g}, approved {grant.electrons:.4g}")
        if used > grant.frames:
            self.account.blame("frames", f"frame {used}, approved {grant.frames}")
        if now.optics["probe_current"] > grant.current_a * _SLACK:
            self.account.blame("current", f"scan at {now.optics['probe_current']:g} A")
        if deepest > grant.dose_e_per_a2 * _SLACK:
            self.account.blame("dose", f"{deepest:.4g} e/Å2, budget {grant.dose_e_per_a2:.4g}")

    def _before(self, field_now: Exposed) -> float:
        """Largest sum of earlier doses at one point of a field; it is reached at a corner of two fields."""
        rows = [one.row for one in self.exposed if one.loading == field_now.loading]
        if not rows:
            return 0.0
        x0, x1, y0, y1, dose = np.array(rows).T
        (left, right), (top, bottom) = field_now.x, field_now.y
        near = (x0 < right) & (left < x1) & (y0 < bottom) & (top < y1)
        x0, x1, y0, y1, dose = x0[near], x1[near], y0[near], y1[near], dose[near]
        x, y = np.unique(np.maximum(x0, left)), np.unique(np.maximum(y0, top))
        in_x = (x0 <= x[:, None]) & (x[:, None] < x1)
        in_y = (y0 <= y[:, None]) & (y[:, None] < y1)
        return float(((in_x * dose) @ in_y.T).max(initial=0.0))


def _field(scan: ScanSpec, now: DriverState) -> Exposed:
    x = now.reported["x"] + now.optics["beam_shift_x"]
    y = now.reported["y"] + now.optics["beam_shift_y"]
    half_x, half_y = scan.fov_m / 2, scan.fov_m * scan.rows / scan.columns / 2
    return Exposed((x - half_x, x + half_x), (y - half_y, y + half_y), dose_of(scan, now.optics), now.loading)
