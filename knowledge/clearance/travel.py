"""What is still reachable: x and y at a tilt, tilts at a place."""

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial

from eucentric.knowledge.clearance.check import check_path
from eucentric.knowledge.clearance.judge import Judge
from eucentric.knowledge.clearance.model import AXES, Clearance

_STEP_UM = 0.1
_STEP_DEG = 0.01


def travel_at(
    clearance: Clearance,
    holder_name: str,
    alpha_deg: float,
    beta_deg: float,
    z_um: float,
    stage_limits: Mapping[str, tuple[float, float]],
    inserted: Collection[str] | None = None,
    *,
    x_um: float = 0.0,
    y_um: float = 0.0,
) -> dict[str, tuple[float, float]] | None:
    """Ranges of x and of y still open at a tilt, or None if the stage can't be there at all.

    The range of x holds with y at `y_um`, the range of y with x at `x_um`: the two trade against each other
    where both tilts differ from zero, so a corner of both ranges need not be free.

    The usual estimate for a symmetric cradle of half width w and thickness t in a gap g,
    `|y| <= (g/2 - |z| - (t/2) cos a) / sin|a| - w`, is what comes out at beta = 0 with margin 0, no offset, and
    signs not calibrated (each of alpha, beta and z may point either way, hence the absolute values). It differs
    where the estimate leaves something out: at beta != 0 the end of the cradle rises as well, by
    cos a · ((half length + |x|) sin|b| + (t/2)(cos b - 1)); a margin narrows the gap; calibrated signs leave more
    room on one side at z != 0; devices and measured tables count. "The same with b, x" is the case alpha = 0.

    Parameters
    ----------
    alpha_deg, beta_deg, z_um
        The setting, as the stage reads it.
    stage_limits
        x_um and y_um: (low, high) of the stage itself [µm].

    Returns
    -------
    x_um and y_um: (low, high), on the safe side within 0.1 µm.
    """
    here = dict(zip(AXES, (x_um, y_um, z_um, alpha_deg, beta_deg), strict=True))
    inside = all(stage_limits[axis][0] <= here[axis] <= stage_limits[axis][1] for axis in ("x_um", "y_um"))
    holder = clearance.holder(holder_name)
    if not inside or holder is None or check_path(clearance, holder_name, here, here, inserted) is not None:
        return None
    judge = Judge.of(clearance, holder, inserted)

    def end(axis: str, bound: float) -> float:
        def free(value: float) -> bool:
            span = (min(here[axis], value), max(here[axis], value))
            return judge.hit(tuple(span if a == axis else (here[a], here[a]) for a in AXES)) is None

        return _last_free(free, here[axis], bound, _STEP_UM)

    return {
        axis: (end(axis, stage_limits[axis][0]), end(axis, stage_limits[axis][1]))
        for axis in ("x_um", "y_um")
    }


def tilt_polygon(
    clearance: Clearance,
    holder_name: str,
    position: Mapping[str, float],
    tilt_limits: Mapping[str, tuple[float, float]],
    inserted: Collection[str] | None = None,
    *,
    corners: int = 72,
) -> tuple[tuple[float, float], ...]:
    """Tilts (alpha, beta) [deg] that can be reached from zero tilt at a place, in any order of the axes.

    The farthest allowed tilt along `corners` directions, counter-clockwise from +alpha; empty if zero tilt is
    not allowed there.

    Parameters
    ----------
    position
        x_um, y_um, z_um [µm].
    tilt_limits
        alpha_deg and beta_deg: (low, high) of the stage; must include 0.
    """
    flat = {**position, "alpha_deg": 0.0, "beta_deg": 0.0}

    def allowed(alpha: float, beta: float) -> bool:
        tilted = {**position, "alpha_deg": alpha, "beta_deg": beta}
        return check_path(clearance, holder_name, flat, tilted, inserted) is None

    def along(way: tuple[float, float], length: float) -> bool:
        return allowed(length * way[0], length * way[1])

    if not allowed(0.0, 0.0):
        return ()
    edge = []
    for number in range(corners):
        way = (math.cos(math.tau * number / corners), math.sin(math.tau * number / corners))
        far = min(_room(way[0], tilt_limits["alpha_deg"]), _room(way[1], tilt_limits["beta_deg"]))
        length = _last_free(partial(along, way), 0.0, far, _STEP_DEG)
        edge.append((length * way[0], length * way[1]))
    return tuple(edge)


def _room(component: float, limits: tuple[float, float]) -> float:
    """How far one may go along a direction before one axis ends."""
    if abs(component) < 1e-12:
        return math.inf
    return (limits[1] if component > 0 else limits[0]) / component


def _last_free(free: Callable[[float], bool], here: float, bound: float, step: float) -> float:
    """The last free value between a free one and a bound; what is free must be one piece around `here`."""
    if free(bound):
        return bound
    while abs(bound - here) > step:
        middle = (here + bound) / 2
        here, bound = (middle, bound) if free(middle) else (here, middle)
    return here
