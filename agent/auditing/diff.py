"""What is different between two runs, thing by thing, as `diff` shows two files."""

import math
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any, Literal

from eucentric.agent.auditing.diff_sides import Entry, Side, side_of
from eucentric.agent.auditing.diff_words import headline, told
from eucentric.core.base import Model
from eucentric.core.rows import Rows

Mark = Literal["-", "+", "~"]


class Value(Model):
    """One value that is not the same; None: that side has none."""

    name: str
    a: Any = None
    b: Any = None


class Change(Model):
    """One thing that only one run has (- the first, + the second), or that is not the same in both (~)."""

    mark: Mark
    what: str
    values: tuple[Value, ...]


class Part(Model):
    """A section: plan, calls, frames, …"""

    name: str
    same: int
    """Things that are the same in both."""
    changes: tuple[Change, ...]


class Diff(Model):
    """Two runs beside each other."""

    a: str
    b: str
    same: bool
    parts: tuple[Part, ...]


def diff(first: Rows, a: str, second: Rows, b: str) -> Diff:
    """Compare two runs, of one ledger or of two.

    Raises
    ------
    BadInput
        One of them is not there.
    """
    one, other = side_of(first, a), side_of(second, b)
    parts = tuple(_part(name, one.sections[name], other.sections[name]) for name in one.sections)
    return Diff(a=_named(one), b=_named(other), same=not any(part.changes for part in parts), parts=parts)


def _named(side: Side) -> str:
    return f"{side.run}  {side.began[:19]} UTC  {side.outcome}"


def _part(name: str, one: Sequence[Entry], other: Sequence[Entry]) -> Part:
    changes, same = [], 0
    matcher = SequenceMatcher(
        None, [entry.key for entry in one], [entry.key for entry in other], autojunk=False
    )
    for op, a0, a1, b0, b1 in matcher.get_opcodes():
        if op == "equal":
            for a, b in zip(one[a0:a1], other[b0:b1], strict=True):
                found = tuple(_values(a.values, b.values))
                same += not found
                changes += [Change(mark="~", what=b.label, values=found)] if found else []
        else:
            changes += [_alone("-", entry) for entry in one[a0:a1]]
            changes += [_alone("+", entry) for entry in other[b0:b1]]
    return Part(name=name, same=same, changes=tuple(changes))


def _values(a: dict[str, Any], b: dict[str, Any]) -> Iterator[Value]:
    for name in [*a, *(name for name in b if name not in a)]:
        if not _alike(a.get(name), b.get(name)):
            yield Value(name=name, a=a.get(name), b=b.get(name))


def _alike(a: Any, b: Any) -> bool:
    """The same, or two sums of the same numbers that were rounded otherwise."""
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return all(_alike(one, other) for one, other in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-9)
    return bool(a == b)


def _alone(mark: Mark, entry: Entry) -> Change:
    side = "a" if mark == "-" else "b"
    told = {name: value for name, value in entry.values.items() if not name.startswith("result")}
    values = tuple(Value.model_validate({"name": name, side: value}) for name, value in told.items())
    return Change(mark=mark, what=entry.label, values=values)


def lines(found: Diff, *, most: int = 8) -> Iterator[str]:
    """For a person, in the manner of a unified diff.

    Parameters
    ----------
    most
        Values that are told of one thing.
    """
    yield f"--- {found.a}"
    yield f"+++ {found.b}"
    for part in found.parts:
        if part.changes:
            yield f"@@ {part.name}{headline(part.same, [change.mark for change in part.changes])}"
        for change in _grouped(part.changes):
            yield from _of_change(change, most)
    same = [f"{part.name} ({part.same})" for part in found.parts if part.same and not part.changes]
    if same:
        yield f"The same: {', '.join(same)}"


def _grouped(changes: Sequence[Change]) -> Iterator[Change]:
    """Frames of one call that differ in the same way become one change; of their bytes it says that they do."""
    for _, same in groupby(changes, _way):
        found = list(same)
        if len(found) == 1 or not any(value.name == "sha256" for value in found[0].values):
            yield from found
            continue
        bytes_differ = Value(name="bytes", b=f"other in each of {len(found)}")
        values = (bytes_differ, *_without_bytes(found[0])) if found[0].mark == "~" else ()
        yield found[0].model_copy(update={"what": f"{found[0].what} … {found[-1].what}", "values": values})


def _way(change: Change) -> tuple[Any, ...]:
    if change.mark != "~":
        return (change.mark, change.what.rpartition(" of ")[2])
    return (change.mark, *((value.name, str(value.a), str(value.b)) for value in _without_bytes(change)))


def _without_bytes(change: Change) -> tuple[Value, ...]:
    return tuple(value for value in change.values if value.name != "sha256")


def _of_change(change: Change, most: int) -> Iterator[str]:
    if change.mark != "~":
        side = "a" if change.mark == "-" else "b"
        shown = ", ".join(told(value.name, getattr(value, side)) for value in change.values[:most])
        more = f", … {len(change.values) - most} more" if len(change.values) > most else ""
        yield f"{change.mark} {change.what}  {shown}{more}".rstrip()
        return
    yield f"  {change.what}"
    for value in change.values[:most]:
        for mark, one in (("-", value.a), ("+", value.b)):
            if one is not None:
                yield f"{mark}     {told(value.name, one)}"
    if len(change.values) > most:
        yield f"      … {len(change.values) - most} more values (--json has all)"
