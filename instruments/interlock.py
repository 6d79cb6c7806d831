"""The one place that is asked before anything is sent: every limit there is, and the sums over what was sent.

It refuses or lets pass; it never clamps, never splits, never sends. The guard asks it for one command at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from eucentric.core import clock
from eucentric.core.errors import LimitRefused
from eucentric.core.text import visible
from eucentric.core.units import STAGE, from_si
from eucentric.instruments import checks, durations
from eucentric.instruments.allowance import allowances, declared, effective, source_of
from eucentric.instruments.capabilities import Capabilities, DetectorSpec
from eucentric.instruments.checks import NOTHING_SENT
from eucentric.instruments.driver import DriverState, RawFrames, ScanSpec
from eucentric.instruments.in_beam import InBeam, Setup
from eucentric.instruments.limits import Limits
from eucentric.instruments.travel import Change, Travel, quanta
from eucentric.knowledge.clearance import check_path


@dataclass(frozen=True)
class Allowed:
    """A command that may be sent, and what sending it counts."""

    wanted: Mapping[str, float] = field(default_factory=dict)
    """Targets or values [SI]."""
    changes: tuple[Change, ...] = ()
    charges: Mapping[str, int] = field(default_factory=dict)
    current_a: float = 0.0


class Interlock:
    """The limits of one instrument; its caller makes sure that one command at a time asks, sends and settles.

    Parameters
    ----------
    capabilities
        The driver's own declaration.
    limits
        What staff allow; None: the declaration is the limit, and a real instrument's travel is small.

    Raises
    ------
    BadInput
        The limits are not for this instrument.
    """

    def __init__(self, capabilities: Capabilities, limits: Limits | None = None) -> None:
        self.limits = limits or declared(capabilities)
        self.capabilities = effective(capabilities, self.limits)
        """What may be done: the declaration, narrowed."""
        self.declaration = capabilities
        """The driver's own."""
        self._allowances = allowances(self.capabilities, self.limits)
        self._travel = Travel(self._allowances)
        self._in_beam = InBeam(self.capabilities, self.limits)

    def new_lease(self) -> None:
        """A person approved: sums begin anew, all but those of the last minute."""
        self._travel.new_lease()
        self._in_beam.new_lease()

    # --- before it is sent ------------------------------------------------------------------------------------

    def move(self, state: DriverState, targets: Mapping[str, Any]) -> Allowed:
        """Position, step, excursion, path, minute, the way between the pole pieces, what is excluded there.

        Parameters
        ----------
        targets
            Absolute targets [m, rad].

        Raises
        ------
        UnknownAxis, LimitRefused, BadInput, InstrumentFault
        """
        wanted = checks.check_move(self.capabilities, self._allowances, state.reported, targets)
        changes = self._changes(state, state.reported, wanted, state.commanded)
        for start in self._starts(state):
            self._check_way(state, start, {**start, **wanted}, self._inserted(state))
        here = Setup.of(state)
        self._in_beam.check_setup(here, here.after(wanted), f"a move of {', '.join(wanted)}")
        self._check_open(durations.move_seconds(self.capabilities, state, wanted))
        return Allowed(wanted, changes)

    def optics(self, state: DriverState, values: Mapping[str, Any]) -> Allowed:
        """Range, step, excursion, path, minute, what is excluded there [SI]."""
        wanted = checks.check_optics(self.declaration, self._allowances, state.optics, values)
        changes = self._changes(state, state.optics, wanted, {})
        here = Setup.of(state)
        self._in_beam.check_setup(here, here.after(wanted), f"setting {', '.join(wanted)}")
        self._check_open(durations.optics_seconds(self.capabilities, wanted))
        return Allowed(wanted, changes)

    def insert(self, state: DriverState, name: str, inside: bool) -> DetectorSpec:
        """A limit for it, the room where the holder stands, what is excluded with it."""
        spec = checks.check_insert(self.capabilities, name)
        if inside:
            self._check_way(state, state.reported, state.reported, self._inserted(state) | {name})
        here, way = Setup.of(state), "in" if inside else "out"
        self._in_beam.check_setup(here, here.after(inserted={name: inside}), f"{name} {way}")
        self._check_open(spec.insert_s)
        return spec

    def scan(self, state: DriverState, scan: ScanSpec) -> Allowed:
        """Frame, dwell, field, what the beam falls on, currents, charges."""
        checks.check_scan(self.capabilities, scan)
        seconds = durations.lit_seconds(self.capabilities, scan)
        setup = Setup.of(state).after({"fov": scan.fov_m})
        charges = self._in_beam.check_scan(setup, scan.detectors, seconds)
        self._check_open(seconds)
        return Allowed(charges=charges, current_a=state.optics.get("probe_current", 0.0))

    # --- what was sent ----------------------------------------------------------------------------------------

    def sent(self, allowed: Allowed) -> None:
        """Count a command that is about to be sent; it counts whatever becomes of it."""
        self._travel.sent(allowed.changes)
        self._in_beam.sent(allowed.charges)

    def settle(self, allowed: Allowed, after: DriverState | None) -> None:
        """Count what went farther than it was sent; without a read-back, what was sent stands."""
        if after is not None:
            self._travel.settle(allowed.changes, {**after.optics, **after.reported}, after.time_s)

    def settle_scan(self, allowed: Allowed, raw: RawFrames) -> None:
        """Count the charge of a scan that took longer than it should have."""
        spent = quanta(allowed.current_a * max(raw.beam_s, raw.duration_s))
        more = {name: max(0, spent - count) for name, count in allowed.charges.items() if count}
        self._in_beam.sent(more)

    # --- one rule each ----------------------------------------------------------------------------------------

    def _changes(
        self,
        state: DriverState,
        here: Mapping[str, float],
        wanted: Mapping[str, float],
        commanded: Mapping[str, float],
    ) -> tuple[Change, ...]:
        """All changes, each within its sums; the last command may still be on its way, then that is the longer one."""
        self._travel.look({**state.optics, **state.reported}, state.time_s)
        changes = tuple(
            Change(name, at, to, max(abs(to - at), abs(to - commanded.get(name, at))))
            for name, to in wanted.items()
            for at in (here.get(name, to),)
        )
        for change in changes:
            self._travel.check(change)
        return changes

    def _starts(self, state: DriverState) -> list[Mapping[str, float]]:
        """Where the stage is, and where it may still be going to after a command that failed."""
        heading = {**state.reported, **state.commanded}
        off = any(
            abs(heading[axis.name] - state.reported[axis.name]) > axis.tolerance
            for axis in self.capabilities.axes
            if axis.name in state.reported
        )
        return [state.reported, heading] if off else [state.reported]

    def _check_way(
        self,
        state: DriverState,
        start: Mapping[str, float],
        target: Mapping[str, float],
        inserted: frozenset[str],
    ) -> None:
        clearance = self.limits.clearance
        if clearance is None:
            return
        found = check_path(clearance, state.holder, self._readings(start), self._readings(target), inserted)
        if found is not None:
            raise LimitRefused(
                found.what,
                f"{found.why} (clearance, {source_of(self.capabilities)})",
                f"{NOTHING_SENT}; still {checks.place(state)}. Works: {found.remedy} Staff may change the limits.",
                code="E-LIMIT-CLEARANCE",
            )

    def _readings(self, place: Mapping[str, float]) -> dict[str, float]:
        """All five, as a person reads them; an axis that the stage does not have stands at 0."""
        named = from_si(STAGE, dict(place))
        missing = {key: 0.0 for key, row in STAGE.items() if self.capabilities.axis(row.si) is None}
        return missing | named

    def _inserted(self, state: DriverState) -> frozenset[str]:
        """What is in, and what nobody can tell of."""
        known = {one.name for one in self.capabilities.detectors if one.retractable}
        if self.limits.clearance is not None:
            known |= {one.name for one in self.limits.clearance.devices if one.when_inserted}
        return frozenset(name for name in known | set(state.inserted) if state.inserted.get(name, True))

    def _check_open(self, seconds: float) -> None:
        """Not in maintenance, and not past the end of the booking."""
        now = utc_now()
        closed = self.limits.closed(now, now + timedelta(seconds=seconds))
        if closed is not None:
            what, since = closed
            raise LimitRefused(
                f"a command of {seconds:.0f} s at {now:%Y-%m-%d %H:%M} UTC",
                f"{visible(what)} at {since:%Y-%m-%d %H:%M} UTC ({source_of(self.capabilities)})",
                f"{NOTHING_SENT}. Works: a time when the instrument is open; staff may change the limits.",
                code="E-LIMIT-CLOSED",
            )


def utc_now() -> datetime:
    """Wall-clock time: bookings and maintenance have no other."""
    return clock.now()
