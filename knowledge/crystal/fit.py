"""Least squares on the sphere: rotations from crystal directions to those seen (Kabsch 1976; Markley 1988)."""

import math
from collections.abc import Sequence

import numpy as np

from eucentric.knowledge.crystal.observation import Observation
from eucentric.knowledge.crystal.rotation import Array, axis_angle
from eucentric.knowledge.crystal.stage import Stage, rotation


def fit(chosen: Array, seen: Array, weights: Array) -> Array:
    """Rotations (m, 3, 3) from crystal vectors (m, n, 3) to seen ones (n, 3)."""
    h = np.einsum("n,ni,mnj->mij", weights, seen, chosen)
    u, _, vt = np.linalg.svd(h)
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return np.asarray(u @ vt)


def with_azimuths(
    stage: Stage,
    observations: Sequence[Observation],
    matrices: Array,
    chosen: Array,
    seen: Array,
    covariance: Array,
) -> Array:
    """The rotations (m, 3, 3) again, with an azimuth pulling only about the beam (Gauss-Newton, three steps)."""
    found = matrices.copy()
    for _ in range(3):
        predicted = np.einsum("mij,mnj->mni", found, chosen)
        pull = np.zeros((len(found), 3))
        for i, observation in enumerate(observations):
            turn = np.cross(predicted[:, i], seen[i])
            if observation.azimuth_deg is not None:
                m = rotation(stage, observation.reading)[2]
                turn = np.outer(turn @ m, m)
            pull += turn / math.radians(observation.sigma_deg) ** 2
        for k, step in enumerate(pull @ covariance):
            size = float(np.linalg.norm(step))
            if size > 1e-15:
                found[k] = axis_angle(step / size, math.degrees(size)) @ found[k]
    return np.asarray(found)


def residuals_deg(
    stage: Stage, observations: Sequence[Observation], matrices: Array, chosen: Array, seen: Array
) -> Array:
    """(m, n) angle from predicted to seen directions; for the azimuth of g only the part about the beam."""
    predicted = np.einsum("mij,mnj->mni", matrices, chosen)
    chord = np.linalg.norm(predicted - seen, axis=2)
    found: Array = np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1)))
    for i, observation in enumerate(observations):
        if observation.azimuth_deg is not None:
            m = rotation(stage, observation.reading)[2]
            found[:, i] = np.degrees(
                np.abs(np.arctan2(np.cross(predicted[:, i], seen[i]) @ m, predicted[:, i] @ seen[i]))
            )
    return np.asarray(found)
