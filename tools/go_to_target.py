"""Go to a place that was seen in a survey, and find it again by its image.

A stage does not go where it is told. After one move an overview frame is registered to the survey
frame in which the target was seen; the rest is corrected with the beam shift, which has no
backlash. A second stage move is made only if the rest is far larger than the stage's dead band.
"""

from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import MoveNotReached
from eucentric.core.instrument import Frame, OpticsChange, Scan, StageMove
from eucentric.core.units import Unit
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import frames_cost, move_seconds
from eucentric.tools.select_targets import Target
from eucentric.tools.vision.registration import Match, drift, locate, rescaled

_OVERVIEW = Scan(width_px=256, height_px=256, fov_nm=5000.0, dwell_us=4.0, purpose="tracking")
_TRACK = Scan(width_px=256, height_px=256, fov_nm=1200.0, dwell_us=0.5, purpose="tracking")
_MAX_OVERVIEWS = 3
_MAX_TRACKS = 7
_FIRST_WAIT_S, _TRACK_WAIT_S = 12.0, 8.0


class Args(Model):
    """Which target."""

    target: Target
    """From select_targets."""
    settle: bool = True
    """Wait until the drift after the move is small."""
    max_drift_nm_s: Annotated[float, Unit("nm/s"), Field(gt=0, le=100)] = 0.6
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
    """Margin of the registration to the next best match."""
    drift_nm_s: float | None
    frames: tuple[str, ...]


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

    def move(self, x_um: float, y_um: float) -> None:
        """One stage move, beam shift at zero."""
        self.context.microscope.set_optics(OpticsChange(beam_shift_x_nm=0.0, beam_shift_y_nm=0.0))
        self.context.microscope.move_stage(StageMove(x_um=x_um, y_um=y_um))
        self.moves += 1

    def look(self) -> tuple[float, float, Match, float]:
        """Expose an overview; returns the rest (x, y) [µm], the match and its pixel [µm]."""
        microscope, records = self.context.microscope, self.context.records
        frame = microscope.acquire(_OVERVIEW)[0]
        self.frames.append(frame)
        survey = records.frame(self.args.target.frame)
        pixel_um = (survey.pixel_pm or 0.0) * 1e-6
        small = rescaled(microscope.pixels(frame), pixel_um / (_OVERVIEW.pixel_nm * 1e-3))
        target = self.args.target
        expected = (
            (target.y_um - (survey.y_um or 0.0)) / pixel_um + (survey.shape[0] - 1) / 2,
            (target.x_um - (survey.x_um or 0.0)) / pixel_um + (survey.shape[1] - 1) / 2,
        )
        match = locate(small, records.pixels(survey), expected, self.reach_um / pixel_um)
        return match.columns * pixel_um, match.rows * pixel_um, match, pixel_um

    def track(self, x_nm: float, y_nm: float) -> tuple[float | None, float, float]:
        """Wait for the drift to settle; follow it with the beam shift. Returns (drift, x, y) [nm/s, nm]."""
        microscope = self.context.microscope
        microscope.wait(_FIRST_WAIT_S)
        last, speed = microscope.acquire(_TRACK)[0], None
        self.frames.append(last)
        for _ in range(_MAX_TRACKS - 1):
            microscope.wait(_TRACK_WAIT_S)
            frame = microscope.acquire(_TRACK)[0]
            self.frames.append(frame)
            match = drift(microscope.pixels(last), microscope.pixels(frame), reach_px=20, sigma=1.5)
            if not match.sure:
                return None, x_nm, y_nm
            passed = (frame.time_s or 0.0) - (last.time_s or 0.0)
            speed = (match.rows**2 + match.columns**2) ** 0.5 * _TRACK.pixel_nm / passed
            if speed <= self.args.max_drift_nm_s:
                break
            x_nm, y_nm = x_nm + match.columns * _TRACK.pixel_nm, y_nm + match.rows * _TRACK.pixel_nm
            self._shift(x_nm, y_nm)
            last, speed = microscope.acquire(_TRACK)[0], speed
            self.frames.append(last)
        return speed, x_nm, y_nm

    def _shift(self, x_nm: float, y_nm: float) -> None:
        self.context.microscope.set_optics(OpticsChange(beam_shift_x_nm=x_nm, beam_shift_y_nm=y_nm))


def run(args: Args, context: Context) -> Result:
    """Move, look, correct, settle.

    Raises
    ------
    MoveNotReached
        If the image can't be found again with confidence, or the rest exceeds the beam shift.
    """
    approach = _Approach(args, context)
    x_um, y_um = args.target.x_um, args.target.y_um
    approach.move(x_um, y_um)
    for _ in range(_MAX_OVERVIEWS - 1):
        off_x, off_y, match, pixel_um = approach.look()
        if not match.sure:
            raise MoveNotReached(
                f"target {args.target.id} was not found again after the move",
                f"registration peak {match.peak:.2f}, margin {match.margin:.2f} to the next best place",
                "the target is skipped; survey this area again to retry",
            )
        rest_nm = max(abs(off_x), abs(off_y)) * 1e3
        if rest_nm <= approach.shift_limit_nm:
            return _arrived(approach, off_x, off_y, match, pixel_um)
        x_um, y_um = x_um - off_x, y_um - off_y
        approach.move(x_um, y_um)
    raise MoveNotReached(
        f"target {args.target.id}: still {rest_nm:.0f} nm off",
        f"the beam shift reaches {approach.shift_limit_nm:.0f} nm and the stage was already corrected once",
        "the target is skipped",
    )


def _arrived(approach: _Approach, off_x: float, off_y: float, match: Match, pixel_um: float) -> Result:
    microscope, target = approach.context.microscope, approach.args.target
    approach._shift(-off_x * 1e3, -off_y * 1e3)
    speed, x_nm, y_nm = (None, -off_x * 1e3, -off_y * 1e3)
    if approach.args.settle:
        speed, x_nm, y_nm = approach.track(x_nm, y_nm)
    stage = microscope.state().stage
    return Result(
        target=target.id,
        reported_x_um=stage["x_um"].reported,
        reported_y_um=stage["y_um"].reported,
        measured_x_um=round(target.x_um + off_x, 4),
        measured_y_um=round(target.y_um + off_y, 4),
        uncertainty_um=round(0.5 * pixel_um, 4),
        beam_shift_x_nm=x_nm,
        beam_shift_y_nm=y_nm,
        stage_moves=approach.moves,
        confidence=round(match.margin, 4),
        drift_nm_s=speed,
        frames=tuple(frame.id for frame in approach.frames),
    )


def cost(args: Args, setting: Setting) -> Cost:
    """One move, up to two overviews and the tracking frames, all at the target."""
    return approach_cost(setting)


def approach_cost(setting: Setting) -> Cost:
    """Worst case of one approach."""
    look = frames_cost(_OVERVIEW, setting, _MAX_OVERVIEWS - 1)
    track = frames_cost(_TRACK, setting, 2 * _MAX_TRACKS - 2)
    return Cost(
        seconds=2 * move_seconds(setting, 20.0)
        + look.seconds
        + track.seconds
        + 10.0
        + 6.0 * (_MAX_TRACKS - 1),
        mean_dose_e_per_a2=look.mean_dose_e_per_a2 + track.mean_dose_e_per_a2,
        dose_e_per_a2=look.dose_e_per_a2 + track.dose_e_per_a2,
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
    "shift (never a second small stage move), then wait until drift is small. Refuses to guess if the place is not "
    "found again with confidence.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
)
