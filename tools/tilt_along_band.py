"""Tilt along a Kikuchi band: the plane stays edge-on at every step, to an axis on it or by an angle."""

import math
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import BadInput, LimitRefused, Refused
from eucentric.core.text import visible
from eucentric.core.units import Unit
from eucentric.knowledge.crystal import (
    Reading,
    Waypoint,
    axis_angle,
    beam,
    path_along_band,
    plane_normal,
    tilt_to_axis,
)
from eucentric.knowledge.crystal.tilts import tilt_to_direction
from eucentric.knowledge.tilting import Situation, target_of
from eucentric.knowledge.tilting.target import Target, check_on_plane, name_of
from eucentric.tools.base import Context, Foreseen, Setting, Tool
from eucentric.tools.tilting.arrive import TiltArgs, Travelled, carry_out, foreseen_tilt, tilt_cost
from eucentric.tools.tilting.source import Index, check_handedness, situation_of
from eucentric.tools.tilting.way import SAME_DEG, check_expected

_STEP_DEG = 1.0


class Args(TiltArgs):
    """Along which plane, how far."""

    plane: Index
    """(hkl), the plane that stays edge-on; four indices as well."""
    to: Index | None = None
    """A zone axis [uvw] on its band, or …"""
    by_deg: Annotated[float, Field(ge=-70, le=70), Unit("deg")] | None = None
    """… how far along it: a right-handed turn about the plane's normal [deg]."""

    @field_validator("plane", "to")
    @classmethod
    def _is_an_index(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                target_of(text)
            except BadInput as error:
                raise ValueError(str(error)) from error
        return text

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.to is None) == (self.by_deg is None):
            raise ValueError("give `to`, an axis on the band, or `by_deg`: one of the two")
        if target_of(self.plane).kind != "plane" or (self.to and target_of(self.to).kind != "axis"):
            raise ValueError("the plane is written (hkl), the axis [uvw]; families have more than one band")
        return self


class Result(Model):
    """The path that was gone."""

    plane: str
    off_before_deg: float
    """How far the plane was from edge-on at the start; the path begins on its band."""
    waypoints: tuple[Waypoint, ...]
    travelled: Travelled
    convention: str = "C1"
    calibration: str
    candidates: int


def run(args: Args, context: Context) -> Result:
    """Compute the path, check it whole, go along it with the feature in view.

    Raises
    ------
    Refused
        If several orientations fit and their bands differ by more than a degree.
    LimitRefused
        If a part of the path is out of reach: it says how far along the band can be gone.
    """
    situation, plane, points = _planned(args, context)
    normal = plane_normal(situation.crystal, situation.candidates[0].orientation, plane.indices)
    off = _off_deg(float(beam(situation.stage, situation.now) @ normal))
    went, _ = carry_out(args, situation, [_reading(point) for point in points], context)
    return Result(
        plane=name_of(situation.crystal, plane.indices, "plane"),
        off_before_deg=off,
        waypoints=points,
        travelled=went,
        calibration=situation.stage.calibration,
        candidates=len(situation.candidates),
    )


def _planned(args: Args, context: Context) -> tuple[Situation, Target, tuple[Waypoint, ...]]:
    situation = situation_of(args, context)
    check_handedness(situation)
    plane = target_of(args.plane)
    paths = [_path(args, plane, situation, n) for n in range(len(situation.candidates))]
    _check_alike(paths)
    points = paths[0]
    _check_reach(points, situation, plane)
    check_expected((args.expect_alpha_deg, args.expect_beta_deg), _reading(points[-1]))
    return situation, plane, points


def foresee(args: Args, context: Context) -> Foreseen:
    """Where the band leads to, and how far the feature goes; raises what `run` would before it moves."""
    situation, plane, points = _planned(args, context)
    end = points[-1]
    what = (
        f"along {name_of(situation.crystal, plane.indices, 'plane')} of {visible(situation.crystal.name, limit=40)} in "
        f"{len(points)} steps to alpha {end.alpha_deg:+.2f}, beta {end.beta_deg:+.2f} deg by "
        f"{visible(situation.source, limit=80)}"
    )
    return foreseen_tilt(args, situation, [_reading(point) for point in points], what, context)


def _path(args: Args, plane: Target, situation: Situation, number: int) -> tuple[Waypoint, ...]:
    crystal, stage, now = situation.crystal, situation.stage, situation.now
    orientation = situation.candidates[number].orientation
    normal = plane_normal(crystal, orientation, plane.indices)
    if args.to is not None:
        axis = target_of(args.to).indices
        check_on_plane(axis, plane.indices)
        tilt = tilt_to_axis(crystal, orientation, axis, stage, now=now)
    else:
        here = beam(stage, now)
        on_band = here - float(here @ normal) * normal
        tilt = tilt_to_direction(
            stage, axis_angle(normal, args.by_deg or 0.0) @ on_band, sense="as_given", now=now
        )
    end = Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    return path_along_band(stage, normal, now, end, _STEP_DEG)


def _check_alike(paths: list[tuple[Waypoint, ...]]) -> None:
    first = paths[0][-1]
    apart = max(
        max(abs(path[-1].alpha_deg - first.alpha_deg), abs(path[-1].beta_deg - first.beta_deg))
        for path in paths
    )
    if apart > SAME_DEG:
        raise Refused(
            f"{len(paths)} orientations fit, and their bands end {apart:.1f}° apart",
            f"nothing is moved on a guess: {SAME_DEG:g}° is allowed",
            "read a third zone axis, or the azimuth of a reflection",
        )


def _check_reach(points: tuple[Waypoint, ...], situation: Situation, plane: Target) -> None:
    outside = next((n for n, point in enumerate(points) if not point.within_limits), None)
    if outside is None:
        return
    last = points[outside - 1] if outside else None
    end = points[-1]
    raise LimitRefused(
        f"the band of {name_of(situation.crystal, plane.indices, 'plane')} leaves the tilt limits",
        f"its end is at alpha {end.alpha_deg:+.2f}, beta {end.beta_deg:+.2f} deg; nothing was sent",
        f"as far as alpha {last.alpha_deg:+.2f}, beta {last.beta_deg:+.2f} deg works"
        if last
        else "start from a tilt where the plane is nearer to edge-on",
    )


def _reading(point: Waypoint) -> Reading:
    return Reading(alpha_deg=point.alpha_deg, beta_deg=point.beta_deg)


def _off_deg(cosine: float) -> float:
    return math.degrees(math.asin(min(1.0, abs(cosine))))


def cost(args: Args, setting: Setting) -> Cost:
    """The worst case of the way."""
    return tilt_cost(args, setting)


def summary(result: Result) -> str:
    """From where to where, with what in view."""
    went, first = result.travelled, result.waypoints[0]
    moved = (
        f", the plane was {result.off_before_deg:.2f}° from edge-on" if result.off_before_deg > 0.05 else ""
    )
    return (
        f"along {result.plane}: from alpha {first.alpha_deg:+.2f}, beta {first.beta_deg:+.2f} to alpha "
        f"{went.alpha_deg:+.2f}, beta {went.beta_deg:+.2f} deg in {len(went.steps) or len(result.waypoints)} "
        f"steps{moved}"
    )


TOOL: Tool[Args, Result] = Tool(
    "tilt_along_band",
    "Tilt along the Kikuchi band of a plane (hkl), to a zone axis on it or by an angle. The plane stays edge-on at "
    "every step and the feature in view. Refuses what is out of reach and says how far along it works.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
    foresee,
)
