"""What a replay finds: row by row, and in one word."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from eucentric.core.base import Model
from eucentric.core.event import Event

Verdict = Literal["identical", "differs", "can't be replayed"]
Part = Literal["call", "act", "frame", "finding", "row"]

_PATH = re.compile(r"[^\s\"']*(?=\bruns/r-)")
"""What stands before the run's folder in a path: another store lies elsewhere."""
_BY_THE_CLOCK: dict[str, frozenset[str]] = {
    "released": frozenset(("seconds",)),
    "failed": frozenset(("trace",)),
}
"""By kind: what hangs on the clock on the wall, or on where the code lies."""
_BY_THE_HOUR = frozenset(("card", "card_sha256", "envelope"))
"""Of a question that must be over at some hour: they say how long there is until then."""
_ADDED = frozenset(("commands", "commands_before", "incarnation"))
"""Names that rows of older software lack: what is not on record can't be compared."""
_CALLS, _ACTS = ("called", "concluded"), ("intended", "returned", "failed", "in_doubt", "resolved")


class Difference(Model):
    """One value that is not the same."""

    event: int
    where: str
    """Such as 'returned act.frames[0].sha256'."""
    recorded: Any = None
    replayed: Any = None


class Compared(Model):
    """One call, act, frame, finding or other row, as recorded and as replayed."""

    event: int
    part: Part
    id: str
    what: str
    same: bool
    differences: tuple[Difference, ...] = ()


class Sent(Model):
    """One act of another run, sent again before or beside the run that is replayed."""

    event: int
    run: str
    what: str
    same: bool
    differences: tuple[str, ...] = ()


class Left(Model):
    """A row that was not made again, and why."""

    event: int
    kind: str
    why: str


class Replayed(Model):
    """The whole comparison."""

    run: str
    instrument: str
    verdict: Verdict
    why: str = ""
    """Where it differs first, or why it can't be replayed."""
    sent_before: tuple[Sent, ...] = ()
    """Acts of other runs on the same instrument that were sent again first."""
    processes: int = 0
    """How many worked on the run."""
    compared: tuple[Compared, ...] = ()
    taken_over: int = 0
    """Rows of people and other processes (requests, decisions, other runs) that were taken as they are."""
    left: tuple[Left, ...] = ()
    software: tuple[str, ...] = ()
    """What made the run and what replays it, where they are not the same."""

    def of(self, part: Part) -> tuple[Compared, ...]:
        """The comparisons of one kind."""
        return tuple(one for one in self.compared if one.part == part)


@dataclass(frozen=True)
class Turn:
    """A row on record and the one that the replay wrote in its place."""

    recorded: Event
    replayed: Event
    differences: tuple[Difference, ...]
    other: bool
    """It is a row of another kind or another act: what follows can't be compared."""


def compare(recorded: Event, replayed: Event) -> Turn:
    """Two rows, value by value."""
    names = ("kind", "action_id", "tool")
    before, now = ({name: getattr(row, name) for name in names} for row in (recorded, replayed))
    if before != now:
        told = (f"{row.kind}: {row.summary}" for row in (recorded, replayed))
        return Turn(recorded, replayed, (Difference(
            event=recorded.seq, where="the next row", recorded=next(told), replayed=next(told)),), True)  # fmt: skip
    then, made = _plain(recorded), _plain(replayed)
    made["body"] = {key: one for key, one in made["body"].items() if key not in _ADDED or key in then["body"]}
    found = tuple(
        Difference(event=recorded.seq, where=where, recorded=a, replayed=b)
        for where, a, b in differences(then, made, recorded.kind)
    )
    return Turn(recorded, replayed, found, False)


def _plain(row: Event) -> dict[str, Any]:
    """Actor, summary and body without what says only when and where it was made."""
    skipped = _BY_THE_CLOCK.get(row.kind, frozenset())
    if row.kind == "asked" and row.body.get("until"):
        skipped = _BY_THE_HOUR
    body = {key: value for key, value in row.body.items() if key not in skipped}
    summary = "" if row.kind == "released" else row.summary
    plain: dict[str, Any] = _without_folder({"actor": row.actor, "summary": summary, "body": body})
    return plain


def _without_folder(value: Any) -> Any:
    if isinstance(value, str):
        return _PATH.sub("", value)
    if isinstance(value, dict):
        return {key: _without_folder(inner) for key, inner in value.items()}
    return [_without_folder(inner) for inner in value] if isinstance(value, list) else value


def differences(a: Any, b: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Where two JSON values differ, to the last digit: place, first, second."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            yield from differences(a.get(key), b.get(key), f"{where}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif a != b or type(a) is not type(b):
        yield where, a, b


def compared(turns: list[Turn]) -> Iterator[Compared]:
    """Turns as calls, acts, frames, findings and other rows."""
    for turn in turns:
        row = turn.recorded
        frames = _frames(turn)
        rest = tuple(one for one in turn.differences if ".frames[" not in one.where or not frames)
        yield _one(turn, _part(row), str(row.action_id or row.kind), row.summary, rest)
        for number, (frame, sha) in enumerate(frames):
            found = tuple(one for one in turn.differences if f".frames[{number}]" in one.where)
            yield _one(turn, "frame", frame, f"sha256 {sha}", found)


def _part(row: Event) -> Part:
    if row.kind in _CALLS:
        return "call"
    if row.kind in _ACTS and row.action_id is not None:
        return "act"
    return "finding" if row.kind == "found" else "row"


def _frames(turn: Turn) -> list[tuple[str, str]]:
    """Ids and digests of the frames of a row, if both have as many."""
    if turn.other or turn.recorded.kind != "returned":
        return []
    before, now = (row.body.get("frames", ()) for row in (turn.recorded, turn.replayed))
    return [(str(frame["id"]), str(frame["sha256"])) for frame in before] if len(before) == len(now) else []


def _one(turn: Turn, part: Part, name: str, what: str, found: tuple[Difference, ...]) -> Compared:
    return Compared(
        event=turn.recorded.seq, part=part, id=name, what=f"{turn.recorded.kind}: {what}", same=not found,
        differences=found,
    )  # fmt: skip
