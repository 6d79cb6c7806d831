"""A mosaic of overview frames."""

from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.instrument import Frame, Scan, StageMove
from eucentric.core.units import Unit
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.grid_positions import Count, Um, snake
from eucentric.tools.scanning import DwellUs, Pixels, frames_cost, move_seconds


class Args(Model):
    """Tiles of the mosaic."""

    tiles_x: Count = 4
    """Tiles along x."""
    tiles_y: Count = 4
    """Tiles along y."""
    fov_um: Annotated[float, Field(ge=0.05, le=100), Unit("um")] = 20.0
    """Field of each tile [µm]."""
    width_px: Pixels = 512
    """Pixels along each edge [px]."""
    dwell_us: DwellUs = 10.0
    """Time on each pixel [µs]; a suspended monolayer needs about 10."""
    overlap: Annotated[float, Field(ge=0, le=0.5, strict=True)] = 0.1
    """Overlap of neighbours, as a share of the field."""
    centre_x_um: Um | None = None
    """Centre of the mosaic [µm]; left out: where the stage is."""
    centre_y_um: Um | None = None
    """Centre of the mosaic [µm]; left out: where the stage is."""

    @property
    def pitch_um(self) -> float:
        """Distance between tiles [µm]."""
        return self.fov_um * (1 - self.overlap)

    def scan(self) -> Scan:
        """One tile."""
        return Scan(
            width_px=self.width_px,
            height_px=self.width_px,
            fov_nm=self.fov_um * 1e3,
            dwell_us=self.dwell_us,
            purpose="survey",
        )

    def half_width_um(self, tiles: int) -> float:
        """Farthest stage position from the centre along one axis [µm]."""
        return (tiles - 1) / 2 * self.pitch_um


class Result(Model):
    """The tiles, with the stage positions they were reported at."""

    frames: tuple[str, ...]
    tiles: tuple[Frame, ...]


def run(args: Args, context: Context) -> Result:
    """Move and expose, tile by tile, in snake order."""
    microscope = context.microscope
    stage = microscope.state().stage
    centre = (
        stage["x_um"].reported if args.centre_x_um is None else args.centre_x_um,
        stage["y_um"].reported if args.centre_y_um is None else args.centre_y_um,
    )
    tiles = []
    places = snake(args.tiles_x, args.tiles_y, args.pitch_um, centre)
    for number, (x, y) in enumerate(places, start=1):
        microscope.move_stage(StageMove(x_um=x, y_um=y))
        tiles.append(microscope.acquire(args.scan())[0])
        context.note(f"survey tile {number} of {len(places)}")
    return Result(frames=tuple(frame.id for frame in tiles), tiles=tuple(tiles))


def cost(args: Args, setting: Setting) -> Cost:
    """All tiles; where tiles overlap a place is exposed twice, at a corner four times: two are counted.

    A stage that may miss a move exposes a tile again instead of the next one: inside a tile, or else in an overlap. A
    place that had both is left out when targets are chosen, by what is on record for it.
    """
    count = args.tiles_x * args.tiles_y
    one = frames_cost(args.scan(), setting)
    twice = 2 if args.overlap > 0 else 1
    times = min(count, max(twice, 1 + setting.capabilities.position_errors.missed_moves))
    return Cost(
        seconds=count * (one.seconds + move_seconds(setting, args.pitch_um)),
        mean_dose_e_per_a2=one.mean_dose_e_per_a2,
        dose_e_per_a2=one.dose_e_per_a2 * times,
        electrons=one.electrons * count,
        frames=count,
        megabytes=one.megabytes * count,
    )


TOOL: Tool[Args, Result] = Tool(
    "survey",
    "Record a mosaic of overview frames around the present place. Mean dose is tiny, but where the probe lands the "
    "dose is not: both are stated.",
    "expose",
    Args,
    Result,
    run,
    cost,
    lambda result: f"{len(result.frames)} tiles, {result.frames[0]} … {result.frames[-1]}",
)
