"""What a run does where a frame can't be counted: once more, or a question, or it says so and goes on.

Decided from the result of `detect_defects` alone, by rules, so that a replay and a resumed run decide alike. A
second look is a call of its own (`retake_image`, then `detect_defects`): it passes the same door, and the envelope of
an approval holds room for one in each round where the plan itself searches for focus; the card says so.
"""

import math
from typing import Any, Final

from eucentric.agent.agenda import Item
from eucentric.core.calls import Cost
from eucentric.core.errors import EucentricError
from eucentric.core.plan import Step
from eucentric.knowledge.detection import predicted_law
from eucentric.knowledge.phases import phase
from eucentric.tools import retake_image
from eucentric.tools.base import Setting

_IMAGES: Final = ("acquire_image", "acquire_series")
RETAKES: Final = ("refocus", "more_dose", "shorter_dwell")
ASKS: Final = ("check_scale", "tilt", "ask")
MARK: Final = "_2nd"
"""Ends the id of a step that a second look added."""
_LONGEST_ID: Final = 24
_MOST_MORE: Final = 6.0
_GOOD_RECALL: Final = 0.8


def image_step(steps: tuple[Step, ...], detect: Step) -> Step | None:
    """The step among `steps` whose image `detect` reads, if focus is searched for in the same round."""
    source = detect.inputs.get("frame", "").partition(".")[0]
    found = next((step for step in steps if step.id == source and step.tool in _IMAGES), None)
    focused = any(step.tool == "autofocus" for step in steps)
    return found if focused else None


def siblings(steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """The round that a step belongs to."""
    for one in steps:
        if one.id == step.id:
            return steps
        inside = siblings(one.do, step)
        if inside:
            return inside
    return ()


def holds(step: Step, waiting: Step) -> bool:
    """Whether a step of a plan is the one that waits, or has it inside; a second look belongs to what it looks at."""
    return step.id == waiting.id.removesuffix(MARK) or any(holds(one, waiting) for one in step.do)


def second_look(steps: tuple[Step, ...], item: Item, value: dict[str, Any]) -> tuple[Item, ...]:
    """The calls of a second look at what `item` could not count; empty if there is none to take.

    Parameters
    ----------
    steps
        Of the plan.
    value
        What detect_defects returned.
    """
    step, advice = item.step, value.get("advice")
    image = image_step(siblings(steps, step), step)
    if image is None or advice not in RETAKES or step.id.endswith(MARK):
        return ()
    if max(len(step.id), len(image.id)) > _LONGEST_ID - len(MARK):
        return ()
    args = _changed(_args_of(image), str(advice), value)
    again = Step(
        id=f"{image.id}{MARK}", tool="retake_image", args=args,
        reason=f"{value.get('frame')} can't be counted: {advice}",
    )  # fmt: skip
    detect = step.model_copy(
        update={
            "id": f"{step.id}{MARK}", "inputs": {**step.inputs, "frame": f"{again.id}.frame"},
            "reason": "what the second look shows",
        }
    )  # fmt: skip
    return tuple(Item(one, item.path, item.bound) for one in (again, detect))


def _args_of(image: Step) -> dict[str, Any]:
    """Arguments of the image as the retake takes them."""
    args = {name: value for name, value in image.args.items() if name in retake_image.Args.model_fields}
    detectors = image.args.get("detectors")
    return args | ({"detector": detectors[0]} if detectors else {})


def _changed(args: dict[str, Any], advice: str, value: dict[str, Any]) -> dict[str, Any]:
    series = "frames" in args
    if advice == "more_dose":
        args["frames"] = min(math.ceil(args.get("frames", 1) * _more(value)), 200)
    if advice == "shorter_dwell":
        args["dwell_us"] = round(0.5 * (args.get("dwell_us") or (0.5 if series else 2.0)), 4)
    return {**args, "why": advice}


def _more(value: dict[str, Any]) -> float:
    """How many times the dose a recall of 80 % takes, from the counts that there were."""
    counts = float(value.get("counts_per_column") or 0.0)
    try:
        law = predicted_law(
            phase(str(value.get("material"))),
            "vacancy",
            voltage_kv=60.0,
            convergence_mrad=30.0,
            pixel_pm=15.0,
        )
    except EucentricError:
        return _MOST_MORE
    return min(max(law.counts_for(_GOOD_RECALL) / max(counts, 1e-3), 1.5), _MOST_MORE)


def reserve(steps: tuple[Step, ...], setting: Setting, times: int = 1) -> tuple[int, Cost]:
    """(how many second looks a plan has room for, what they take in all): one in each round with focus and counting."""
    count, total = 0, Cost()
    for step in steps:
        if step.tool is None:
            inner, cost = reserve(step.do, setting, times * (step.times or step.at_most))
            count, total = count + inner, _sum(total, cost, 1)
        elif step.tool == "detect_defects" and (image := image_step(steps, step)) is not None:
            args = retake_image.Args.model_validate({**_args_of(image), "why": "refocus"})
            count, total = count + times, _sum(total, retake_image.cost(args, setting), times)
    return count, total


def _sum(one: Cost, other: Cost, times: int) -> Cost:
    return Cost(
        seconds=one.seconds + times * other.seconds, electrons=one.electrons + times * other.electrons,
        frames=one.frames + times * other.frames, megabytes=one.megabytes + times * other.megabytes,
        dose_e_per_a2=max(one.dose_e_per_a2, other.dose_e_per_a2),
        elsewhere_e_per_a2=max(one.elsewhere_e_per_a2, other.elsewhere_e_per_a2),
    )  # fmt: skip
