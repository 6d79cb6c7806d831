"""Crystals of five systems, and readings of them made with the mathematics the other way round."""

import numpy as np

from eucentric.knowledge import crystal as cr
from eucentric.knowledge import tilting

CELLS = {
    "SrTiO3": ([3.905] * 3 + [90] * 3, 221),
    "Ti3AlC2": ([3.0753, 3.0753, 18.578, 90, 90, 120], 194),
    "quartz": ([4.9134, 4.9134, 5.4052, 90, 90, 120], 152),
    "ZrO2": ([5.1505, 5.2116, 5.3173, 90, 99.23, 90], 14),
    "albite": ([8.142, 12.785, 7.159, 94.19, 116.61, 87.68], 2),
}
BOX = cr.Box(alpha=(-35, 35), beta=(-30, 30))
STAGES = {
    "box": cr.Stage(limits=BOX),
    "signs": cr.Stage(limits=BOX, alpha_sign=-1, beta_sign=1),
    "ellipse": cr.Stage(limits=cr.Superellipse(a=36, b=32, r=3.3), beta_sign=-1),
    "outline": cr.Stage(limits=cr.Polygon(vertices=[(-30, -15), (0, -25), (32, 5), (10, 25), (-25, 20)])),
    "rotate": cr.Stage(holder="tilt_rotate", limits=cr.Box(alpha=(-45, 45), beta=(-180, 180))),
    "none": cr.Stage(),
}


def made(name):
    numbers, group = CELLS[name]
    return cr.crystal_of(numbers, group, name)


def random_rotation(rng):
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def known(crystal, matrix, stage, now=(0.0, 0.0), covariance=None):
    """A situation of one certain orientation."""
    one = cr.Candidate(
        orientation=cr.orientation_of(matrix, covariance),
        indices=((0, 0, 1),),
        misfit_deg=0.0,
        worst_sigmas=0.0,
    )
    at = cr.Reading(alpha_deg=now[0], beta_deg=now[1])
    return tilting.Situation(crystal=crystal, stage=stage, candidates=(one,), now=at)


def oriented(crystal, axis, at=(6.4, -7.2), turn=0.0):
    """(3, 3): `axis` on the beam of a plain stage at a reading."""
    z = crystal.direction(axis)
    x = cr.unit(np.cross(z, (0.3, 0.9, 0.2)))
    base = cr.rotation(cr.Stage(), cr.Reading(alpha_deg=at[0], beta_deg=at[1])).T
    return base @ cr.axis_angle((0, 0, 1), turn) @ np.stack([x, np.cross(z, x), z])


def read(crystal, matrix, stage, *axes, sigma=0.1):
    """Perfect readings of these axes."""
    true = cr.orientation_of(matrix)
    found = []
    for axis in axes:
        tilt = cr.tilt_to_axis(crystal, true, axis, stage)
        at = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
        found.append(cr.Observation(reading=at, uvw=tilt.uvw, sigma_deg=sigma))
    return found
