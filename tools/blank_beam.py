"""Blank the beam. Never asked about, never refused."""

from eucentric.core.base import Model
from eucentric.core.instrument import MicroscopeState
from eucentric.tools.base import Context, Tool, free


class Args(Model):
    """No arguments."""


class Result(Model):
    """The read-back."""

    state: MicroscopeState


def run(args: Args, context: Context) -> Result:
    """Blank and read back."""
    return Result(state=context.microscope.blank())


TOOL: Tool[Args, Result] = Tool(
    "blank_beam",
    "Blank the beam at once and hold it blanked until a person approves an exposure. Needs no approval.",
    "safety",
    Args,
    Result,
    run,
    free,
    lambda result: "beam blanked (read back)" if result.state.blanked else "NOT VERIFIED: the beam may be on",
)
