"""What nobody has set: residual aberrations, their slow wander, and what a current, an aperture or a shift detunes.

All of it is a function of the seed, the settings and the instrument's clock, so that a reading costs no randomness.
"""

import math
from collections.abc import Mapping

import numpy as np

from eucentric.instruments.twin.hashing import draws, subseed, uniform
from eucentric.instruments.twin.optics.aberrations import NONE, Aberrations
from eucentric.instruments.twin.optics.spec import AberrationSizes, OpticsSpec

_RESIDUAL, _WANDER, _CURRENT, _APERTURE, _SHIFT = range(201, 206)
_NM, _UM = 1e-9, 1e-6


def _normal(seed: int) -> float:
    u, v = draws(seed, 2).tolist()
    return math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v)


def _drawn(sizes: AberrationSizes, seed: int) -> Aberrations:
    """One draw; an aberration with a direction has that sigma in each component over √2."""

    def pair(size_nm: float, label: int) -> complex:
        half = size_nm * _NM / math.sqrt(2)
        return complex(_normal(subseed(seed, label, 0)), _normal(subseed(seed, label, 1))) * half

    return Aberrations(
        c1=sizes.c1_nm * _NM * _normal(subseed(seed, 0)),
        a1=pair(sizes.a1_nm, 1),
        b2=pair(sizes.b2_nm, 2),
        a2=pair(sizes.a2_nm, 3),
    )


def _between(first: Aberrations, second: Aberrations, share: float) -> Aberrations:
    """Two independent states mixed so that the variance stays."""
    angle = 0.5 * math.pi * share
    p, q = math.cos(angle), math.sin(angle)
    return Aberrations(
        c1=p * first.c1 + q * second.c1,
        a1=p * first.a1 + q * second.a1,
        b2=p * first.b2 + q * second.b2,
        a2=p * first.a2 + q * second.a2,
    )


class Alignment:
    """Errors of one column."""

    def __init__(self, optics: OpticsSpec, seed: int) -> None:
        self._optics, self._seed = optics, seed
        self._residual = _drawn(optics.residual, subseed(seed, _RESIDUAL))
        self._directions = uniform(subseed(seed, _SHIFT), np.arange(2, dtype=np.int64)) * 2 * math.pi

    def errors(self, settings: Mapping[str, float], time_s: float) -> Aberrations:
        """By how much C1, A1, B2 and A2 are off at these settings and this time [m]."""
        detuned = self._detuned(settings)
        return self._residual + self._wandered(time_s) + detuned + self._shifted(settings)

    def _wandered(self, time_s: float) -> Aberrations:
        """Away from the state in which the instrument was handed over."""
        sizes = self._optics.wander
        if not (sizes.c1_nm or sizes.a1_nm or sizes.b2_nm or sizes.a2_nm):
            return NONE
        knot, share = divmod(time_s / sizes.time_s, 1.0)
        return _between(self._state(int(knot)), self._state(int(knot) + 1), share)

    def _state(self, knot: int) -> Aberrations:
        return _drawn(self._optics.wander, subseed(self._seed, _WANDER, knot)) if knot > 0 else NONE

    def _detuned(self, settings: Mapping[str, float]) -> Aberrations:
        return self._choice(
            _CURRENT, settings["probe_current"] * 1e12, self._optics.currents_pa
        ) + self._choice(_APERTURE, settings["convergence"] * 1e3, self._optics.convergences_mrad)

    def _choice(self, label: int, value: float, choices: tuple[float, ...]) -> Aberrations:
        """The first setting was tuned; each other one has an offset of its own."""
        first = self._optics.probe_current_pa if label == _CURRENT else self._optics.convergence_mrad
        if not choices or math.isclose(value, first, rel_tol=1e-9):
            return NONE
        nearest = min(range(len(choices)), key=lambda n: abs(choices[n] - value))
        return _drawn(self._optics.detune, subseed(self._seed, label, nearest))

    def _shifted(self, settings: Mapping[str, float]) -> Aberrations:
        """Coma grows with the shift along its direction, astigmatism with its double angle; both lenses are turned."""
        shift = complex(settings["beam_shift_x"], settings["beam_shift_y"]) / _UM
        rates = self._optics.shift
        if not shift or not (rates.a1_nm_per_um or rates.b2_nm_per_um):
            return NONE
        first, second = np.exp(1j * self._directions)
        a1 = rates.a1_nm_per_um * _NM * shift**2 / abs(shift) * complex(first)
        return Aberrations(a1=a1, b2=rates.b2_nm_per_um * _NM * shift * complex(second))
