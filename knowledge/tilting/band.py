"""Tilting along a band: the plane stays edge-on from here to an axis, or as far as the holder goes both ways."""

import math
from itertools import combinations

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal import (
    Reading,
    Stage,
    Waypoint,
    axis_angle,
    beam,
    path_along_band,
    plane_normal,
    shown,
    tilt_to_axis,
    unit,
)
from eucentric.knowledge.crystal.indices import Indices, low_indices
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.stage import solve, within
from eucentric.knowledge.tilting.answer import SAME_DEG, Neighbour, marked
from eucentric.knowledge.tilting.situation import Situation
from eucentric.knowledge.tilting.target import check_on_plane

_WITHOUT_LIMITS_DEG = 30.0
_STEP_DEG = 0.25


class Along(Model):
    """A path on which a plane stays edge-on, by the best candidate."""

    hkl: Indices
    off_deg: float
    """How far the plane is from edge-on where the stage stands now; the path begins on the band."""
    waypoints: tuple[Waypoint, ...]
    axes: tuple[Neighbour, ...]
    """Zone axes on the band within reach, along it."""
    spread_deg: float
    """Largest angle between the planes, and between the axes at the end, of the orientations that fit."""
    ambiguous: bool
    """True if that is more than a degree: nothing should be moved on this."""
    convention: str = "C1"
    calibration: str
    candidates: int


def along(
    situation: Situation, hkl: Indices, to: Indices | None = None, step_deg: float = 2.0, max_index: int = 3
) -> Along:
    """The path along the band of (hkl): to an axis on it, else over all that can be reached.

    Raises
    ------
    BadInput
        If the axis is not on the band, the plane is face-on here, or no reading on the band is within limits.
    """
    crystal, stage, now = situation.crystal, situation.stage, situation.now
    orientation = situation.candidates[0].orientation
    normal = plane_normal(crystal, orientation, hkl)
    if to is None:
        start, end = _ends(stage, normal, now, hkl)
    else:
        check_on_plane(to, hkl)
        tilt = tilt_to_axis(crystal, orientation, to, stage, now=now)
        start, end = now, Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    spread = _spread_deg(situation, hkl, to)
    return Along(
        hkl=hkl,
        spread_deg=spread,
        ambiguous=spread > SAME_DEG,
        off_deg=math.degrees(math.asin(min(1.0, abs(float(beam(stage, now) @ normal))))),
        waypoints=path_along_band(stage, normal, start, end, step_deg),
        axes=_axes_on(situation, hkl, max_index),
        calibration=stage.calibration,
        candidates=len(situation.candidates),
    )


def _spread_deg(situation: Situation, hkl: Indices, to: Indices | None) -> float:
    crystal = situation.crystal
    lines = [[plane_normal(crystal, one.orientation, hkl) for one in situation.candidates]]
    if to is not None:
        lines.append([one.orientation.array @ crystal.direction(to) for one in situation.candidates])
    pairs = [pair for same in lines for pair in combinations(same, 2)]
    return max((math.degrees(math.acos(min(1.0, abs(float(a @ b))))) for a, b in pairs), default=0.0)


def _axes_on(situation: Situation, hkl: Indices, max_index: int) -> tuple[Neighbour, ...]:
    found = []
    for u, v, w in low_indices(max_index).tolist():
        if u * hkl[0] + v * hkl[1] + w * hkl[2]:
            continue
        tilt = tilt_to_axis(
            situation.crystal, situation.candidates[0].orientation, (u, v, w), situation.stage, "as_given",
            situation.now,
        )  # fmt: skip
        if tilt.reachable and abs(tilt.alpha_deg) < 90 and abs(tilt.beta_deg) < 90:
            one = Neighbour(
                uvw=(u, v, w), alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg, away_deg=tilt.move_deg or 0.0
            )
            found.append(marked(situation, one))
    return tuple(sorted(found, key=lambda one: (round(one.away_deg, 6), one.uvw)))


def _ends(stage: Stage, normal: Array, now: Reading, hkl: Indices) -> tuple[Reading, Reading]:
    """How far the band can be followed from its point nearest to here, one way and the other."""
    here = beam(stage, now)
    start = here - float(here @ normal) * normal
    if float(np.linalg.norm(start)) < 1e-6:
        raise BadInput(
            f"{shown(hkl, 'plane')} is face-on here",
            "its band runs nowhere near",
            "say --to which axis on it",
        )
    middle = unit(start)
    ends = [_last(stage, normal, middle, sign, now) for sign in (-1.0, 1.0)]
    if ends[0] is None or ends[1] is None:
        raise BadInput(
            f"no reading on the band of {shown(hkl, 'plane')} near here is within the limits",
            "the band would have to be reached first",
            f"bring the plane edge-on: --to '{shown(hkl, 'plane')}'",
        )
    return ends[0], ends[1]


def _last(stage: Stage, normal: Array, middle: Array, sign: float, now: Reading) -> Reading | None:
    """The last reading within limits on the way around the band."""
    farthest = _WITHOUT_LIMITS_DEG if stage.limits is None else 90.0
    last: Reading | None = None
    for step in np.arange(0.0, farthest + 1e-9, _STEP_DEG).tolist():
        direction = axis_angle(normal, sign * step) @ middle
        inside = [pair for pair in solve(stage, direction, now.beta_deg) if within(stage, *pair)]
        if not inside:
            break
        last = Reading(alpha_deg=inside[0][0], beta_deg=inside[0][1])
    return last
