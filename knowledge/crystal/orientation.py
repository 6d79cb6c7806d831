"""An orientation: crystal to sample, with what is known about its error; and how loading changes it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import model_validator

from eucentric.knowledge.crystal.rotation import Array, axis_angle, proper_rotation
from eucentric.knowledge.crystal.value import Value

Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]
Flip = Literal["none", "about_alpha", "about_beta", "about_beam"]

_FLIPS: dict[Flip, tuple[int, int, int]] = {
    "none": (1, 1, 1),
    "about_alpha": (1, -1, -1),
    "about_beta": (-1, 1, -1),
    "about_beam": (-1, -1, 1),
}


class Orientation(Value):
    """A proper rotation that takes crystal Cartesian components to the sample frame: v_S = G v_C."""

    matrix: Matrix
    """G, rows first."""
    covariance_rad2: Matrix | None = None
    """Of the small rotation vector in the sample frame [rad²]; None if the orientation was given, not measured."""
    convention: Literal["C1"] = "C1"

    @model_validator(mode="after")
    def _is_rotation(self) -> Self:
        _ = self.array  # raises unless it is a rotation, and keeps the exact one
        return self

    @cached_property
    def array(self) -> Array:
        """(3, 3), exactly orthogonal."""
        return proper_rotation(self.matrix)

    @cached_property
    def covariance(self) -> Array:
        """(3, 3) [rad²], zero if it was not measured."""
        return np.zeros((3, 3)) if self.covariance_rad2 is None else np.array(self.covariance_rad2)


def orientation_of(matrix: ArrayLike, covariance_rad2: ArrayLike | None = None) -> Orientation:
    """An orientation from a (3, 3) matrix printed to a few digits.

    Raises
    ------
    BadInput
        If the matrix is not a proper rotation.
    """
    cov = None if covariance_rad2 is None else as_matrix(np.asarray(covariance_rad2, dtype=np.float64))
    return Orientation(matrix=as_matrix(proper_rotation(matrix)), covariance_rad2=cov)


def as_matrix(rows: Array) -> Matrix:
    """A (3, 3) array as the nested tuples that models store."""
    (a, b, c), (d, e, f), (g, h, i) = rows.tolist()
    return (a, b, c), (d, e, f), (g, h, i)


def reloaded(orientation: Orientation, flip: Flip = "none", turn_deg: float = 0.0) -> Orientation:
    """The orientation after the specimen was taken out and put back: G_new = Rz(turn) F G.

    Parameters
    ----------
    flip
        Which way it was turned over; "about_beam" is half a turn in the plane.
    turn_deg
        Right-handed turn about the beam axis after the flip, from a fiducial measured in both loadings.
    """
    loading = axis_angle((0.0, 0.0, 1.0), turn_deg) @ np.diag(_FLIPS[flip])
    moved = loading @ orientation.covariance @ loading.T
    known = orientation.covariance_rad2 is not None
    return orientation_of(loading @ orientation.array, moved if known else None)


def turn_between_deg(before_deg: Sequence[float], after_deg: Sequence[float], flip: Flip = "none") -> float:
    """The turn about the beam from fiducial azimuths seen in both loadings, as a circular mean [degree].

    Azimuths are in the lab frame at zero tilt.
    """
    x, y, _ = _FLIPS[flip]
    before = np.radians(np.asarray(before_deg, dtype=np.float64))
    flipped = np.arctan2(y * np.sin(before), x * np.cos(before))
    turn = np.exp(1j * (np.radians(np.asarray(after_deg, dtype=np.float64)) - flipped)).mean()
    return float(np.degrees(np.angle(turn)))
