"""Go on, skip, or stop: decided by numbers, one rule a function."""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from eucentric.agent.consent.permit import OUTSIDE_BOX
from eucentric.agent.second_look import ASKS, RETAKES
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

Verdict = Literal["go on", "again", "ask", "skip", "stop"]
"""again: a second look at this frame. ask: a person decides whether the rest goes on."""
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


def _defects(value: dict[str, Any]) -> Judgement | None:
    """By the advice of the detector; results of before there was one have none."""
    advice = value.get("advice", "none")
    if advice == "none":
        return None
    verdict: Verdict = "again" if advice in RETAKES else "ask" if advice in ASKS else "go on"
    return Judgement(
        verdict=verdict,
        why=f"{value.get('frame')} can't be counted: {value.get('cannot_tell')}",
        rule=_ADVISED.get(str(advice), f"advice {advice}: a frame that can't be read is not counted"),
        numbers={
            name: float(value[name]) for name in ("coherence", "counts_per_column", "recall") if name in value
        },
    )


def _retaken(value: dict[str, Any]) -> Judgement | None:
    if value.get("found"):
        return None
    return Judgement(
        verdict="skip",
        why=f"no focus found for the second look: {value.get('note', '')}",
        rule="an image without focus can't be counted",
    )


_ADVISED: dict[str, str] = {
    "refocus": "out of focus or no lattice: refocus and once more, then the place is given up",
    "more_dose": "too few counts: once more with more frames, inside what was approved",
    "shorter_dwell": "saturated: once more with half the dwell",
    "check_scale": "pixel size and lattice disagree: nothing is counted, a person is asked",
    "tilt": "off the zone axis: nothing is counted, a person is asked",
}

_RULES: dict[str, Callable[[dict[str, Any]], Judgement | None]] = {
    "autofocus": _focus,
    "select_targets": _targets,
    "detect_defects": _defects,
    "retake_image": _retaken,
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
