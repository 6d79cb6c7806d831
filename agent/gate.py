"""Asking, and writing down what was answered: the first decision wins, whoever gives it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from eucentric.agent.permit import expiry
from eucentric.agent.policy import Policy, outside
from eucentric.agent.run import Run
from eucentric.core.calls import Approval, Envelope, GateOutcome
from eucentric.core.canonical import sha256_text
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.store import Store
from eucentric.core.text import visible

APPROVAL_HOURS = 8.0
_OPEN = ("no_channel", "timed_out", "deferred", "escalated")
"""Outcomes that leave the question open for a person."""


@dataclass(frozen=True)
class Asked:
    """A question that waits for a decision."""

    gate: str
    card: str
    binding: str
    envelope: Envelope
    plan: dict[str, Any]
    held: str | None = None
    """Why the beam was held when it was asked, as the card says."""
    until: str = ""
    """UTC time at which an approval ends in any case: a booking, maintenance."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    outcome: GateOutcome
    by: str
    reason: str = ""
    edit: str = ""
    """For 'edited': 'step.argument=value'."""
    seconds: float = 0.0


class Channel(Protocol):
    """A way to get an answer."""

    def show(self, asked: Asked) -> None:
        """Present the card."""
        ...

    def poll(self, asked: Asked, seconds: float) -> Answer | None:
        """An answer, or None if there is none after waiting that long."""
        ...


class Nobody:
    """No terminal, no policy: the question is parked, never answered."""

    def show(self, asked: Asked) -> None:
        """Nothing to show it on."""

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """At once: there is no channel. That is not a denial."""
        return Answer("no_channel", "nobody", "no terminal to ask on")


class Deny:
    """`--approve deny`: what needs approval is not done."""

    def show(self, asked: Asked) -> None:
        """Nothing to show."""

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """Always rejected, by the option a person gave."""
        return Answer("rejected", "option --approve deny", "nothing that moves or exposes may run")


class ByPolicy:
    """A policy file answers what lies inside it; what does not is parked."""

    def __init__(self, policy: Policy, sha256: str, path: str, tell: Callable[[str], None]) -> None:
        self.policy, self.sha256, self.path, self.tell = policy, sha256, path, tell

    def show(self, asked: Asked) -> None:
        """Print the file's bounds in full, since nobody is asked."""
        author = visible(self.policy.author)
        self.tell(f"Approving by file {visible(self.path)} (by {author}, sha256 {self.sha256[:12]}…):")
        bounds = {"releases_holds": self.policy.releases_holds, **self.policy.envelope.model_dump()}
        if asked.held:
            self.tell(f"    The beam is held: {visible(asked.held)}")
        for key, value in bounds.items():
            self.tell(f"    {key} = {list(value) if isinstance(value, tuple) else value}")

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """Approved if the wanted envelope fits, else no channel for the rest."""
        by = f"policy {visible(self.policy.name)} (sha256 {self.sha256})"
        wrong = outside(self.policy.envelope, asked.envelope)
        if asked.held and not self.policy.releases_holds:
            wrong.append(f"the beam is held ({visible(asked.held)}) and the policy does not release holds")
        if wrong:
            return Answer("no_channel", by, "outside the policy: " + "; ".join(wrong))
        return Answer("approved", by, f"inside the bounds of {self.path}")


def open_gate(run: Run, asked: Asked) -> None:
    """Write the question: what is shown, what it would grant, what it is bound to."""
    body = {
        "gate": asked.gate,
        "card": asked.card,
        "card_sha256": sha256_text(asked.card),
        "binding": asked.binding,
        "envelope": asked.envelope.model_dump(mode="json"),
        "plan": asked.plan,
        "held": asked.held,
        "until": asked.until,
    }
    run.log("asked", f"gate {asked.gate}: approve the plan?", body)


def wait_for_answer(run: Run, asked: Asked, channel: Channel, timeout_s: float | None = None) -> Approval:
    """Show the card and wait for this channel, another process, a time-out or a stop: the first counts."""
    shown = time.monotonic()
    channel.show(asked)
    while True:
        other = decision(run.store, run.id, asked.gate)
        if other is not None:
            return other
        waited = time.monotonic() - shown
        if run.stopping.is_set():
            return decide(
                run.store, run.id, asked, Answer("aborted", "stop", "stopped while waiting", seconds=waited)
            )
        if timeout_s is not None and waited > timeout_s:
            return decide(
                run.store, run.id, asked, Answer("timed_out", "clock", f"no answer in {timeout_s:.0f} s")
            )
        answer = channel.poll(asked, 0.2)
        if answer is not None:
            return decide(run.store, run.id, asked, answer, time.monotonic() - shown)


def decide(store: Store, run_id: str, asked: Asked, answer: Answer, seconds: float = 0.0) -> Approval:
    """Record an answer unless a decision is there already; returns the one that counts."""
    approval = Approval(
        gate=asked.gate,
        outcome=answer.outcome,
        by=visible(answer.by, limit=200),
        binding=asked.binding,
        envelope=asked.envelope if answer.outcome == "approved" else None,
        reason=visible(answer.reason or answer.edit, limit=400),
        card_sha256=sha256_text(asked.card),
        seconds_on_screen=round(seconds, 2),
        expires_utc=min(expiry(APPROVAL_HOURS), asked.until or "9"),
    )
    ledger = store.ledger
    with ledger.transaction():
        earlier = decision(store, run_id, asked.gate)
        if earlier is not None:
            return earlier
        ledger.append_in_transaction(
            run_id,
            "decided",
            approval.by,
            f"gate {asked.gate}: {approval.outcome} by {approval.by}",
            approval.model_dump(mode="json"),
        )
    return approval


def decision(store: Store, run_id: str, gate: str) -> Approval | None:
    """The decision at a gate, if a person or a policy has given one."""
    for row in store.ledger.events(run=run_id, kinds=("decided",)):
        if row.body.get("gate") == gate and row.body.get("outcome") not in _OPEN:
            return Approval.model_validate(row.body)
    return None


def question(store: Store, run_id: str, gate: str | None = None) -> Asked:
    """The open question of a run, as it was asked.

    Raises
    ------
    BadInput
        No such gate, or it has been decided.
    """
    rows = store.ledger.events(run=run_id, kinds=("asked",), newest_first=True)
    row = next((one for one in rows if gate in (None, one.body["gate"])), None)
    if row is None:
        raise BadInput(f"run {run_id} has no gate {gate or ''}".rstrip(), remedy="see `eucentric status`")
    asked = asked_of(row)
    done = decision(store, run_id, asked.gate)
    if done is not None:
        raise BadInput(
            f"gate {asked.gate} of {run_id} is already {done.outcome} by {done.by}", "the first one counts"
        )
    return asked


def asked_of(row: Event) -> Asked:
    """The question that a row recorded."""
    body = row.body
    envelope = Envelope.model_validate(body["envelope"])
    return Asked(
        body["gate"], body["card"], body["binding"], envelope, body["plan"], body.get("held"),
        str(body.get("until") or ""),
    )  # fmt: skip


def held_when_asked(run: Run, gate: str) -> str | None:
    """Why the beam was held when a gate was asked: only such a hold can be cleared by its approval."""
    rows = run.store.ledger.events(run=run.id, kinds=("asked",), newest_first=True)
    held = next((row.body.get("held") for row in rows if row.body["gate"] == gate), None)
    return None if held is None else str(held)
