"""What befell a command besides what the twin itself does: a stop, a hold, a lost line, a process that died.

The record tells it: by the error with which the act ended, by what was found out before the run was taken up, and by
what the instrument read back next.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from eucentric.agent.auditing.replay.recording import ENDS
from eucentric.core.event import Event
from eucentric.core.rows import Rows
from eucentric.instruments.driver import DriverState

Moment = Literal["", "begin", "before", "after"]
"""When a stop came: before anything was done, before the driver was told, or when it had ended."""
_LINES = re.compile(r"(\d+) of (\d+) lines")
_LOST = ("ConnectionLost", "CommandTimeout", "LeaseLost", "Busy")
"""Errors that a line to the instrument's process may raise although nothing is wrong with the instrument."""


@dataclass(frozen=True)
class Fate:
    """How a command ended that the twin alone would have carried out."""

    held: str = ""
    """Somebody held the instrument just before, for this reason."""
    freezes: bool = True
    """That was a stop, not a blank alone."""
    stop: Moment = ""
    reason: str = ""
    """Of the stop."""
    sent: bool = True
    dies: bool = False
    """The process died in it: it heard no answer."""
    raises: dict[str, Any] | None = None
    """What it heard instead of the answer, if the twin did answer."""


def fate_of(ledger: Rows, intent: Event, now: DriverState) -> Fate:
    """The fate of an act.

    Parameters
    ----------
    intent
        Its row 'intended'.
    now
        The instrument just before it.
    """
    rows = [
        row for row in ledger.events(run=intent.run_id, action_id=intent.action_id) if row.seq > intent.seq
    ]
    settled = next((row for row in rows if row.kind == "resolved"), None)
    end = next((row for row in rows if row.kind in ENDS), None)
    if (
        end is None
        or (end.kind == "in_doubt" and "error" not in end.body)
        or (settled and settled.seq < end.seq)
    ):
        return _of_dead(ledger, intent, settled, now)
    error = end.body.get("error") if end.kind != "returned" else None
    return Fate() if not error else _of_error(ledger, intent, error, now)


def _of_error(ledger: Rows, intent: Event, error: dict[str, Any], now: DriverState) -> Fate:
    kind = error.get("type")
    if kind == "BeamHeld":
        return Fate(held=str(error["why"]), freezes=_froze(ledger, intent))
    if kind == "Stopped":
        return Fate(stop=_moment(ledger, intent, str(error["what"]), now), reason=str(error["why"]))
    if kind in _LOST:
        return Fate(raises=error, sent=kind not in ("LeaseLost", "Busy") and _was_sent(ledger, intent))
    return Fate()


def _moment(ledger: Rows, intent: Event, told: str, now: DriverState) -> Moment:
    """When a stop came, by the lines that were scanned; else by the time that passed."""
    if "before the beam was on" in told:
        return "begin"
    lines = _LINES.search(told)
    if lines:
        return "before" if lines[1] == "0" else "after"
    later = state_after(ledger, intent)
    return "before" if later is not None and float(later["time_s"]) <= now.time_s else "after"


def _of_dead(ledger: Rows, intent: Event, settled: Event | None, now: DriverState) -> Fate:
    if settled is None:
        return Fate(dies=True, sent=_was_sent(ledger, intent))
    told = " ".join(map(str, settled.body.get("evidence", ())))
    if "has never seen the command" in told:
        return Fate(dies=True, sent=False)
    if "says it failed: Stopped" in told:
        return Fate(dies=True, stop=_moment(ledger, intent, told, now), reason=_held_after(ledger, intent))
    return Fate(dies=True)


def _was_sent(ledger: Rows, intent: Event) -> bool:
    """Whether the driver's count rose, as it was told next."""
    later = state_after(ledger, intent)
    return later is None or int(later["commands"]) > int(intent.body.get("commands", 0))


def _froze(ledger: Rows, intent: Event) -> bool:
    """Whether motion was held, too: nothing shows that it was not."""
    for row in ledger.events(kinds=("returned", "changed"), after=intent.seq):
        if row.kind == "changed" and "held" in row.body:
            break
        if row.body.get("act") in ("move_stage", "set_optics"):
            return False
    return True


def _held_after(ledger: Rows, row: Event) -> str:
    """The hold that was found next."""
    rows = ledger.events(kinds=("asked", "changed", "called"), after=row.seq)
    return next(
        (held for one in rows if (held := held_before(ledger, one))), "watchdog: the connection was lost"
    )


def held_before(ledger: Rows, row: Event) -> str:
    """Why the instrument was held when a row was written, if it says so; what that row itself held is not in it."""
    if row.kind in ("asked", "changed"):
        return str(row.body.get("held") or "")
    if row.kind in ("concluded", "finished"):
        return held_in(row.body.get("error") or {})
    if row.kind != "called":
        return ""
    state = row.body.get("state") or _state_concluded(ledger, row)
    held = str(state.get("held") or "")
    return "" if held == held_by(row) else held


def held_in(error: dict[str, Any]) -> str:
    """The hold that ended a wait."""
    why = str(error.get("why") or "")
    return why.removeprefix("held: ") if why.startswith("held: ") else ""


def touch_cleared(row: Event) -> bool:
    """Whether the touch alarm was off when a call began."""
    state = row.body.get("state") if row.kind == "called" else None
    return state is not None and not state["touch"]


def held_by(row: Event) -> str:
    """The reason that a call to stop or blank gives."""
    return f"{row.tool} in run {row.run_id}" if row.body.get("risk") == "safety" else ""


def _state_concluded(ledger: Rows, call: Event) -> dict[str, Any]:
    rows = ledger.events(run=call.run_id, kinds=("concluded",), action_id=call.action_id)
    end = next((row for row in rows if row.seq > call.seq), None)
    return dict((end.body.get("value") or {}).get("state") or {}) if end else {}


def state_after(ledger: Rows, row: Event) -> dict[str, Any] | None:
    """What the instrument read back next, by any run."""
    name = row.body.get("instrument")
    for one in ledger.events(kinds=("called", "returned"), after=row.seq):
        state = one.body.get("state")
        if state and name in (None, state.get("instrument")):
            return dict(state)
    return None
