"""Stop everything: blank first, then scan and motion."""

from typing import Literal

from eucentric.core.base import Model
from eucentric.core.instrument import MicroscopeState
from eucentric.tools.base import Context, Tool, free


class Args(Model):
    """Always both; the fields say so in the record."""

    blank: Literal[True] = True
    """The beam is blanked."""
    hold_stage: Literal[True] = True
    """The stage stays where it stops."""


class Result(Model):
    """The read-back."""

    state: MicroscopeState


def run(args: Args, context: Context) -> Result:
    """Blank, then stop."""
    return Result(state=context.microscope.stop())


TOOL: Tool[Args, Result] = Tool(
    "abort",
    "Stop at once: blank the beam, end the scan, hold the stage. Needs no approval and no model.",
    "safety",
    Args,
    Result,
    run,
    free,
    lambda result: (
        "stopped, beam blanked (read back)" if result.state.blanked else "NOT VERIFIED: beam may be on"
    ),
)
