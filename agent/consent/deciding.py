"""Writing down what was answered: the first decision wins, whoever gives it, and only from who may give it.

Everything here happens inside one transaction that takes the write lock at once: two processes, a time-out and a
revocation can't each believe that they were first.
"""

from dataclasses import replace
from typing import Any

from eucentric.agent.consent import grants
from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.consent.permit import expiry
from eucentric.core.approval import GRANTING, OPEN, Approval, Consent, Grant
from eucentric.core.canonical import sha256_text
from eucentric.core.clock import utc_now
from eucentric.core.errors import ApprovalRefused
from eucentric.core.event import Event
from eucentric.core.roles import Role, at_least, higher
from eucentric.core.signing import signed_body
from eucentric.core.store import Store
from eucentric.core.text import visible

APPROVAL_HOURS = 8.0


def decision(store: Store, run_id: str, gate: str) -> Approval | None:
    """The decision at a gate, if there is one; an open question has none."""
    for row in store.ledger.events(run=run_id, kinds=("decided",)):
        if row.body.get("gate") == gate and row.body.get("outcome") not in OPEN:
            return approval_of(row)
    return None


def approval_of(row: Event) -> Approval:
    """The decision in a row."""
    return Approval.model_validate(
        {name: row.body[name] for name in Approval.model_fields if name in row.body}
    )


def consents(store: Store, run_id: str, gate: str) -> tuple[Consent, ...]:
    """Who has agreed so far at a gate that needs two."""
    rows = store.ledger.events(run=run_id, kinds=("consented",))
    return tuple(Consent.model_validate(row.body["consent"]) for row in rows if row.body.get("gate") == gate)


def raised_role(store: Store, run_id: str, gate: str, role: Role) -> Role:
    """The role that is needed once somebody said that it takes a higher one."""
    for row in store.ledger.events(run=run_id, kinds=("decided",)):
        if row.body.get("gate") == gate and row.body.get("outcome") == "escalated":
            role = higher(role, row.body.get("to_role", "operator"))
    return role


def needed_now(store: Store, run_id: str, asked: Asked) -> Asked:
    """The question with what it needs by now: somebody may have said that it takes a higher role."""
    role = raised_role(store, run_id, asked.gate, asked.needs.role)
    return replace(asked, needs=asked.needs.model_copy(update={"role": role}))


def decide(store: Store, run_id: str, asked: Asked, answer: Answer, seconds: float = 0.0) -> Approval | None:
    """Record an answer unless a decision is there already.

    Returns
    -------
    Approval or None
        The decision that counts; None if a second person has to agree.

    Raises
    ------
    ApprovalRefused
        A yes of somebody who may not give it; nothing was written.
    """
    with store.ledger.transaction():
        earlier = decision(store, run_id, asked.gate)
        if earlier is not None:
            return earlier
        agreed: tuple[Consent, ...] = ()
        if answer.outcome in GRANTING:
            now = needed_now(store, run_id, asked)
            agreed = consents(store, run_id, asked.gate)
            _check_may(now, answer, agreed)
            if len(agreed) + 1 < now.needs.approvers:
                _write_consent(store, run_id, asked, answer)
                return None
        return _write(store, run_id, asked, answer, agreed, seconds)


def answered_by_grant(store: Store, run_id: str, asked: Asked) -> Approval | None:
    """Let a standing grant answer a question, if one covers it and has a use left."""
    with store.ledger.transaction():
        if decision(store, run_id, asked.gate) is not None:
            return None
        grant = grants.covering(store, asked)
        if grant is None:
            return None
        left = grants.uses_left(store, grant) - 1
        approval = _approval(asked, "granted-for-class", f"{grant.id} of {grant.by}", 0.0).model_copy(
            update={
                "grant": grant.id,
                "role": grant.role,
                "name": grant.name,
                "reason": f"{left} of {grant.uses} uses left, until {grant.expires_utc}",
                "expires_utc": min(grant.expires_utc, expiry(APPROVAL_HOURS), asked.until or "9"),
            }
        )
        _append(store, run_id, approval, {}, None)
    return approval


def by_rule(store: Store, run_id: str, asked: Asked, outcome: str, by: str, reason: str) -> Approval:
    """A decision that a rule makes: nobody is asked, and it is nobody's answer."""
    with store.ledger.transaction():
        earlier = decision(store, run_id, asked.gate)
        if earlier is not None:
            return earlier
        approval = _approval(asked, outcome, by, 0.0).model_copy(
            update={"reason": visible(reason, limit=400)}
        )
        _append(store, run_id, approval, {"automatic": True}, None)
    return approval


def _check_may(asked: Asked, answer: Answer, agreed: tuple[Consent, ...]) -> None:
    needs = asked.needs
    if not at_least(answer.role, needs.role):
        raise ApprovalRefused(
            f"gate {asked.gate} takes {needs.role}; {visible(answer.by, limit=120)} is {answer.role}",
            "nothing was approved",
            f"`eucentric approve RUN {asked.gate} --as NAME` by an operator of that role",
        )
    if needs.signed and answer.signer is None:
        raise ApprovalRefused(
            f"gate {asked.gate} takes a signature",
            "nothing was approved",
            "make a key once: `eucentric operator key NAME` (pip install 'eucentric[sign]')",
        )
    if needs.approvers == 1:
        return
    if not answer.name:
        raise ApprovalRefused(
            f"gate {asked.gate} takes two people, each with a secret",
            "nothing was approved",
            "prove who you are: `eucentric approve RUN GATE --as NAME`",
        )
    if answer.name in {one.name for one in agreed}:
        raise ApprovalRefused(
            f"{visible(answer.name, limit=80)} has agreed already",
            f"gate {asked.gate} takes two different people",
            "let a colleague read the card and answer",
        )


def _write_consent(store: Store, run_id: str, asked: Asked, answer: Answer) -> None:
    by = visible(answer.by, limit=200)
    consent = Consent(name=answer.name, role=answer.role, by=by, utc=utc_now())
    body = {
        "gate": asked.gate, "consent": consent.model_dump(mode="json"), "binding": asked.binding,
        "card_sha256": sha256_text(asked.card), "reason": visible(answer.reason, limit=400),
    }  # fmt: skip
    signed = _signed(store, run_id, "consented", body, answer)
    text = f"gate {asked.gate}: {by} agrees, one more has to"
    store.ledger.append_in_transaction(run_id, "consented", by, text, signed)


def _write(
    store: Store, run_id: str, asked: Asked, answer: Answer, agreed: tuple[Consent, ...], seconds: float
) -> Approval:
    made = _approval(asked, answer.outcome, answer.by, seconds)
    reason = visible(answer.reason or answer.edit, limit=400)
    approval = made.model_copy(
        update={"reason": reason, "role": answer.role, "name": answer.name, "consents": agreed}
    )
    more: dict[str, Any] = {"automatic": True} if answer.automatic else {}
    if answer.outcome == "escalated":
        more["to_role"] = answer.to_role
    _append(store, run_id, approval, more, answer)
    if answer.grant is not None and answer.outcome in GRANTING:
        _write_grant(store, run_id, asked, approval, answer)
    return approval


def _approval(asked: Asked, outcome: Any, by: str, seconds: float) -> Approval:
    return Approval(
        gate=asked.gate,
        outcome=outcome,
        by=visible(by, limit=200),
        binding=asked.binding,
        envelope=asked.envelope if outcome in GRANTING else None,
        card_sha256=sha256_text(asked.card),
        seconds_on_screen=round(seconds, 2),
        expires_utc=min(expiry(APPROVAL_HOURS), asked.until or "9"),
    )


def _append(
    store: Store, run_id: str, approval: Approval, more: dict[str, Any], answer: Answer | None
) -> None:
    body = {**approval.model_dump(mode="json"), **more}
    signed = _signed(store, run_id, "decided", body, answer)
    text = f"gate {approval.gate}: {approval.outcome} by {approval.by}"
    store.ledger.append_in_transaction(run_id, "decided", approval.by, text, signed)


def _write_grant(store: Store, run_id: str, asked: Asked, approval: Approval, answer: Answer) -> None:
    wish = answer.grant
    if wish is None:
        return
    if asked.needs.impact == "high" or asked.needs.approvers > 1:
        raise ApprovalRefused(
            f"gate {asked.gate} can't be granted for a class",
            "high impact, or two people needed: each one is asked",
            "approve this one alone",
        )
    if wish.hours > grants.MOST_HOURS:
        raise ApprovalRefused(
            f"a grant of {wish.hours:g} h",
            f"none lives longer than {grants.MOST_HOURS:g} h",
            "grant it again then",
        )
    most = wish.dose_e_per_a2 or asked.envelope.max_dose_e_per_a2
    envelope = asked.envelope.model_copy(update={"max_dose_e_per_a2": most})
    grant = Grant(
        id=grants.next_id(store), envelope=envelope, binding=asked.class_binding, uses=wish.uses,
        expires_utc=min(expiry(wish.hours), asked.until or "9"), by=approval.by, name=approval.name,
        role=approval.role, asked_in=f"{run_id} {asked.gate}",
    )  # fmt: skip
    body = _signed(store, run_id, "granted", {"grant": grant.model_dump(mode="json")}, answer)
    text = f"{grant.id} by {grant.by}: the like may pass {grant.uses} times until {grant.expires_utc}"
    store.ledger.append_in_transaction(run_id, "granted", grant.by, text, body)


def _signed(
    store: Store, run_id: str, kind: str, body: dict[str, Any], answer: Answer | None
) -> dict[str, Any]:
    """The body with its signature, if whoever answers has a key."""
    if answer is None or answer.signer is None:
        return body
    return signed_body(answer.signer, store.ledger.name, run_id, kind, body)
