"""Walks through the record beside a replay: takes over what others wrote, and compares what the replay writes.

The replay has a ledger of its own, with the same rows before the run. Each row that it writes has a counterpart on
record. Rows of people and of other processes are copied in where they stood: just before the counterpart that
follows, unless that one is an answer to them, then as soon as the row before is written. So a pause is seen at the
act at which it was seen then.
"""

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any

from eucentric.agent.auditing.replay.earlier import Earlier
from eucentric.agent.auditing.replay.fate import Fate, fate_of, held_before, held_in, touch_cleared
from eucentric.agent.auditing.replay.recording import ENDS, Life, Recording
from eucentric.agent.auditing.replay.twin import Died, Twin
from eucentric.agent.auditing.replay.verdict import Difference, Turn, compare
from eucentric.agent.notebooks import is_copy, noted_at
from eucentric.agent.session import Session
from eucentric.core.approval import OPEN
from eucentric.core.errors import EucentricError, from_dict
from eucentric.core.event import Event

_ANSWERS = ("planned", "excluded", "judged", "paused", "released", "stopped", "restored", "finished")
"""Kinds of rows that are written because of what somebody asked for."""
_GATE = ("asked", "decided", "consented")
Append = Callable[..., Event]


class Diverged(BaseException):
    """The replay does something else than the record says: nothing after it can be compared."""


class Prompter:
    """At a place in the record.

    Parameters
    ----------
    copy
        Writes a row of the record into the replay's ledger, at its time.
    """

    def __init__(self, recording: Recording, earlier: Earlier, copy: Callable[[Event], Event]) -> None:
        self.recording, self.earlier, self._copy = recording, earlier, copy
        self.turns: list[Turn] = []
        self.diverged: Difference | None = None
        self.session: Session | None = None
        self.dead = False
        """The process of this life has ended: nothing that it does has an effect any more."""
        self.lost: EucentricError | None = None
        """The line of this life to the instrument, once it is lost: it carries no command any more."""
        self.gone = False
        """The instrument's process itself has died: nothing can be read, either."""
        self._rows = recording.rows
        self._at = 0
        self._life: frozenset[int] = frozenset()
        self._intent: Event | None = None
        self._waited_s = 0.0
        self._copied: datetime | None = None

    # --- the record ---------------------------------------------------------------------------------------

    @property
    def next(self) -> Event | None:
        """The row that this life must write next; None if its process ended here."""
        for number in range(self._at, len(self._rows)):
            if self._rows[number].seq in self._life:
                return self._rows[number]
        return None

    def time(self) -> datetime:
        """What the clock on the wall says: the time of the row that comes next, or that it says itself."""
        row = self.next or self._rows[max(self._at - 1, 0)]
        return self._copied or datetime.fromisoformat(noted_at(row) or row.ts)

    def begin(self, life: Life) -> None:
        """Take over everything up to the first row of a life."""
        self._life, self.dead, self.session = frozenset(row.seq for row in life.rows), False, None
        self.lost, self.gone = None, False
        self.take_over()
        begun = next((row for row in life.rows if row.kind == "called" and row.body.get("state")), None)
        if self.earlier.twin is not None and begun is not None and touch_cleared(begun):
            self.earlier.twin.clear_touch()
        self._arrange()

    def take_over(self) -> list[Event]:
        """Copy what others wrote before the next row of this life; returns it."""
        end = self.next
        taken = []
        while self._at < len(self._rows) and self._rows[self._at] is not end:
            row = self._rows[self._at]
            if self.recording.made(row):
                break
            self._at += 1
            self._take(row)
            taken.append(row)
        return taken

    def _take(self, row: Event) -> None:
        self._copied = datetime.fromisoformat(row.ts)
        try:
            self._copy(row)
        finally:
            self._copied = None
        if row.run_id != self.recording.run:
            self.earlier.hear(row)

    # --- writing ------------------------------------------------------------------------------------------

    def write(self, append: Append, run_id: str, kind: str, *args: Any) -> Event:
        """A row that the replay writes, beside its counterpart.

        Raises
        ------
        Died
            The process ended before it wrote another row.
        Diverged
            It is a row of another kind, or of another act.
        """
        if kind in _GATE[1:] and run_id == self.recording.run:
            return self._answer(kind)
        wanted = self.next
        if wanted is None or self.dead:
            self.dead = True
            raise Died
        self.take_over()
        written = append(run_id, kind, *args)
        self._compared(wanted, written)
        self._at += 1
        self._intent = wanted if kind == "intended" else None
        self._arrange()
        return written

    def _compared(self, wanted: Event, written: Event) -> None:
        turn = compare(wanted, written)
        self.turns.append(turn)
        if turn.other:
            self.diverged, self.dead = turn.differences[0], True
            raise Diverged

    def _answer(self, kind: str) -> Event:
        """A decision is on record: it was taken over, to the letter."""
        rows = [
            row for row in self._rows[: self._at] if row.kind == kind and row.run_id == self.recording.run
        ]
        if not rows:
            raise Died
        return rows[-1]

    # --- what happened between two rows -------------------------------------------------------------------

    def _arrange(self) -> None:
        """Let happen what must have happened before the next row: a stop, a hold, a request that it answers."""
        row = self.next
        if row is None:
            return
        error = self._ends_with(row) if row.kind in ("restored", "stopped") else _error_of(row)
        twin, held = self.earlier.twin, held_before(self.recording.ledger, row) or held_in(error)
        if twin is not None and held:
            twin.hold(held)
        if twin is not None and touch_cleared(row):
            twin.clear_touch()
        if error.get("what") == "the run was stopped" or error.get("why") == "the run was stopped":
            self._stopping()
        if error.get("what") == "stopped while the run was paused" and not held:
            self._stopping()
        if self.lost is None and (lost := self._lost_before(row)):
            self.lost, self.gone = from_dict(lost), True
        if self._answers(row) or self._reads_a_notebook():
            self.take_over()

    def _ends_with(self, row: Event) -> dict[str, Any]:
        """The error with which this life ended, for a row that may be its end."""
        if row.kind not in (*_ANSWERS, "concluded"):
            return {}
        ends = (one for one in self._rows if one.seq in self._life and one.kind == "finished")
        return next(map(_error_of, ends), {})

    def _lost_before(self, row: Event) -> dict[str, Any] | None:
        """The error with which this life ended, if a reading and no command brought it, before this row."""
        error = self._ends_with(row)
        acts = (one for one in self._rows if one.seq in self._life and one.kind in ENDS)
        by_act = any(_error_of(one).get("what") == error.get("what") for one in acts)
        told = error.get("what") in (_error_of(row).get("what"), row.body.get("why", "").partition(" · ")[0])
        return error if error.get("type") == "ConnectionLost" and told and not by_act else None

    def _reads_a_notebook(self) -> bool:
        """Whether the run read what people had written into a notebook, before the next row of this life."""
        ahead = itertools.takewhile(lambda row: not self.recording.made(row), self._rows[self._at :])
        return any(map(is_copy, ahead))

    def _answers(self, row: Event) -> bool:
        if self._at and self._rows[self._at - 1].kind == "suspended" and self._to_wait_s > 0:
            return False  # after as many waits as then: see `waited`
        gate = bool(self._at) and self._rows[self._at - 1].kind == "asked"
        return gate or row.kind in _ANSWERS or (row.kind == "concluded" and not row.body.get("ok"))

    @property
    def _to_wait_s(self) -> float:
        """How long was waited for a signal that was bad [s]."""
        for row in self._rows[self._at :]:
            if row.seq in self._life and row.kind in ("released", "paused", "finished"):
                return float(row.body.get("waited_s", 0.0))
        return 0.0

    def _stopping(self) -> None:
        if self.session is not None:
            self.session.run.stopping.set()

    # --- what the stand-in asks ---------------------------------------------------------------------------

    def fate(self, twin: Twin) -> Fate:
        """What befell the command of the act whose intent was just written; nothing, if no row announced it."""
        if self._intent is None:
            return Fate()
        return fate_of(self.recording.ledger, self._intent, twin.guard.state())

    def lose(self, error: EucentricError) -> None:
        """The line is lost from here on; whether anything can be read, the end of this life tells."""
        rows = (row for row in self._rows if row.seq in self._life and row.kind == "restored")
        self.lost, self.gone = error, any("can't be read" in str(row.body.get("why_left")) for row in rows)

    @property
    def announced(self) -> bool:
        """Whether a row announced the command that comes."""
        return self._intent is not None

    def left_open(self, gate: str) -> Event | None:
        """The last answer at a gate, if it decided nothing."""
        rows = [
            row
            for row in self._rows[: self._at]
            if row.kind == "decided" and row.run_id == self.recording.run
        ]
        here = [row for row in rows if row.body.get("gate") == gate]
        return here[-1] if here and here[-1].body.get("outcome") in OPEN else None

    def waited(self, seconds: float) -> None:
        """A wait that no row announced: for a signal. Requests come when as much was waited as then."""
        self._waited_s += seconds
        if self._waited_s >= self._to_wait_s > 0:
            self._waited_s = 0.0
            self.take_over()


def _error_of(row: Event) -> dict[str, Any]:
    error = row.body.get("error")
    return error if isinstance(error, dict) else {}
