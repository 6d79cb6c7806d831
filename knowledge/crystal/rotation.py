"""Rotations as matrices and quaternions (scalar first), active and right-handed."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eucentric.core.errors import BadInput

Array = NDArray[np.float64]
Chosen = NDArray[np.bool_] | NDArray[np.intp]
"""Which rows: a mask, or their numbers."""

_IDENTITY: Array = np.eye(3)


def axis_angle(axis: ArrayLike, angle_deg: float) -> Array:
    """Rotation by `angle_deg` about `axis` (3,), any length, as a (3, 3) matrix (Rodrigues).

    Raises
    ------
    BadInput
        If the axis has no length.
    """
    x, y, z = unit(axis).tolist()
    s, c = math.sin(math.radians(angle_deg)), math.cos(math.radians(angle_deg))
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + s * k + (1 - c) * (k @ k))


def unit(vector: ArrayLike, name: str = "vector") -> Array:
    """`vector` (3,) with length one.

    Raises
    ------
    BadInput
        If it is zero, not finite or does not have three components.
    """
    v: Array = np.asarray(vector, dtype=np.float64)
    length = math.sqrt(float(v @ v)) if v.shape == (3,) else math.nan
    if not math.isfinite(length) or length < 1e-12:
        raise BadInput(
            f"the {name} {v.tolist()} has no direction",
            "three finite numbers are needed, not all zero",
            "check the indices or the reading it came from",
        )
    return np.asarray(v / length)


def proper_rotation(matrix: ArrayLike, tolerance: float = 2e-3) -> Array:
    """The rotation nearest to `matrix` (3, 3): its polar factor, for matrices printed to a few digits.

    Raises
    ------
    BadInput
        If the matrix is not a rotation within `tolerance` (a reflection, a scaled or a garbled one).
    """
    m: Array = np.asarray(matrix, dtype=np.float64)
    if m.shape != (3, 3) or not math.isfinite(float(m.sum())):
        raise BadInput("an orientation has 3 x 3 finite numbers", f"got shape {m.shape}", "give rows first")
    off = float(np.abs(m.T @ m - _IDENTITY).max())
    (a, b, c), (d, e, f), (g, h, i) = m.tolist()
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if not (off <= tolerance and determinant > 0):
        raise BadInput(
            f"the matrix is not a proper rotation: off by {off:.2g}, determinant {determinant:.3f}",
            f"rows are orthonormal within {tolerance:g} and the determinant is +1",
            "give v_S = G v_C with rows first; a determinant of -1 means one axis is reversed",
        )
    for _ in range(3):  # Newton-Schulz: the error is squared each time
        m = 0.5 * (m @ (3 * _IDENTITY - m.T @ m))
    return m


def quaternion(matrix: ArrayLike) -> Array:
    """Quaternion (w, x, y, z) of a rotation matrix, w >= 0, exact near 0 and near 180 degrees (Shepperd 1978)."""
    (a, b, c), (d, e, f), (g, h, i) = np.asarray(matrix, dtype=np.float64).tolist()
    squares = (1 + a + e + i, 1 + a - e - i, 1 - a + e - i, 1 - a - e + i)
    largest = squares.index(max(squares))
    if largest == 0:
        q = (squares[0], h - f, c - g, d - b)
    elif largest == 1:
        q = (h - f, squares[1], b + d, c + g)
    elif largest == 2:
        q = (c - g, b + d, squares[2], f + h)
    else:
        q = (d - b, c + g, f + h, squares[3])
    norm = math.copysign(math.sqrt(math.fsum(x * x for x in q)), q[0])
    return np.array([x / norm for x in q])


def matrix_of(q: ArrayLike) -> Array:
    """Rotation matrix (3, 3) of a unit quaternion (w, x, y, z)."""
    w, x, y, z = np.asarray(q, dtype=np.float64).tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def product(p: Array, q: Array) -> Array:
    """Quaternion products of (..., 4) and (..., 4), broadcast: the rotation q first, then p."""
    w1, x1, y1, z1 = np.moveaxis(p, -1, 0)
    w2, x2, y2, z2 = np.moveaxis(q, -1, 0)
    return np.stack(
        [
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ],
        axis=-1,
    )


def angle_of(q: ArrayLike) -> float:
    """Rotation angle of a quaternion, 0 ... 180 [degree], from both parts so that no digits are lost."""
    w, x, y, z = np.asarray(q, dtype=np.float64).tolist()
    return math.degrees(2 * math.atan2(math.sqrt(x * x + y * y + z * z), abs(w)))


def angle_between(p: ArrayLike, q: ArrayLike) -> float:
    """Angle of two vectors (3,), 0 ... 180 [degree], exact near both ends."""
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b)))
