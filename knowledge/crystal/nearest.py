"""The reachable tilt that points nearest to a direction, which is not the tilt with each axis clamped on its own.

The angle to the direction has no minimum inside limits that do not contain the solution, so the nearest
tilt lies on their edge: closed form on the four sides of a box, a search in one dimension on any other edge.
"""

import math
from collections.abc import Callable

import numpy as np

from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.closed_form import double_tilt_beam, tilt_rotate_beam
from eucentric.knowledge.crystal.limits import Box, Polygon, Superellipse
from eucentric.knowledge.crystal.rotation import Array

Beam = Callable[[Array, Array], Array]
_SAMPLES = 384
_ZOOM = 33


def nearest_tilt(
    limits: Box | Superellipse | Polygon, direction: Array, holder: str
) -> tuple[float, float, float]:
    """(alpha, beta, residual) [degree] on the edge of `limits`, for a direction (3,) that is outside.

    Parameters
    ----------
    direction
        Unit vector seen from the sample, in the sense of the readings (signs of the stage folded in).
    holder
        "double_tilt", "tilt_rotate" or "single_tilt".
    """
    if holder == "single_tilt":
        return _nearest_single(limits, direction)
    beam = double_tilt_beam if holder == "double_tilt" else tilt_rotate_beam
    if isinstance(limits, Box):
        candidates = _box_candidates(limits, direction, holder)
    else:
        candidates = _edge_candidates(limits, direction, beam)
    beams = beam(candidates[:, 0], candidates[:, 1])
    residuals = np.linalg.norm(beams - direction, axis=1)
    best = int(np.argmin(residuals))
    residual = math.degrees(2 * math.asin(min(1.0, float(residuals[best]) / 2)))
    return float(candidates[best, 0]), float(candidates[best, 1]), residual


def _box_candidates(box: Box, direction: Array, holder: str) -> Array:
    """Best reading on each side, clamped to it, and the corners."""
    x, y, z = direction.tolist()
    found = list(box.corners.tolist())
    for beta in box.beta:
        b = math.radians(beta)
        if holder == "double_tilt":
            alpha = math.atan2(y, z * math.cos(b) - x * math.sin(b))
        else:
            alpha = math.atan2(x * math.sin(b) + y * math.cos(b), z)
        found.append([_clamped(math.degrees(alpha), box.alpha), beta])
    for alpha in box.alpha:
        if holder == "double_tilt":
            beta = math.atan2(-x, z) + (math.pi if abs(alpha) > 90 else 0.0)
        else:
            beta = math.atan2(x, y) + (math.pi if alpha < 0 else 0.0)
        found.append([alpha, _clamped(math.degrees(beta), box.beta)])
    return np.array(found)


def _clamped(angle_deg: float, bounds: tuple[float, float]) -> float:
    """The angle within bounds that is nearest to it around the circle."""
    low, high = bounds
    for turned in (angle_deg, angle_deg + 360, angle_deg - 360):
        if low <= turned <= high:
            return turned
    return min(bounds, key=lambda edge: abs((edge - angle_deg + 180) % 360 - 180))


def _edge_candidates(limits: Superellipse | Polygon, direction: Array, beam: Beam) -> Array:
    """The best few places of a coarse walk around the edge, each narrowed down."""

    def pointing(t: Array) -> Array:
        readings = limits.boundary(t)
        return np.asarray(beam(readings[..., 0], readings[..., 1]) @ direction)

    sides = len(limits.vertices) if isinstance(limits, Polygon) else 1
    count = sides * max(8, _SAMPLES // sides)  # every corner of a polygon is a sample
    t = np.arange(count) / count
    value = pointing(t)
    peaks = np.flatnonzero((value >= np.roll(value, 1)) & (value >= np.roll(value, -1)))
    centre = t[peaks[np.argsort(value[peaks])[::-1][:4]]]
    width = 1.0 / count
    for _ in range(7):
        tries = centre[:, None] + width * np.linspace(-1, 1, _ZOOM)
        centre = np.take_along_axis(tries, pointing(tries).argmax(axis=1)[:, None], axis=1)[:, 0]
        width *= 2.0 / (_ZOOM - 1)
    return np.asarray(limits.boundary(centre))


def _nearest_single(limits: Box | Superellipse | Polygon, direction: Array) -> tuple[float, float, float]:
    """Alpha clamped to where the limits cross beta = 0: the residual grows steadily away from the best alpha."""
    _, y, z = direction.tolist()
    best = math.degrees(math.atan2(y, z))
    if limits.contains(best, 0.0):
        alpha = best
    else:
        spans = alpha_spans(limits)
        if not spans:
            raise BadInput(
                "a single-tilt holder has no second axis, but the limits leave out beta = 0",
                "limits of a single-tilt holder contain beta = 0",
                "declare the limits of this holder",
            )
        alpha = min((_clamped(best, span) for span in spans), key=lambda a: abs((a - best + 180) % 360 - 180))
    cosine = y * math.sin(math.radians(alpha)) + z * math.cos(math.radians(alpha))
    return alpha, 0.0, math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def alpha_spans(limits: Box | Superellipse | Polygon) -> list[tuple[float, float]]:
    """Stretches of alpha that are allowed at beta = 0; none if beta = 0 is outside."""
    if isinstance(limits, Superellipse):
        return [(-limits.a, limits.a)]
    corners = limits.corners
    crossings = []
    for (a0, b0), (a1, b1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if b0 == b1 == 0:
            crossings += [float(a0), float(a1)]
        elif min(b0, b1) <= 0 <= max(b0, b1):
            crossings.append(float(a0 + (a1 - a0) * -b0 / (b1 - b0)))
    edges = sorted(set(crossings))
    return [
        (low, high)
        for low, high in zip(edges[:-1] or edges, edges[1:] or edges, strict=True)
        if limits.contains((low + high) / 2, 0.0)
    ]
