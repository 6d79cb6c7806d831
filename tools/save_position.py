"""Keep the present place under a name."""

from pydantic import Field

from eucentric.core.base import Model
from eucentric.tools.base import Context, Tool, free


class Args(Model):
    """The name."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[\w .+-]+$")
    """Letters, digits, spaces, dot, plus, minus."""


class Result(Model):
    """What was kept; it lives in the ledger."""

    name: str
    place: dict[str, float]
    """Reported position by field [µm, deg]."""
    beam_shift_nm: tuple[float, float]
    loading: str


def run(args: Args, context: Context) -> Result:
    """Read the reported position; nothing moves."""
    state = context.microscope.state()
    return Result(
        name=args.name,
        place={key: reading.reported for key, reading in state.stage.items()},
        beam_shift_nm=(state.optics["beam_shift_x_nm"], state.optics["beam_shift_y_nm"]),
        loading=state.loading,
    )


TOOL: Tool[Args, Result] = Tool(
    "save_position",
    "Keep the present stage position under a name, to return to with move_stage mode=saved. Nothing moves.",
    "read",
    Args,
    Result,
    run,
    free,
    lambda result: (
        f"saved {result.name!r} at x {result.place['x_um']:+.3f}, y {result.place['y_um']:+.3f} µm"
    ),
)
