"""Kikuchi bands: where the planes of a crystal are seen edge-on, turning rigidly with it.

An electron that runs along p (|p| = K) is at the Bragg angle of g if p g = ± g²/2: two lines, |g| apart, on either side
of the trace of the plane. At a distance q from the direct beam p = (q, -sqrt(K² - q²)) in the lab frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.crystal.indices import Integers
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction.reflections import Reflections


@dataclass(frozen=True, eq=False)
class Bands:
    """Bands of one pattern, strongest first; a plane and its opposite are one band."""

    hkl: Integers
    """(n, 3)."""
    across: Array
    """(n, 2) unit vectors across the bands, lab x, y."""
    width: Array
    """(n,) [1/Å] from line to line where the band is nearest to the direct beam."""
    offset: Array
    """(n,) [1/Å] of the middle line from the direct beam, along `across`."""
    strength: Array
    """(n,) |F|² over that of the strongest reflection of the crystal, less for closely spaced planes."""
    g: Array
    """(n, 3) [1/Å], lab."""

    def __len__(self) -> int:
        return len(self.hkl)


def bands(known: Reflections, to_lab: Array, k: float, most: int = 40, farthest: float = 2.0) -> Bands:
    """The strongest bands that come within `farthest` [1/Å] of the direct beam.

    Parameters
    ----------
    to_lab
        (3, 3) crystal Cartesian to lab.
    k
        1/lambda [1/Å].
    """
    half = _one_of_each_pair(known.hkl)
    hkl, length = known.hkl[half], known.length[half]
    g = known.g[half] @ to_lab.T
    flat = np.hypot(g[:, 0], g[:, 1])
    offset = k * g[:, 2] / np.maximum(flat, 1e-9)
    strength = known.strength[half] ** 2 * np.exp(-(length**2))
    near = np.flatnonzero((np.abs(offset) < farthest) & (flat > 0.5 * length))
    best = near[np.argsort(-strength[near], kind="stable")][:most]
    return Bands(
        hkl[best],
        g[best, :2] / flat[best, None],
        length[best] ** 2 / flat[best],
        offset[best],
        strength[best],
        g[best],
    )


def zone_axis_at(crystal: Crystal, to_lab: Array, uvw: Sequence[int], k: float) -> Array | None:
    """(2,) [1/Å] where the bands of a zone axis cross: the centre of its Laue circle. None if it is 60° off or more.

    The axis is taken in the sense that points to the gun.
    """
    x, y, z = (to_lab @ crystal.direction(uvw)).tolist()
    if abs(z) <= 0.5:
        return None
    sign = math.copysign(1.0, z)
    return np.array([-k * sign * x, -k * sign * y])


def _one_of_each_pair(hkl: Integers) -> Array:
    """Boolean (n,): of h and -h the one whose first index that is not zero is positive."""
    first = np.where(hkl[:, 0] != 0, hkl[:, 0], np.where(hkl[:, 1] != 0, hkl[:, 1], hkl[:, 2]))
    return np.asarray(first > 0)
