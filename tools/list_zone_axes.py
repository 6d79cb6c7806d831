"""Which zone axes can be reached, where they are, how surely, and what room is left there."""

from typing import Annotated

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.text import visible
from eucentric.core.units import Unit
from eucentric.knowledge.crystal import (
    Reading,
    Tilt,
    angle_between_readings_deg,
    predicted_arrival,
    reachable_axes,
    shift_um,
    spread_of_targets_deg,
)
from eucentric.knowledge.tilting import Situation
from eucentric.knowledge.tilting.target import name_of
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.tilting.source import WhichCrystal, check_handedness, situation_of
from eucentric.tools.tilting.way import SAME_DEG, move_to

Um = Annotated[float, Field(ge=-1000, le=1000), Unit("um")]
_ASKED = 12
"""Axes for which the room in the gap is asked."""


class Args(WhichCrystal):
    """Of which crystal, how far."""

    max_index: int = Field(3, ge=1, le=9, strict=True)
    """Largest index that is listed."""
    limit: int = Field(20, ge=1, le=500, strict=True)
    """Most axes, nearest first."""
    height_um: Um = 1.0
    """Height of the feature above the tilt axes, for the shift that is to be expected [µm]."""


class ZoneAxis(Model):
    """One axis in reach."""

    name: str
    """As a microscopist of that crystal writes it."""
    uvw: tuple[int, int, int]
    alpha_deg: float
    beta_deg: float
    away_deg: float
    """Pure tilt from here."""
    lands_within_deg: float
    """95 % of arrivals."""
    shift_um: tuple[float, float, float]
    """What a feature of that height moves by, lab x, y, z."""
    sure: bool
    """True if all orientations that fit put it there within a degree."""
    room: str
    """What limits and the gap say of the way; empty if nothing speaks against it or nobody asked."""
    travel_x_um: tuple[float, float] | None = None
    """Left at that tilt; None if the clearance is not known."""
    travel_y_um: tuple[float, float] | None = None


class Result(Model):
    """Axes in reach, nearest first."""

    crystal: str
    axes: tuple[ZoneAxis, ...]
    in_reach: int
    """All of them, listed or not."""
    convention: str = "C1"
    calibration: str
    candidates: int
    """Orientations that fit; the list is by the best."""


def run(args: Args, context: Context) -> Result:
    """Compute and ask; nothing moves."""
    situation = situation_of(args, context)
    check_handedness(situation)
    crystal, stage, best = situation.crystal, situation.stage, situation.candidates[0]
    tilts = reachable_axes(crystal, best.orientation, stage, args.max_index)
    away = [angle_between_readings_deg(stage, situation.now, _reading(tilt)) for tilt in tilts]
    order = sorted(range(len(tilts)), key=lambda n: (round(away[n], 6), tilts[n].uvw))
    found = [
        _axis(situation, tilts[n], away[n], args, context if rank < _ASKED else None)
        for rank, n in enumerate(order[: args.limit])
    ]
    return Result(
        crystal=crystal.name,
        axes=tuple(found),
        in_reach=len(tilts),
        calibration=stage.calibration,
        candidates=len(situation.candidates),
    )


def _reading(tilt: Tilt) -> Reading:
    return Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)


def _axis(situation: Situation, tilt: Tilt, away_deg: float, args: Args, asked: Context | None) -> ZoneAxis:
    """One axis in reach; with a context the way there is asked of the instrument, too."""
    crystal, stage, there = situation.crystal, situation.stage, _reading(tilt)
    best = situation.candidates[0].orientation
    x, y, z = shift_um(stage, np.array([0.0, 0.0, args.height_um]), situation.now, there).tolist()
    outlook = asked.microscope.look_ahead([move_to(asked, there)]) if asked else None
    return ZoneAxis(
        name=name_of(crystal, tilt.uvw),
        uvw=tilt.uvw,
        alpha_deg=tilt.alpha_deg,
        beta_deg=tilt.beta_deg,
        away_deg=away_deg,
        lands_within_deg=predicted_arrival(crystal, best, tilt, situation.repeatability_deg).within_95_deg,
        shift_um=(x, y, z),
        sure=spread_of_targets_deg(crystal, situation.candidates, tilt.uvw, stage) <= SAME_DEG,
        room="; ".join(outlook.problems[:2]) if outlook else "",
        travel_x_um=outlook.x_um if outlook else None,
        travel_y_um=outlook.y_um if outlook else None,
    )


def summary(result: Result) -> str:
    """The nearest few, in the reading's own numbers."""
    if not result.axes:
        return f"{visible(result.crystal, limit=40)}: no zone axis is in reach at these indices"
    near = "; ".join(
        f"{one.name} alpha {one.alpha_deg:+.2f} beta {one.beta_deg:+.2f} ({one.away_deg:.1f}°"
        f"{'' if one.sure else ', not sure'}{', no room' if one.room else ''})"
        for one in result.axes[:5]
    )
    many = f", by the best of {result.candidates} orientations" if result.candidates > 1 else ""
    return f"{visible(result.crystal, limit=40)}: {result.in_reach} axes in reach{many}: {near}"


TOOL: Tool[Args, Result] = Tool(
    "list_zone_axes",
    "List the zone axes within the tilt limits, nearest first, with their tilts. Also how surely they will be there, "
    "how far a feature moves, and the travel left. Moves nothing.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
