"""Random orientations and illuminations, from fixed seeds."""

import math

import numpy as np
import pytest

from eucentric.knowledge import crystal as cr
from eucentric.knowledge import diffraction as df
from eucentric.knowledge.crystal.rotation import matrix_of


def random_turn(rng):
    q = rng.normal(size=4)
    return matrix_of(q / np.linalg.norm(q))


def on_beam(crystal, uvw, tilt=(0.0, 0.0), turn_deg=0.0):
    """Crystal to lab with [uvw] toward the gun, turned in the plane, then tilted by a rotation vector [degree]."""
    up = crystal.direction(uvw)
    axis, size = np.cross(up, (0, 0, 1.0)), math.hypot(*np.cross(up, (0, 0, 1.0)))
    to_lab = np.eye(3) if up[2] > 0 else np.diag([1.0, -1.0, -1.0])
    if size > 1e-9:
        to_lab = cr.axis_angle(axis, math.degrees(math.atan2(size, up[2])))
    to_lab = cr.axis_angle((0, 0, 1), turn_deg) @ to_lab
    length = math.hypot(*tilt)
    return to_lab if length == 0 else cr.axis_angle((*tilt, 0.0), length) @ to_lab


@pytest.fixture
def rng():
    return np.random.default_rng(20261128)


@pytest.fixture(scope="session")
def light():
    return df.Illumination(voltage_kv=200, convergence_mrad=0.5)


@pytest.fixture(scope="session")
def helpers():
    return {"turn": random_turn, "on_beam": on_beam}
