"""The plan as a list of calls still to make: loops are unrolled when their list is known."""

from dataclasses import dataclass
from typing import Any

from eucentric.core.calls import ToolCall
from eucentric.core.errors import BadInput
from eucentric.core.plan import Plan, Step

Due = tuple[str, float]
"""A timed loop, by name, and seconds after its start."""


@dataclass(frozen=True)
class Item:
    """One step waiting to be done, at its place in the loops around it."""

    step: Step
    path: tuple[int, ...] = ()
    """Index in each loop around it, from outside in."""
    bound: Any = None
    """The loop's item."""
    due: tuple[Due, ...] = ()
    """Timed loops of which it begins a round."""

    @property
    def id(self) -> str:
        """Such as 's3_image' or 's3_image.2' in the second round of a loop."""
        return ".".join([self.step.id, *(str(index + 1) for index in self.path)])


class Agenda:
    """What is left of a plan, and what its steps returned."""

    def __init__(self, run_id: str, plan: Plan) -> None:
        self.run_id = run_id
        self.plan = plan
        """As it stands: a person may have changed what is left of it."""
        self.waiting: list[Item] = [Item(step) for step in plan.steps]
        self.results: dict[str, dict[str, Any]] = {}
        self.left_out: list[tuple[str, int, int]] = []
        """Loops that were longer than the plan allows: step, length, rounds done."""

    def next(self) -> tuple[Item, ToolCall] | None:
        """The next call, loops being unrolled on the way; None if nothing is left.

        Raises
        ------
        BadInput
            A reference names nothing that an earlier step returned.
        """
        while self.waiting:
            item = self.waiting.pop(0)
            if item.step.tool is None:
                self.waiting[:0] = self._unrolled(item)
                continue
            return item, self._call(item, item.step.tool)
        return None

    def _call(self, item: Item, tool: str) -> ToolCall:
        bound = {name: self.resolve(reference, item) for name, reference in item.step.inputs.items()}
        return ToolCall(
            id=f"{self.run_id}/{item.id}",
            step=item.id,
            tool=tool,
            args={**item.step.args, **bound},
            reason=item.step.reason,
        )

    def _unrolled(self, item: Item) -> list[Item]:
        return [
            Item(inner, (*item.path, index), value, _due(item, index) if position == 0 else ())
            for index, value in enumerate(self._values(item))
            for position, inner in enumerate(item.step.do)
        ]

    def _values(self, item: Item) -> list[Any]:
        step = item.step
        if step.for_each is None:
            return [item.bound] * (step.times or 1)
        values = self.resolve(step.for_each, item)
        if not isinstance(values, list | tuple):
            raise BadInput(f"step {item.id} loops over {step.for_each!r}, which is not a list")
        if len(values) > step.at_most:
            self.left_out.append((item.id, len(values), step.at_most))
        return list(values)[: step.at_most]

    def resolve(self, reference: str, item: Item) -> Any:
        """The value of 'item', 'item.field' or 'step.field'.

        Raises
        ------
        BadInput
            If the reference names nothing that exists at this point.
        """
        head, _, tail = reference.partition(".")
        value = item.bound if head == "item" else self.results.get(head)
        for part in filter(None, tail.split(".")):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None:
            raise BadInput(
                f"step {item.id} needs {reference!r}, which no earlier step returned",
                "the plan is inconsistent",
            )
        return value

    def done(self, item: Item, value: dict[str, Any]) -> None:
        """Keep a result; later references to the step see the newest one."""
        self.results[item.step.id] = value

    def drop_round(self, item: Item) -> int:
        """Drop what is left of the innermost loop round that `item` is in; returns how many calls."""
        if not item.path:
            return 0
        before = len(self.waiting)
        self.waiting = [one for one in self.waiting if one.path[: len(item.path)] != item.path]
        return before - len(self.waiting)


def _due(loop: Item, index: int) -> tuple[Due, ...]:
    """The first call of a round waits for its loop, and in the first round for the loops around it."""
    outer = loop.due if index == 0 else ()
    own = () if loop.step.every_s is None else ((loop.id, loop.step.every_s * index),)
    return (*outer, *own)
