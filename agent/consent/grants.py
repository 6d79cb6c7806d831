"""Standing grants: a person's yes to a class of questions, counted, visible, revocable.

A grant is a row, each use of it is a decision that names it, its end is a row. It answers only questions whose
envelope lies inside its own, on the same specimen loading, holder, voltage and limits, and never one of high impact
or one that takes two people. What it lets pass the executor still holds against dose, limits and envelope.
"""

import contextlib
import re

from eucentric.agent.consent.asked import Asked
from eucentric.agent.consent.policy import outside
from eucentric.core.approval import Grant
from eucentric.core.clock import utc_now
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.roles import at_least
from eucentric.core.store import Store
from eucentric.core.text import visible

MOST_HOURS = 24.0
"""No grant lives longer."""


def grants_of(store: Store) -> list[Grant]:
    """All grants that were ever given, oldest first; a row that can't be read grants nothing."""
    found = []
    for row in store.ledger.events(kinds=("granted",)):
        with contextlib.suppress(KeyError, ValueError):
            found.append(Grant.model_validate(row.body["grant"]))
    return found


def revocations(store: Store) -> dict[str, Event]:
    """By grant: the row that ended it."""
    return {str(row.body.get("grant")): row for row in store.ledger.events(kinds=("revoked",))}


def uses_left(store: Store, grant: Grant) -> int:
    """How often it may still answer."""
    used = sum(row.body.get("grant") == grant.id for row in store.ledger.events(kinds=("decided",)))
    return int(max(0, grant.uses - used))


def live(store: Store) -> list[Grant]:
    """Grants that may still answer: not revoked, not expired, uses left."""
    ended, now = revocations(store), utc_now()
    return [
        grant
        for grant in grants_of(store)
        if grant.id not in ended and grant.expires_utc > now and uses_left(store, grant) > 0
    ]


def covering(store: Store, asked: Asked) -> Grant | None:
    """The grant that answers a question, the one that ends first if there are several."""
    needs = asked.needs
    if needs.impact == "high" or needs.approvers > 1 or needs.signed or asked.held or not asked.class_binding:
        return None
    fitting = [
        grant
        for grant in live(store)
        if grant.binding == asked.class_binding
        and at_least(grant.role, needs.role)
        and not outside(grant.envelope, asked.envelope)
    ]
    return min(fitting, key=lambda grant: grant.expires_utc, default=None)


def next_id(store: Store) -> str:
    """'grant-0001' and on, of this store."""
    numbers = [int(found[1]) for one in grants_of(store) if (found := re.fullmatch(r"grant-(\d+)", one.id))]
    return f"grant-{max(numbers, default=0) + 1:04d}"


def revoke(store: Store, grant_id: str, by: str, reason: str) -> Event:
    """End a grant, whoever wants it: that only takes rights away. What it let begin stops at its next act.

    Raises
    ------
    BadInput
        There is no such grant, or it has ended.
    """
    ledger = store.ledger
    with ledger.transaction():
        if grant_id not in {grant.id for grant in grants_of(store)}:
            known = ", ".join(one.id for one in live(store)) or "none"
            raise BadInput(f"there is no grant {visible(grant_id, limit=40)!r}", f"in force: {known}")
        if grant_id in revocations(store):
            raise BadInput(f"{grant_id} has been revoked already", "nothing was changed")
        text = f"{grant_id} revoked by {visible(by, limit=200)}: {visible(reason, limit=300)}"
        body = {"grant": grant_id, "reason": visible(reason, limit=400)}
        return ledger.append_in_transaction("-", "revoked", visible(by, limit=200), text, body)
