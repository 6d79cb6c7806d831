"""Tilts that bring a direction onto the beam, in closed form. Angles in degrees; a direction is seen from the sample.

The beam seen from the sample is (-sin b cos a, sin a, cos b cos a) in a double-tilt holder (alpha outside,
v_L = Rx(a) Ry(b) v_S) and (sin p sin a, cos p sin a, cos a) in a tilt-rotate one (v_L = Rx(a) Rz(p) v_S).
"""

import math

import numpy as np

from eucentric.knowledge.crystal.rotation import Array

_POLE = 1e-9
"""Sine of the distance from the gimbal pole below which the second axis does nothing."""


def double_tilt(x: float, y: float, z: float, hold_deg: float = 0.0) -> tuple[float, float]:
    """(alpha, beta) of a unit direction, |alpha| <= 90; on the gimbal pole beta stays at `hold_deg`."""
    across = math.hypot(x, z)
    beta = math.degrees(math.atan2(-x, z)) if across > _POLE else hold_deg
    return math.degrees(math.atan2(y, across)), beta


def other_branch(alpha_deg: float, beta_deg: float) -> tuple[float, float]:
    """The second reading of a double-tilt holder for the same direction, alpha beyond 90."""
    return wrapped(180.0 - alpha_deg), wrapped(beta_deg + 180.0)


def tilt_rotate(
    x: float, y: float, z: float, hold_deg: float = 0.0
) -> tuple[tuple[float, float], tuple[float, float]]:
    """(+alpha, psi) and (-alpha, psi + 180); if the direction is along the rotation axis psi stays."""
    across = math.hypot(x, y)
    alpha = math.degrees(math.atan2(across, z))
    psi = math.degrees(math.atan2(x, y)) if across > _POLE else hold_deg
    return (alpha, wrapped(psi)), (-alpha, wrapped(psi + 180.0))


def single_tilt(x: float, y: float, z: float) -> tuple[float, float]:
    """(alpha, residual): a single tilt comes no nearer than the part of the direction along its axis."""
    across = math.hypot(y, z)
    alpha = math.degrees(math.atan2(y, z)) if across > _POLE else 0.0
    return alpha, math.degrees(math.atan2(abs(x), across))


def double_tilt_many(directions: Array) -> Array:
    """(n, 2) alpha, beta of unit directions (n, 3)."""
    x, y, z = directions.T
    across = np.hypot(x, z)
    beta = np.where(across > _POLE, np.arctan2(-x, z), 0.0)
    return np.asarray(np.degrees(np.stack([np.arctan2(y, across), beta], axis=1)))


def tilt_rotate_many(directions: Array) -> Array:
    """(n, 2) alpha >= 0, psi of unit directions (n, 3); the other solution is (-alpha, psi + 180)."""
    x, y, z = directions.T
    across = np.hypot(x, y)
    psi = np.where(across > _POLE, np.arctan2(x, y), 0.0)
    return np.asarray(np.degrees(np.stack([np.arctan2(across, z), psi], axis=1)))


def double_tilt_beam(alpha_deg: Array, beta_deg: Array) -> Array:
    """(..., 3) the beam seen from the sample at double-tilt readings."""
    a, b = np.radians(alpha_deg), np.radians(beta_deg)
    return np.stack([-np.sin(b) * np.cos(a), np.sin(a) + 0 * b, np.cos(b) * np.cos(a)], axis=-1)


def tilt_rotate_beam(alpha_deg: Array, psi_deg: Array) -> Array:
    """(..., 3) the beam seen from the sample at tilt-rotate readings."""
    a, p = np.radians(alpha_deg), np.radians(psi_deg)
    return np.stack([np.sin(p) * np.sin(a), np.cos(p) * np.sin(a), np.cos(a) + 0 * p], axis=-1)


def wrapped(angle_deg: float) -> float:
    """The same angle in (-180, 180]."""
    return angle_deg - 360.0 * math.ceil((angle_deg - 180.0) / 360.0)
