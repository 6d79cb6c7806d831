"""What became of a run, from its rows alone: done, in doubt, left to do, and why it stopped."""

from typing import Literal

from eucentric.agent.acting.door import HARMLESS
from eucentric.agent.consent.deciding import decision
from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.plan import Proposal
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.store import Store
from eucentric.core.text import named, quoted, visible

Choice = Literal["adopt", "repeat", "give-up"]
"""What a person may say: it was done, do it again, or end the run. The dose stays charged whatever it is."""


class Doubt(Model):
    """An act that was begun and never finished."""

    action_id: str
    act: str
    tool: str
    what: str
    began: str
    event: int
    evidence: tuple[str, ...] = ()
    """What instrument and disk say of it."""
    choices: tuple[Choice, ...] = ("repeat", "give-up")
    """Answers that the evidence allows."""


class Recovery(Model):
    """The explanation."""

    run: str
    request: Request
    specimen: SpecimenCard | None
    proposal: Proposal | None
    ending: str | None
    """Outcome of the last row 'finished', or None: the process ended without one."""
    open_gate: str | None
    done: tuple[str, ...]
    """Calls that ended well, in order."""
    failed: tuple[str, ...]
    doubts: tuple[Doubt, ...]
    settled: tuple[str, ...]
    """Acts that were in doubt, with what was found or decided."""
    frames: int
    last: str
    """Time and summary of the last row."""
    running: bool = False
    """Whether a process works on it right now."""

    @property
    def crashed(self) -> bool:
        """Whether the process that ran it died."""
        return self.ending is None and self.open_gate is None and not self.running

    @property
    def state(self) -> str:
        """In a few words."""
        if self.ending is not None:
            return self.ending
        if self.open_gate is not None:
            return f"waits at gate {self.open_gate}"
        return "running" if self.running else "its process died"

    @property
    def resumable(self) -> bool:
        """Whether there is a plan and something of it may be left to do."""
        unfinished = self.ending in (None, "parked", "stopped", "failed")
        return unfinished and self.proposal is not None and self.proposal.plan is not None


def recover(store: Store, run_id: str) -> Recovery:
    """Read a run back.

    Raises
    ------
    BadInput
        There is no such run.
    """
    rows = store.ledger.events(run=run_id)
    if not rows or rows[0].kind != "requested":
        known = [row.run_id for row in store.ledger.events(kinds=("requested",), newest_first=True, limit=5)]
        raise BadInput(
            f"there is no run {run_id!r}",
            f"newest: {', '.join(known) or 'none'}",
            "see `eucentric audit list`",
        )
    first = rows[0].body
    planned = [row for row in rows if row.kind == "planned"]
    concluded = {row.action_id: row for row in rows if row.kind == "concluded"}
    finished = [row for row in rows if row.kind == "finished"]
    resumed = max((row.seq for row in rows if row.kind == "resumed"), default=0)
    last_end = finished[-1] if finished and finished[-1].seq > resumed else None
    return Recovery(
        run=run_id,
        request=Request.model_validate(first["request"]),
        specimen=SpecimenCard.model_validate(first["specimen"]) if first.get("specimen") else None,
        proposal=Proposal.model_validate(planned[-1].body["proposal"]) if planned else None,
        ending=last_end.body["outcome"] if last_end else None,
        open_gate=_open_gate(store, run_id, rows),
        done=tuple(f"{row.body['step']}: {row.summary}" for row in concluded.values() if row.body.get("ok")),
        failed=tuple(
            f"{row.body['step']}: {row.summary}" for row in concluded.values() if not row.body.get("ok")
        ),
        doubts=tuple(open_doubts(rows)),
        settled=tuple(f"{row.summary} (by {row.actor})" for row in rows if row.kind == "resolved"),
        frames=sum(len(row.body.get("frames", ())) for row in rows if row.kind == "returned"),
        last=f"{rows[-1].ts} {rows[-1].kind}: {rows[-1].summary}",
        running=store.is_locked(run_id),
    )


def _open_gate(store: Store, run_id: str, rows: list[Event]) -> str | None:
    asked = [row.body["gate"] for row in rows if row.kind == "asked"]
    return asked[-1] if asked and decision(store, run_id, asked[-1]) is None else None


def open_doubts(rows: list[Event]) -> list[Doubt]:
    """Acts of a run that were begun, have no known end, and were not settled by a person."""
    ends: dict[str | None, set[str]] = {}
    for row in rows:
        ends.setdefault(row.action_id, set()).add(row.kind)
    return [
        Doubt(
            action_id=row.action_id or "",
            act=row.body["act"],
            tool=row.tool or "",
            what=row.summary,
            began=row.ts,
            event=row.seq,
        )
        for row in rows
        if row.kind == "intended"
        and row.body["act"] not in HARMLESS
        and not ends[row.action_id] & {"returned", "failed", "resolved"}
    ]


def sweep(store: Store, recovery: Recovery) -> None:
    """Write 'in_doubt' for acts whose process died before it could. The run's lock must be held."""
    for doubt in recovery.doubts:
        rows = store.ledger.events(run=recovery.run, action_id=doubt.action_id)
        if any(row.kind == "in_doubt" for row in rows):
            continue
        kept = ("act", "args_sha256", "charge", "instrument", "loading")
        body = {key: rows[0].body[key] for key in kept if key in rows[0].body}
        store.ledger.append(
            recovery.run, "in_doubt", "eucentric", f"{doubt.what}: begun, never finished", {**body, "sent": True},
            action_id=doubt.action_id, tool=doubt.tool,
        )  # fmt: skip


def explain(recovery: Recovery, beam: str) -> list[str]:
    """The run's story for a person who was not there."""
    lines = [
        f"Run {named(recovery.run)}: {quoted(recovery.request.text, limit=400)}",
        f"  asked by    {quoted(recovery.request.who)} on {named(recovery.request.instrument)}",
        f"  state       {recovery.state}; last row {visible(recovery.last, limit=400)}",
        f"  beam        {visible(beam)}",
        f"  recorded    {recovery.frames} frames; {len(recovery.done)} steps done, {len(recovery.failed)} not",
    ]
    lines += [f"    done      {visible(text, limit=160)}" for text in recovery.done]
    lines += [f"    not done  {visible(text, limit=160)}" for text in recovery.failed]
    lines += [f"    settled   {visible(text, limit=200)}" for text in recovery.settled]
    for doubt in recovery.doubts:
        what = visible(doubt.what, limit=200)
        lines.append(
            f"  IN DOUBT    {what} (begun {doubt.began}, event {doubt.event}): may or may not have happened"
        )
    return lines
