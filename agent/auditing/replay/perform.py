"""Replay a run: its plan, its decisions and its seed once more, with a fresh twin and no planner, and compare.

What is replayed is the whole loop, from preview to report, with the real session, executor, door and guard. People's
words come from the record. Nothing is written into the audited store; the replay has one of its own for as long as it
lasts.
"""

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eucentric.agent.auditing.replay.earlier import Earlier
from eucentric.agent.auditing.replay.people import RecordedAnswers, RecordedPlanner, settled_as_then
from eucentric.agent.auditing.replay.prompter import Diverged, Prompter
from eucentric.agent.auditing.replay.recording import Life, Recording
from eucentric.agent.auditing.replay.scratch import ScratchStore
from eucentric.agent.auditing.replay.standin import StandIn
from eucentric.agent.auditing.replay.twin import Died
from eucentric.agent.auditing.replay.verdict import (
    Compared,
    Difference,
    Left,
    Replayed,
    Verdict,
    compared,
    differences,
)
from eucentric.agent.conduct import conduct, made_with, take_up
from eucentric.agent.consent.rules import BUILT_IN, RuleBook, Rules
from eucentric.agent.run import Run
from eucentric.agent.session import Observer, Session
from eucentric.core.clock import told_by
from eucentric.core.errors import EucentricError, NotAvailable
from eucentric.core.event import Event
from eucentric.core.places import parse_uri
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.rows import open_rows
from eucentric.instruments.sources import sources_of

Progress = Callable[[str], None]


def replay(store: Path, run: str, note: Progress = lambda text: None) -> Replayed:
    """Replay a run of a store.

    Parameters
    ----------
    store
        The store's folder; only read.
    note
        Told what goes on.

    Raises
    ------
    BadInput
        There is no such run.
    """
    ledger = open_rows(store / "audit.db")
    try:
        recording = Recording(ledger, run)
        with tempfile.TemporaryDirectory(prefix="eucentric-replay-") as folder:
            return _Replay(recording, store, Path(folder), note).carried_out()
    except (KeyError, TypeError, ValidationError) as error:
        why = f"its rows are not such as this software writes: {type(error).__name__} {str(error)[:200]}"
        return Replayed(run=run, instrument="", verdict="can't be replayed", why=why)
    finally:
        ledger.close()


class _Replay:
    """One replay under way."""

    def __init__(self, recording: Recording, audited: Path, folder: Path, note: Progress) -> None:
        self.recording, self.note = recording, note
        self.store = ScratchStore(folder, audited, recording.requested.seq)
        self.earlier = Earlier(recording)
        self.prompter = Prompter(recording, self.earlier, self.store.ledger.copy)
        self.declared: Compared | None = None
        self.specimen = _specimen(recording.requested.body)
        self.request = Request.model_validate(recording.requested.body["request"])

    def carried_out(self) -> Replayed:
        """Every life in turn."""
        why = ""
        with self._on_the_record():
            try:
                check_possible(self.recording)
                for number in range(len(self.recording.lives)):
                    self._life(number)
            except EucentricError as error:
                why = str(error)
            except Diverged:
                pass
            finally:
                self.earlier.close()
                self.store.close()
        return self._verdict(why)

    @contextlib.contextmanager
    def _on_the_record(self) -> Iterator[None]:
        """Rows go past the prompter, the clock shows the times on record, and no hold of a twin alarms anybody."""
        log = logging.getLogger("eucentric.instruments")
        level = log.level
        log.setLevel(logging.CRITICAL)
        try:
            with told_by(self.prompter.time):
                self.store.ledger.writer = self.prompter
                yield
        finally:
            log.setLevel(level)

    def _life(self, number: int) -> None:
        life = self.recording.lives[number]
        seq = life.rows[0].seq if number else self.recording.requested.seq
        twin = self.earlier.stand_at(self.recording.incarnation(number), seq)
        self._check_declared(twin.guard.capabilities().model_dump(mode="json"))
        instrument = StandIn(twin, self.prompter, _host_of(life))
        self.note(f"process {number + 1} of {len(self.recording.lives)}: {len(life.rows)} rows")
        with contextlib.suppress(Died):
            self._begin(life, instrument) if number == 0 else self._take_up(life, instrument)
        if self.prompter.diverged is not None:  # ends of the run that came after it hid it
            raise Diverged
        instrument.close()

    def _begin(self, life: Life, instrument: StandIn) -> None:
        run = Run(self.store, self.recording.run, instrument, self.specimen)
        run.until, run.rules, run.like = _until(life), _rules(self.recording.requested), self.request.like
        self.prompter.begin(life)
        finished = life.finished
        conduct(
            run, self.request, RecordedPlanner(self.prompter), RecordedAnswers(self.prompter), Observer(),
            plan_only=finished is not None and finished.body.get("outcome") == "planned",
            report=False, prepare=self._prepare,
        )  # fmt: skip

    def _take_up(self, life: Life, instrument: StandIn) -> None:
        self.prompter.begin(life)
        with contextlib.suppress(
            EucentricError
        ):  # whoever took it up saw it: in the rows there is nothing of it
            take_up(
                self.store, self.recording.run, instrument, RecordedAnswers(self.prompter), Observer(),
                by=life.first.actor if life.first else "", settle=settled_as_then(self.recording),
                rules=_rules(life.first or self.recording.requested), report=False, prepare=self._prepare,
            )  # fmt: skip

    def _prepare(self, session: Session) -> None:
        self.prompter.session = session

    # --- the verdict --------------------------------------------------------------------------------------

    def _check_declared(self, now: dict[str, Any]) -> None:
        """Diverged if the twin of that address declares other things than the record says."""
        row = self.recording.requested
        found = tuple(
            Difference(event=row.seq, where=where, recorded=a, replayed=b)
            for where, a, b in differences(
                row.body.get("capabilities", {}), now, "requested.body.capabilities"
            )
        )
        if found:
            what = f"requested: the twin of that address declares another {found[0].where.rpartition('.')[2]}"
            self.declared = Compared(
                event=row.seq, part="row", id="requested", what=what, same=False, differences=found
            )
            raise Diverged

    def _verdict(self, why: str) -> Replayed:
        rows, turns = self.recording.rows, self.prompter.turns
        found = (*([self.declared] if self.declared else []), *compared(turns))
        reached = {turn.recorded.seq for turn in turns}
        first = next((one for one in found if not one.same), None)
        sent = tuple(self.earlier.sent)
        wrong = next((one for one in sent if not one.same), None)
        verdict: Verdict = "identical"
        if why:
            verdict = "can't be replayed"
        elif wrong is not None or first is not None or len(reached) < self._made:
            verdict = "differs"
            why = _first_words(wrong, first) or "it ended before the run on record did"
        return Replayed(
            run=self.recording.run,
            instrument=self.recording.uri,
            verdict=verdict,
            why=why,
            sent_before=sent,
            processes=len(self.recording.lives),
            compared=found,
            taken_over=sum(not self.recording.made(row) for row in rows),
            left=tuple(
                Left(event=row.seq, kind=row.kind, why="it was not reached")
                for row in rows
                if self.recording.made(row) and row.seq not in reached
            ),
            software=_made_otherwise(self.recording),
        )

    @property
    def _made(self) -> int:
        return sum(len(life.rows) for life in self.recording.lives)


def check_possible(recording: Recording) -> None:
    """Raises NotAvailable for an instrument that does not do the same twice."""
    uri = parse_uri(recording.uri)
    if uri.scheme != "twin":
        raise NotAvailable(f"{recording.uri} is no twin", "a specimen under a beam is never twice the same")
    if uri.query.get("clock", "virtual") != "virtual":
        raise NotAvailable(
            "its clock ran with the clock on the wall", "what it read back hangs on how fast this machine was"
        )
    now, then = sources_of(recording.uri), recording.requested.body.get("sources", {})
    other = [name for name in then if now.get(name) != then[name]]
    if other:
        raise NotAvailable(
            f"the file with its {other[0]} is not the one that the run was made with",
            f"sha256 {then[other[0]][:12]}… then, {now.get(other[0], 'no file')[:12]}… now",
        )


def _first_words(wrong: Any, first: Any) -> str:
    if wrong is not None:
        return f"before the run, at event {wrong.event} of {wrong.run}: {wrong.what}: {', '.join(wrong.differences)}"
    if first is None:
        return ""
    return f"event {first.event}, {first.what}"


def _specimen(body: dict[str, Any]) -> SpecimenCard | None:
    return SpecimenCard.model_validate(body["specimen"]) if body.get("specimen") else None


def _rules(row: Event) -> RuleBook:
    """The site's rules that a process worked under."""
    label = row.body.get("policy") or row.body.get("in_force", {}).get("policy", BUILT_IN.label)
    return RuleBook(Rules.model_validate(row.body["rules"]), str(label)) if "rules" in row.body else BUILT_IN


def _until(life: Life) -> datetime | None:
    """When whoever asked wanted it to be over; the question at the gate tells."""
    told = next(
        (str(row.body["until"]) for row in life.rows if row.kind == "asked" and row.body.get("until")), ""
    )
    return datetime.fromisoformat(told) if told else None


def _host_of(life: Life) -> int | None:
    return next(
        (row.body["host_pid"] for row in life.rows if row.kind == "intended" and row.body.get("host_pid")),
        None,
    )


def _made_otherwise(recording: Recording) -> tuple[str, ...]:
    """Versions and files that are not those the run was made with."""
    now = made_with(recording.uri)
    then = {key: recording.requested.body[key] for key in now if key in recording.requested.body}
    return tuple(
        f"{where} {a} then, {b} now" for where, a, b in differences(then, {k: now[k] for k in then}, "made")
    )
