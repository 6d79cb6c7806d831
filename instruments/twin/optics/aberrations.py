"""Geometric aberrations up to third order, and round ones up to the fifth, of a probe-forming lens.

Notation of Uhlemann & Haider (Ultramicroscopy 72, 1998, 109) with ω = θx + iθy, x along image columns, y down:

    χ(ω) = 2π/λ · Re(C1·ωω̄/2 + A1·ω̄²/2 + B2·ω²ω̄ + A2·ω̄³/3 + C3·(ωω̄)²/4 + C5·(ωω̄)³/6)
"""

import math
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Angles = NDArray[np.complex128]

_TURNS, _RINGS = 48, 6


@dataclass(frozen=True)
class Aberrations:
    """Coefficients [m]; those with a direction are complex."""

    c1: float = 0.0
    """Defocus, relative to the specimen."""
    a1: complex = 0j
    """Two-fold astigmatism."""
    b2: complex = 0j
    """Axial coma."""
    a2: complex = 0j
    """Three-fold astigmatism."""
    c3: float = 0.0
    """Spherical aberration."""
    c5: float = 0.0

    def __add__(self, other: "Aberrations") -> "Aberrations":
        return Aberrations(
            *(getattr(self, one.name) + getattr(other, one.name) for one in fields(Aberrations))
        )

    @property
    def round(self) -> bool:
        """True without any direction."""
        return not (self.a1 or self.b2 or self.a2)

    @property
    def simple(self) -> bool:
        """True if it is defocus and two-fold astigmatism alone: rays then fill an ellipse."""
        return not (self.b2 or self.a2 or self.c3 or self.c5)

    def phase(self, omega: Angles, wavelength: float) -> NDArray[np.float64]:
        """χ at angles ω [rad], wavelength [m]; shape of `omega`."""
        back, square = omega.conj(), (omega * omega.conj()).real
        path = 0.5 * self.c1 * square + 0.25 * self.c3 * square**2 + self.c5 * square**3 / 6
        if not self.round:
            turned = 0.5 * self.a1 * back**2 + self.b2 * omega * square + self.a2 * back**3 / 3
            path = path + turned.real
        return np.asarray(2 * math.pi / wavelength * path)

    def landing(self, omega: Angles) -> Angles:
        """Where the ray at angle ω [rad] meets the specimen, x + iy [m]: the gradient of χ·λ/2π."""
        back, square = omega.conj(), (omega * omega.conj()).real
        even = self.c1 * omega + self.c3 * square * omega + self.c5 * square**2 * omega
        odd = self.a1 * back + self.b2 * omega**2 + 2 * self.b2.conjugate() * square + self.a2 * back**2
        return np.asarray(even + odd)

    def blur(self, convergence: float) -> float:
        """Radius of the circle that all rays within the aperture [rad] meet [m]."""
        if self.round and not (self.c3 or self.c5):
            return abs(self.c1) * convergence
        return _widest(self, convergence)

    def narrowest(self, convergence: float) -> float:
        """Half width of the blur across its long direction, two-fold astigmatism alone considered [m]."""
        return abs(abs(self.c1) - abs(self.a1)) * convergence if self.a1 else self.blur(convergence)

    def rounded(self) -> "Aberrations":
        """To what no image can tell apart: 10 pm of C1, A1; 1 nm of B2, A2; 10 nm of C3; 1 µm of C5."""
        return Aberrations(
            c1=round(self.c1, 11),
            a1=_rounded(self.a1, 11),
            b2=_rounded(self.b2, 9),
            a2=_rounded(self.a2, 9),
            c3=round(self.c3, 8),
            c5=round(self.c5, 6),
        )


def _rounded(value: complex, digits: int) -> complex:
    return complex(round(value.real, digits), round(value.imag, digits))


@lru_cache(maxsize=64)
def _widest(aberrations: Aberrations, convergence: float) -> float:
    turn = np.exp(2j * math.pi * np.arange(_TURNS) / _TURNS)
    rays = convergence * np.arange(1, _RINGS + 1)[:, None] / _RINGS * turn
    return float(np.abs(aberrations.landing(rays)).max())


NONE = Aberrations()
