"""Where to tilt: one axis, any member of its family, or every low-index axis within reach."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from eucentric.core.base import Model
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.indices import Indices, Integers, direction_indices, low_indices
from eucentric.knowledge.crystal.nearest import nearest_tilt
from eucentric.knowledge.crystal.orientation import Orientation
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.stage import Reading, Stage, beam, folded, solve, solve_many, within

Sense = Literal["either", "as_given"]
_EXACT_DEG = 1e-6
_LEVEL = 1e-12
"""Cosine below which an axis lies across the beam and neither sense points up."""


class Tilt(Model):
    """The tilt that brings an axis onto the beam, and the nearest one the stage can reach."""

    uvw: Indices
    """The axis in the sense that points to the gun."""
    alpha_deg: float
    """The exact solution, also if it is out of reach; for a single-tilt holder the best alpha."""
    beta_deg: float
    reachable: bool
    """True if the exact solution is within the declared limits, or if none are declared."""
    residual_deg: float
    """Angle from the beam to the axis at the nearest reachable tilt; 0 if reachable."""
    nearest_alpha_deg: float
    nearest_beta_deg: float
    sign_reversed: bool = False
    """True if the axis asked for points away from the gun and its opposite is given."""
    others: tuple[Reading, ...] = ()
    """Further exact solutions (tilt-rotate)."""
    move_deg: float | None = None
    """Pure tilt from the present reading to the nearest tilt."""


def tilt_to_direction(
    stage: Stage,
    direction: Array,
    uvw: Indices = (0, 0, 1),
    sense: Sense = "either",
    now: Reading | None = None,
) -> Tilt:
    """The tilt for a unit direction (3,) of the sample frame; `uvw` is its name in the answer."""
    target = direction
    flipped = sense == "either" and float(target[2]) < -_LEVEL
    if flipped:
        target = -target
    readings = solve(stage, target, now.beta_deg if now else 0.0)
    allowed = [pair for pair in readings if within(stage, *pair)]
    if stage.holder == "single_tilt":
        allowed = allowed if _miss_deg(stage, readings[0], target) < _EXACT_DEG else []
    alpha, beta = _preferred(allowed or readings, now)
    near, nearest_flip = (alpha, beta, 0.0), False
    if not allowed:
        near, nearest_flip = _nearest(stage, target, sense, (alpha, beta))
    flipped = flipped != nearest_flip
    return Tilt(
        uvw=(-uvw[0], -uvw[1], -uvw[2]) if flipped else uvw,
        alpha_deg=alpha,
        beta_deg=beta,
        reachable=bool(allowed),
        residual_deg=near[2],
        nearest_alpha_deg=near[0],
        nearest_beta_deg=near[1],
        sign_reversed=flipped,
        others=tuple(Reading(alpha_deg=a, beta_deg=b) for a, b in readings if (a, b) != (alpha, beta)),
        move_deg=None if now is None else _move_deg(stage, now, near[0], near[1]),
    )


def tilt_to_axis(
    crystal: Crystal,
    orientation: Orientation,
    uvw: Sequence[int],
    stage: Stage,
    sense: Sense = "either",
    now: Reading | None = None,
) -> Tilt:
    """The tilt that brings the zone axis [uvw] or [UVTW] onto the beam.

    Parameters
    ----------
    sense
        "either": the axis or its opposite, whichever points to the gun (a zone axis is a line);
        "as_given": this very sense, even if it needs more than 90 degrees.
    now
        The present reading, for the length of the move and for axes that need not turn.

    Raises
    ------
    BadInput
        If the indices are no direction.
    """
    indices = direction_indices(uvw)
    return tilt_to_direction(stage, orientation.array @ crystal.direction(indices), indices, sense, now)


def tilts_to_family(
    crystal: Crystal,
    orientation: Orientation,
    uvw: Sequence[int],
    stage: Stage,
    now: Reading | None = None,
    approach: tuple[int, int] = (1, 1),
) -> tuple[Tilt, ...]:
    """Tilts to all members of <uvw>: reachable ones first, then the shortest move, then the fewest reversals.

    Parameters
    ----------
    approach
        The sense (+1 or -1) in which each axis has its backlash taken up.
    """
    members = [tuple(m) for m in crystal.direction_family(uvw).tolist() if tuple(m) > (0, 0, 0)]
    start = now or Reading(alpha_deg=0.0)
    tilts = [tilt_to_axis(crystal, orientation, member, stage, "either", start) for member in members]
    return tuple(sorted(tilts, key=lambda t: _rank(t, start, approach)))


def directions_of(crystal: Crystal, orientation: Orientation, axes: Integers) -> Array:
    """(n, 3) unit vectors in the sample frame of axes (n, 3)."""
    vectors = axes @ (orientation.array @ crystal.cell.structure).T
    return np.asarray(vectors / np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None])


def axes_within_reach(
    crystal: Crystal, orientation: Orientation, stage: Stage, axes: Integers
) -> tuple[Integers, Array]:
    """Those of `axes` (n, 3) that point to the gun and are within reach, and their readings (m, 2).

    A tilt-rotate holder gets the reading of its two that is within reach, alpha >= 0 first.
    """
    directions = directions_of(crystal, orientation, axes)
    up = directions[:, 2] > _LEVEL
    axes, directions = axes[up], directions[up]
    readings = solve_many(stage, directions)
    inside = np.ones(len(axes), dtype=bool)
    if stage.limits is not None:
        inside = stage.limits.contains_many(readings)
        if stage.holder == "tilt_rotate":
            other = np.stack([-readings[:, 0], (readings[:, 1] + 360) % 360 - 180], axis=1)
            second = ~inside & stage.limits.contains_many(other)
            readings = np.where(second[:, None], other, readings)
            inside = inside | second
    if stage.holder == "single_tilt":
        inside = inside & (np.abs(directions[:, 0]) < math.radians(_EXACT_DEG))
    return axes[inside], readings[inside]


def reachable_axes(
    crystal: Crystal, orientation: Orientation, stage: Stage, max_index: int = 3, *, primitive: bool = True
) -> tuple[Tilt, ...]:
    """Every zone axis up to `max_index` within reach, low indices first.

    Raises
    ------
    BadInput
        If `max_index` is not 1 ... 30.
    """
    axes, readings = axes_within_reach(
        crystal, orientation, stage, low_indices(max_index, primitive=primitive)
    )
    return tuple(
        Tilt(
            uvw=(u, v, w), alpha_deg=a, beta_deg=b, reachable=True, residual_deg=0.0,
            nearest_alpha_deg=a, nearest_beta_deg=b,
        )
        for (u, v, w), (a, b) in zip(axes.tolist(), readings.tolist(), strict=True)
    )  # fmt: skip


def _nearest(
    stage: Stage, target: Array, sense: Sense, exact: tuple[float, float]
) -> tuple[tuple[float, float, float], bool]:
    """Nearest reachable (alpha, beta, residual), and whether that of the opposite sense was nearer."""
    if stage.limits is None:
        return (*exact, _miss_deg(stage, exact, target)), False
    near = nearest_tilt(stage.limits, folded(stage, target), stage.holder)
    if sense == "either":
        opposite = nearest_tilt(stage.limits, folded(stage, -target), stage.holder)
        if opposite[2] < near[2] - 1e-9:
            return opposite, True
    return near, False


def _preferred(readings: Sequence[tuple[float, float]], now: Reading | None) -> tuple[float, float]:
    """The first reading, or the one with the least travel of both axes from here."""
    if now is None or len(readings) == 1:
        return readings[0]
    return min(readings, key=lambda r: max(abs(r[0] - now.alpha_deg), abs(r[1] - now.beta_deg)))


def _miss_deg(stage: Stage, pair: tuple[float, float], target: Array) -> float:
    chord = float(np.linalg.norm(beam(stage, Reading(alpha_deg=pair[0], beta_deg=pair[1])) - target))
    return math.degrees(2 * math.asin(min(1.0, chord / 2)))


def _move_deg(stage: Stage, now: Reading, alpha_deg: float, beta_deg: float) -> float:
    return _miss_deg(stage, (alpha_deg, beta_deg), beam(stage, now))


def _rank(tilt: Tilt, now: Reading, approach: tuple[int, int]) -> tuple[bool, float, float, int, Indices]:
    steps = (tilt.nearest_alpha_deg - now.alpha_deg, tilt.nearest_beta_deg - now.beta_deg)
    reversals = sum(step * sign < 0 for step, sign in zip(steps, approach, strict=True))
    return (
        not tilt.reachable,
        round(tilt.residual_deg, 6),
        round(tilt.move_deg or 0.0, 6),
        reversals,
        tilt.uvw,
    )
