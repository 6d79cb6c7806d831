"""What was rejected is not asked again: a plan is known by what it does, whatever it is called and why."""

from typing import Any

from eucentric.agent.consent.asked import Asked
from eucentric.agent.consent.deciding import approval_of
from eucentric.core.approval import GRANTING
from eucentric.core.canonical import digest
from eucentric.core.event import Event
from eucentric.core.plan import Plan, Step
from eucentric.core.store import Store
from eucentric.core.text import named, quoted, visible

IN_A_ROW = 3
"""So many rejections one after the other end a run."""


def steps_sha256(plan: Plan) -> str:
    """Digest of what a plan does: tools, arguments, order, loops; not ids, reasons, title or planner."""
    names = {step.id: f"#{number}" for number, step in enumerate(_flat(plan.steps))}
    return digest([_bare(step, names) for step in plan.steps])


def _flat(steps: tuple[Step, ...]) -> list[Step]:
    return [one for step in steps for one in (step, *_flat(step.do))]


def _bare(step: Step, names: dict[str, str]) -> list[Any]:
    def source(text: str | None) -> str | None:
        head, dot, tail = (text or "").partition(".")
        return None if text is None else names.get(head, head) + dot + tail

    bound = {name: source(value) for name, value in step.inputs.items()}
    loop = [source(step.for_each), step.times, step.every_s, step.at_most]
    return [step.tool, step.args, bound, loop, [_bare(inner, names) for inner in step.do]]


def rejected_before(store: Store, asked: Asked, run_id: str | None = None) -> Event | None:
    """The row with which a person rejected the same plan on the same specimen, unless it was approved since.

    Parameters
    ----------
    run_id
        Look in this run only.
    """
    same = {
        (row.run_id, row.body["gate"])
        for row in store.ledger.events(run=run_id, kinds=("asked",))
        if row.body.get("steps_sha256") == asked.steps_sha256
        and row.body.get("class_binding") == asked.class_binding
    }
    for row in store.ledger.events(run=run_id, kinds=("decided",), newest_first=True):
        if (row.run_id, row.body.get("gate")) not in same or row.body.get("automatic"):
            continue
        outcome = approval_of(row).outcome
        if outcome == "rejected":
            return row
        if outcome in GRANTING:
            return None
    return None


def why_rejected(row: Event) -> str:
    """In words, for whoever asks again: a person or a model."""
    made = approval_of(row)
    reason = made.reason or "no reason given"
    who, where = visible(made.by, limit=120), f"gate {named(made.gate)} of {named(row.run_id)}"
    return f"rejected by {who} at {row.ts[11:16]} UTC ({where}): {quoted(reason, limit=400)}"
