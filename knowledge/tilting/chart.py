"""What is on a tilt map, as numbers: zone axes, bands, what can be reached, the way to the target. No drawing here."""

from collections.abc import Sequence

import numpy as np

from eucentric.core.base import Model
from eucentric.knowledge.crystal import (
    Crystal,
    Orientation,
    Reading,
    Stage,
    four_direction_indices,
    plane_normal,
    tilt_to_direction,
)
from eucentric.knowledge.crystal.indices import Indices, Integers, low_indices
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.tilts import directions_of
from eucentric.knowledge.tilting.answer import Answer
from eucentric.knowledge.tilting.band import Along
from eucentric.knowledge.tilting.projection import (
    half_width,
    of_reading,
    of_readings,
    outline,
    projected,
    radius,
)
from eucentric.knowledge.tilting.situation import Situation
from eucentric.knowledge.tilting.target import on_hexagonal_axes

Point = tuple[float, float]
Curve = tuple[Point, ...]
_MOST_AXES = 70
_MOST_BANDS = 14
_LARGEST_OF_FOUR = 5


class AxisMark(Model):
    """A zone axis on the map."""

    uvw: Indices
    at: Point
    rank: int
    """0 is the axis with the shortest lattice vector on the map."""
    reachable: bool


class BandMark(Model):
    """The line on which a plane is edge-on."""

    hkl: Indices
    curve: Curve
    rank: int
    """0 is the plane of the widest spacing."""


class Place(Model):
    """A place with a meaning."""

    what: str
    """now, target, nearest, candidate or next."""
    at: Point
    text: str = ""
    radius: float = 0.0
    """Within which 95 % of arrivals are, in map units; 0 if it is not known."""


class Chart(Model):
    """All that is drawn, in map units: degrees near the middle."""

    half: float
    """Half of the edge."""
    turning: bool
    """True for a tilt-rotate holder: alpha grows outward, psi goes around."""
    outline: Curve
    """Around what can be reached; empty if nobody declared limits."""
    grid: tuple[tuple[str, float, Curve], ...]
    """("alpha" or "beta", reading, line on which it is constant)."""
    axes: tuple[AxisMark, ...]
    bands: tuple[BandMark, ...]
    places: tuple[Place, ...]
    path: Curve


def chart_of(
    situation: Situation, answer: Answer | None = None, along: Along | None = None, max_index: int = 3
) -> Chart:
    """The map of a situation, with the way to a target or along a band."""
    stage = situation.stage
    places = _places(situation, answer)
    half = half_width(stage, [place.at for place in places])
    orientation = situation.candidates[0].orientation
    edge = outline(stage)
    return Chart(
        half=half,
        turning=stage.holder == "tilt_rotate",
        outline=() if edge is None else _curve(edge),
        grid=tuple(_grid(stage, half)),
        axes=_axes(situation, orientation, half, max_index),
        bands=_bands(situation, orientation, half, along),
        places=tuple(places),
        path=_path(situation, answer, along),
    )


def _places(situation: Situation, answer: Answer | None) -> list[Place]:
    stage = situation.stage
    found = [Place(what="now", at=of_reading(stage, situation.now))]
    if answer is None:
        return found
    for way in answer.ways[:6]:
        tilt, first = way.best.tilt, way.candidate == 1
        exact = of_reading(stage, Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg))
        error = radius(way.best.arrival.within_95_deg)
        what = "target" if first else "candidate"
        if first or answer.ambiguous:
            found.append(Place(what=what, at=exact, text=str(way.candidate), radius=error))
        if first and not tilt.reachable:
            near = Reading(alpha_deg=tilt.nearest_alpha_deg, beta_deg=tilt.nearest_beta_deg)
            found.append(Place(what="nearest", at=of_reading(stage, near)))
    if answer.next_axis is not None:
        look = Reading(alpha_deg=answer.next_axis.alpha_deg, beta_deg=answer.next_axis.beta_deg)
        found.append(Place(what="next", at=of_reading(stage, look)))
    return found


def _axes(
    situation: Situation, orientation: Orientation, half: float, max_index: int
) -> tuple[AxisMark, ...]:
    crystal, stage = situation.crystal, situation.stage
    axes = low_indices(max_index)
    directions = directions_of(crystal, orientation, axes)
    at = projected(stage, directions)
    shown = (directions[:, 2] > 0.05) & (np.abs(at) <= 0.975 * half).all(axis=1)
    shown &= [_is_simple(crystal, row) for row in axes.tolist()]
    axes, at, directions = axes[shown], at[shown], directions[shown]
    order = np.argsort(np.round(np.linalg.norm(axes @ crystal.cell.structure.T, axis=1), 6), kind="stable")
    return tuple(
        AxisMark(
            uvw=_three(axes[k]),
            at=_point(at[k]),
            rank=rank,
            reachable=_reachable(stage, directions[k]),
        )
        for rank, k in enumerate(order[:_MOST_AXES].tolist())
    )


def _is_simple(crystal: Crystal, uvw: Sequence[int]) -> bool:
    """False for what three indices hide: [1 3 0] on hexagonal axes is [-1 5 -4 0]."""
    return not on_hexagonal_axes(crystal) or max(map(abs, four_direction_indices(uvw))) <= _LARGEST_OF_FOUR


def _reachable(stage: Stage, direction: Array) -> bool:
    return tilt_to_direction(stage, direction, sense="as_given").reachable


def _bands(
    situation: Situation, orientation: Orientation, half: float, along: Along | None
) -> tuple[BandMark, ...]:
    """Planes of the widest spacings whose lines cross the map, one of each pair of opposites."""
    crystal = situation.crystal
    planes = low_indices(3)
    planes = planes[[tuple(p) > (0, 0, 0) for p in planes.tolist()]]
    length = np.linalg.norm(planes @ crystal.cell.reciprocal.T, axis=1)
    wanted = [] if along is None else [along.hkl]
    found: list[BandMark] = []
    for k in np.argsort(np.round(length, 6), kind="stable").tolist():
        if _three(planes[k]) not in wanted:
            wanted.append(_three(planes[k]))
    for hkl in wanted:
        curve = _great_circle(situation.stage, plane_normal(crystal, orientation, hkl), half)
        if curve:
            found.append(BandMark(hkl=hkl, curve=curve, rank=len(found)))
        if len(found) == _MOST_BANDS:
            break
    return tuple(found)


def _great_circle(stage: Stage, normal: Array, half: float) -> Curve:
    """Directions across a normal that are on the map, in order along the line; empty if none is."""
    helper = np.eye(3)[int(np.argmin(np.abs(normal)))]
    p = np.cross(normal, helper)
    p = p / np.linalg.norm(p)
    q = np.cross(normal, p)
    angle = np.linspace(0, 2 * np.pi, 1441)[:-1]
    directions = np.cos(angle)[:, None] * p + np.sin(angle)[:, None] * q
    at = projected(stage, directions)
    with np.errstate(invalid="ignore"):
        inside = (directions[:, 2] > 0) & (np.abs(at) <= half * 1.02).all(axis=1)
    if not inside.any() or inside.all():
        return ()
    first = int(np.flatnonzero(inside & ~np.roll(inside, 1))[0])
    at, inside = np.roll(at, -first, axis=0), np.roll(inside, -first)
    return _curve(at[inside][::2])


def _path(situation: Situation, answer: Answer | None, along: Along | None) -> Curve:
    stage, now = situation.stage, situation.now
    if along is not None:
        way = np.array([[one.alpha_deg, one.beta_deg] for one in along.waypoints])
        return _curve(of_readings(stage, way))
    goal = None if answer is None else _goal(answer)
    if goal is None:
        return ()
    part = np.linspace(0, 1, 41)[:, None]
    start = np.array([now.alpha_deg, now.beta_deg])
    end = np.array([goal.alpha_deg, goal.beta_deg])
    return _curve(of_readings(stage, start + part * (end - start)))


def _goal(answer: Answer) -> Reading | None:
    """Where to go now: to the target, or to the axis that decides if it is not known where the target is."""
    if not answer.ambiguous:
        tilt = answer.best.tilt
        return Reading(alpha_deg=tilt.nearest_alpha_deg, beta_deg=tilt.nearest_beta_deg)
    look = answer.next_axis
    return None if look is None else Reading(alpha_deg=look.alpha_deg, beta_deg=look.beta_deg)


def _grid(stage: Stage, half: float) -> list[tuple[str, float, Curve]]:
    """Lines of constant reading, ten degrees apart."""
    span = np.linspace(-85, 85, 341)
    turning = stage.holder == "tilt_rotate"
    lines: list[tuple[str, float, Curve]] = []
    for value in range(0 if turning else -80, 81, 10):
        other = np.linspace(-180, 180, 361) if turning else span
        if turning and value == 0:
            continue
        lines.append(("alpha", float(value), _line(stage, np.full_like(other, value), other, half)))
    for value in range(-150, 181, 30) if turning else range(-80, 81, 10):
        other = np.linspace(0, 85, 171) if turning else span
        lines.append(("beta", float(value), _line(stage, other, np.full_like(other, value), half)))
    return [line for line in lines if len(line[2]) > 1]


def _line(stage: Stage, alpha: Array, beta: Array, half: float) -> Curve:
    at = of_readings(stage, np.stack([alpha, beta], axis=1))
    return _curve(at[(np.abs(at) <= half).all(axis=1)])


def _curve(points: Array) -> Curve:
    return tuple((float(x), float(y)) for x, y in points.tolist())


def _point(at: Array) -> Point:
    return float(at[0]), float(at[1])


def _three(row: Integers | Sequence[int]) -> Indices:
    u, v, w = (int(x) for x in row)
    return u, v, w
