"""The tilt of a single layer from the distortion of its lattice: all there is where no Kikuchi bands can form.

Tilted by tau, a layer looks shorter by cos(tau) across the tilt axis in an image, and its spots lie farther apart by
1/cos(tau) in a pattern. The cosine hardly changes at small angles: a lattice known to 0.5 % tells tilts from about 12
degrees on, and never their sign. What the scan distorts looks the same and has to be in the error.
"""

import math
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.cell import Cell
from eucentric.knowledge.crystal.rotation import Array

_RAYLEIGH_95 = 2.4477
"""Two-dimensional noise of standard deviation one is longer than this once in twenty."""
_MOST_STRAIN = 0.35
"""Beyond it the cells are of different lattices."""


class LayerTilt(Model):
    """What a distorted lattice says of the tilt of a layer."""

    tilt_deg: float
    """Best estimate, without sign."""
    low_deg: float
    """95 % interval."""
    high_deg: float
    axis_deg: float
    """Azimuth of the tilt axis in the frame of the measured vectors, 0 ... 180; means nothing if not informative."""
    informative: bool
    """False if distortion of this size is within the error: then the tilt is unknown up to `high_deg`."""
    scale: float
    """Measured over expected length along the tilt axis: 1 for a calibrated picture."""


def layer_tilt(
    measured: ArrayLike, cell: Cell, strain_sigma: float, *, reciprocal: bool = False
) -> LayerTilt:
    """The tilt from two measured lattice vectors.

    Parameters
    ----------
    measured
        (2, 2) two shortest lattice vectors as rows, x then y, any unit: of an image, or (`reciprocal`) of a pattern.
    cell
        Of the layer; a and b lie in it.
    strain_sigma
        Standard deviation of each component of the measured shear-like strain: of the fit and of the scan together.

    Raises
    ------
    BadInput
        If the vectors are parallel or not finite, the error is not positive, or the lattice is another one.
    """
    rows = np.asarray(measured, dtype=np.float64)
    if rows.shape != (2, 2) or not np.isfinite(rows).all() or abs(np.linalg.det(rows)) < 1e-12:
        raise BadInput(
            "a lattice in the plane has two vectors that are not parallel", remedy="measure it again"
        )
    if not 0 < strain_sigma < 1:
        raise BadInput(
            f"a strain error of {strain_sigma}", "above zero and below 1", "state it as a fraction"
        )
    expected: Array = _plane(cell)
    if reciprocal:
        expected = np.asarray(np.linalg.inv(expected).T)
    found = np.linalg.svd(_deformation(rows, expected))
    u, size = np.asarray(found[0]), np.asarray(found[1])
    if reciprocal:  # stretched across the axis, where an image is shortened
        size, u = 1 / size[::-1], u[:, ::-1]
    strain = float((size[0] - size[1]) / (size[0] + size[1]))
    known = strain > _RAYLEIGH_95 * strain_sigma
    return LayerTilt(
        tilt_deg=_tilt_deg(math.sqrt(max(strain**2 - strain_sigma**2, 0.0))),
        low_deg=_tilt_deg(max(strain - 1.96 * strain_sigma, 0.0)) if known else 0.0,
        high_deg=_tilt_deg(strain + 1.96 * strain_sigma),
        axis_deg=math.degrees(math.atan2(u[1, 0], u[0, 0])) % 180.0,
        informative=known,
        scale=float(size[0]) if not reciprocal else float(1 / size[0]),
    )


def _tilt_deg(strain: float) -> float:
    """(1 - cos tau)/(1 + cos tau) = strain, so tan²(tau/2) = strain."""
    return math.degrees(2 * math.atan(math.sqrt(strain)))


def _plane(cell: Cell) -> Array:
    """(2, 2) a and b in their own plane, as rows."""
    gamma = math.radians(cell.gamma_deg)
    return np.array(
        [[cell.a_angstrom, 0.0], [cell.b_angstrom * math.cos(gamma), cell.b_angstrom * math.sin(gamma)]]
    )


def _deformation(measured: Array, expected: Array) -> Array:
    """(2, 2) the map from expected to measured vectors that strains least, over all choices of the cell's vectors."""
    best, least = None, math.inf
    for numbers in product((-1, 0, 1), repeat=4):
        change = np.array(numbers).reshape(2, 2)
        if abs(round(float(np.linalg.det(change)))) != 1:
            continue
        map_ = measured.T @ np.linalg.inv((change @ expected).T)
        size = np.linalg.svd(map_, compute_uv=False)
        strain = float((size[0] - size[1]) / (size[0] + size[1]))
        if strain < least - 1e-12:
            best, least = map_, strain
    if best is None or least > _MOST_STRAIN:
        raise BadInput(
            f"the measured cell differs from the layer's by {100 * least:.0f} % in shape",
            f"tilts change it by less than {100 * _MOST_STRAIN:.0f} %",
            "check the phase, and that the two vectors are the shortest",
        )
    return np.asarray(best)
