"""A person's change at the gate: one literal argument of one step."""

import contextlib
import math
from typing import Any

from eucentric.core.errors import BadInput
from eucentric.core.plan import Plan, Step
from eucentric.core.text import visible

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


def edited(plan: Plan, text: str) -> Plan:
    """A plan with one literal argument changed: 'step.argument=value'.

    Raises
    ------
    BadInput
        The text is not of that form, or the step or argument does not exist.
    """
    place, _, value = text.partition("=")
    step_id, _, name = place.strip().partition(".")
    steps = tuple(_changed(step, step_id, name, value.strip()) for step in plan.steps)
    if steps == plan.steps:
        raise BadInput(
            f"can't edit {visible(text, limit=120)!r}: nothing would change",
            "write step.argument=value with a step and argument of the plan",
        )
    told = tuple(one for one in plan.assumed if "predicted" not in one and " allowed;" not in one)
    shown = visible(value.strip(), limit=60)
    changed = f"changed at the gate: {step_id}.{name} = {shown}; the table is priced anew"
    update = {"steps": steps, "revision": plan.revision + 1, "assumed": (*told, changed)}
    return plan.model_copy(update=update)


def _changed(step: Step, step_id: str, name: str, value: str) -> Step:
    if step.id == step_id and name in step.args:
        return step.model_copy(update={"args": {**step.args, name: _literal(value, step.args[name])}})
    return step.model_copy(update={"do": tuple(_changed(inner, step_id, name, value) for inner in step.do)})


def _literal(text: str, old: Any) -> Any:
    """The new value, of the old one's kind; a quantity may carry a unit and is parsed when it is validated."""
    if isinstance(old, bool):
        return _truth(text)
    if isinstance(old, int | float):
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return _finite(kind(text))
    return text


def _truth(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise BadInput(f"{visible(text, limit=40)!r} is neither true nor false")
    return text.lower() in _TRUE


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise BadInput(f"{value} is not a finite number", "nothing was changed")
    return value
