"""Bring a plane or an interface edge-on with the smallest tilt, the feature kept in view."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import BadInput, LimitRefused, Refused
from eucentric.core.text import visible
from eucentric.core.units import Unit
from eucentric.knowledge.crystal import (
    Candidate,
    EdgeOn,
    Reading,
    Stage,
    Tilt,
    across_feature,
    crystal_of,
    edge_on_from_widths,
    edge_on_tilt,
    orientation_of,
    unit,
)
from eucentric.knowledge.tilting import Situation, answered, target_of
from eucentric.knowledge.tilting.target import name_of
from eucentric.tools.base import Context, Foreseen, Setting, Tool
from eucentric.tools.tilting.arrive import TiltArgs, Travelled, carry_out, foreseen_tilt, path_to, tilt_cost
from eucentric.tools.tilting.source import (
    Index,
    calibrated_stage,
    check_handedness,
    narrowed,
    reading_now,
    signs_known,
    situation_of,
)
from eucentric.tools.tilting.way import check_answer, check_expected

_STEP_DEG = 90.0
Azimuth = Annotated[float, Field(ge=-360, le=360), Unit("deg")]
Width = Annotated[float, Field(gt=0, le=1e5), Unit("nm")]
Turn = Annotated[float, Field(ge=-60, le=60), Unit("deg")]


class Args(TiltArgs):
    """One of: a lattice plane, a normal in the specimen, an interface by its widths, a turn about a line."""

    plane: Index | None = None
    """(hkl), or {hkl} for the nearest of the family."""
    normal: tuple[float, float, float] | None = None
    """Normal of the plane in the specimen's axes (at zero tilt), any length."""
    trace_azimuth_deg: Azimuth | None = None
    """Direction in the image now, columns toward rows, of the interface's trace or of the line to turn about [deg]."""
    widths_nm: tuple[Width, ...] = Field((), max_length=3)
    """Projected widths of the interface: the first now, the others after `turns_deg` [nm]."""
    turns_deg: tuple[Turn, ...] = Field((), max_length=2)
    """Turns about the trace from the first width, right-handed [deg]; a third width tells if edge-on was crossed."""
    turn_deg: Turn | None = None
    """Or simply: turn the specimen about that line by so much, right-handed [deg]."""

    @field_validator("plane")
    @classmethod
    def _is_a_plane(cls, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            if target_of(text).is_plane:
                return text
        except BadInput as error:
            raise ValueError(str(error)) from error
        raise ValueError(f"{text} is an axis; a plane is written (hkl) or {{hkl}}")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [
            self.plane is not None,
            self.normal is not None,
            bool(self.widths_nm),
            self.turn_deg is not None,
        ]
        if sum(ways) != 1:
            raise ValueError("give one of plane, normal, widths_nm (with turns_deg) or turn_deg")
        if (self.widths_nm or self.turn_deg is not None) and self.trace_azimuth_deg is None:
            raise ValueError("the direction of the trace in the image is needed: trace_azimuth_deg")
        if self.widths_nm and (len(self.widths_nm) < 2 or len(self.turns_deg) != len(self.widths_nm) - 1):
            raise ValueError("two or three widths, and a turn for each after the first")
        return self


class Result(Model):
    """What is edge-on now."""

    what: str
    how: Literal["plane", "normal", "widths", "turn"]
    planned_alpha_deg: float
    planned_beta_deg: float
    residual_deg: float
    """How far from edge-on it stays by the plan."""
    inclination_deg: float | None = None
    """Between the interface and the beam at the first width."""
    thickness_nm: float | None = None
    """Of the foil, from the widths."""
    travelled: Travelled
    convention: str = "C1"
    calibration: str
    candidates: int


def run(args: Args, context: Context) -> Result:
    """Compute the tilt, check the way, go.

    Raises
    ------
    Refused
        If a direction in the image is used and nobody watched which way the stage turns, if two widths leave two
        answers, or if several orientations fit and disagree.
    LimitRefused
        If it is out of reach, with how near it comes.
    """
    situation, tilt, about = _planned(args, context)
    end = Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    check_expected((args.expect_alpha_deg, args.expect_beta_deg), end)
    went, _ = carry_out(args, situation, path_to(situation, end, _STEP_DEG), context)
    return Result(
        what=about.what,
        how=about.how,
        planned_alpha_deg=end.alpha_deg,
        planned_beta_deg=end.beta_deg,
        residual_deg=tilt.residual_deg,
        inclination_deg=about.inclination_deg,
        thickness_nm=about.thickness_nm,
        travelled=went,
        calibration=situation.stage.calibration,
        candidates=len(situation.candidates),
    )


def foresee(args: Args, context: Context) -> Foreseen:
    """At which tilt it is edge-on, and how far the feature goes; raises what `run` would before it moves."""
    situation, tilt, about = _planned(args, context)
    end = Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    check_expected((args.expect_alpha_deg, args.expect_beta_deg), end)
    what = f"{about.what}: alpha {end.alpha_deg:+.2f}, beta {end.beta_deg:+.2f} deg"
    if args.plane is not None:
        what += f" by {visible(situation.source, limit=80)}"
    return foreseen_tilt(args, situation, path_to(situation, end, _STEP_DEG), what, context)


class _About(Model):
    what: str
    how: Literal["plane", "normal", "widths", "turn"]
    inclination_deg: float | None = None
    thickness_nm: float | None = None


def _planned(args: Args, context: Context) -> tuple[Situation, Tilt, _About]:
    if args.plane is not None:
        situation = situation_of(args, context)
        check_handedness(situation)
        answer = answered(situation, target_of(args.plane))
        check_answer(situation, answer)
        named = name_of(situation.crystal, answer.best.indices, "plane")
        return situation, answer.best.tilt, _About(what=named, how="plane")
    situation = _without_crystal(args, context)
    stage, now = situation.stage, situation.now
    if args.normal is not None:
        tilt = edge_on_tilt(stage, unit(args.normal, "normal"), now)
        about = _About(what="the plane of that normal", how="normal")
    else:
        _check_signs(stage)
        azimuth = args.trace_azimuth_deg or 0.0
        if args.turn_deg is not None:
            tilt = across_feature(stage, now, azimuth, args.turn_deg)
            about = _About(what=f"a turn of {args.turn_deg:+.2f}° about the line", how="turn")
        else:
            tilt, about = _by_widths(args, stage, now, azimuth)
    if not tilt.reachable:
        raise LimitRefused(
            f"{about.what}: alpha {tilt.alpha_deg:+.2f}, beta {tilt.beta_deg:+.2f} deg",
            "out of the tilt limits; nothing was sent",
            f"nearest: alpha {tilt.nearest_alpha_deg:+.2f}, beta {tilt.nearest_beta_deg:+.2f} deg, "
            f"{tilt.residual_deg:.2f}° from it",
        )
    return situation, tilt, about


def _by_widths(args: Args, stage: Stage, now: Reading, azimuth: float) -> tuple[Tilt, _About]:
    found = edge_on_from_widths(stage, now, azimuth, args.widths_nm, args.turns_deg)
    _check_one_answer(found)
    about = _About(
        what="the interface",
        how="widths",
        inclination_deg=found.inclination_deg,
        thickness_nm=found.thickness_nm,
    )
    return found.tilt, about


def _check_one_answer(found: EdgeOn) -> None:
    other = found.other
    if other is None:
        return
    raise Refused(
        f"two widths leave two answers: edge-on at a turn of {found.turn_deg:+.1f}° or {other.turn_deg:+.1f}°",
        "whether edge-on was passed between them can't be told; nothing was sent",
        "measure a third width at another turn about the trace",
    )


def _check_signs(stage: Stage) -> None:
    if not signs_known(stage):
        raise Refused(
            "a direction in the image can't be used: which way the stage turns was never watched",
            "zone axes alone cannot reveal a wrong sign, and this would tilt to the other side",
            "tilt each axis a little, watch which way a feature moves, and add it with `eucentric notebook "
            "add-calibration`",
        )


def _without_crystal(args: Args, context: Context) -> Situation:
    """A situation of a stage alone: planes of known normals and lines in the image need no crystal."""
    stage = calibrated_stage(context.records.notebook(context.specimen.name))
    limits = narrowed(stage.limits, context.microscope.capabilities())
    stand_in = Candidate(orientation=orientation_of(np.eye(3)), indices=(), misfit_deg=0.0, worst_sigmas=0.0)
    return Situation(
        crystal=crystal_of((4, 4, 4, 90, 90, 90), 1),
        stage=stage.model_copy(update={"limits": limits}),
        candidates=(stand_in,),
        now=reading_now(context),
    )


def cost(args: Args, setting: Setting) -> Cost:
    """The worst case of the way."""
    return tilt_cost(args, setting)


def summary(result: Result) -> str:
    """What, where, what it told."""
    went = result.travelled
    told = ""
    if result.inclination_deg is not None:
        thick = "" if result.thickness_nm is None else f", foil {result.thickness_nm:.0f} nm thick"
        told = f"; it leaned {result.inclination_deg:.1f}°{thick}"
    return (
        f"{result.what} edge-on: alpha {result.planned_alpha_deg:+.2f} → {went.alpha_deg:+.2f}, beta "
        f"{result.planned_beta_deg:+.2f} → {went.beta_deg:+.2f} deg in {len(went.steps) or 'single'} steps{told}"
    )


TOOL: Tool[Args, Result] = Tool(
    "tilt_edge_on",
    "Bring a plane (hkl) or an interface edge-on, or turn about a line in the image. By the smallest tilt, the feature "
    "kept in view; an interface by its normal, or by its trace and two or three projected widths. Directions in an "
    "image need calibrated signs.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
    foresee,
)
