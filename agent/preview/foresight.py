"""What the steps of a plan will come to, told before anybody is asked: from records and read-backs, nothing is sent.

A tool that can say where its target is says it here. What it says is tied to the step, so that an approval is for
these numbers: should the records tell otherwise by the time, the tool refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from eucentric.agent.preview.outlook import outlook
from eucentric.agent.run import Run
from eucentric.core.errors import BadInput, EucentricError
from eucentric.core.instrument import MicroscopeState, Outlook, Reading, StageMove
from eucentric.core.plan import Plan, Step
from eucentric.core.request import SpecimenCard
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.no_microscope import NoMicroscope
from eucentric.tools.arguments import validated
from eucentric.tools.base import Context, Foreseen
from eucentric.tools.catalogue import tool_named


@dataclass
class Foresight:
    """A plan with its numbers."""

    plan: Plan
    lines: list[str] = field(default_factory=list)
    """For the person who approves."""
    problems: list[str] = field(default_factory=list)
    """Why a step would refuse."""


class Ahead(NoMicroscope):
    """The microscope as earlier steps will leave it: it can be read, and refuses every act."""

    def __init__(self, run: Run) -> None:
        self.run, self.tilts = run, dict[str, float]()

    def capabilities(self) -> Capabilities:
        """As declared."""
        return self.run.capabilities

    def state(self) -> MicroscopeState:
        """Read back just now, with the tilts that the plan will have made."""
        state = self.run.now()
        there = {key: Reading(commanded=value, reported=value) for key, value in self.tilts.items()}
        return state.model_copy(update={"stage": {**state.stage, **there}})

    def look_ahead(self, path: Sequence[StageMove]) -> Outlook:
        """Limits, room and travel left from there."""
        return outlook(path, self.state(), self.run.capabilities, self.run.instrument.limits())


def foreseen(run: Run, plan: Plan) -> Foresight:
    """A plan whose steps are tied to what they will come to, as far as that can be told now.

    Steps in loops, and those whose arguments come from earlier steps, are told when they are carried out.
    """
    found, ahead, steps = Foresight(plan), Ahead(run), []
    for step in plan.steps:
        steps.append(_one(step, run, ahead, found))
    if tuple(steps) != plan.steps:
        found.plan = plan.model_copy(update={"steps": tuple(steps)})
    return found


def _one(step: Step, run: Run, ahead: Ahead, found: Foresight) -> Step:
    try:
        told = _told(step, run, ahead)
    except EucentricError as error:
        found.problems.append(f"step {step.id}: {error}")
        return step
    if told is None:
        return step
    found.lines += told.lines
    after = {"alpha_deg": told.alpha_deg, "beta_deg": told.beta_deg}
    ahead.tilts |= {
        key: value for key, value in after.items() if value is not None and key in ahead.state().stage
    }
    fresh = {key: value for key, value in told.pins.items() if step.args.get(key) is None}
    return step.model_copy(update={"args": {**step.args, **fresh}}) if fresh else step


def _told(step: Step, run: Run, ahead: Ahead) -> Foreseen | None:
    if step.tool is None or step.inputs:
        return None
    try:
        tool = tool_named(step.tool)
    except BadInput:
        return None  # told by the preview
    if tool.name == "move_stage":
        _follow(step, ahead)
    if tool.foresee is None:
        return None
    card = run.specimen or SpecimenCard(name="none", material="unknown")
    return tool.foresee(
        validated(tool, step.args), Context(ahead, run, card, Path("."), lambda text: None, _no_report)
    )


def _follow(step: Step, ahead: Ahead) -> None:
    """A plain move that tilts, for the steps after it."""
    stage = ahead.state().stage
    for key in ("alpha_deg", "beta_deg"):
        to, by = step.args.get(key), step.args.get(f"d{key}")
        if key in stage and isinstance(to, int | float):
            ahead.tilts[key] = float(to)
        elif key in stage and isinstance(by, int | float):
            ahead.tilts[key] = stage[key].reported + float(by)


def _no_report() -> NoReturn:
    raise BadInput("a report is not written before a plan is carried out")
