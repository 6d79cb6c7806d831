"""What the ledger has of a run: rows that its processes made, and between them what people and others wrote.

A run may have had several lives: one process after the other worked on it. A replay makes the rows of each life again
and takes over the rest, at the same places.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.rows import Rows

_MADE = frozenset(
    ("planned", "previewed", "asked", "called", "intended", "returned", "failed", "in_doubt", "resolved", "concluded",
     "found", "excluded", "judged", "leased", "changed", "paused", "suspended", "released", "restored", "stopped",
     "finished", "resumed")
)  # fmt: skip
"""Kinds of rows that the work on a run makes; what is not here is taken over as it is."""
ENDS = ("returned", "failed", "in_doubt")
"""Kinds of rows that say what became of an act."""


@dataclass(frozen=True)
class Life:
    """What one process made of the run, in order."""

    rows: tuple[Event, ...]

    @property
    def first(self) -> Event | None:
        """The row with which it took the run up again; None for the process that began it."""
        return next((row for row in self.rows if row.kind == "resumed"), None)

    @property
    def finished(self) -> Event | None:
        """Its last row; None: the process died."""
        return next((row for row in self.rows if row.kind == "finished"), None)


class Recording:
    """A run on record, and the ledger around it.

    Parameters
    ----------
    ledger
        Only read.
    """

    def __init__(self, ledger: Rows, run: str) -> None:
        self.ledger, self.run = ledger, run
        own = ledger.events(run=run)
        if not own or own[0].kind != "requested":
            raise BadInput(f"there is no run {run!r}", remedy="see `eucentric audit list`")
        self.requested = own[0]
        made = [row for row in own if is_made(row)]
        self.last = made[-1].seq if made else own[0].seq
        self.lives = tuple(Life(tuple(rows)) for rows in _lives(made))
        self.rows = ledger.events(after=own[0].seq - 1, limit=self.last - own[0].seq + 1)
        """Every row of the ledger from the request to the last one that the run made."""

    @property
    def uri(self) -> str:
        """The instrument's address."""
        return str(self.requested.body["request"]["instrument"])

    def made(self, row: Event) -> bool:
        """Whether the work on this run made the row."""
        return row.run_id == self.run and is_made(row)

    def incarnation(self, number: int) -> str | None:
        """Which life of the instrument's process a life of the run worked with, if anything says so."""
        if number == 0 and "incarnation" in self.requested.body:
            return str(self.requested.body["incarnation"])
        rows = self.lives[number].rows
        told = (
            row.body["incarnation"]
            for row in rows
            if row.kind in ("resumed", "intended") and "incarnation" in row.body
        )
        return next(map(str, told), None)


def is_made(row: Event) -> bool:
    """Whether the work on the row's run made it, and a replay makes it again."""
    if row.kind == "changed":
        return "held" in row.body  # a hold released on an approval; limits and operators change elsewhere
    return row.kind in _MADE and not row.summary.startswith("no report:")


def _lives(made: Sequence[Event]) -> Iterator[list[Event]]:
    """What was settled before a run was taken up belongs to the process that took it up, or meant to."""
    taken = [number for number, row in enumerate(made) if row.kind == "resumed"]
    begins = sorted({_settled_from(made, number) for number in (*taken, len(made))})
    edges = [0, *(number for number in begins if 0 < number < len(made)), len(made)]
    for start, end in itertools.pairwise(edges):
        yield list(made[start:end])


def _settled_from(made: Sequence[Event], number: int) -> int:
    for row in reversed(made[:number]):
        swept = row.kind == "in_doubt" and "error" not in row.body
        if not (swept or row.kind == "resolved" or (row.kind in ENDS and _settled(made, row))):
            break
        number -= 1
    return number


def _settled(made: Sequence[Event], end: Event) -> bool:
    """Whether an act's end was written when it was settled, not when it happened."""
    return any(
        row.kind == "resolved" and row.action_id == end.action_id and row.seq < end.seq for row in made
    )
