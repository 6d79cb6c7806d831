"""How far from the beam an axis will land: first-order errors from those of the readings."""

import math

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.orientation import Orientation
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.tilts import Tilt

_ANGLES = 128


class Arrival(Model):
    """Predicted error of a tilt [degree]."""

    rms_deg: float
    """Root mean square angle between the beam and the axis."""
    within_95_deg: float
    """95 % of arrivals are within this angle."""
    alpha_sigma_deg: float
    """Standard deviation of the computed alpha."""
    beta_sigma_deg: float
    """The same for beta; it grows as 1/cos(alpha)."""


def covariance_of_readings(information: Array) -> Array:
    """(3, 3) [rad²] covariance of the small rotation vector in the sample frame: the inverse of the information.

    Raises
    ------
    BadInput
        If the observations leave a rotation free.
    """
    values = np.linalg.eigvalsh(information)
    if values[0] < 1e-9 * values[2]:
        raise BadInput(
            "the observations leave one rotation free",
            "two zone axes more than 5° apart, or one with the azimuth of a g, fix an orientation",
            "add a reading away from the line of the others",
        )
    return np.asarray(np.linalg.inv(information))


def pointing_rms_deg(covariance_rad2: Array, direction: Array) -> float:
    """Root mean square error of a unit direction (3,), sqrt(tr P - n P n)."""
    variance = float(np.trace(covariance_rad2) - direction @ covariance_rad2 @ direction)
    return math.degrees(math.sqrt(max(0.0, variance)))


def predicted_arrival(
    crystal: Crystal, orientation: Orientation, tilt: Tilt, repeatability_deg: float = 0.0
) -> Arrival:
    """The error with which `tilt` brings its axis onto the beam.

    Parameters
    ----------
    repeatability_deg
        Standard deviation of the goniometer on each axis, backlash included, added in squares.
    """
    direction = orientation.array @ crystal.direction(tilt.uvw)
    return arrival_of(orientation.covariance, direction, repeatability_deg)


def arrival_of(covariance_rad2: Array, direction: Array, repeatability_deg: float = 0.0) -> Arrival:
    """The same for a unit direction (3,) of the sample frame and a double-tilt holder.

    Jacobians: dalpha = dn_y / cos(alpha), dbeta = (-n_z, 0, n_x) dn / cos²(alpha) with dn = w x n.
    """
    n = np.asarray(direction, dtype=np.float64)
    across = np.array([[0.0, n[2], -n[1]], [-n[2], 0.0, n[0]], [n[1], -n[0], 0.0]])
    error = across @ covariance_rad2 @ across.T
    extra = math.radians(repeatability_deg) ** 2
    one, two = np.sort(np.linalg.eigvalsh(error))[1:] + extra
    flat = max(float(n[0] ** 2 + n[2] ** 2), 1e-12)
    to_alpha = np.array([0.0, 1.0, 0.0]) / math.sqrt(flat)
    to_beta = np.array([-n[2], 0.0, n[0]]) / flat
    return Arrival(
        rms_deg=math.degrees(math.sqrt(max(0.0, float(one + two)))),
        within_95_deg=math.degrees(_radius_95(max(0.0, float(one)), max(0.0, float(two)))),
        alpha_sigma_deg=math.degrees(math.sqrt(float(to_alpha @ error @ to_alpha) + extra)),
        beta_sigma_deg=math.degrees(math.sqrt(float(to_beta @ error @ to_beta) + extra)),
    )


def _radius_95(one: float, two: float) -> float:
    """Radius that holds 95 % of a normal distribution in the plane with these two variances.

    P(r) = integral over angle of exp(-r²q/2)/q / (2 pi sqrt(one two)), q = cos²/one + sin²/two; bisected.
    """
    if two <= 0:
        return 0.0
    if one < 1e-5 * two:
        return 1.959963984540054 * math.sqrt(two)
    angle = 2 * np.pi * (np.arange(_ANGLES * 8) + 0.5) / (_ANGLES * 8)
    q = np.cos(angle) ** 2 / one + np.sin(angle) ** 2 / two
    weight = 1 / (q * math.sqrt(one * two))
    low, high = 0.0, 3.0 * math.sqrt(two)
    for _ in range(40):
        r = (low + high) / 2
        if float((weight * np.exp(-0.5 * r * r * q)).mean()) > 0.05:
            low = r
        else:
            high = r
    return high
