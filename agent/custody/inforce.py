"""What is in force when a run begins, and what of it changed since the last one: limits, rules, people's roles.

All three live outside the ledger, in files that staff edit. So each run writes down what it found, and the first run
after a change writes what is different.
"""

from typing import Any

from eucentric.agent.consent.permit import calibration_of
from eucentric.agent.run import Run
from eucentric.core.event import Event
from eucentric.core.operators import roles
from eucentric.core.role_record import note_roles
from eucentric.core.store import Store
from eucentric.core.text import visible

_WORDS = {"limits": "limits", "calibration": "calibration", "policy": "policy"}


def in_force(run: Run) -> dict[str, Any]:
    """Versions and digests, and each operator's role."""
    capabilities = run.capabilities
    return {
        "instrument": capabilities.identity,
        "limits": capabilities.limits_version,
        "limits_by": capabilities.measured_by,
        "calibration": calibration_of(capabilities),
        "policy": run.rules.label,
        "policy_by": run.rules.rules.author,
        "roles": roles(),
    }


def differences(store: Store, found: dict[str, Any]) -> list[dict[str, Any]]:
    """What is not as the last run of this store found it, a row's body each; limits are compared per instrument."""
    rows = store.ledger.events(kinds=("requested",), newest_first=True, limit=500)
    before = [row.body["in_force"] for row in rows if row.body.get("in_force")]
    same = [one for one in before if one["instrument"] == found["instrument"]]
    newest = {"limits": same, "calibration": same, "policy": before}
    told = [_differs(name, newest[name][0], found) for name in _WORDS if newest[name]]
    return [one for one in told if one]


def new_roles(store: Store, found: dict[str, Any]) -> Event | None:
    """The row that says which operators have other roles than this ledger last saw; None if none have."""
    last = store.ledger.events(kinds=("requested",), newest_first=True, limit=1)
    if last and (last[0].body.get("in_force") or {}).get("roles") == found["roles"]:
        return None
    return note_roles(store.ledger)


def _differs(name: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    if old[name] == new[name]:
        return {}
    by = f", by {visible(str(new[f'{name}_by']), limit=120)}" if new.get(f"{name}_by") else ""
    text = f"{_WORDS[name]} changed: {visible(str(old[name]), limit=120)} → {visible(str(new[name]), limit=120)}{by}"
    return {"what": name, "from": old[name], "to": new[name], "text": text}
