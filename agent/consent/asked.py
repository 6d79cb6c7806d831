"""What is asked at a gate and what comes back: the words that gates, decisions and grants share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eucentric.core.approval import Envelope, GateOutcome, Needs
from eucentric.core.event import Event
from eucentric.core.roles import Role


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
    needs: Needs = field(default_factory=Needs)
    """Who must answer."""
    class_binding: str = ""
    """What a grant must be tied to, to answer this."""
    steps_sha256: str = ""
    """What the plan does, whatever its words: a plan that was rejected is known by it."""


@dataclass(frozen=True)
class GrantWish:
    """With a yes: let the like pass, so often and so long."""

    uses: int
    hours: float
    dose_e_per_a2: float | None = None
    """Most any place may have had after any of them; None: as this plan [e/Å²]."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    outcome: GateOutcome
    by: str
    reason: str = ""
    edit: str = ""
    """For 'edited': 'step.argument=value'."""
    seconds: float = 0.0
    name: str = ""
    """Of the operator, if a secret was proved."""
    role: Role = "user"
    """What was proved."""
    to_role: Role = "operator"
    """For 'escalated': who is to answer."""
    grant: GrantWish | None = None
    automatic: bool = False
    """No person gave it: a clock, a missing terminal, a file, an option."""
    signer: Callable[[bytes], dict[str, Any] | None] | None = None
    """Signs what is written, with the key of whoever decides."""


def asked_of(row: Event) -> Asked:
    """The question that a row recorded."""
    body = row.body
    return Asked(
        gate=body["gate"],
        card=body["card"],
        binding=body["binding"],
        envelope=Envelope.model_validate(body["envelope"]),
        plan=body["plan"],
        held=body.get("held"),
        until=str(body.get("until") or ""),
        needs=Needs.model_validate(body.get("needs") or {}),
        class_binding=str(body.get("class_binding") or ""),
        steps_sha256=str(body.get("steps_sha256") or ""),
    )


def needs_words(needs: Needs) -> str:
    """'operator', or 'two people, each at least operator'."""
    who = f"two people, each at least {needs.role}" if needs.approvers > 1 else needs.role
    more = [word for word, on in (("signed", needs.signed), ("high impact", needs.impact == "high")) if on]
    return ", ".join([who, *more])
