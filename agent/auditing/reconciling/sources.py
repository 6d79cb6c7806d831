"""What the rows of a store say was sent: acts with the driver's count before and after, and other counts in rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from eucentric.agent.auditing.reconciling.model import Mark
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.places import canonical_uri
from eucentric.core.rows import Rows

_ENDS = ("returned", "failed", "in_doubt")
_COUNTED = ("asked", "leased", "paused", "suspended", "resolved", "finished")
"""Rows of what is no act that carry the count."""
How = Literal["done", "failed", "not sent", "open"]


@dataclass(frozen=True)
class Source:
    """A store that is compared."""

    name: str
    """How to call it where several are; '' if it is the only one."""
    rows: Rows

    def called(self, event: int) -> str:
        """A row of it, in words."""
        return f"event {event}{self.name and f' of {self.name}'}"


@dataclass(frozen=True)
class Act:
    """One act that reached for the instrument."""

    store: str
    event: int
    utc: str
    run: str
    name: str
    """Such as 'acquire'."""
    args: dict[str, Any]
    token: str
    life: str
    before: int
    """The driver's count before it."""
    after: int | None
    """The same after it; None if no row has it."""
    ended: How
    marks: tuple[Mark, ...]

    @property
    def what(self) -> str:
        """In words."""
        return f"{self.marks[0].what} {self.name}"


@dataclass(frozen=True)
class Count:
    """A count in a row of what is no act: a lease, a pause, the end of a run."""

    kind: str
    life: str
    run: str
    before: int | None
    mark: Mark


@dataclass
class Told:
    """Everything that one store says."""

    acts: list[Act] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    """Instrument by life."""


def told_by(source: Source) -> Told:
    """Read a store's rows once."""
    found = Told()
    instruments: dict[str, str] = {}
    ends: dict[str, list[Event]] = {}
    intents: list[Event] = []
    for row in source.rows.events(kinds=("requested", "intended", *_ENDS, *_COUNTED)):
        if row.kind == "requested":
            instruments[row.run_id] = _address(row)
        elif row.kind == "intended":
            intents.append(row)
        elif row.kind in _ENDS:
            ends.setdefault(row.action_id or "", []).append(row)
        else:
            found.counts += _told(source, row)
    found.acts = [act for row in intents for act in _act(source, row, ends.get(row.action_id or "", []))]
    named = [(one.life, one.run) for one in found.acts] + [(one.life, one.run) for one in found.counts]
    for life, run in named:
        found.addresses.setdefault(life, instruments.get(run, ""))
    return found


def _address(row: Event) -> str:
    uri = str((row.body.get("request") or {}).get("instrument", ""))
    try:
        return canonical_uri(uri)
    except BadInput:
        return uri


def _told(source: Source, row: Event) -> Iterator[Count]:
    life, count = row.body.get("incarnation"), _number(row.body, "commands")
    if isinstance(life, str) and count is not None:
        yield Count(
            row.kind, life, row.run_id, _number(row.body, "commands_before"), _mark(source, row, count)
        )


def _act(source: Source, row: Event, ends: list[Event]) -> Iterator[Act]:
    """Nothing for what sends nothing, and for rows of a version that did not write the count."""
    life, before = row.body.get("incarnation"), _number(row.body, "commands")
    if not isinstance(life, str) or before is None:
        return
    end, how = _end(ends)
    after = _number(end.body, "commands") if end else None
    marks = [_mark(source, row, before)]
    if end is not None and after is not None:
        marks.append(_mark(source, end, after))
    yield Act(
        source.name, row.seq, row.ts, row.run_id, str(row.body.get("act")), dict(row.body.get("args") or {}),
        row.hash, life, before, before if how == "not sent" else after, how, tuple(marks),
    )  # fmt: skip


def _end(ends: Iterable[Event]) -> tuple[Event | None, How]:
    """The row that says how it ended; one that was in doubt may have been settled later."""
    last: tuple[Event | None, How] = (None, "open")
    for row in ends:
        if row.kind == "returned":
            return row, "done"
        if row.kind == "failed":
            last = row, "failed" if row.body.get("sent") is not False else "not sent"
        elif last[0] is None:
            last = row, "open"
    return last


def _mark(source: Source, row: Event, count: int) -> Mark:
    return Mark(commands=count, utc=row.ts, what=source.called(row.seq))


def _number(body: dict[str, Any], name: str) -> int | None:
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
