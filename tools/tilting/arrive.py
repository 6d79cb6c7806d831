"""Carrying out a tilt in steps with the feature in view, the last from the agreed side, and seeing where it landed."""

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import MoveNotReached, Refused, Unsupported
from eucentric.core.instrument import Outlook, PatternShot
from eucentric.core.units import STAGE, Unit
from eucentric.instruments.port import Diffracts
from eucentric.knowledge.crystal import Reading, rotation, shift_um, shown
from eucentric.knowledge.crystal.indices import Indices
from eucentric.knowledge.crystal.tilts import tilt_to_direction
from eucentric.knowledge.diffraction import Reflections, ZoneOffset, reflections, structure_named
from eucentric.knowledge.tilting import Situation
from eucentric.tools.base import Context, Foreseen, Setting
from eucentric.tools.scanning import FovNm, frames_cost, pattern_scan
from eucentric.tools.tilting.follow import (
    MOST_STEP_DEG,
    WAIT_S,
    Journey,
    TiltStep,
    tracking,
    tracking_fov_nm,
)
from eucentric.tools.tilting.pattern_in import pattern_in
from eucentric.tools.tilting.source import Deg, WhichCrystal, signs_known
from eucentric.tools.tilting.way import before_arrival, check_way, move_to, path_to
from eucentric.tools.vision.pattern import read_pattern

_ROUNDS = 4
"""Patterns that are taken to centre an axis, at most."""
_SHARE = 0.25
_LEAST_STEP_DEG = 0.25
_SIGMAS = 3.0
_BEYOND_DEG = 3.0
"""Beyond the tilt that is told: what it may be off by the time, the overshoot, and the centring after it."""
DETAIL = Field(None, json_schema_extra={"detail": True})
"""Left out where a planner is told of the tool in a line: code fills it in, or its default is right."""


class TiltArgs(WhichCrystal):
    """What all tools that tilt take."""

    expect_alpha_deg: Deg | None = DETAIL
    """Where the plan says the target is: the tool refuses if it is more than 1° away by now [deg]."""
    expect_beta_deg: Deg | None = DETAIL
    """Its second axis [deg]."""
    recentre: bool = Field(True, strict=True)
    """Keep the feature in the middle of the image; false: no picture is taken, and it may leave the field."""
    height_um: Annotated[float, Field(ge=0.1, le=200, json_schema_extra={"detail": True}), Unit("um")] = 20.0
    """How far from the tilt axes the feature may lie, one standard deviation [µm]: sets the size of the steps."""
    fov_nm: FovNm | None = DETAIL
    """Field in which it is followed [nm]; left out: wide enough for one badly made stage move."""


class Travelled(Model):
    """A tilt that was carried out."""

    alpha_deg: float
    """Reported at the end."""
    beta_deg: float
    steps: tuple[TiltStep, ...]
    feature_off_um: tuple[float, float] | None
    """Where the feature lies in the last picture, columns and rows from its middle; None if it was not followed."""
    height_um: float | None
    """Of the feature above the tilt axes, as it was learnt on the way."""
    frames: tuple[str, ...]
    offsets: tuple[ZoneOffset, ...] = ()
    """Offsets of the axis measured after arrival, the last one as it stands."""
    travel_x_um: tuple[float, float] | None = None
    """Travel left at that tilt; None if the clearance is not known."""
    travel_y_um: tuple[float, float] | None = None
    note: str = ""


def carry_out(
    args: TiltArgs, situation: Situation, path: Sequence[Reading], context: Context
) -> tuple[Travelled, Journey]:
    """Go a path of readings.

    Raises
    ------
    LimitRefused
        If limits, room or an unknown clearance forbid it: before anything is sent.
    MoveNotReached
        If the feature was lost on the way.
    """
    state = context.microscope.state()
    x, y = state.stage["x_um"].reported, state.stage["y_um"].reported
    outlook = check_way(context, path, x, y, around_um(args, situation.now, path) if args.recentre else 0.0)
    journey = Journey(
        context,
        situation.stage,
        signs_known(situation.stage),
        args.fov_nm or tracking_fov_nm(context.microscope.capabilities()),
        args.height_um,
        situation.now,
    )
    if args.recentre:
        journey.go(path)
        rest = journey.confirm()
    else:
        rest = None
        for reading in path:
            context.microscope.move_stage(move_to(context, reading))
            journey.now = reading
    return travelled(journey, outlook, rest), journey


def travelled(journey: Journey, outlook: Outlook, rest: tuple[float, float] | None) -> Travelled:
    """What there is to tell of a journey."""
    stage = journey.context.microscope.state().stage
    pivot = journey.pivot
    learnt = pivot is not None and pivot.learnt > 0 and pivot.height_sigma_um < 0.5 * journey.height_um
    return Travelled(
        alpha_deg=stage["alpha_deg"].reported,
        beta_deg=stage["beta_deg"].reported if "beta_deg" in stage else 0.0,
        steps=tuple(journey.steps),
        feature_off_um=rest,
        height_um=pivot.height_um if pivot is not None and learnt else None,
        frames=tuple(frame.id for frame in journey.frames),
        travel_x_um=outlook.x_um,
        travel_y_um=outlook.y_um,
    )


def around_um(args: TiltArgs, start: Reading, path: Sequence[Reading]) -> float:
    """How far x and y may have to go to keep a feature in view: its lever, three standard deviations of it."""
    return _around_um(
        args, max(math.hypot(r.alpha_deg - start.alpha_deg, r.beta_deg - start.beta_deg) for r in path)
    )


def _around_um(args: TiltArgs, far: float) -> float:
    return _SIGMAS * args.height_um * 2 * math.sin(math.radians(min(far, 180.0)) / 2) + 1.0


def foreseen_tilt(
    args: TiltArgs, situation: Situation, path: Sequence[Reading], what: str, context: Context
) -> Foreseen:
    """A tilt told before it is made: where to, through what room, how far the feature goes.

    Raises
    ------
    LimitRefused
        If limits, room or an unknown clearance forbid it.
    """
    state, end = context.microscope.state(), path[-1]
    x, y = state.stage["x_um"].reported, state.stage["y_um"].reported
    check_way(context, path, x, y, around_um(args, situation.now, path) if args.recentre else 0.0)
    dx, dy, dz = shift_um(situation.stage, np.array([0.0, 0.0, args.height_um]), situation.now, end).tolist()
    follow = "followed by image and brought back" if args.recentre else "NOT followed: it may leave the field"
    pins = {"expect_alpha_deg": round(end.alpha_deg, 3)}
    if "beta_deg" in state.stage:
        pins["expect_beta_deg"] = round(end.beta_deg, 3)
    return Foreseen(
        pins=pins,
        lines=(
            what,
            f"a feature {args.height_um:g} µm above the tilt axes moves x {dx:+.1f}, y {dy:+.1f}, z {dz:+.1f} µm; "
            f"{follow}",
        ),
        alpha_deg=end.alpha_deg,
        beta_deg=end.beta_deg,
    )


# --- looking where it landed ------------------------------------------------------------------------------------


def check_can_look(situation: Situation, context: Context) -> None:
    """Refused, before anything moves, if patterns can't be recorded or used here.

    Raises
    ------
    Unsupported
        If this microscope records no patterns.
    Refused
        If the stage's signs were never watched: the correction might go the wrong way.
    """
    microscope = context.microscope
    if not isinstance(microscope, Diffracts) or microscope.capabilities().camera() is None:
        raise Unsupported(
            "this microscope records no diffraction patterns",
            "where an axis really is, is read off a pattern",
            "tilt without refine; the predicted error is told",
        )
    if not signs_known(situation.stage):
        raise Refused(
            "an axis can't be centred by its pattern: which way the stage turns was never watched",
            "a wrong sign would tilt away from it",
            "watch a pattern while each axis is tilted a little, and add the signs with `eucentric notebook "
            "add-calibration`",
        )


def centre_axis(
    journey: Journey, situation: Situation, axis: Indices, tolerance_deg: float
) -> tuple[tuple[ZoneOffset, ...], str]:
    """Patterns and small tilts until the axis is on the beam; the measured offsets, and why it ended before that.

    Raises
    ------
    MoveNotReached
        If another axis is on the beam than the one that was meant.
    """
    phase = _phase(situation)
    found: list[ZoneOffset] = []
    for number in range(_ROUNDS):
        offset, why = _measured(journey, situation, axis, phase)
        if offset is None:
            return tuple(found), why
        found.append(offset)
        if offset.off_deg <= max(tolerance_deg, offset.sigma_deg):
            return tuple(found), ""
        if number < _ROUNDS - 1:
            end = _corrected(journey, situation, offset)
            if end is None:
                return tuple(found), "the rest is beyond the tilt limits"
            journey.go(_short_path(situation, journey.now, end))
    return tuple(
        found
    ), f"still {found[-1].off_deg:.2f}° off after {_ROUNDS} patterns: the stage does not repeat itself"


def _measured(
    journey: Journey, situation: Situation, axis: Indices, phase: Reflections
) -> tuple[ZoneOffset | None, str]:
    context = journey.context
    microscope = context.microscope
    assert isinstance(microscope, Diffracts)
    frame = microscope.acquire_diffraction(PatternShot())
    one = pattern_in(context, frame)
    if not one.turned:
        return None, one.why_not
    found = read_pattern(context.microscope.pixels(frame), [phase], one.light, one.screen)
    if found.offset is None:
        return None, f"pattern {frame.id} does not tell: {found.why or found.indexing.why}"
    family = situation.crystal.direction_family(axis).tolist()
    if list(found.offset.zone_axis) not in family:
        raise MoveNotReached(
            f"{shown(found.offset.zone_axis)} is near the beam, not {shown(axis)}",
            f"by pattern {frame.id}, {found.indexing.spots} spots; the stage stands there",
            "the orientation was wrong: read this axis into the notebook and solve again",
        )
    return found.offset, ""


def _phase(situation: Situation) -> Reflections:
    return reflections(structure_named(situation.crystal.name), 2.4)


def _corrected(journey: Journey, situation: Situation, offset: ZoneOffset) -> Reading | None:
    """The reading that brings the axis from where it was seen onto the beam; None if it is out of reach."""
    stage = situation.stage
    seen = np.array(offset.to_lab) @ situation.crystal.direction(offset.zone_axis)
    tilt = tilt_to_direction(stage, rotation(stage, journey.now).T @ seen, sense="as_given", now=journey.now)
    if not tilt.reachable:
        return None
    return Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)


def _short_path(situation: Situation, here: Reading, end: Reading) -> tuple[Reading, ...]:
    beyond = before_arrival(situation, here, end)
    return (end,) if beyond is None else (beyond, end)


# --- what it may cost ---------------------------------------------------------------------------------------------


def tilt_cost(args: TiltArgs, setting: Setting, *, patterns: int = 0) -> Cost:
    """The worst case: the smallest steps all the way, to the farthest corner of the limits if it is not said."""
    fov_nm = args.fov_nm or tracking_fov_nm(setting.capabilities)
    step = math.degrees(_SHARE * fov_nm * 1e-3 / (4 * args.height_um)) / 2
    way = way_deg(args, setting)
    count = math.ceil(way / min(max(step, _LEAST_STEP_DEG), MOST_STEP_DEG)) + 3 + 2 * patterns
    frames = 2 + math.ceil(1.25 * count) if args.recentre else 0
    looked = frames_cost(tracking(fov_nm), setting, frames)
    shots = frames_cost(pattern_scan(PatternShot(), setting.state), setting, patterns)
    axis = setting.capabilities.axis("alpha")
    each = axis.overhead_s if axis else 0.0
    turning = math.radians(way + 4) / axis.speed if axis else 0.0
    moves = count if args.recentre else 2
    seconds = looked.seconds + shots.seconds + moves * each + turning + frames * WAIT_S
    return looked.model_copy(
        update={
            "seconds": seconds,
            "dose_e_per_a2": looked.dose_e_per_a2 + shots.dose_e_per_a2,
            "mean_dose_e_per_a2": looked.mean_dose_e_per_a2 + shots.mean_dose_e_per_a2,
            "electrons": looked.electrons + shots.electrons,
            "frames": looked.frames + shots.frames,
            "megabytes": looked.megabytes + shots.megabytes,
        }
    )


def tilt_reach(args: TiltArgs, setting: Setting) -> dict[str, tuple[float, float]]:
    """Lowest and highest reading of each axis that the call may go to, by field."""
    caps, stage = setting.capabilities, setting.state.stage
    reach: dict[str, tuple[float, float]] = {}
    for field, told in (("alpha_deg", args.expect_alpha_deg), ("beta_deg", args.expect_beta_deg)):
        axis, factor = caps.axis(STAGE[field].si), STAGE[field].factor
        if axis is None or field not in stage:
            continue
        low, high = axis.lower / factor, axis.upper / factor
        here = stage[field].reported
        ends = (low, high) if told is None else (told - _BEYOND_DEG, told + _BEYOND_DEG)
        reach[field] = max(low, min(here, *ends)), min(high, max(here, *ends))
    if args.recentre:
        turned = [max(abs(end - stage[field].reported) for end in ends) for field, ends in reach.items()]
        around = _around_um(args, math.hypot(*turned))
        for field in ("x_um", "y_um"):
            reach[field] = stage[field].reported - around, stage[field].reported + around
    return reach


def way_deg(args: TiltArgs, setting: Setting) -> float:
    """Farthest that either axis goes [deg]."""
    far = 0.0
    for field, told in (("alpha_deg", args.expect_alpha_deg), ("beta_deg", args.expect_beta_deg)):
        axis, row = setting.capabilities.axis(STAGE[field].si), STAGE[field]
        if axis is None or field not in setting.state.stage:
            continue
        here = setting.state.stage[field].reported
        ends = (told,) if told is not None else (axis.lower / row.factor, axis.upper / row.factor)
        far = max(far, *(abs(end - here) for end in ends))
    return far


__all__ = [
    "TiltArgs", "Travelled", "around_um", "carry_out", "centre_axis", "check_can_look", "foreseen_tilt", "path_to",
    "tilt_cost", "tilt_reach", "travelled", "way_deg",
]  # fmt: skip
