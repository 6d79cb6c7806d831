"""How brightly each element shows in an annular dark-field image."""

import math

import numpy as np

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.electron_optics import wavelength_a

_SYMBOLS = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb
    Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au
    Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf
"""
_NUMBER = {symbol: z for z, symbol in enumerate(_SYMBOLS.split(), 1)}

_REFERENCE = {"C": 0.00118, "O": 0.00118, "S": 0.0055, "Ti": 0.0109, "V": 0.0110, "Mo": 0.0283, "W": 0.0623}
"""Cross-sections [Å²] at 60 kV, 30 mrad probe, 60-140 mrad detector, fitted to the mean intensity of
multislice images of Ti3C2O2 and MoS2 (element ratios good to a few per cent there)."""
_KV, _INNER, _OUTER = 60.0, 60.0, 140.0


def _unknown(element: str) -> BadInput:
    return BadInput(
        f"no cross-section for element {visible(element, limit=12)!r}",
        "known: H to Cf",
        "give an element's symbol",
    )


def atomic_number(element: str) -> int:
    """Z of an element's symbol; BadInput if there is none."""
    if element not in _NUMBER:
        raise _unknown(element)
    return _NUMBER[element]


def element_of(number: int) -> str:
    """Symbol of the element with that Z; BadInput if there is none."""
    if not 1 <= number <= len(_NUMBER):
        raise _unknown(str(number))
    return list(_NUMBER)[number - 1]


def _beta2(voltage_kv: float) -> float:
    gamma = 1 + voltage_kv / 510.99895
    return 1 - 1 / gamma**2


def haadf_cross_section_a2(
    element: str, voltage_kv: float = _KV, inner_mrad: float = _INNER, outer_mrad: float = _OUTER
) -> float:
    """Cross-section for scattering onto an annular detector [Å²].

    Elements that the reference table lacks are interpolated in log(Z). Voltage and angles scale as for
    Rutherford scattering, λ²/β² and 1/θ₁² - 1/θ₂²; outside 40-100 kV and 50-200 mrad that is rough.

    Raises
    ------
    BadInput
        Unknown element, or inner >= outer.
    """
    if element not in _NUMBER:
        raise _unknown(element)
    if not 0 < inner_mrad < outer_mrad:
        raise BadInput(f"collection {inner_mrad:g}-{outer_mrad:g} mrad", "needs 0 < inner < outer")
    names = sorted(_REFERENCE, key=lambda name: _NUMBER[name])
    logs = np.log([_NUMBER[name] for name in names])
    values = np.log([_REFERENCE[name] for name in names])
    z = math.log(_NUMBER[element])
    slope = 1.6 if z > logs[-1] else 2.2
    base = float(np.interp(z, logs, values))
    base += slope * (z - logs[-1]) if z > logs[-1] else (slope * (z - logs[0]) if z < logs[0] else 0.0)
    energy = (wavelength_a(voltage_kv) / wavelength_a(_KV)) ** 2 * _beta2(_KV) / _beta2(voltage_kv)
    angles = (inner_mrad**-2 - outer_mrad**-2) / (_INNER**-2 - _OUTER**-2)
    return math.exp(base) * energy * angles


_BOHR_A = 0.529177


def screened_ratio(element: str, voltage_kv: float, inner_mrad: float, outer_mrad: float) -> float:
    """Scattering into an annulus over that into 60-140 mrad, at the same voltage.

    Elastic scattering by a Wentzel-screened nucleus, dσ/dΩ ∝ (θ² + θ₀²)⁻² with θ₀ = λ/2πR and R = a_H·Z^(-1/3)
    (Reimer & Kohl, Transmission Electron Microscopy, chapter 5): light elements fall off faster, so contrast
    between elements grows with the angle. Small angles miss inelastic and coherent scattering.

    Raises
    ------
    BadInput
        Unknown element, or inner >= outer.
    """
    if element not in _NUMBER:
        raise _unknown(element)
    if not 0 <= inner_mrad < outer_mrad:
        raise BadInput(f"collection {inner_mrad:g}-{outer_mrad:g} mrad", "needs 0 <= inner < outer")
    radius_a = _BOHR_A / math.cbrt(_NUMBER[element])
    screening = (1e3 * wavelength_a(voltage_kv) / (2 * math.pi * radius_a)) ** 2

    def annulus(inner: float, outer: float) -> float:
        return 1 / (inner**2 + screening) - 1 / (outer**2 + screening)

    return annulus(inner_mrad, outer_mrad) / annulus(_INNER, _OUTER)


CARBON_FILM_ATOMS_PER_A3 = 0.1
"""Amorphous carbon at 2.0 g/cm³ [1/Å³]."""
