"""Planes and Kikuchi bands: keeping a plane edge-on, bringing one edge-on, and its trace on the screen."""

import math
from collections.abc import Sequence

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.orientation import Orientation
from eucentric.knowledge.crystal.rotation import Array, axis_angle, unit
from eucentric.knowledge.crystal.stage import Reading, Stage, beam, folded, rotation, solve, within
from eucentric.knowledge.crystal.tilts import Tilt, tilt_to_direction


class Waypoint(Model):
    """One reading of a path on which a plane stays edge-on."""

    alpha_deg: float
    beta_deg: float
    trace_deg: float
    """Direction of the plane's trace (of its band), from the alpha axis toward lab y, 0 ... 180."""
    within_limits: bool


def plane_normal(crystal: Crystal, orientation: Orientation, hkl: Sequence[int]) -> Array:
    """(3,) unit normal of a lattice plane in the sample frame."""
    return np.asarray(orientation.array @ crystal.normal(hkl))


def trace_deg(stage: Stage, reading: Reading, normal: Array) -> float:
    """Azimuth of the line in which a plane meets the image, from the alpha axis toward lab y, 0 ... 180.

    Raises
    ------
    BadInput
        If the plane is face-on there and has no trace.
    """
    x, y, _ = (rotation(stage, reading) @ normal).tolist()
    if math.hypot(x, y) < 1e-6:
        raise BadInput(
            f"the plane is face-on at alpha {reading.alpha_deg:.2f}°, beta {reading.beta_deg:.2f}°",
            "a plane across the beam has no trace",
            "tilt away from its normal",
        )
    return math.degrees(math.atan2(x, -y)) % 180.0


def along_band(stage: Stage, normal: Array, second_axis_deg: Sequence[float]) -> tuple[Waypoint, ...]:
    """Readings at which a plane of unit normal (3,) is edge-on, one for each reading of the second axis.

    tan(alpha) = (N_x sin b - N_z cos b) / N_y for a double-tilt holder.

    Raises
    ------
    BadInput
        If the plane contains the alpha axis' whole turn at one of the readings (alpha is free), or only
        alpha = 90° would do.
    """
    return tuple(_waypoint(stage, normal, float(value)) for value in second_axis_deg)


def path_along_band(
    stage: Stage, normal: Array, start: Reading, end: Reading, step_deg: float
) -> tuple[Waypoint, ...]:
    """Readings in even steps of tilt from `start` to `end`, the plane edge-on at each.

    Both ends are first moved onto the band.

    Raises
    ------
    BadInput
        If an end is face-on to the plane, or the step is not positive.
    """
    if not step_deg > 0:
        raise BadInput(f"a step of {step_deg} degrees", "steps are above zero", "give the size of one step")
    m0, m1 = (_onto(beam(stage, reading), normal) for reading in (start, end))
    turn = math.degrees(math.atan2(float(np.cross(m0, m1) @ normal), float(m0 @ m1)))
    count = max(1, math.ceil(abs(turn) / step_deg - 1e-9))
    points, now = [], start
    for k in range(count + 1):
        direction = axis_angle(normal, turn * k / count) @ m0
        tilt = tilt_to_direction(stage, direction, sense="as_given", now=now)
        now = Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
        points.append(_described(stage, normal, now))
    return tuple(points)


def edge_on_tilt(stage: Stage, normal: Array, now: Reading) -> Tilt:
    """The smallest tilt that brings a plane of unit normal (3,) edge-on; if out of reach, the nearest that does.

    The trace stays where it is. If no reading within limits has the plane edge-on, `reachable` is False and
    `residual_deg` is how far from edge-on the plane stays at best.

    Raises
    ------
    BadInput
        If the plane is face-on: every direction of tilt is then as good.
    """
    tilt = tilt_to_direction(stage, _onto(beam(stage, now), normal), now=now)
    if tilt.reachable:
        return tilt
    direction = (
        _single(stage, normal) if stage.holder == "single_tilt" else _nearest_on_band(stage, normal, now)
    )
    if direction is None:
        return _least_off(stage, normal, tilt)
    return tilt_to_direction(stage, direction, sense="as_given", now=now)


def two_beam_tilt(
    crystal: Crystal,
    orientation: Orientation,
    hkl: Sequence[int],
    wavelength_angstrom: float,
    stage: Stage,
    now: Reading,
    order: int = 1,
) -> Tilt:
    """The tilt at which n g is at its exact Bragg angle, from the edge-on position nearest to `now`.

    A positive order excites +g: its normal leans toward the gun by theta = asin(n lambda / 2d), since k + g is on
    the Ewald sphere if k g = -g²/2 and k runs away from the gun.

    Raises
    ------
    BadInput
        If the order is zero or the reflection is beyond the Bragg limit.
    """
    sine = order * wavelength_angstrom / (2 * crystal.spacing_angstrom(hkl))
    if order == 0 or abs(sine) >= 1:
        raise BadInput(
            f"order {order} of {list(hkl)} cannot be excited",
            "n is not zero and n lambda < 2 d",
            "use a lower order or planes farther apart",
        )
    normal = plane_normal(crystal, orientation, hkl)
    along = _onto(beam(stage, now), normal)
    theta = math.asin(sine)
    return tilt_to_direction(stage, math.cos(theta) * along + math.sin(theta) * normal, now=now)


def _onto(direction: Array, normal: Array) -> Array:
    """The direction of the plane nearest to a direction."""
    in_plane = direction - float(direction @ normal) * normal
    if float(in_plane @ in_plane) < 1e-12:
        raise BadInput(
            "the plane is face-on, so no tilt direction is shorter than another",
            "edge-on is 90° away in every direction",
            "say along which trace it is to be seen edge-on",
        )
    return unit(in_plane)


def _waypoint(stage: Stage, normal: Array, second_deg: float) -> Waypoint:
    n = folded(stage, normal)
    b = math.radians(second_deg)
    if stage.holder == "tilt_rotate":
        rise, level = float(n[0] * math.sin(b) + n[1] * math.cos(b)), float(n[2])
    else:
        rise, level = float(n[1]), float(n[2] * math.cos(b) - n[0] * math.sin(b))
    if abs(rise) < 1e-9:
        what = (
            "any alpha keeps the plane edge-on"
            if abs(level) < 1e-9
            else "no alpha below 90° brings it edge-on"
        )
        raise BadInput(
            f"at a second-axis reading of {second_deg:g}° {what}",
            "the plane's normal is across the alpha axis' turn there",
            "choose the path by alpha, or take other readings of the second axis",
        )
    alpha = math.degrees(math.atan(-level / rise))
    return _described(stage, normal, Reading(alpha_deg=alpha, beta_deg=second_deg))


def _described(stage: Stage, normal: Array, reading: Reading) -> Waypoint:
    return Waypoint(
        alpha_deg=reading.alpha_deg,
        beta_deg=reading.beta_deg,
        trace_deg=trace_deg(stage, reading, normal),
        within_limits=within(stage, reading.alpha_deg, reading.beta_deg),
    )


def _nearest_on_band(stage: Stage, normal: Array, now: Reading) -> Array | None:
    """The direction of the plane within limits that is nearest to the beam at `now`; None if there is none.

    Sampled all around the plane, then three times more finely around the best.
    """
    p = unit(np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))]))
    q, here = np.cross(normal, p), beam(stage, now)
    centre, half = 0.0, math.pi
    best: Array | None = None
    for _ in range(4):
        angle = centre + half * np.linspace(-1, 1, 721)
        directions = np.cos(angle)[:, None] * p + np.sin(angle)[:, None] * q
        inside = [
            k for k in range(len(angle)) if directions[k, 2] > 0 and _within_reach(stage, directions[k])
        ]
        if not inside:
            break
        k = max(inside, key=lambda k: float(directions[k] @ here))
        best, centre, half = directions[k], float(angle[k]), half / 180
    return best


def _single(stage: Stage, normal: Array) -> Array | None:
    """The one direction of the plane that a single-tilt holder can bring onto the beam."""
    only = _waypoint(stage, normal, 0.0)
    reading = Reading(alpha_deg=only.alpha_deg)
    return beam(stage, reading) if only.within_limits else None


def _within_reach(stage: Stage, direction: Array) -> bool:
    return any(within(stage, *pair) for pair in solve(stage, direction))


def _least_off(stage: Stage, normal: Array, tilt: Tilt) -> Tilt:
    """No reading within limits is edge-on: the place on their edge where the plane is nearest to it."""
    if stage.limits is None:
        return tilt
    readings = stage.limits.boundary(np.arange(1440) / 1440)
    off = np.array(
        [abs(float(beam(stage, Reading(alpha_deg=a, beta_deg=b)) @ normal)) for a, b in readings.tolist()]
    )
    best = int(np.argmin(off))
    return tilt.model_copy(
        update={
            "nearest_alpha_deg": float(readings[best, 0]),
            "nearest_beta_deg": 0.0 if stage.holder == "single_tilt" else float(readings[best, 1]),
            "residual_deg": math.degrees(math.asin(min(1.0, float(off[best])))),
        }
    )
