"""What a tilting body can hit: a plane above or below it, or only a part of that plane beyond an edge."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from eucentric.knowledge.clearance.model import Device, PolePiece
from eucentric.knowledge.clearance.sweep import Reach, Sweep

RESOLUTION_UM = 1.0
"""Beside an edge, a sweep that can't be told from a touch within this is refused [µm]."""
_QUARTER = math.pi / 2
_MOST_CELLS = 4000
"""Ranges of tilt looked at beside one edge before it is refused as undecided."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """All points with up·Z >= up·height (and side·X or side·Y >= side·at, where it has an edge)."""

    name: str
    up: int
    height_um: float
    axis: Literal["x", "y"] | None = None
    side: int = 1
    at_um: float = 0.0


@dataclass(frozen=True, slots=True)
class Touch:
    """A sweep comes nearer to an obstacle than the margin."""

    obstacle: str
    excess_um: float
    """How far into the margin [µm]."""
    reach: Reach


Plane = tuple[float, float, Reach]
"""How far the body passes a plane that touches the obstacle [µm], how it leans [rad], where the body does."""


def pole_faces(piece: PolePiece) -> tuple[Obstacle, Obstacle]:
    """The upper and the lower pole face."""
    return (
        Obstacle("the upper pole piece", 1, piece.centre_um + piece.gap_um / 2),
        Obstacle("the lower pole piece", -1, piece.centre_um - piece.gap_um / 2),
    )


def device_obstacle(device: Device) -> Obstacle:
    """An inserted device."""
    up = 1 if device.side == "above" else -1
    if device.edge is None:
        return Obstacle(device.name, up, device.z_um)
    side = 1 if device.edge.towards == "+" else -1
    return Obstacle(device.name, up, device.z_um, device.edge.axis, side, device.edge.at_um)


def touch(obstacle: Obstacle, sweep: Sweep, margin_um: float) -> Touch | None:
    """Where the sweep comes nearer than the margin, or None. Exact for planes; see `RESOLUTION_UM` for edges."""
    if obstacle.axis is None:
        excess, reach = _excess(obstacle, 0.0, sweep, margin_um)
        return None if excess <= 0 else Touch(obstacle.name, excess, reach)
    return _touch_beyond_edge(obstacle, sweep, margin_um)


def plainly_clear(obstacle: Obstacle, sweep: Sweep, margin_um: float) -> bool:
    """Whether a glance is enough: the sweep stays on one side of the obstacle's height, or of its edge."""
    psis = (0.0,) if obstacle.axis is None else (0.0, _QUARTER)
    return any(_excess(obstacle, psi, sweep, margin_um)[0] <= 0 for psi in psis)


def _excess(obstacle: Obstacle, psi: float, sweep: Sweep, margin_um: float) -> tuple[float, Reach]:
    """How far the sweep passes the plane that touches the obstacle, leaning psi from upright to sideways."""
    upright, sideways = obstacle.up * math.cos(psi), obstacle.side * math.sin(psi)
    phi = math.atan2(sideways, upright)
    reach = sweep.reach_xz(phi) if obstacle.axis == "x" else sweep.reach_yz(phi)
    return reach.value + margin_um - upright * obstacle.height_um - sideways * obstacle.at_um, reach


def _plane(obstacle: Obstacle, sweep: Sweep, psi: float, margin_um: float) -> Plane:
    excess, reach = _excess(obstacle, psi, sweep, margin_um)
    return excess, psi, reach


def _kept_by_any(obstacle: Obstacle, sweep: Sweep, psis: Iterable[float], margin_um: float) -> Plane:
    """The first of the planes that keeps the margin, else the one that comes nearest to that."""
    found = []
    for psi in psis:
        found.append(_plane(obstacle, sweep, psi, margin_um))
        if found[-1][0] <= 0:
            return found[-1]
    return min(found, key=_depth)


def _best_plane(obstacle: Obstacle, tilt: Sweep, margin_um: float) -> Plane:
    """At one tilt, the plane that keeps most between body and obstacle; its excess is exact.

    Seen along the edge the obstacle is a quadrant and the body a polygon with one normal inside the quadrant.
    Where they are nearest, either a side of one faces the other (three normals), or a corner faces the corner:
    then the normal runs from one of the two corners that the body has there to the edge.
    """
    lean = _lean(obstacle, tilt.alpha[0], tilt.beta[0])
    corners = (_toward_edge(obstacle, tilt, psi, margin_um) for psi in (lean / 2, (lean + _QUARTER) / 2))
    psis = (0.0, _QUARTER, lean, *(psi for psi in corners if psi is not None))
    return min((_plane(obstacle, tilt, psi, margin_um) for psi in psis), key=_depth)


def _depth(plane: Plane) -> float:
    return plane[0]


def _toward_edge(obstacle: Obstacle, tilt: Sweep, psi: float, margin_um: float) -> float | None:
    """The direction from the body's corner that reaches farthest along psi to the edge, if it is short of both."""
    x, y, z = _excess(obstacle, psi, tilt, margin_um)[1].point
    upright = obstacle.up * (obstacle.height_um - z)
    sideways = obstacle.side * (obstacle.at_um - (x if obstacle.axis == "x" else y))
    return math.atan2(sideways, upright) if upright > 0 and sideways > 0 else None


def _lean(obstacle: Obstacle, alpha: float, beta: float) -> float:
    """The body's own normal between upright and sideways, from upright: normal to the image of one of its edges."""
    facing = obstacle.up * obstacle.side
    if obstacle.axis == "y":
        normals = ((math.cos(alpha), math.sin(alpha)), (-math.sin(alpha), math.cos(alpha)))
    else:
        normals = (
            (math.cos(alpha) * math.sin(beta), math.cos(beta)),
            (math.cos(alpha) * math.cos(beta), -math.sin(beta)),
        )
    sideways, upright = next((n for n in normals if n[0] * n[1] * facing > 0), (0.0, 1.0))
    return math.atan2(abs(sideways), abs(upright))


def _touch_beyond_edge(obstacle: Obstacle, sweep: Sweep, margin_um: float) -> Touch | None:
    """Branch and bound over both tilts: a range is clear, or its middle touches, or it is halved."""
    if plainly_clear(obstacle, sweep, margin_um):
        return None
    deepest = max((_best_plane(obstacle, tilt, margin_um) for tilt in sweep.corners()), key=_depth)
    if not deepest[0] <= 0:
        return Touch(obstacle.name, deepest[0], deepest[2])
    open_cells = [sweep]
    for _ in range(_MOST_CELLS):
        if not open_cells:
            return None
        cell = open_cells.pop()
        proven, psi, at = _best_plane(obstacle, cell.centre(), margin_um)
        if not proven <= 0:
            return Touch(obstacle.name, proven, at)
        bound, _, reach = _kept_by_any(obstacle, cell, (psi, 0.0, _QUARTER), margin_um)
        if bound <= 0:
            continue
        if not bound - proven > RESOLUTION_UM:
            return Touch(obstacle.name, bound, reach)
        open_cells.extend(cell.halves())
    return Touch(obstacle.name, RESOLUTION_UM, at) if open_cells else None
