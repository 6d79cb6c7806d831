"""Stops, blanks and leases that the host noted: they have no row by design, and explain what they sent."""

import re
from collections.abc import Iterable, Sequence

from eucentric.agent.auditing.reconciling.expected import words
from eucentric.agent.auditing.reconciling.model import Halt, Unexplained
from eucentric.agent.auditing.reconciling.sources import Count
from eucentric.agent.auditing.reconciling.walk import Lost
from eucentric.instruments.notes import Note

_TOLD = ("stop", "blank", "lease ended", "hold released", "touch cleared")
_BLANKING = ("stop", "blank")
_SAME = len("2026-10-02T02:13:0")
"""Of a time: to ten seconds."""
WHO = "hands on the knobs, another program, or a stop key"


def explained(
    lost: Iterable[Lost], notes: Sequence[Note], counts: Sequence[Count]
) -> tuple[list[Unexplained], list[Halt]]:
    """What is left unexplained, and every halt with the commands that it sent.

    A stop that finds the beam blanked sends nothing that counts; one that finds it on sends one blank. Without the
    instrument's log, so many blanks are believed as can follow an unblank that has no row either.
    """
    sent: dict[int, int] = {}
    left = []
    for one in lost:
        inside = [n for n, note in enumerate(notes) if note.what in _BLANKING and _within(one, note)]
        believed = inside[: _blanks(one)]
        sent |= dict.fromkeys(believed, 1)
        if one.commands > len(believed):
            left.append(_unexplained(one, len(believed), notes, counts))
    return left, _halts(notes, sent)


def _halts(notes: Sequence[Note], sent: dict[int, int]) -> list[Halt]:
    """One that was said twice at once (a stop key that is held, a client that repeats) is told once."""
    halts: list[Halt] = []
    for n, note in enumerate(notes):
        last = halts[-1] if halts else None
        if note.what not in _TOLD:
            continue
        if last and (last.what, last.text, last.utc[:_SAME]) == (note.what, note.text, note.utc[:_SAME]):
            halts[-1] = last.model_copy(update={"commands": last.commands + sent.get(n, 0)})
        else:
            halts.append(Halt(utc=note.utc, what=note.what, text=note.text, commands=sent.get(n, 0)))
    return halts


def _within(one: Lost, note: Note) -> bool:
    """By time: both clocks are of the machine that the host runs on."""
    return (one.after is None or one.after.utc <= note.utc) and (
        one.before is None or note.utc <= one.before.utc
    )


def _blanks(one: Lost) -> int:
    if len(one.entries) == one.commands:
        return sum(entry.name == "blank" for entry in one.entries)
    return one.commands // 2


def _unexplained(one: Lost, blanks: int, notes: Sequence[Note], counts: Sequence[Count]) -> Unexplained:
    entries = list(one.entries)
    for entry in [entry for entry in entries if entry.name == "blank"][:blanks]:
        entries.remove(entry)
    others = _other_holders(one, notes, counts)
    return Unexplained(
        commands=one.commands - blanks,
        during=one.during,
        after=one.after,
        before=one.before,
        log=tuple(map(words, entries)),
        hint=f"the lease was held by {', '.join(others)}: give that store, too" if others else WHO,
    )


def _other_holders(one: Lost, notes: Sequence[Note], counts: Sequence[Count]) -> list[str]:
    """Who the host says took the lease meanwhile, without a row in these stores."""
    found = [note for note in notes if note.what == "lease" and _within(one, note)]
    ours = {
        (re.escape(count.run), count.mark.commands)
        for count in counts
        if count.kind in ("leased", "resolved")
    }
    return [
        note.text for note in found
        if not any(re.search(rf"\b{run}\b", note.text) and commands == note.commands for run, commands in ours)
    ]  # fmt: skip
