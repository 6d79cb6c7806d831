"""Go on, skip, or stop: decided by numbers, one rule a function."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from eucentric.agent.permit import OUTSIDE_BOX
from eucentric.core.base import Model
from eucentric.core.calls import ToolCall, ToolResult
from eucentric.core.errors import (
    BadInput,
    DoseRefused,
    EucentricError,
    LimitRefused,
    MoveNotReached,
    Unsupported,
)

Verdict = Literal["go on", "skip", "stop"]
_SKIPPABLE = (MoveNotReached, DoseRefused, LimitRefused, BadInput, Unsupported)
"""In a loop, these end the round (this target) and not the run."""


class Judgement(Model):
    """A verdict with its reason and numbers."""

    verdict: Verdict
    why: str
    rule: str
    numbers: dict[str, float] = Field(default_factory=dict)


def _focus(value: dict[str, Any]) -> Judgement | None:
    if value.get("found"):
        return None
    return Judgement(
        verdict="skip",
        why=f"no focus found: {value.get('note', '')}",
        rule="an image without focus can't be counted",
        numbers={"sharpness_after": float(value.get("sharpness_after", 0.0))},
    )


def _targets(value: dict[str, Any]) -> Judgement | None:
    if value.get("targets"):
        return None
    return Judgement(
        verdict="stop",
        why=f"none of {value.get('candidates', 0)} candidates can be used",
        rule="no target, nothing to image",
    )


_RULES: dict[str, Callable[[dict[str, Any]], Judgement | None]] = {
    "autofocus": _focus,
    "select_targets": _targets,
}


def judge(call: ToolCall, result: ToolResult) -> Judgement:
    """What follows from a result."""
    rule = _RULES.get(call.tool)
    verdict = rule(result.value) if rule else None
    return verdict or Judgement(verdict="go on", why="as expected", rule="default")


def judge_error(error: EucentricError, in_loop: bool) -> Judgement:
    """What follows from a refusal or failure: end this round of a loop, or the run."""
    skip = in_loop and (isinstance(error, _SKIPPABLE) or error.error_code == OUTSIDE_BOX)
    return Judgement(
        verdict="skip" if skip else "stop",
        why=str(error),
        rule="a place that can't be used is skipped, anything else stops the run",
    )
