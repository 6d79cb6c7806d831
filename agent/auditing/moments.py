"""From what an auditor types ('87', '02:13', '2026-10-02T02:13:07') to the rows that are meant."""

import re

from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.many import Found, ManyRows
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


def in_stores(many: ManyRows, text: str, run: str | None = None) -> list[Found]:
    """As `at_moment` in several stores, oldest first; an event is named `STORE:NUMBER` where several have it.

    A time of day without a date is looked for on the newest day on which any of them has it.
    """
    if run is not None:
        store, run = many.run(run)
        places = {store: many.stores[store]}
    else:
        places = many.stores
    if not _CLOCK.match(text.strip()):
        store, text = many.split(text.strip())
        places = {store: places[store]} if store in places else places
    found, refused = _in_each(places, text, run)
    if not found:
        raise refused[0] if len(refused) == 1 else _nowhere(text, refused)
    if text.strip().isdecimal() and len(found) > 1:
        raise BadInput(
            f"{len(found)} stores have an event {text.strip()}: {', '.join(visible(one.store) for one in found)}",
            remedy=f"say which, such as {visible(found[0].store)}:{text.strip()}",
        )
    newest = max(one.event.ts[:10] for one in found)
    dated = "T" in text or " " in text.strip() or text.strip().isdecimal()
    kept = [one for one in found if dated or one.event.ts.startswith(newest)]
    return sorted(kept, key=lambda one: (one.event.ts, one.store, one.event.seq))


def _in_each(places: dict[str, Rows], text: str, run: str | None) -> tuple[list[Found], list[BadInput]]:
    found, refused = list[Found](), list[BadInput]()
    for store, rows in places.items():
        try:
            found += [Found(store, row) for row in at_moment(rows, text, run)]
        except BadInput as error:
            refused.append(error)
    return found, refused


def _nowhere(text: str, refused: list[BadInput]) -> BadInput:
    whys = dict.fromkeys(error.why for error in refused if error.why)
    return BadInput(
        f"none of {len(refused)} stores has anything at {visible(text, limit=60)}", "; ".join(whys),
        refused[0].remedy,
    )  # fmt: skip
