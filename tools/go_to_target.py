"""Go to a place that was seen in a survey, and find it again by its image.

A stage does not go where it is told. After one move, and a wait until most of its creep is over, an
overview frame is registered to the survey frame in which the target was seen; the rest is corrected with
the beam shift, which has no backlash. A second stage move is made only if the rest is beyond the beam
shift. If the overview is not in the target's tile, the other tiles of the survey are searched: a missed
move leaves the stage a whole tile off. Drift is followed against one reference frame, so that its errors do not add up.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import MoveNotReached
from eucentric.core.instrument import Frame, Located, OpticsChange, Scan, StageMove
from eucentric.core.units import Unit
from eucentric.instruments.capabilities import Capabilities
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import frames_cost, move_seconds, settling_s
from eucentric.tools.select_targets import Target
from eucentric.tools.vision.registration import Match, drift, locate, rescaled

_OVERVIEW = Scan(width_px=256, height_px=256, fov_nm=5000.0, dwell_us=3.0, purpose="tracking")
_TRACK = Scan(width_px=256, height_px=256, fov_nm=2000.0, dwell_us=0.5, purpose="tracking")
_MAX_OVERVIEWS = 3
_MAX_TRACKS = 7
_FIRST_WAIT_S, _TRACK_WAIT_S = 12.0, 8.0
_TRACK_REACH_PX = 20.0
_SPREAD_PX = 0.5
"""One standard deviation of where an overview lies in a tile [px]."""
_MAX_TILES = 64
_SURE_ANYWHERE = 0.5
"""Margin asked of a match in any tile; wrong pairs stay below 0.26, right ones above 0.73."""
_TRACK_SIGMA = 14.0
"""Confidence that tracking needs: right pairs give 17.6 and more on the twin, frames of another place up to 12."""


class Args(Model):
    """Which target."""

    target: Target
    """From select_targets."""
    settle: bool = True
    """Wait until the drift after the move is small."""
    max_drift_nm_s: Annotated[float, Field(gt=0, le=100), Unit("nm/s")] = 0.6
    """Drift that is small enough [nm/s]."""


class Result(Model):
    """Where it is, by three positions."""

    target: str
    reported_x_um: float
    reported_y_um: float
    measured_x_um: float
    measured_y_um: float
    """Where the stage really stood before the beam shift, in the survey's frame, by image registration."""
    uncertainty_um: float
    beam_shift_x_nm: float
    beam_shift_y_nm: float
    stage_moves: int
    confidence: float
    """Margin of the registration to the next best match, in Fisher's z."""
    drift_nm_s: float | None
    frames: tuple[str, ...]
    tile: str = ""
    """The survey frame in which it was found again: measured positions are in this frame's readings."""


@dataclass(frozen=True)
class _Seen:
    """Where an overview was recognised."""

    off_x_um: float
    """From the target, in the survey's coordinates."""
    off_y_um: float
    match: Match
    pixel_um: float
    tile: Frame
    """In which frame of the survey."""
    at_home: bool
    """In the tile in which the target was seen: only then its distance is exact."""


class _Approach:
    """One go-to in progress."""

    def __init__(self, args: Args, context: Context) -> None:
        self.args, self.context = args, context
        self.frames: list[Frame] = []
        self.moves = 0
        capabilities = context.microscope.capabilities()
        axis, shift = capabilities.axis("x"), capabilities.optic("beam_shift_x")
        self.dead_band_um = axis.dead_band * 1e6 if axis else 0.0
        self.reach_um = max(1.5, 1.6 * self.dead_band_um + 0.6)
        self.shift_limit_nm = 0.95 * shift.upper * 1e9 if shift else 0.0

    def begin(self) -> tuple[float, float]:
        """What the stage is to read at the target: as in the survey, unless images have shown that it lost a move.

        A smaller difference is the slack of the drive, which the next move takes up anyway.
        """
        told, now = (self.args.target.x_um, self.args.target.y_um), self.reading()
        lost = max(abs(now[0] - told[0]), abs(now[1] - told[1])) > self.reach_um
        return now if lost else told

    def reading(self) -> tuple[float, float]:
        """What the stage would read now at the target, by all that images have shown [µm]."""
        target, records = self.args.target, self.context.records
        return records.reading_at(records.frame(target.frame), target.x_um, target.y_um)

    def move(self, x_um: float, y_um: float) -> None:
        """One stage move, beam shift at zero; then most of the stage's creep is waited for."""
        self.context.microscope.set_optics(OpticsChange(beam_shift_x_nm=0.0, beam_shift_y_nm=0.0))
        self.context.microscope.move_stage(StageMove(x_um=x_um, y_um=y_um))
        self.moves += 1
        if self.args.settle:
            self.context.microscope.wait(_FIRST_WAIT_S)

    def look(self) -> "_Seen":
        """Expose an overview and find it in the target's tile, or else in any other tile of the survey."""
        frame = self.context.microscope.acquire(_OVERVIEW)[0]
        self.frames.append(frame)
        own = self.context.records.frame(self.args.target.frame)
        seen = self._in_tile(frame, own, self.reach_um)
        if not seen.match.sure:
            seen = self._elsewhere(frame, own) or seen
        if seen.match.sure:
            self.context.microscope.locate(self._located(frame, seen))
        return seen

    def _located(self, frame: Frame, seen: "_Seen") -> Located:
        """Where the overview lies, in the readings of the tile in which it was recognised."""
        return Located(
            frame=frame.id,
            in_frame=seen.tile.id,
            x_um=self.args.target.x_um + seen.off_x_um,
            y_um=self.args.target.y_um + seen.off_y_um,
            uncertainty_um=_SPREAD_PX * seen.pixel_um,
            confidence=round(seen.match.margin, 4),
        )

    def _in_tile(self, frame: Frame, tile: Frame, reach_um: float, around: str = "target") -> "_Seen":
        pixel_um = (tile.pixel_pm or 0.0) * 1e-6
        small = rescaled(self.context.microscope.pixels(frame), pixel_um / (_OVERVIEW.pixel_nm * 1e-3))
        target, centre = self.args.target, (tile.x_um or 0.0, tile.y_um or 0.0)
        start = (target.x_um, target.y_um) if around == "target" else centre
        expected = tuple(
            (place - middle) / pixel_um + (size - 1) / 2
            for place, middle, size in zip(start[::-1], centre[::-1], tile.shape, strict=True)
        )
        found = locate(
            small, self.context.records.pixels(tile), (expected[0], expected[1]), reach_um / pixel_um
        )
        x_um, y_um = start[0] + found.columns * pixel_um, start[1] + found.rows * pixel_um
        return _Seen(x_um - target.x_um, y_um - target.y_um, found, pixel_um, tile, tile.id == target.frame)

    def _elsewhere(self, frame: Frame, own: Frame) -> "_Seen | None":
        """Where the overview lies in another tile: a missed move leaves the stage a whole tile off."""
        rows = self.context.records.events(kind="returned", limit=4000)
        tiles = [Frame.model_validate(data) for row in rows for data in row["body"].get("frames", ())]
        others = [one for one in tiles if one.purpose == "survey" and one.pixel_pm == own.pixel_pm]
        half_um = 0.5e-6 * (own.pixel_pm or 0.0) * own.shape[1]
        best: _Seen | None = None
        for tile in others[:_MAX_TILES]:
            seen = self._in_tile(frame, tile, half_um, around="tile")
            if seen.match.margin >= _SURE_ANYWHERE and (
                best is None or seen.match.margin > best.match.margin
            ):
                best = seen
        return best

    def track(self, x_nm: float, y_nm: float) -> tuple[float | None, float, float]:
        """Follow the drift with the beam shift until it is small. Returns (drift, x, y) [nm/s, nm, nm].

        Drift None: a frame did not match the reference with confidence, and nothing was corrected by it.
        """
        microscope = self.context.microscope
        first = last = self._tracked()
        start, drifted = np.array([x_nm, y_nm]), np.zeros(2)
        speed: float | None = None
        for number in range(_MAX_TRACKS - 1):
            microscope.wait(_TRACK_WAIT_S if number else _first_track_wait_s(microscope.capabilities()))
            frame = self._tracked()
            match = drift(microscope.pixels(first), microscope.pixels(frame), _TRACK_REACH_PX, sigma=1.5)
            if match.margin < _TRACK_SIGMA:
                return None, x_nm, y_nm
            # the content moved by the drift less what the beam shift has followed already
            now = np.array([match.columns, match.rows]) * _TRACK.pixel_nm + np.array([x_nm, y_nm]) - start
            speed = float(np.hypot(*(now - drifted))) / ((frame.time_s or 0.0) - (last.time_s or 0.0))
            drifted, last = now, frame
            x_nm, y_nm = (float(value) for value in start + drifted)
            self.shift(x_nm, y_nm)
            if speed <= self.args.max_drift_nm_s:
                break
        return speed, x_nm, y_nm

    def _tracked(self) -> Frame:
        frame = self.context.microscope.acquire(_TRACK)[0]
        self.frames.append(frame)
        return frame

    def shift(self, x_nm: float, y_nm: float) -> None:
        self.context.microscope.set_optics(OpticsChange(beam_shift_x_nm=x_nm, beam_shift_y_nm=y_nm))


def run(args: Args, context: Context) -> Result:
    """Move, look, correct, settle.

    Raises
    ------
    MoveNotReached
        If the image can't be found again with confidence, or the rest exceeds the beam shift.
    """
    approach = _Approach(args, context)
    approach.move(*approach.begin())
    for look in range(1, _MAX_OVERVIEWS + 1):
        seen = approach.look()
        if not seen.match.sure or (look == _MAX_OVERVIEWS and not seen.at_home):
            raise MoveNotReached(
                f"target {args.target.id} was not found again after the move",
                f"registration peak {seen.match.peak:.2f}, margin {seen.match.margin:.2f} to the next best place",
                "the target is skipped; survey this area again to retry",
            )
        rest_nm = max(abs(seen.off_x_um), abs(seen.off_y_um)) * 1e3
        if seen.at_home and rest_nm <= approach.shift_limit_nm:
            return _arrived(approach, seen)
        if look < _MAX_OVERVIEWS:
            approach.move(*approach.reading())
    raise MoveNotReached(
        f"target {args.target.id}: still {rest_nm:.0f} nm off",
        f"the beam shift reaches {approach.shift_limit_nm:.0f} nm and the stage was already corrected twice",
        "the target is skipped",
    )


def _arrived(approach: _Approach, seen: _Seen) -> Result:
    microscope, target = approach.context.microscope, approach.args.target
    speed, x_nm, y_nm = (None, -seen.off_x_um * 1e3, -seen.off_y_um * 1e3)
    approach.shift(x_nm, y_nm)
    if approach.args.settle:
        speed, x_nm, y_nm = approach.track(x_nm, y_nm)
    stage = microscope.state().stage
    return Result(
        target=target.id,
        reported_x_um=stage["x_um"].reported,
        reported_y_um=stage["y_um"].reported,
        measured_x_um=round(target.x_um + seen.off_x_um, 4),
        measured_y_um=round(target.y_um + seen.off_y_um, 4),
        uncertainty_um=round(_SPREAD_PX * seen.pixel_um, 4),
        beam_shift_x_nm=x_nm,
        beam_shift_y_nm=y_nm,
        stage_moves=approach.moves,
        confidence=round(seen.match.margin, 4),
        drift_nm_s=speed,
        frames=tuple(frame.id for frame in approach.frames),
        tile=target.frame,
    )


def settled_s(capabilities: Capabilities) -> float:
    """How long the stage has stood at least when a settled approach ends [s]."""
    return _FIRST_WAIT_S + _first_track_wait_s(capabilities)


def _first_track_wait_s(capabilities: Capabilities) -> float:
    """From the first tracking frame to the second: most of the creep is to be over by then [s]."""
    return max(_TRACK_WAIT_S, settling_s(capabilities) - _FIRST_WAIT_S)


def cost(args: Args, setting: Setting) -> Cost:
    """The worst case of one approach: every overview and every tracking frame, all at the target."""
    return approach_cost(setting, settle=getattr(args, "settle", True))


def approach_cost(setting: Setting, *, settle: bool = True) -> Cost:
    """Worst case of one approach; most need one overview and two or three tracking frames."""
    look = frames_cost(_OVERVIEW, setting, _MAX_OVERVIEWS)
    track = frames_cost(_TRACK, setting, _MAX_TRACKS if settle else 0)
    first = _first_track_wait_s(setting.capabilities)
    waits = _FIRST_WAIT_S * _MAX_OVERVIEWS + first + _TRACK_WAIT_S * (_MAX_TRACKS - 2) if settle else 0.0
    return Cost(
        seconds=_MAX_OVERVIEWS * move_seconds(setting, 20.0) + look.seconds + track.seconds + waits,
        mean_dose_e_per_a2=look.mean_dose_e_per_a2 + track.mean_dose_e_per_a2,
        dose_e_per_a2=look.dose_e_per_a2 + track.dose_e_per_a2,
        electrons=look.electrons + track.electrons,
        frames=look.frames + track.frames,
        megabytes=look.megabytes + track.megabytes,
    )


def summary(result: Result) -> str:
    """Reported, measured, shift, drift."""
    drift_text = "drift not measured" if result.drift_nm_s is None else f"drift {result.drift_nm_s:.2f} nm/s"
    return (
        f"at {result.target}: reported x {result.reported_x_um:+.2f} y {result.reported_y_um:+.2f} µm, measured by "
        f"image x {result.measured_x_um:+.3f} y {result.measured_y_um:+.3f} ± {result.uncertainty_um:.3f} µm → beam "
        f"shift ({result.beam_shift_x_nm:+.0f}, {result.beam_shift_y_nm:+.0f}) nm; {drift_text}"
    )


TOOL: Tool[Args, Result] = Tool(
    "go_to_target",
    "Go to a target of select_targets: one stage move, an overview frame registered to the survey, the rest by beam "
    "shift (never a second small stage move), then follow the drift until it is small. Refuses to guess if the place "
    "is not found again with confidence.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
)
