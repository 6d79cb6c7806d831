"""Spots of a crystal at any orientation: where, how far from the Ewald sphere, how bright (kinematic).

Lab frame of convention C1: z toward the gun, so the beam runs along -z with k = (0, 0, -K), K = 1/lambda. A point g of
the reciprocal lattice lies s = g_z - g_t²/(K + sqrt(K² - g_t²)) above the Ewald sphere along the beam, with g_t the
part across it; a zone axis that leans from the gun by a tilt has the circle of s = 0 (Laue circle) around it. A spot
is seen at g_t: distances are K sin(theta), which is K tan(theta) to 0.03 % at 25 mrad.
"""

import math
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.knowledge.crystal.indices import Integers
from eucentric.knowledge.crystal.rotation import Array, Chosen
from eucentric.knowledge.diffraction.factors import extinction_distance_a, structure_factors_a
from eucentric.knowledge.diffraction.reflections import Reflections
from eucentric.knowledge.diffraction.structure import Structure
from eucentric.knowledge.electron_optics import wavelength_a

_CONE, _WEIGHT = np.polynomial.legendre.leggauss(9)
_FAINT = 1e-6
WIDEST_MRAD = 20.0
"""Convergence above which discs of neighbouring spots overlap in any crystal, and nothing here reads them [mrad]."""


class Illumination(Model):
    """The beam."""

    voltage_kv: float = Field(ge=20, le=1500)
    convergence_mrad: float = Field(1.0, ge=0, le=WIDEST_MRAD)
    """Half-angle: spots are discs of this radius, and see this range of excitation errors."""

    @property
    def wavelength_a(self) -> float:
        """[Å]."""
        return wavelength_a(self.voltage_kv)

    @property
    def k(self) -> float:
        """1/lambda [1/Å]."""
        return 1 / self.wavelength_a


@dataclass(frozen=True, eq=False)
class Spots:
    """Spots of one pattern, brightest first; the direct beam is not among them."""

    hkl: Integers
    """(n, 3)."""
    at: Array
    """(n, 2) [1/Å] lab x, y."""
    excitation: Array
    """(n,) s [1/Å]; positive inside the Ewald sphere."""
    intensity: Array
    """(n,) kinematic, of the incident beam; their sum passes one where the crystal is too thick for the theory."""

    def __len__(self) -> int:
        return len(self.hkl)

    def part(self, chosen: Chosen) -> "Spots":
        """Those of a boolean or index array (m,)."""
        return Spots(self.hkl[chosen], self.at[chosen], self.excitation[chosen], self.intensity[chosen])


def excitation_errors(g_lab: Array, k: float) -> Array:
    """(...,) [1/Å] of g (..., 3) in the lab frame."""
    return off_sphere(g_lab[..., 0] ** 2 + g_lab[..., 1] ** 2, g_lab[..., 2], k)


def off_sphere(across2: Array, along: Array, k: float) -> Array:
    """(...,) [1/Å] the same from g_t² and g_z."""
    return np.asarray(along - across2 / (k + np.sqrt(np.maximum(k * k - across2, 0.0))))


def shape_factor(excitation: Array, blur: Array, thickness_a: float) -> Array:
    """(n,) [Å²] mean of sin²(pi t s)/(pi s)² over s ± `blur`, as a disc of that half-width sees it.

    Parameters
    ----------
    blur
        (n,) [1/Å] g times the half-angle of convergence.
    """
    share = _WEIGHT * np.sqrt(1 - _CONE**2)
    s = excitation[:, None] + blur[:, None] * _CONE
    value = (thickness_a * np.sinc(thickness_a * s)) ** 2
    return np.asarray(value @ (share / share.sum()))


def spots(
    known: Reflections, to_lab: Array, light: Illumination, thickness_nm: float, faintest: float = _FAINT
) -> Spots:
    """The spots of a crystal.

    Parameters
    ----------
    known
        The reflections that may be seen.
    to_lab
        (3, 3) crystal Cartesian to lab: `rotation(stage, reading) @ orientation.array`.
    thickness_nm
        Along the beam [nm].
    faintest
        Spots below this share of the incident beam are left out.
    """
    thickness = 10 * thickness_nm
    reach = 3 / thickness + 0.02  # beyond it the shape function is below a hundredth, and no disc comes near
    g = known.g @ to_lab.T
    s = excitation_errors(g, light.k)
    near = np.flatnonzero(np.abs(s) < reach + known.length * light.convergence_mrad * 1e-3)
    width = known.length[near] * light.convergence_mrad * 1e-3
    distance = extinction_distance_a(known.factor[near], known.crystal.cell.volume_a3, light.voltage_kv)
    intensity = (math.pi / distance) ** 2 * shape_factor(s[near], width, thickness)
    return _sorted(known.hkl[near], g[near, :2], s[near], intensity, faintest)


def layer_spots(
    layer: Structure, to_lab: Array, light: Illumination, largest: float = 1.5, faintest: float = _FAINT
) -> Spots:
    """The spots of a single layer, whose reciprocal lattice is rods along c*: every rod meets the Ewald sphere.

    Parameters
    ----------
    layer
        The atoms of one layer; its cell's a and b are in the layer, c is only the box around it.
    largest
        Largest distance from the direct beam [1/Å].

    Notes
    -----
    Intensities hardly change with tilt and there is no thickness in which Kikuchi bands could form: only the
    distances of the spots tell a tilt.
    """
    cell = layer.crystal.cell
    bound = [int(largest * edge) + 1 for edge in (cell.a_angstrom, cell.b_angstrom)]
    h, k = np.meshgrid(*(np.arange(-n, n + 1) for n in bound), indexing="ij")
    hk = np.stack([h.ravel(), k.ravel(), np.zeros(h.size)], axis=1)
    hk = hk[(hk != 0).any(axis=1)]
    foot = hk @ cell.reciprocal.T @ to_lab.T
    along = to_lab @ np.array([0.0, 0.0, 1.0])  # the rods run along c*, which is z of crystal Cartesian axes
    height = _onto_sphere(foot, along, light.k)
    g = foot + height[:, None] * along
    index = hk.copy()
    index[:, 2] = height * float(cell.structure[2, 2])
    factor = structure_factors_a(layer, index, np.linalg.norm(g, axis=1))
    area = cell.volume_a3 / float(cell.structure[2, 2])
    amplitude = light.wavelength_a * (1 + light.voltage_kv / 510.99895) * np.abs(factor) / area
    inside = np.hypot(g[:, 0], g[:, 1]) <= largest
    return _sorted(
        np.rint(hk[inside]).astype(np.int64),
        g[inside, :2],
        np.zeros(int(inside.sum())),
        amplitude[inside] ** 2,
        faintest,
    )


def _onto_sphere(foot: Array, along: Array, k: float) -> Array:
    """(n,) how far along unit `along` (3,) from `foot` (n, 3) the Ewald sphere is; three Newton steps suffice."""
    height = np.zeros(len(foot))
    for _ in range(3):
        g = foot + height[:, None] * along
        slope = along[2] - (g[:, :2] @ along[:2]) / k
        height = height - excitation_errors(g, k) / slope
    return height


def _sorted(hkl: Integers, at: Array, s: Array, intensity: Array, faintest: float) -> Spots:
    order = np.argsort(-intensity, kind="stable")
    order = order[intensity[order] >= faintest]
    return Spots(hkl[order], at[order], s[order], intensity[order])
