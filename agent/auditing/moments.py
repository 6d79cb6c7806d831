"""From what an auditor types ('87', '02:13', '2026-10-02T02:13:07') to the rows that are meant."""

import re

from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.rows import Rows
from eucentric.core.text import visible

ACTS = ("intended", "decided", "asked", "found", "judged", "excluded", "stopped", "finished", "changed")
"""Kinds of rows that a moment may mean; read-backs and bookkeeping belong to one of them."""
_CLOCK = re.compile(r"^(\d{4}-\d{2}-\d{2}[T ])?(\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?)Z?$")


def at_moment(ledger: Rows, text: str, run: str | None = None) -> list[Event]:
    """Rows of an event number, or of a time (UTC, to the minute, second or millisecond), oldest first.

    A time of day without a date is looked for on the newest day that has it.

    Raises
    ------
    BadInput
        It is neither, or nothing was done then; the nearest times are named.
    """
    text = text.strip()
    if text.isdecimal() and len(text) < 16:
        return [_event(ledger, int(text))]
    form = _CLOCK.match(text)
    if form is None:
        raise BadInput(
            f"{visible(text, limit=60)!r} is no event number and no time",
            remedy="such as 87, 02:13, 02:13:07 or 2026-10-02T02:13 (UTC)",
        )
    rows = ledger.events(run=run, kinds=ACTS)
    found = _at(rows, (form[1] or "").replace(" ", "T"), form[2])
    if not found:
        raise BadInput(
            f"nothing was done at {text} UTC", _nearest(rows, form[2]), "see `eucentric audit show RUN`"
        )
    return found


def _event(ledger: Rows, seq: int) -> Event:
    rows = ledger.events(after=seq - 1, limit=1) if seq > 0 else []
    if not rows or rows[0].seq != seq:
        raise BadInput(f"there is no event {seq}", f"the ledger has {ledger.head()[0]}")
    return rows[0]


def _at(rows: list[Event], day: str, clock: str) -> list[Event]:
    found = [row for row in rows if row.ts.startswith(day) and row.ts[11:].startswith(clock)]
    newest = max((row.ts[:10] for row in found), default="")
    return [row for row in found if row.ts.startswith(newest)]


def _nearest(rows: list[Event], clock: str) -> str:
    earlier = [row.ts for row in rows if row.ts[11:] < clock]
    later = [row.ts for row in rows if row.ts[11:] > clock]
    parts = [f"before it {max(earlier)[:23]}"] if earlier else []
    parts += [f"after it {min(later)[:23]}"] if later else []
    return "nearest: " + ", ".join(parts) if parts else "the ledger has no acts yet"
