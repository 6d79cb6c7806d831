"""The stage: which way its axes turn the sample, what it may reach, how the screen is turned (convention C1).

Lab frame: z from the specimen to the gun, x along the alpha axis toward the rod tip, y = z x x. The sample
frame is the lab frame at zero tilt. Signs and the azimuth of the screen are calibrations of one microscope
and holder, mode and camera length; no pair of zone axes can reveal a wrong sign.
"""

import math
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from eucentric.core.base import Model
from eucentric.core.errors import Refused
from eucentric.knowledge.crystal.closed_form import (
    double_tilt,
    double_tilt_many,
    single_tilt,
    tilt_rotate,
    tilt_rotate_many,
)
from eucentric.knowledge.crystal.finite import all_finite
from eucentric.knowledge.crystal.limits import Limits
from eucentric.knowledge.crystal.rotation import Array

Holder = Literal["double_tilt", "tilt_rotate", "single_tilt"]
Sign = Literal[-1, 1]


class Reading(Model):
    """What the goniometer shows [degree]."""

    alpha_deg: float
    beta_deg: float = 0.0
    """The second axis: beta of a double-tilt, rotation psi of a tilt-rotate holder."""

    @model_validator(mode="before")
    @classmethod
    def _finite(cls, data: Any) -> Any:
        return all_finite(data, "the tilt reading", "give degrees as numbers; read the goniometer again")


class Stage(Model):
    """Holder, signs, limits, and how the screen is turned against the alpha axis."""

    holder: Holder = "double_tilt"
    alpha_sign: Sign = 1
    """+1 if a positive reading turns counter-clockwise seen from the rod tip."""
    beta_sign: Sign = 1
    """The same for the second axis."""
    limits: Limits | None = None
    """Readings that may be driven to; None if nobody declared them."""
    screen_azimuth_deg: float | None = None
    """From the screen's x axis to the alpha axis' direction, as `lab = screen + azimuth`; None if not calibrated."""
    screen_mirrored: bool = False
    """True if the screen shows the specimen mirrored; then `lab = azimuth - screen`."""
    calibration: str = ""
    """Who measured signs and azimuth, and when: an id of the notebook."""


def rotation(stage: Stage, reading: Reading) -> Array:
    """(3, 3): sample to lab at a reading, Rx(alpha) Ry(beta) or Rx(alpha) Rz(psi)."""
    a, b = (
        math.radians(stage.alpha_sign * reading.alpha_deg),
        math.radians(stage.beta_sign * reading.beta_deg),
    )
    if stage.holder == "single_tilt":
        b = 0.0
    ca, sa, cb, sb = math.cos(a), math.sin(a), math.cos(b), math.sin(b)
    if stage.holder == "tilt_rotate":
        return np.array([[cb, -sb, 0.0], [ca * sb, ca * cb, -sa], [sa * sb, sa * cb, ca]])
    return np.array([[cb, 0.0, sb], [sa * sb, ca, -sa * cb], [-ca * sb, sa, ca * cb]])


def beam(stage: Stage, reading: Reading) -> Array:
    """(3,): the direction toward the gun seen from the sample at a reading."""
    return np.asarray(rotation(stage, reading)[2])


def folded(stage: Stage, direction: Array) -> Array:
    """Directions (..., 3) as a stage with positive signs would need them, so that solutions are readings."""
    sa, sb = stage.alpha_sign, stage.beta_sign
    if stage.holder == "tilt_rotate":
        return np.asarray(direction * (sa * sb, sa, 1))
    if stage.holder == "single_tilt":
        return np.asarray(direction * (1, sa, 1))
    return np.asarray(direction * (sb, sa, 1))


def solve(stage: Stage, direction: Array, hold_deg: float = 0.0) -> tuple[tuple[float, float], ...]:
    """Readings that bring a direction (3,) onto the beam: one, or two for a tilt-rotate holder.

    A single-tilt holder gets its nearest alpha.
    """
    x, y, z = folded(stage, direction).tolist()
    if stage.holder == "double_tilt":
        return (double_tilt(x, y, z, hold_deg),)
    if stage.holder == "tilt_rotate":
        return tilt_rotate(x, y, z, hold_deg)
    return ((single_tilt(x, y, z)[0], 0.0),)


def solve_many(stage: Stage, directions: Array) -> Array:
    """(n, 2) readings for directions (n, 3); for tilt-rotate those with alpha >= 0."""
    turned = folded(stage, directions)
    if stage.holder == "double_tilt":
        return double_tilt_many(turned)
    if stage.holder == "tilt_rotate":
        return tilt_rotate_many(turned)
    alpha = np.degrees(np.arctan2(turned[:, 1], turned[:, 2]))
    return np.stack([alpha, np.zeros_like(alpha)], axis=1)


def within(stage: Stage, alpha_deg: float, beta_deg: float) -> bool:
    """True if the stage may go there, or if nobody declared limits."""
    return stage.limits is None or stage.limits.contains(alpha_deg, beta_deg)


def lab_azimuth_deg(stage: Stage, screen_deg: float) -> float:
    """An azimuth read on the screen, from the alpha axis toward lab y.

    Raises
    ------
    Refused
        If the azimuth of the alpha axis on the screen was never calibrated.
    """
    if stage.screen_azimuth_deg is None:
        raise Refused(
            "a direction on the screen cannot be used: the alpha axis was never found on it",
            "zone axes alone cannot reveal wrong signs, so traces and g azimuths need a calibration",
            "tilt alpha a little, watch which way a feature or pattern moves, and store that azimuth",
        )
    return stage.screen_azimuth_deg + (-screen_deg if stage.screen_mirrored else screen_deg)


def screen_azimuth_deg(stage: Stage, lab_deg: float) -> float:
    """Where a lab azimuth appears on the screen; the inverse of `lab_azimuth_deg`."""
    offset = lab_deg - lab_azimuth_deg(stage, 0.0)
    return -offset if stage.screen_mirrored else offset


def angle_between_readings_deg(stage: Stage, first: Reading, second: Reading) -> float:
    """The pure tilt between two readings, 0 ... 180."""
    chord = float(np.linalg.norm(beam(stage, first) - beam(stage, second)))
    return math.degrees(2 * math.asin(min(1.0, chord / 2)))


def shift_um(stage: Stage, point_um: Array, first: Reading, second: Reading) -> Array:
    """(3,) [µm] lab x, y, z that a feature moves from one reading to another.

    Parameters
    ----------
    point_um
        (3,) [µm] the feature in the sample frame, from the point that does not move (the eucentric point).
    """
    return np.asarray(
        (rotation(stage, second) - rotation(stage, first)) @ np.asarray(point_um, dtype=np.float64)
    )
