"""Interfaces and other features of unknown indices: widths, traces, and turning about a line in the image."""

import math
from collections.abc import Sequence

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.rotation import Array, axis_angle, unit
from eucentric.knowledge.crystal.stage import Reading, Stage, rotation
from eucentric.knowledge.crystal.tilts import Tilt, tilt_to_direction

_MIN_TURN_DEG = 0.5
_THIRD_FITS = 0.15
"""Relative: a third width this near to a prediction decides between the two."""


class EdgeOn(Model):
    """An inclined interface: where it is edge-on."""

    inclination_deg: float
    """Between the interface and the beam at the first reading, 0 ... 90."""
    turn_deg: float
    """Right-handed turn about the trace from the first reading to edge-on."""
    thickness_nm: float | None
    """Of the foil, measured along its normal; None if the interface lies in the foil."""
    tilt: Tilt
    """The edge-on reading."""
    crossed: bool
    """True if this answer has edge-on between the two readings."""
    other: "EdgeOn | None" = None
    """The answer if edge-on was passed between the readings; None once a third width has decided."""


def across_feature(stage: Stage, now: Reading, feature_deg: float, turn_deg: float) -> Tilt:
    """The tilt that turns the sample about a line of the image plane.

    Parameters
    ----------
    feature_deg
        Azimuth of the line at `now`, from the alpha axis toward lab y.
    turn_deg
        Right-handed turn of the specimen about that line.

    Notes
    -----
    The beam seen from the sample becomes R^T R(t, -turn) z; the line stays in the image plane.
    """
    theta = math.radians(feature_deg)
    turned = axis_angle((math.cos(theta), math.sin(theta), 0.0), -turn_deg)[:, 2]
    return tilt_to_direction(stage, rotation(stage, now).T @ turned, sense="as_given", now=now)


def edge_on_from_widths(
    stage: Stage,
    first: Reading,
    trace_deg: float,
    widths_nm: Sequence[float],
    turns_deg: Sequence[float],
    foil_normal: Sequence[float] = (0.0, 0.0, 1.0),
) -> EdgeOn:
    """Edge-on from the projected widths of an interface at two or three turns about its trace.

    Parameters
    ----------
    trace_deg
        Azimuth of the trace at the first reading, from the alpha axis toward lab y.
    widths_nm
        Projected widths: at the first reading, and after each of `turns_deg`.
    turns_deg
        Right-handed turns of the specimen about the trace from the first reading; a second one decides whether
        edge-on was crossed.
    foil_normal
        (3,) of the sample frame.

    Notes
    -----
    The width is L |sin i|, so cot i1 = (±w2/w1 - cos phi) / sin phi; the minus sign if edge-on was crossed.

    Raises
    ------
    BadInput
        If widths are not positive, turns are too small, or a third width fits neither answer.
    """
    _check_widths(widths_nm, turns_deg)
    answers = [
        _edge_on(
            stage,
            first,
            trace_deg,
            widths_nm[0],
            sign * widths_nm[1] / widths_nm[0],
            turns_deg[0],
            foil_normal,
        )
        for sign in (1, -1)
    ]
    if len(widths_nm) == 2:
        return answers[0].model_copy(update={"other": answers[1]})
    ratio, turn = widths_nm[2] / widths_nm[0], turns_deg[1]
    misses = [abs(_relative_width(answer, turn) - ratio) / max(ratio, 1e-9) for answer in answers]
    if min(misses) > _THIRD_FITS:
        predicted = " or ".join(f"{widths_nm[0] * _relative_width(answer, turn):.1f}" for answer in answers)
        raise BadInput(
            f"the third width, {widths_nm[2]:g} nm, fits neither answer",
            f"it would be {predicted} nm",
            "measure the widths again; the interface may be curved or its ends hidden",
        )
    return answers[int(np.argmin(misses))]


def line_direction(stage: Stage, readings: Sequence[Reading], traces_deg: Sequence[float]) -> Array:
    """(3,) direction in the sample of a straight line from its azimuths at two or more readings.

    Each azimuth puts the line into the plane of beam and trace; the planes meet in it (least squares).

    Raises
    ------
    BadInput
        If the readings are too near to each other to give a direction.
    """
    normals = trace_plane_normals(stage, readings, traces_deg)
    if len(normals) < 2:
        raise BadInput(
            "one trace gives no direction in the sample", "two readings are needed", "tilt and read again"
        )
    _, size, vt = np.linalg.svd(normals)
    if size[1] < 0.03 * math.sqrt(len(normals)):
        raise BadInput(
            "the traces were read at tilts too much alike",
            "planes of beam and trace have to cross at 2° or more",
            "read the trace again after a tilt across it",
        )
    line = vt[2]
    return np.asarray(line if line[2] >= 0 else -line)


def trace_plane_normals(stage: Stage, readings: Sequence[Reading], traces_deg: Sequence[float]) -> Array:
    """(n, 3) unit normals of the planes of beam and trace: of the interface itself wherever it is edge-on."""
    normals = []
    for reading, azimuth in zip(readings, traces_deg, strict=True):
        theta = math.radians(azimuth)
        normals.append(rotation(stage, reading).T @ (-math.sin(theta), math.cos(theta), 0.0))
    return np.array(normals)


def plane_through_lines(lines: Array) -> Array:
    """(3,) unit normal of the plane that contains directions (n, 3), n >= 2, least squares.

    Raises
    ------
    BadInput
        If the lines are parallel.
    """
    _, size, vt = np.linalg.svd(np.asarray(lines, dtype=np.float64))
    if len(lines) < 2 or size[1] < 0.03 * size[0]:
        raise BadInput(
            "the lines are parallel", "two directions span a plane", "use a line that crosses the first"
        )
    return np.asarray(vt[2] if vt[2][2] >= 0 else -vt[2])


def _check_widths(widths_nm: Sequence[float], turns_deg: Sequence[float]) -> None:
    if len(widths_nm) not in (2, 3) or len(turns_deg) != len(widths_nm) - 1:
        raise BadInput(
            f"{len(widths_nm)} widths and {len(turns_deg)} turns",
            "two or three widths, and a turn for each after the first",
            "give the width at each reading",
        )
    if not all(math.isfinite(w) and w > 0 for w in widths_nm):
        raise BadInput(
            f"projected widths {list(widths_nm)} nm", "widths are above zero", "measure where it is visible"
        )
    if not all(math.isfinite(t) and _MIN_TURN_DEG <= abs(t) < 90 for t in turns_deg):
        raise BadInput(
            f"turns about the trace of {list(turns_deg)} degrees",
            f"{_MIN_TURN_DEG:g} ... 90° either way change a width enough to measure",
            "tilt farther about the trace",
        )


def _edge_on(
    stage: Stage,
    first: Reading,
    trace_deg: float,
    width_nm: float,
    ratio: float,
    turn_deg: float,
    foil_normal: Sequence[float],
) -> EdgeOn:
    phi = math.radians(turn_deg)
    inclination = math.degrees(math.atan2(math.sin(phi), ratio - math.cos(phi)))
    inclination -= 180.0 if inclination > 90 else -180.0 if inclination < -90 else 0.0
    turn = -inclination
    return EdgeOn(
        inclination_deg=abs(inclination),
        turn_deg=turn,
        thickness_nm=_thickness(stage, first, trace_deg, width_nm, inclination, foil_normal),
        tilt=across_feature(stage, first, trace_deg, turn),
        crossed=ratio < 0,
    )


def _thickness(
    stage: Stage,
    first: Reading,
    trace_deg: float,
    width_nm: float,
    inclination_deg: float,
    foil_normal: Sequence[float],
) -> float | None:
    """Depth along the foil normal of the strip whose width across the beam is `width_nm`."""
    theta = math.radians(trace_deg)
    trace = (math.cos(theta), math.sin(theta), 0.0)
    down = axis_angle(trace, inclination_deg)[:, 2]  # in the interface, across its trace
    depth = abs(float(down @ (rotation(stage, first) @ unit(foil_normal, "foil normal"))))
    sine = abs(math.sin(math.radians(inclination_deg)))
    return width_nm / sine * depth if depth > 1e-6 and sine > 1e-9 else None


def _relative_width(answer: EdgeOn, turn_deg: float) -> float:
    start = -answer.turn_deg
    return abs(math.sin(math.radians(start + turn_deg)) / math.sin(math.radians(start)))
