"""How much better a crystal in some orientation explains a list of spots than chance does.

Spots are taken for a Poisson process in the plane: each reflection near the Ewald sphere brings one with a probability
that follows its strength, within an error of position; false ones are spread evenly. The score is the logarithm of
the likelihood ratio to false spots alone [nat]: a spot explained to half a pixel is worth some 8, a predicted spot that
is not there costs up to 1. How bright spots are is left out here: thickness and multiple scattering change it more than
the kinematic theory knows, and `laue` uses it with that in mind.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.knowledge.crystal.rotation import Array, Chosen
from eucentric.knowledge.diffraction.reflections import Reflections
from eucentric.knowledge.diffraction.spots import off_sphere

_DETECTED = 0.9
_HALF_SEEN = 0.02
"""Amplitude over the strongest in the pattern that is detected half the time."""
_FALSE = (2.0, 0.08)
"""Expected false spots: so many, and this share of those seen."""
_AT_ONCE = 1_500_000


@dataclass(frozen=True, eq=False)
class Seen:
    """Spots that were measured, in lab axes as far as the screen is calibrated."""

    at: Array
    """(n, 2) [1/Å] from the direct beam."""
    counts: Array
    """(n,)."""
    sigma: float
    """Error of a place along an axis [1/Å]."""
    nearest: float
    """Spots nearer to the direct beam than this are not listed [1/Å]."""
    farthest: float
    """Nor are those farther away [1/Å]."""

    def __len__(self) -> int:
        return len(self.at)

    @property
    def false_density(self) -> float:
        """Expected false spots per area [Å²]."""
        area = math.pi * (self.farthest**2 - self.nearest**2)
        return (_FALSE[0] + _FALSE[1] * len(self)) / area

    def part(self, chosen: Chosen) -> "Seen":
        """Those of a boolean or index array (m,)."""
        return Seen(self.at[chosen], self.counts[chosen], self.sigma, self.nearest, self.farthest)


def scores(
    seen: Seen, known: Reflections, to_lab: Array, k: float, relrod: float, looseness: float = 0.0
) -> Array:
    """(m,) [nat] for rotations crystal to lab (m, 3, 3).

    Parameters
    ----------
    relrod
        Half-width of the reflections along the beam [1/Å]: 1/thickness and more.
    looseness
        Relative error of distances, for a rough scale or an orientation not yet refined.
    """
    tree, found = cKDTree(seen.at), np.empty(len(to_lab))
    step = max(1, _AT_ONCE // max(1, len(known)))
    for start in range(0, len(to_lab), step):
        part = slice(start, start + step)
        found[part] = _scores(seen, tree, known, to_lab[part], k, relrod, looseness)
    return found


def predicted(
    seen: Seen, known: Reflections, to_lab: Array, k: float, relrod: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]:
    """(rotation, reflection, place (p, 2), amplitude (p,)) of all that may be seen on the screen."""
    g = to_lab @ known.g.T
    across2 = g[:, 0] ** 2 + g[:, 1] ** 2
    s = off_sphere(across2, g[:, 2], k)
    near = (np.abs(s) < 3 * relrod) & (across2 > seen.nearest**2) & (across2 < seen.farthest**2)
    which, reflection = np.nonzero(near)
    fall = np.exp(
        -0.25 * (s[which, reflection] / relrod) ** 2
    )  # of the amplitude: half that of the intensity
    at = np.stack([g[which, 0, reflection], g[which, 1, reflection]], axis=1)
    return which, reflection, at, known.strength[reflection] * fall


def _scores(
    seen: Seen, tree: cKDTree, known: Reflections, to_lab: Array, k: float, relrod: float, looseness: float
) -> Array:
    which, _, at, amplitude = predicted(seen, known, to_lab, k, relrod)
    best = np.zeros(len(to_lab))
    np.maximum.at(best, which, amplitude)
    relative = amplitude / np.maximum(best[which], 1e-12)
    detected = _DETECTED * relative**2 / (relative**2 + _HALF_SEEN**2)
    sigma = np.hypot(seen.sigma, looseness * np.hypot(at[:, 0], at[:, 1]))
    apart, spot = tree.query(at, distance_upper_bound=3.0 * float(sigma.max(initial=seen.sigma)))
    hit = np.isfinite(apart) & (apart < 3.0 * sigma)
    density = np.zeros((len(to_lab), len(seen)))
    place = np.exp(-0.5 * (apart[hit] / sigma[hit]) ** 2) / (2 * math.pi * sigma[hit] ** 2)
    np.add.at(density, (which[hit], spot[hit]), detected[hit] * place)
    gain = np.log1p(density / seen.false_density).sum(axis=1)
    missing = np.zeros(len(to_lab))
    np.add.at(missing, which, detected)
    return np.asarray(gain - missing)
