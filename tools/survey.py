"""A mosaic of overview frames, each looked for in the one before it.

A stage may miss a move and say that it went. So the strip that two neighbouring tiles share is registered: where it
matches, the move happened, and by how much is known; where the tile shows the place of the last one again, it did not.
Either is kept as a measured position (`Microscope.locate`): later moves and the dose ledger go by it. Where neither is
sure, such as on featureless film, the readings stand, with the doubt that they deserve.
"""

from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.instrument import Frame, Located, Scan, StageMove
from eucentric.core.units import Unit
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.grid_positions import Count, Um, snake
from eucentric.tools.scanning import DwellUs, Pixels, frames_cost, move_seconds
from eucentric.tools.vision.neighbours import displaced
from eucentric.tools.vision.registration import Match

_STOOD_UM = 0.5
"""A stage that missed a move has crept or drifted by less [µm]."""
_SPREAD_PX = 0.3
"""One standard deviation of where a tile lies in another [px]: p95 of the error is 0.27 on the twin."""


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
    located: int = 0
    """Tiles whose place in the one before was measured by image."""
    missed: tuple[str, ...] = ()
    """Tiles that show the place of the one before again: the stage did not make that move."""


def run(args: Args, context: Context) -> Result:
    """Move and expose, tile by tile, in snake order."""
    microscope = context.microscope
    stage = microscope.state().stage
    centre = (
        stage["x_um"].reported if args.centre_x_um is None else args.centre_x_um,
        stage["y_um"].reported if args.centre_y_um is None else args.centre_y_um,
    )
    tiles: list[Frame] = []
    links: list[Located] = []
    missed: list[str] = []
    places = snake(args.tiles_x, args.tiles_y, args.pitch_um, centre)
    for number, (x, y) in enumerate(places, start=1):
        microscope.move_stage(StageMove(x_um=x, y_um=y))
        tile = microscope.acquire(args.scan())[0]
        context.note(f"survey tile {number} of {len(places)}")
        if tiles and args.overlap > 0:
            link, stood = _look_back(context, tiles[-1], tile)
            links += [link] if link else []
            if stood:
                missed.append(tile.id)
                context.note(f"tile {number} shows the place of tile {number - 1}: the stage missed a move")
        tiles.append(tile)
    return Result(
        frames=tuple(frame.id for frame in tiles),
        tiles=tuple(tiles),
        located=len(links),
        missed=tuple(missed),
    )


def _look_back(context: Context, before: Frame, tile: Frame) -> tuple[Located | None, bool]:
    """Where a tile lies in the one before it, kept as measured, and whether the stage stood still between them."""
    told_um = _between(before, tile)
    pixel_um = (tile.pixel_pm or 0.0) * 1e-6
    if told_um is None or not pixel_um:
        return None, False
    reach_um = context.microscope.capabilities().move_error(1e-6 * max(map(abs, told_um))) * 1e6
    pair = context.microscope.pixels(before), context.microscope.pixels(tile)
    expected = told_um[1] / pixel_um, told_um[0] / pixel_um
    found = displaced(*pair, expected, reach_um / pixel_um)
    stood = False
    if not found.sure:
        found = displaced(*pair, (0.0, 0.0), _STOOD_UM / pixel_um)
        stood = found.sure
    if not found.sure:
        return None, False
    link = _located(before, tile, found, pixel_um)
    context.microscope.locate(link)
    return link, stood


def _between(before: Frame, tile: Frame) -> tuple[float, float] | None:
    """How far the stage says that it went [µm]."""
    if before.x_um is None or before.y_um is None or tile.x_um is None or tile.y_um is None:
        return None
    return tile.x_um - before.x_um, tile.y_um - before.y_um


def _located(before: Frame, tile: Frame, found: Match, pixel_um: float) -> Located:
    return Located(
        frame=tile.id,
        in_frame=before.id,
        x_um=(before.x_um or 0.0) + found.columns * pixel_um,
        y_um=(before.y_um or 0.0) + found.rows * pixel_um,
        uncertainty_um=_SPREAD_PX * pixel_um,
        confidence=round(found.margin, 4),
    )


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


def summary(result: Result) -> str:
    """Tiles, how many were found in their neighbour, and moves that the stage missed."""
    text = f"{len(result.frames)} tiles, {result.frames[0]} … {result.frames[-1]}"
    if result.located:
        text += f"; {result.located} of {len(result.frames) - 1} moves confirmed by image"
    if result.missed:
        text = text.replace("confirmed", "measured") + f", {len(result.missed)} of them missed by the stage"
    return text


TOOL: Tool[Args, Result] = Tool(
    "survey",
    "Record a mosaic of overview frames around the present place. Mean dose is tiny, but where the probe lands the "
    "dose is not: both are stated.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
)
