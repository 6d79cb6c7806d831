"""Who has which role, as a ledger records it: operators live outside the stores, their roles are in every one."""

from typing import Any

from eucentric.core.event import Event
from eucentric.core.ledger import Ledger
from eucentric.core.operators import public_keys, roles, roles_sha256
from eucentric.core.operators_file import fingerprint
from eucentric.core.text import visible

WHAT = "operators"
"""In the body of a 'changed' row: that it is about operators."""


def note_roles(ledger: Ledger, actor: str = "eucentric", change: str = "") -> Event | None:
    """Write a 'changed' row if roles or keys are other than this ledger last saw, or if a change is told.

    Parameters
    ----------
    actor
        Who changed them, or who noticed.
    change
        What was done, in words; '' where it is only found to be so.

    Returns
    -------
    Event or None
        None if there is nothing new.

    Raises
    ------
    ApprovalRefused
        The operators file is damaged, or others can read it.
    """
    now = roles_body()
    with ledger.transaction():
        last = _last(ledger)
        if not change and all(last.get(key) == now[key] for key in ("roles", "keys")):
            return None
        text = change or f"operators are other than this ledger last saw: {_difference(last, now)}"
        body = now | ({"change": change} if change else {})
        return ledger.append_in_transaction("-", "changed", actor, visible(text, limit=600), body)


def roles_body() -> dict[str, Any]:
    """What a row says of the operators: roles, their digest, fingerprints of keys. No secrets."""
    keys = {name: [fingerprint(key) for key in publics] for name, publics in public_keys().items()}
    return {"what": WHAT, "roles": dict(roles()), "roles_sha256": roles_sha256(), "keys": keys}


def _last(ledger: Ledger) -> dict[str, Any]:
    for row in ledger.events(kinds=("changed",), newest_first=True):
        if row.body.get("what") == WHAT:
            return row.body
    return {"roles": {}, "keys": {}}


def _difference(last: dict[str, Any], now: dict[str, Any]) -> str:
    before, after = last.get("roles") or {}, now["roles"]
    told = [f"{name} is {role}" for name, role in after.items() if before.get(name) != role]
    told += [f"{name} is gone" for name in before if name not in after]
    return ", ".join(told) or "keys differ"
