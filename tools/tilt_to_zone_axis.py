"""Tilt to a zone axis, or to the nearest of a family, with the feature kept in view."""

from typing import Annotated

from pydantic import Field, field_validator

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.core.units import Unit
from eucentric.knowledge.crystal import Reading
from eucentric.knowledge.tilting import Situation, answered, target_of
from eucentric.knowledge.tilting.answer import Option
from eucentric.knowledge.tilting.target import name_of
from eucentric.tools.base import Context, Foreseen, Setting, Tool
from eucentric.tools.tilting.arrive import (
    TiltArgs,
    Travelled,
    carry_out,
    centre_axis,
    check_can_look,
    foreseen_tilt,
    path_to,
    tilt_cost,
    travelled,
)
from eucentric.tools.tilting.source import Index, check_handedness, situation_of
from eucentric.tools.tilting.way import check_answer, check_expected, check_way

_PATTERNS = 4
_STEP_DEG = 90.0
"""A path is one straight leg; `follow` makes steps of it."""


class Args(TiltArgs):
    """Which axis, of which crystal, how carefully."""

    target: Index
    """[uvw], or <uvw> for the nearest of the family; four indices as well."""
    refine: bool = Field(False, strict=True)
    """After arrival, measure how far the axis is off by diffraction patterns and tilt it away."""
    tolerance_deg: Annotated[float, Field(gt=0, le=5), Unit("deg")] = 0.1
    """With refine: near enough [deg]."""

    @field_validator("target")
    @classmethod
    def _is_an_axis(cls, text: str) -> str:
        try:
            kind = target_of(text).kind
        except BadInput as error:
            raise ValueError(str(error)) from error
        if kind not in ("axis", "family"):
            raise ValueError(f"{text} is a plane; tilt_edge_on brings planes edge-on")
        return text


class Result(Model):
    """Where it went, and how near that is to the axis."""

    axis: str
    """The axis, as a microscopist of that crystal writes it."""
    uvw: tuple[int, int, int]
    planned_alpha_deg: float
    planned_beta_deg: float
    predicted_within_deg: float
    """95 % of such arrivals are this near, by the errors of the readings and the goniometer."""
    off_deg: float | None
    """Measured by a pattern after arrival; None if nobody looked."""
    off_sigma_deg: float | None
    travelled: Travelled
    source: str
    convention: str = "C1"
    calibration: str
    candidates: int


def run(args: Args, context: Context) -> Result:
    """Find the axis, check the way, go in steps, look if asked to.

    Raises
    ------
    BadInput
        If nothing is known of the orientation.
    Refused
        If several orientations fit and put the axis more than a degree apart, or a sign is needed that nobody watched.
    LimitRefused
        If it is out of reach: with the nearest tilt and what else is in reach. Nothing was sent.
    MoveNotReached
        If the feature was lost, or another axis was there.
    """
    situation, best, end = _planned(args, context)
    went, journey = carry_out(args, situation, path_to(situation, end, _STEP_DEG), context)
    offsets, why = (
        centre_axis(journey, situation, best.indices, args.tolerance_deg) if args.refine else ((), "")
    )
    if args.refine:
        outlook = check_way(context, [journey.now], *_here(context), 0.0)
        rest = journey.confirm() if args.recentre else None
        went = travelled(journey, outlook, rest).model_copy(update={"offsets": offsets, "note": why})
    return Result(
        axis=name_of(situation.crystal, best.indices),
        uvw=best.indices,
        planned_alpha_deg=end.alpha_deg,
        planned_beta_deg=end.beta_deg,
        predicted_within_deg=best.arrival.within_95_deg,
        off_deg=offsets[-1].off_deg if offsets else None,
        off_sigma_deg=offsets[-1].sigma_deg if offsets else None,
        travelled=went,
        source=situation.source,
        calibration=situation.stage.calibration,
        candidates=len(situation.candidates),
    )


def _planned(args: Args, context: Context) -> tuple[Situation, Option, Reading]:
    """The situation, the way to the axis, and the reading it ends at."""
    situation = situation_of(args, context)
    check_handedness(situation)
    if args.refine:
        check_can_look(situation, context)
    answer = answered(situation, target_of(args.target), feature_um=(0.0, 0.0, args.height_um))
    check_answer(situation, answer)
    tilt = answer.best.tilt
    end = Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    check_expected((args.expect_alpha_deg, args.expect_beta_deg), end)
    return situation, answer.best, end


def foresee(args: Args, context: Context) -> Foreseen:
    """Where the axis is, how near it will land, how far the feature goes; raises what `run` would before it moves."""
    situation, best, end = _planned(args, context)
    sure = "" if args.refine else ", not measured"
    what = (
        f"{name_of(situation.crystal, best.indices)} of {visible(situation.crystal.name, limit=40)} at alpha "
        f"{end.alpha_deg:+.2f}, beta {end.beta_deg:+.2f} deg by {visible(situation.source, limit=80)}; lands within "
        f"{best.arrival.within_95_deg:.2f}° (95 %{sure})"
    )
    return foreseen_tilt(args, situation, path_to(situation, end, _STEP_DEG), what, context)


def _here(context: Context) -> tuple[float, float]:
    stage = context.microscope.state().stage
    return stage["x_um"].reported, stage["y_um"].reported


def cost(args: Args, setting: Setting) -> Cost:
    """The worst case of the way, and of the patterns after it."""
    return tilt_cost(args, setting, patterns=_PATTERNS if args.refine else 0)


def summary(result: Result) -> str:
    """Axis, tilts, how near, where the feature is."""
    went = result.travelled
    near = (
        f"measured {result.off_deg:.2f} ± {result.off_sigma_deg:.2f}° off"
        if result.off_deg is not None and result.off_sigma_deg is not None
        else f"predicted within {result.predicted_within_deg:.2f}° (95 %), not measured"
    )
    feature = (
        "the feature was not followed"
        if went.feature_off_um is None
        else f"feature {1e3 * max(abs(x) for x in went.feature_off_um):.0f} nm from the middle"
    )
    return (
        f"{result.axis}: alpha {result.planned_alpha_deg:+.2f} → {went.alpha_deg:+.2f}, beta "
        f"{result.planned_beta_deg:+.2f} → {went.beta_deg:+.2f} deg in {len(went.steps) or 'single'} steps; {near}; "
        f"{feature}" + (f"; {went.note}" if went.note else "")
    )


TOOL: Tool[Args, Result] = Tool(
    "tilt_to_zone_axis",
    "Tilt to a zone axis [uvw], or the nearest of <uvw>, with the feature kept in view. In steps, followed by image, "
    "brought back by beam shift or stage, the last one against backlash. Needs a known orientation (notebook, "
    "readings or an indexed pattern). Refuses if orientations disagree by more than 1°, if it is out of reach (and "
    "names the nearest), or if the way is not free.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
    foresee,
)
