"""A question at a gate: the row that asks it, and the wait for whoever answers first."""

import time
from typing import Any, Protocol

from eucentric.agent.consent.asked import Answer, Asked, asked_of, needs_words
from eucentric.agent.consent.deciding import decide, decision, needed_now
from eucentric.agent.run import Run
from eucentric.core.approval import Approval
from eucentric.core.canonical import sha256_text
from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.store import Store


class Channel(Protocol):
    """A way to get an answer. One with a person at it says so: `person = True`.

    It may have `told(what, why)`, for answers that don't count, and `over()`, for when the question is decided.
    """

    def show(self, asked: Asked) -> None:
        """Present the card."""
        ...

    def poll(self, asked: Asked, seconds: float) -> Answer | None:
        """An answer, or None if there is none after waiting that long."""
        ...


def open_gate(run: Run, asked: Asked, **more: Any) -> None:
    """Write the question: what is shown, what it would grant, what it is bound to, who must answer."""
    body = {
        "gate": asked.gate,
        "card": asked.card,
        "card_sha256": sha256_text(asked.card),
        "binding": asked.binding,
        "class_binding": asked.class_binding,
        "envelope": asked.envelope.model_dump(mode="json"),
        "needs": asked.needs.model_dump(mode="json"),
        "plan": asked.plan,
        "steps_sha256": asked.steps_sha256,
        "held": asked.held,
        "until": asked.until,
        **more,
    }
    run.log("asked", f"gate {asked.gate}: approve the plan? needs {needs_words(asked.needs)}", body)


def wait_for_answer(run: Run, asked: Asked, channel: Channel, timeout_s: float | None = None) -> Approval:
    """Show the card and wait for this channel, another process, a time-out or a stop: the first counts.

    What a channel answers and may not (its role is too low, the same person twice) is told to it, if it wants to
    know, and the wait goes on.
    """
    limit = timeout_s if timeout_s is not None else asked.needs.timeout_s
    shown = time.monotonic()
    channel.show(asked)
    try:
        while True:
            other = decision(run.store, run.id, asked.gate)
            if other is not None:
                return other
            answer = _without_channel(run, time.monotonic() - shown, limit) or channel.poll(asked, 0.2)
            made = answer and _decided(run, asked, answer, time.monotonic() - shown, channel)
            if made:
                return made
    finally:
        getattr(channel, "over", _nothing)()


def _nothing() -> None:
    """Most channels leave nothing behind."""


def _decided(run: Run, asked: Asked, answer: Answer, seconds: float, channel: Channel) -> Approval | None:
    """The decision, or None if one more person, or somebody higher, must answer: the channel is told."""
    told = getattr(channel, "told", None)
    try:
        made = decide(run.store, run.id, asked, answer, seconds)
    except ApprovalRefused as error:
        if told is None:
            raise
        told(error.what, error.why)
        return None
    if made is None and told is not None:
        told("one of two has agreed", "another person has to agree, too")
    return made


def _without_channel(run: Run, waited: float, limit: float | None) -> Answer | None:
    if run.stopping.is_set():
        return Answer("aborted", "stop", "stopped while waiting", automatic=True)
    if limit is not None and waited > limit:
        return Answer("timed_out", "clock", f"no answer in {limit:.0f} s", automatic=True)
    return None


def question(store: Store, run_id: str, gate: str | None = None) -> Asked:
    """The open question of a run, as it was asked; what it needs by now is in it.

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
    return needed_now(store, run_id, asked)


def held_when_asked(run: Run, gate: str) -> str | None:
    """Why the beam was held when a gate was asked: only such a hold can be cleared by its approval."""
    rows = run.store.ledger.events(run=run.id, kinds=("asked",), newest_first=True)
    held = next((row.body.get("held") for row in rows if row.body["gate"] == gate), None)
    return None if held is None else str(held)
