"""Whether a decision on record counts: compared with the question it answers, before the executor acts on it.

Whoever can write the ledger's file can write a row. So a decision must fit its question in card, bounds and binding,
be from somebody who may give it, and carry a signature where a rule asks for one.
"""

from eucentric.agent.consent import grants
from eucentric.agent.consent.deciding import consents, raised_role
from eucentric.core.approval import OPEN, Approval, Envelope, Needs
from eucentric.core.operators import public_keys
from eucentric.core.roles import at_least
from eucentric.core.signing import check, decision_payload, owners_of
from eucentric.core.store import Store
from eucentric.core.text import visible


def lacking(store: Store, run_id: str, approval: Approval) -> str:
    """What a decision on record lacks of what its question needs ('' if nothing): a row alone is no proof."""
    rows = store.ledger.events(run=run_id, kinds=("asked",))
    row = next((one for one in rows if one.body.get("gate") == approval.gate), None)
    if row is None:
        return "nothing was asked there"
    if approval.card_sha256 != row.body["card_sha256"] or approval.binding != row.body["binding"]:
        return "it is for another card than the one that was asked"
    if approval.envelope != Envelope.model_validate(row.body["envelope"]):
        return "it grants other bounds than the ones that were asked"
    if approval.grant:
        return _grant_lacks(store, approval)
    needs = Needs.model_validate(row.body.get("needs") or {})
    role = raised_role(store, run_id, approval.gate, needs.role)
    agreed = consents(store, run_id, approval.gate)
    if strictest_is_auto(needs) and row.body.get("held") is None:
        return ""
    if not at_least(approval.role, role):
        return f"it takes {role}, and {approval.by} proved {approval.role}"
    people = {one.name for one in agreed} | {approval.name}
    if needs.approvers > 1 and (len(people - {""}) < needs.approvers or approval.consents != agreed):
        return "it takes two people, each with a secret"
    return _unsigned(store, run_id, approval) if needs.signed else ""


def _unsigned(store: Store, run_id: str, approval: Approval) -> str:
    """Whose yes at a gate is not signed by a key of theirs ('' if all are)."""
    owners = owners_of(public_keys())
    rows = store.ledger.events(run=run_id, kinds=("consented", "decided"))
    for row in rows:
        if row.body.get("gate") != approval.gate or row.body.get("outcome") in OPEN:
            continue
        name = row.body["consent"]["name"] if row.kind == "consented" else row.body.get("name")
        payload = decision_payload(store.ledger.name, run_id, row.kind, row.body)
        verdict = check(row.body.get("signature"), payload, owners)
        if verdict.state != "valid" or row.body["signature"]["by"] != name:
            return f"the yes of '{visible(str(name), limit=80)}' takes a signature: {verdict.why or 'it is of another'}"
    return ""


def strictest_is_auto(needs: Needs) -> bool:
    """Whether rules let every call of the plan pass without asking."""
    return bool(needs.rulings) and all(one.decision == "auto" for one in needs.rulings)


def _grant_lacks(store: Store, approval: Approval) -> str:
    known = {grant.id: grant for grant in grants.grants_of(store)}
    if approval.grant not in known:
        return f"there is no {approval.grant}"
    return "the grant was revoked" if approval.grant in grants.revocations(store) else ""
