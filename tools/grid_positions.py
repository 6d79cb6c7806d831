"""A grid of stage positions, in snake order."""

from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.units import Unit
from eucentric.tools.base import Context, Tool, free

Um = Annotated[float, Field(ge=-5000, le=5000), Unit("um")]
Count = Annotated[int, Field(ge=1, le=100, strict=True)]


class Args(Model):
    """A grid of nx by ny places."""

    nx: Count
    """Places along x."""
    ny: Count
    """Places along y."""
    pitch_um: Annotated[float, Field(gt=0, le=1000), Unit("um")]
    """Distance between neighbours [µm]."""
    centre_x_um: Um | None = None
    """Centre of the grid [µm]; left out: where the stage is."""
    centre_y_um: Um | None = None
    """Centre of the grid [µm]; left out: where the stage is."""


class Position(Model):
    """One place."""

    x_um: float
    y_um: float


class Result(Model):
    """The places, in the order to visit them."""

    positions: tuple[Position, ...]


def snake(nx: int, ny: int, pitch_um: float, centre: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Grid positions [µm], every second row reversed so that no move is longer than one pitch."""
    places = []
    for row in range(ny):
        columns = range(nx) if row % 2 == 0 else range(nx - 1, -1, -1)
        y = centre[1] + (row - (ny - 1) / 2) * pitch_um
        places += [(centre[0] + (column - (nx - 1) / 2) * pitch_um, y) for column in columns]
    return tuple(places)


def run(args: Args, context: Context) -> Result:
    """Compute the places; nothing moves."""
    stage = context.microscope.state().stage
    centre = (
        stage["x_um"].reported if args.centre_x_um is None else args.centre_x_um,
        stage["y_um"].reported if args.centre_y_um is None else args.centre_y_um,
    )
    places = snake(args.nx, args.ny, args.pitch_um, centre)
    return Result(positions=tuple(Position(x_um=round(x, 6), y_um=round(y, 6)) for x, y in places))


TOOL: Tool[Args, Result] = Tool(
    "grid_positions",
    "Compute a grid of stage positions in snake order, for a loop. Nothing moves.",
    "read",
    Args,
    Result,
    run,
    free,
    lambda result: f"{len(result.positions)} positions",
)
