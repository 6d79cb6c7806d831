"""Drive a retractable detector into the beam path, or out of it."""

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.instrument import MicroscopeState
from eucentric.tools.base import Context, Setting, Tool


class Args(Model):
    """Which detector, and whether in or out."""

    detector: str = Field(min_length=1, max_length=40)
    """A detector that the instrument declares retractable, such as bf."""
    inside: bool = Field(True, strict=True)
    """True: into the beam path; false: out of it."""


class Result(Model):
    """The read-back."""

    state: MicroscopeState
    detector: str
    inside: bool


def run(args: Args, context: Context) -> Result:
    """Drive it once, beam blanked, and read back."""
    state = context.microscope.insert(args.detector, args.inside)
    return Result(state=state, detector=args.detector, inside=state.inserted[args.detector])


def cost(args: Args, setting: Setting) -> Cost:
    """Declared time; nothing if it is already there."""
    spec = setting.capabilities.detector(args.detector)
    if spec is None or setting.state.inserted.get(args.detector) is args.inside:
        return Cost()
    return Cost(seconds=spec.insert_s)


TOOL: Tool[Args, Result] = Tool(
    "insert_detector",
    "Drive a retractable detector into the beam path or out of it, beam blanked, and read back. A detector that is "
    "out records only noise. Fixed detectors can't be moved.",
    "control",
    Args,
    Result,
    run,
    cost,
    lambda result: f"{result.detector} is {'in' if result.inside else 'out'} (read back)",
)
