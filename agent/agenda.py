"""The plan as a list of calls still to make: loops are unrolled when their list is known."""

from dataclasses import dataclass
from typing import Any

from eucentric.core.calls import ToolCall
from eucentric.core.errors import BadInput
from eucentric.core.plan import Plan, Step


@dataclass(frozen=True)
class Item:
    """One step waiting to be done, at its place in the loops around it."""

    step: Step
    path: tuple[int, ...] = ()
    """Index in each loop around it, from outside in."""
    bound: Any = None
    """The loop's item."""
    wait_until_s: float | None = None
    """For timed repeats: seconds after the loop's start."""

    @property
    def id(self) -> str:
        """Such as 's3_image' or 's3_image.2' in the second round of a loop."""
        return ".".join([self.step.id, *(str(index + 1) for index in self.path)])


class Agenda:
    """What is left of a plan, and what its steps returned."""

    def __init__(self, run_id: str, plan: Plan) -> None:
        self.run_id = run_id
        self.waiting: list[Item] = [Item(step) for step in plan.steps]
        self.results: dict[str, dict[str, Any]] = {}

    def next(self) -> tuple[Item, ToolCall] | None:
        """The next call, loops being unrolled on the way; None if nothing is left."""
        while self.waiting:
            item = self.waiting.pop(0)
            if item.step.tool is None:
                self.waiting[:0] = self._unrolled(item)
                continue
            args = dict(item.step.args)
            for name, reference in item.step.inputs.items():
                args[name] = self.resolve(reference, item)
            call_id = f"{self.run_id}/{item.id}"
            return item, ToolCall(
                id=call_id, step=item.id, tool=item.step.tool, args=args, reason=item.step.reason
            )
        return None

    def _unrolled(self, item: Item) -> list[Item]:
        step = item.step
        if step.for_each is not None:
            values = list(self.resolve(step.for_each, item))[: step.at_most]
        else:
            values = [item.bound] * (step.times or 1)
        return [
            Item(inner, (*item.path, index), value, _due(step, index, position))
            for index, value in enumerate(values)
            for position, inner in enumerate(step.do)
        ]

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


def _due(step: Step, index: int, position: int) -> float | None:
    return step.every_s * index if step.every_s is not None and position == 0 else None
