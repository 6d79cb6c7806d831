"""How strongly a reflection scatters electrons: atomic and structure factors, extinction distance.

Atomic factors: five Gaussians a exp(-b s²) with s = sin(theta)/lambda = g/2, International Tables C, table 4.3.2.2
(Peng, Ren, Dudarev & Whelan, Acta Cryst. A52, 1996, 257), good to s = 2 1/Å; the numbers are gemmi's.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.crystal.indices import Integers
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction.structure import Atom, Structure
from eucentric.knowledge.electron_optics import wavelength_a

Complex = NDArray[np.complex128]
_REST_KEV = 510.99895
_AT_ONCE = 2_000_000
"""Products of reflections and atoms that are held in memory at a time."""


@lru_cache(maxsize=128)
def _gaussians(element: str) -> tuple[Array, Array]:
    import gemmi  # its table is the source

    known = gemmi.Element(element)
    coefficients = known.c4322.get_coefs() if known.atomic_number and known.c4322 else None
    if coefficients is None:
        raise BadInput(
            f"no electron scattering factor for {visible(element, limit=12)!r}",
            "the table has H to Cf",
            "give an element symbol",
        )
    return np.array(coefficients[:5]), np.array(coefficients[5:])


def atomic_factor_a(element: str, g_per_angstrom: Array) -> Array:
    """(n,) [Å] scattering amplitude of a neutral atom at rest mass, at |g| (n,) [1/Å].

    Raises
    ------
    BadInput
        If the element is not known.
    """
    a, b = _gaussians(element)
    s2 = 0.25 * np.asarray(g_per_angstrom, dtype=np.float64) ** 2
    return np.asarray(np.exp(-s2[..., None] * b) @ a)


def structure_factors_a(structure: Structure, hkl: Array | Integers, length: Array) -> Complex:
    """(n,) [Å] complex, sum of f exp(-B g²/4) exp(-2 pi i h r), at rest mass.

    Parameters
    ----------
    hkl
        (n, 3), integers, or any real numbers for points on a rod.
    length
        (n,) |g| [1/Å].
    """
    elements = sorted({atom.element for atom in structure.atoms})
    amplitude = {element: atomic_factor_a(element, length) for element in elements}
    total = np.zeros(len(hkl), dtype=np.complex128)
    for element in elements:
        atoms = [atom for atom in structure.atoms if atom.element == element]
        total += amplitude[element] * _geometric(hkl, length, atoms)
    return total


def _geometric(hkl: Array | Integers, length: Array, atoms: list[Atom]) -> Complex:
    at = np.array([atom.at for atom in atoms])
    share = np.array([atom.occupancy for atom in atoms])
    b = np.array([atom.b_a2 for atom in atoms])
    found = np.empty(len(hkl), dtype=np.complex128)
    step = max(1, _AT_ONCE // max(1, len(atoms)))
    for start in range(0, len(hkl), step):
        part = slice(start, start + step)
        phase = np.exp(-2j * np.pi * (hkl[part] @ at.T))
        damped = np.exp(-0.25 * length[part, None] ** 2 * b) * share
        found[part] = (phase * damped).sum(axis=1)
    return found


def relativistic_mass(voltage_kv: float) -> float:
    """m/m0 of the beam's electrons, by which scattering grows."""
    return 1 + voltage_kv / _REST_KEV


def extinction_distance_a(factor_a: Array | Complex, volume_a3: float, voltage_kv: float) -> Array:
    """(n,) [Å] two-beam extinction distance pi V / (gamma lambda |F|), small angles (De Graef 2003, chapter 6)."""
    strength = relativistic_mass(voltage_kv) * wavelength_a(voltage_kv) * np.abs(factor_a)
    return np.asarray(math.pi * volume_a3 / np.maximum(strength, 1e-300))
