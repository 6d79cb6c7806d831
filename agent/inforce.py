"""What is in force when a run begins, and what of it changed since the last one: limits, rules, people's roles.

All three live outside the ledger, in files that staff edit. So each run writes down what it found, and the first run
after a change writes what is different.
"""

from typing import Any

from eucentric.agent.permit import calibration_of
from eucentric.agent.run import Run
from eucentric.core.operators import roles
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
    told = [_differs(name, same[0] if name != "policy" else before[0], found) for name in _WORDS if same]
    told += [_roles(before[0]["roles"], found["roles"])] if before else []
    return [one for one in told if one]


def _differs(name: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    if old[name] == new[name]:
        return {}
    by = f", by {visible(str(new[f'{name}_by']), limit=120)}" if new.get(f"{name}_by") else ""
    text = f"{_WORDS[name]} changed: {visible(str(old[name]), limit=120)} → {visible(str(new[name]), limit=120)}{by}"
    return {"what": name, "from": old[name], "to": new[name], "text": text}


def _roles(old: dict[str, str], new: dict[str, str]) -> dict[str, Any]:
    if old == new:
        return {}
    lines = [
        f"{visible(name, limit=80)} {old.get(name, 'unknown')} → {new.get(name, 'removed')}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    text = f"operators changed: {'; '.join(lines)}"[:400]
    return {"what": "roles", "from": old, "to": new, "text": text}
