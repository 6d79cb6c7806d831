"""What is different between two plans, line by line, for whoever has seen the first one."""

from collections.abc import Iterator
from typing import Any

from eucentric.agent.preview.preview import Preview
from eucentric.core.plan import Plan, Step
from eucentric.core.text import visible

_TOTALS = (
    ("seconds", "worst time", "s"), ("frames", "frames", ""), ("dose_e_per_a2", "dose at a target", "e/Å²"),
    ("elsewhere_e_per_a2", "dose beside the targets", "e/Å²"), ("electrons", "electrons", ""),
)  # fmt: skip


def plan_changes(old: Plan, new: Plan) -> list[str]:
    """Steps and arguments that differ, in the order of the new plan, dropped steps last."""
    before, after = dict(_flat(old.steps)), dict(_flat(new.steps))
    lines = [line for name, step in after.items() for line in _of_step(name, before.get(name), step)]
    return lines + [
        f"- {name} {step.tool or 'loop'} dropped" for name, step in before.items() if name not in after
    ]


def price_changes(old: Preview, new: Preview) -> list[str]:
    """Totals that differ."""
    pairs = [(words, unit, getattr(old, name), getattr(new, name)) for name, words, unit in _TOTALS]
    return [
        f"{words} {a:.3g} → {b:.3g} {unit}".rstrip()
        for words, unit, a, b in pairs
        if abs(a - b) > 1e-6 * abs(a)
    ]


def _flat(steps: tuple[Step, ...]) -> Iterator[tuple[str, Step]]:
    for step in steps:
        yield step.id, step
        yield from _flat(step.do)


def _of_step(name: str, old: Step | None, new: Step) -> Iterator[str]:
    if old is None:
        yield f"+ {name} {new.tool or 'loop'} {visible(_shown(new.args), limit=160)}".rstrip()
        return
    if old.tool != new.tool:
        yield f"{name} {old.tool or 'loop'} → {new.tool or 'loop'}"
    for key in sorted({**old.args, **new.args, **old.inputs, **new.inputs}):
        a, b = _value(old, key), _value(new, key)
        if a != b:
            yield f"{name}.{visible(key, limit=60)} {a} → {b}"
    for key in ("for_each", "times", "every_s", "at_most"):
        if getattr(old, key) != getattr(new, key):
            yield f"{name} {key.replace('_', ' ')} {getattr(old, key)} → {getattr(new, key)}"


def _value(step: Step, key: str) -> str:
    told = step.args.get(key, step.inputs.get(key, "(default)"))
    return visible(_shown(told), limit=80)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(one)}" for key, one in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
