"""Where a direction, or a reading of the stage, is on the map: stereographic, in degrees near the middle.

The map shows the beam seen from the sample. Alpha grows to the right and beta upward, which for a stage with positive
signs is the view from the gun, turned by 90°; with one sign negative it is mirrored, since readings are what counts.
"""

import math

import numpy as np

from eucentric.knowledge.crystal import Box, Limits, Reading, Stage
from eucentric.knowledge.crystal.closed_form import double_tilt_beam, tilt_rotate_beam
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.stage import folded

_SCALE = math.degrees(2.0)
"""2 tan(theta / 2) is theta where it is small."""
_FARTHEST = 1.5
"""Of the reach: places beyond that are told by an arrow."""
_WITHOUT_LIMITS_DEG = 42.0
_MARGIN = 1.17


def projected(stage: Stage, directions: Array) -> Array:
    """(n, 2) map coordinates of unit directions (n, 3) in the sample frame; NaN for those that point down."""
    d = folded(stage, np.atleast_2d(directions))
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = np.stack([d[:, 1], -d[:, 0]], axis=1) * (_SCALE / (1 + d[:, 2]))[:, None]
    return np.where((d[:, 2] > -0.5)[:, None], flat, np.nan)


def of_readings(stage: Stage, readings: Array) -> Array:
    """(n, 2) map coordinates of readings (n, 2) [degree]."""
    beam = tilt_rotate_beam if stage.holder == "tilt_rotate" else double_tilt_beam
    d = beam(readings[:, 0], readings[:, 1])
    return np.asarray(np.stack([d[:, 1], -d[:, 0]], axis=1) * (_SCALE / (1 + d[:, 2]))[:, None])


def of_reading(stage: Stage, reading: Reading) -> tuple[float, float]:
    """Map coordinates of one reading."""
    ((x, y),) = of_readings(stage, np.array([[reading.alpha_deg, reading.beta_deg]])).tolist()
    return x, y


def radius(angle_deg: float) -> float:
    """Distance from the middle of the map at which a tilt of that size lies."""
    return _SCALE * math.tan(math.radians(angle_deg) / 2)


def outline(stage: Stage) -> Array | None:
    """(n, 2) map coordinates around what the holder can reach; None if nobody declared limits."""
    if stage.limits is None:
        return None
    readings = stage.limits.boundary(np.arange(1441) / 1440)
    if stage.holder == "tilt_rotate" and _all_around(stage.limits):
        farthest = float(np.abs(readings[:, 0]).max())
        readings = np.stack([np.full(361, farthest), np.arange(361.0)], axis=1)
    if stage.holder == "single_tilt":
        readings = readings * (1.0, 0.0)
    return of_readings(stage, readings)


def _all_around(limits: Limits) -> bool:
    """True if the second axis of a box goes full circle."""
    return isinstance(limits, Box) and limits.beta[1] - limits.beta[0] >= 360.0 - 1e-6


def half_width(stage: Stage, shown: list[tuple[float, float]]) -> float:
    """Half of the map's edge so that what can be reached, and what of `shown` is not too far beyond, is on it."""
    edge = outline(stage)
    reach = radius(_WITHOUT_LIMITS_DEG) if edge is None else float(np.abs(edge).max()) * _MARGIN
    reach = max(reach, radius(8.0))
    far = [1.08 * max(abs(x), abs(y)) for x, y in shown if math.isfinite(x)]
    return max([reach, *(one for one in far if one < _FARTHEST * reach)])
