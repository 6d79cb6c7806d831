"""Knock-on: how much energy an electron can hand to a nucleus at most, and how often it displaces an atom.

The masses are standard atomic weights; atoms are taken at rest, so a threshold just above the largest transfer gives
exactly zero although heat would blur it by some tenths of an electronvolt.
"""

import math

from eucentric.core.errors import BadInput
from eucentric.knowledge.scattering import atomic_number

_REST_KEV = 510.99895
_DALTON_KEV = 931494.10
_RYDBERG_EV = 13.605693
_BOHR_A = 0.529177
_FINE = 7.2973526e-3


def atomic_mass(element: str) -> float:
    """Standard atomic weight [Da]."""
    import gemmi  # its table is the source

    atomic_number(element)
    return float(gemmi.Element(element).weight)


def largest_transfer_ev(element: str, voltage_kv: float) -> float:
    """Energy handed over in a head-on collision, 2E(E + 2mc²)/Mc² [eV]: 3.9 eV for Ti at 80 kV."""
    if voltage_kv <= 0:
        raise BadInput(f"a voltage of {voltage_kv:g} kV", "needs more than 0")
    return 2e3 * voltage_kv * (voltage_kv + 2 * _REST_KEV) / (atomic_mass(element) * _DALTON_KEV)


def displacement_cross_section_a2(element: str, voltage_kv: float, threshold_ev: float) -> float:
    """Cross-section for displacing an atom, McKinley & Feshbach 1948 [Å²]; 0 where the transfer is too small.

    Integrated over all transfers above the threshold (Banhart, Rep. Prog. Phys. 62, 1999, eq. 5).

    Parameters
    ----------
    threshold_ev
        Displacement energy [eV].
    """
    if threshold_ev <= 0:
        raise BadInput(f"a displacement energy of {threshold_ev:g} eV", "needs more than 0")
    ratio = largest_transfer_ev(element, voltage_kv) / threshold_ev
    if ratio <= 1:
        return 0.0
    z = atomic_number(element)
    gamma = 1 + voltage_kv / _REST_KEV
    beta2 = 1 - 1 / gamma**2
    spin = math.pi * z * _FINE * math.sqrt(beta2)
    scale = 4 * math.pi * (z * _BOHR_A * _RYDBERG_EV / (_REST_KEV * 1e3)) ** 2 * (1 - beta2) / beta2**2
    log = math.log(ratio)
    return scale * (ratio - 1 - beta2 * log + spin * (2 * (math.sqrt(ratio) - 1) - log))
