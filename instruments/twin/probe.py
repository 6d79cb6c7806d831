"""What the probe does to an image: transfer of a wave-optical or, far from focus, geometric spot."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from eucentric.instruments.twin.world import OpticsSpec
from eucentric.knowledge.electron_optics import wavelength_a

Plane = NDArray[np.float32]

ATOMIC_PIXEL = 0.06e-9
"""Coarser pixels do not resolve columns: the specimen is a continuum [m]."""
ATOMIC_BLUR = 1.5e-9
"""A blur disc of this radius passes < 0.3 % of the lattice contrast: likewise [m]."""
_REACH_A = 60.0
_RADII, _ANGLES, _FREQUENCIES = 1000, 240, 200


@dataclass(frozen=True)
class Beam:
    """The probe at one place."""

    optics: OpticsSpec
    defocus: float
    """Relative to the specimen [m]."""

    @property
    def blur(self) -> float:
        """Radius of the geometric blur disc [m]."""
        return abs(self.defocus) * self.optics.convergence_mrad * 1e-3

    @property
    def spot(self) -> float:
        """Gaussian sigma of a focused probe with source and thermal motion [m]."""
        ideal = 0.51 * wavelength_a(self.optics.voltage_kv) / (self.optics.convergence_mrad * 1e-3) / 2.3548
        return math.hypot(ideal, _gauss_a(self.optics)) * 1e-10

    @property
    def reach(self) -> float:
        """Radius that holds nearly all of the intensity [m]."""
        return self.blur + 8 * self.spot


def _gauss_a(optics: OpticsSpec) -> float:
    return math.hypot(
        optics.source_fwhm_angstrom / 2.3548, optics.thermal_rms_angstrom, optics.atom_rms_angstrom
    )


@lru_cache(maxsize=4)
def _tables(wavelength: float, aperture: float) -> tuple[NDArray[np.float64], ...]:
    """(k, r, s, J0(2πkr), J0(2πsr)): all that does not depend on the aberrations. k, s in 1/Å, r in Å."""
    k = (np.arange(_ANGLES) + 0.5) / _ANGLES * aperture / wavelength
    r = (np.arange(_RADII) + 0.5) / _RADII * _REACH_A
    s = np.linspace(0, 2 * aperture / wavelength, _FREQUENCIES)
    return k, r, s, special.j0(2 * np.pi * np.outer(r, k)), special.j0(2 * np.pi * np.outer(s, r))


@lru_cache(maxsize=64)
def _radial(optics: OpticsSpec, defocus_a: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies [1/Å] and the transfer of a coherent round probe (Kirkland 2010, eq. 3.69, C1 and C3)."""
    wavelength, aperture = wavelength_a(optics.voltage_kv), optics.convergence_mrad * 1e-3
    k, r, s, to_probe, to_transfer = _tables(wavelength, aperture)
    angle2 = (wavelength * k) ** 2
    chi = np.pi / wavelength * (angle2 * defocus_a + 0.5 * angle2**2 * optics.c3_um * 1e4)
    wave = np.einsum("rk,k->r", to_probe, np.exp(-1j * chi) * k)
    transfer = np.einsum("sr,r->s", to_transfer, np.abs(wave) ** 2 * r)
    return s, transfer / transfer[0]


def _coherent(beam: Beam, frequency_a: NDArray[np.float32]) -> Plane:
    s, radial = _radial(beam.optics, round(beam.defocus * 1e10, 1))
    return np.interp(frequency_a, s, radial, right=0.0).astype(np.float32)


def _geometric(beam: Beam, frequency_a: NDArray[np.float32]) -> Plane:
    x = (2 * np.pi * beam.blur * 1e10) * frequency_a
    ideal = 0.51 * wavelength_a(beam.optics.voltage_kv) / (beam.optics.convergence_mrad * 1e-3) / 2.3548
    disc = np.ones_like(x)
    np.divide(2 * special.j1(x), x, out=disc, where=x > 1e-6)
    disc *= np.exp(np.float32(-2 * (np.pi * ideal) ** 2) * frequency_a**2)
    return disc


@lru_cache(maxsize=6)
def _transfer(beam: Beam, shape: tuple[int, int], pixel: float, points: bool) -> Plane:
    pixel_a = pixel * 1e10
    down = np.fft.fftfreq(shape[0], pixel_a).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(shape[1], pixel_a).astype(np.float32)[None, :]
    frequency = np.sqrt(down**2 + across**2)
    wave_optical = pixel <= ATOMIC_PIXEL and beam.blur <= ATOMIC_BLUR
    transfer = (_coherent if wave_optical else _geometric)(beam, frequency)
    transfer *= np.exp(np.float32(-2 * (np.pi * _gauss_a(beam.optics)) ** 2) * frequency**2)
    if points:
        transfer /= (np.sinc(down * pixel_a) * np.sinc(across * pixel_a)) ** 2
    return transfer


def blurred(plane: Plane, beam: Beam, pixel: float, *, points: bool = False) -> Plane:
    """`plane` as the probe sees it; wraps round at the edges, so pad by `Beam.reach` first.

    With `points` it holds point scatterers shared bilinearly among pixels; that blur is taken back.
    """
    if pixel > ATOMIC_PIXEL and max(2 * beam.blur, 2.4 * beam.spot) < 0.5 * pixel:
        return plane
    rows, columns = (fft.next_fast_len(n, real=True) for n in plane.shape)
    padded = np.pad(plane, ((0, rows - plane.shape[0]), (0, columns - plane.shape[1])), mode="edge")
    spectrum = fft.rfft2(padded)
    spectrum *= _transfer(beam, (rows, columns), pixel, points)
    image = fft.irfft2(spectrum, s=(rows, columns))
    return np.ascontiguousarray(image[: plane.shape[0], : plane.shape[1]], dtype=np.float32)
