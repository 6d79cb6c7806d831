"""What was read at the microscope: a zone axis on the beam, or a plane normal's azimuth on the screen."""

import math
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.indices import Integers, direction_indices, plane_indices, shown
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.stage import Reading, Stage, lab_azimuth_deg, rotation

LEAN_DEG = 0.7
"""Standard deviation of how far an excited g leans out of the image plane."""
Indexed = tuple[int, int, int] | tuple[int, int, int, int]


class Observation(Model):
    """One reading, verbatim. Either `uvw` was on the beam, or the spot or band normal `hkl` had an azimuth."""

    reading: Reading
    uvw: Indexed | None = None
    hkl: Indexed | None = None
    azimuth_deg: float | None = None
    """Of g on the screen, as read there; needed with `hkl`. g lies in the image: a spot, or a central band's normal."""
    family: bool = False
    """True if any member of the family may be meant ("a <112>")."""
    sense: Literal["either", "as_given"] = "either"
    """"as_given" only if it is known which end of the axis points to the gun."""
    sigma_deg: float = Field(default=0.2, gt=0, le=20)
    """Standard deviation of the reading, for each of the two directions across the axis (of the azimuth for g)."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.uvw is None) == (self.hkl is None) or (self.hkl is None) != (self.azimuth_deg is None):
            raise BadInput(
                "an observation is a zone axis uvw, or a plane hkl with its azimuth_deg",
                "one of the two, not both or neither",
                "split it into two observations at the same reading",
            )
        direction_indices(self.uvw) if self.uvw is not None else plane_indices(self.hkl or (0, 0, 0))
        return self

    @property
    def label(self) -> str:
        """'[1 1 2]' or 'g (2 0 0)'."""
        return shown(self.uvw) if self.uvw is not None else "g " + shown(self.hkl or (), "plane")


def options_of(crystal: Crystal, observation: Observation) -> Integers:
    """(k, 3) all indices that an observation may mean, the one written first."""
    if observation.uvw is not None:
        written, family = direction_indices(observation.uvw), crystal.direction_family
    else:
        written, family = plane_indices(observation.hkl or ()), crystal.plane_family
    found = [written]
    if observation.sense == "either":
        found.append((-written[0], -written[1], -written[2]))
    if observation.family:
        found += [tuple(m) for m in family(written).tolist() if tuple(m) not in found]
    return np.array(found, dtype=np.int64)


def vectors_of(crystal: Crystal, observation: Observation, options: Integers) -> Array:
    """(k, 3) unit vectors in crystal Cartesian axes of the indices (k, 3)."""
    base = crystal.cell.structure if observation.uvw is not None else crystal.cell.reciprocal
    vectors = options @ base.T
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def seen_direction(stage: Stage, observation: Observation) -> Array:
    """(3,) where the observed direction points in the sample frame.

    Raises
    ------
    Refused
        If an azimuth is used and the screen's azimuth is not calibrated.
    """
    turn = rotation(stage, observation.reading)
    if observation.azimuth_deg is None:
        return np.asarray(turn[2])
    azimuth = math.radians(lab_azimuth_deg(stage, observation.azimuth_deg))
    return np.asarray(turn.T @ (math.cos(azimuth), math.sin(azimuth), 0.0))


def pair_sigma_deg(first: Observation, second: Observation) -> float:
    """Standard deviation of the angle between two observed directions [degree].

    An azimuth does not say how far g leans out of the image plane, which is of the order of a Bragg angle.
    """
    mixed = (first.azimuth_deg is None) != (second.azimuth_deg is None)
    lean = LEAN_DEG if mixed else 0.0
    return math.hypot(first.sigma_deg, second.sigma_deg, lean)


def information(stage: Stage, observations: Sequence[Observation], seen: Array) -> Array:
    """(3, 3) [1/rad²] what the observations say about a small rotation of the sample frame.

    A zone axis fixes both directions across itself; the azimuth of g only the turn about the beam.
    """
    total = np.zeros((3, 3))
    for observation, s in zip(observations, seen, strict=True):
        weight = 1 / math.radians(observation.sigma_deg) ** 2
        if observation.azimuth_deg is None:
            total += weight * (np.eye(3) - np.outer(s, s))
        else:
            m = rotation(stage, observation.reading)[2]
            total += weight * np.outer(m, m)
    return total
