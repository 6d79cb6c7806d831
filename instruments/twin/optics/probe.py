"""What the probe does to an image: transfer of a wave-optical or, far from focus, geometric spot."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

from eucentric.instruments.twin.optics.aberrations import NONE, Aberrations
from eucentric.instruments.twin.optics.pupil import probe_intensity
from eucentric.instruments.twin.optics.rays import ray_transfer
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.knowledge.electron_optics import wavelength_a
from eucentric.knowledge.splat import taken_back

Plane = NDArray[np.float32]
Transfer = NDArray[np.float32] | NDArray[np.complex64]

ATOMIC_PIXEL = 0.06e-9
"""Coarser pixels do not resolve columns: the specimen is a continuum [m]."""
ATOMIC_BLUR = 1.5e-9
"""A blur disc of this radius passes < 0.3 % of the lattice contrast: likewise [m]."""
_LONGEST = 6e-9
"""A line focus longer than this is not followed wave-optically [m]."""
_REACH_A = 60.0
_TAIL_A = 30.0
"""Beyond the rays' own reach a coherent probe is followed for this far."""
_RADII, _ANGLES, _FREQUENCIES = 1000, 240, 200


@dataclass(frozen=True)
class Beam:
    """The probe at one place."""

    optics: OpticsSpec
    defocus: float
    """Relative to the specimen [m]."""
    others: Aberrations = NONE
    """Besides defocus and what `optics` knows."""

    @cached_property
    def aberrations(self) -> Aberrations:
        """All of them [m]."""
        return self.others + Aberrations(
            c1=self.defocus, c3=self.optics.c3_um * 1e-6, c5=self.optics.c5_mm * 1e-3
        )

    @property
    def convergence(self) -> float:
        """Half angle [rad]."""
        return self.optics.convergence_mrad * 1e-3

    @property
    def blur(self) -> float:
        """Radius of the geometric blur disc [m]."""
        return self.aberrations.blur(self.convergence)

    @property
    def shows_atoms(self) -> bool:
        """Whether columns leave anything in the image, in one direction at least."""
        narrow = self.aberrations.narrowest(self.convergence) <= ATOMIC_BLUR
        return self.blur <= ATOMIC_BLUR or (narrow and self.blur <= _LONGEST)

    @property
    def spot(self) -> float:
        """Gaussian sigma of a focused probe with source and thermal motion [m]."""
        ideal = 0.51 * wavelength_a(self.optics.voltage_kv) / self.convergence / 2.3548
        return math.hypot(ideal, _gauss_a(self.optics)) * 1e-10

    @property
    def reach(self) -> float:
        """Radius that holds nearly all of the intensity [m]."""
        return self.blur + 8 * self.spot


def _gauss_a(optics: OpticsSpec) -> float:
    return math.hypot(
        optics.source_fwhm_angstrom / 2.3548, optics.thermal_rms_angstrom, optics.atom_rms_angstrom
    )


# --- wave-optical -----------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _tables(wavelength: float, aperture: float) -> tuple[NDArray[np.float64], ...]:
    """(k, r, s, J0(2πkr), J0(2πsr)): all that does not depend on the aberrations. k, s in 1/Å, r in Å."""
    k = (np.arange(_ANGLES) + 0.5) / _ANGLES * aperture / wavelength
    r = (np.arange(_RADII) + 0.5) / _RADII * _REACH_A
    s = np.linspace(0, 2 * aperture / wavelength, _FREQUENCIES)
    return k, r, s, special.j0(2 * np.pi * np.outer(r, k)), special.j0(2 * np.pi * np.outer(s, r))


@lru_cache(maxsize=64)
def _radial(
    voltage_kv: float, aperture: float, aberrations: Aberrations
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies [1/Å] and the transfer of a coherent round probe (Kirkland 2010, eq. 3.69)."""
    wavelength = wavelength_a(voltage_kv)
    k, r, s, to_probe, to_transfer = _tables(wavelength, aperture)
    chi = aberrations.phase(np.asarray(wavelength * k, np.complex128), wavelength * 1e-10)
    wave = np.einsum("rk,k->r", to_probe, np.exp(-1j * chi) * k)
    transfer = np.einsum("sr,r->s", to_transfer, np.abs(wave) ** 2 * r)
    return s, transfer / transfer[0]


def _coherent(beam: Beam, down: Plane, across: Plane) -> Transfer:
    kv, aberrations = beam.optics.voltage_kv, beam.aberrations.rounded()
    if aberrations.round:
        s, radial = _radial(kv, beam.convergence, aberrations)
        return np.interp(np.hypot(down, across), s, radial, right=0.0).astype(np.float32)
    reach_a = beam.blur * 1e10 + _TAIL_A
    place, spot = probe_intensity(aberrations, kv, beam.optics.convergence_mrad, reach_a)
    limit = 2 * beam.convergence / wavelength_a(kv)
    return _spectrum(place, spot.astype(np.float32), down.ravel(), across.ravel(), limit)


def _spectrum(
    place: NDArray[np.float64], spot: Plane, down: Plane, across: Plane, limit: float
) -> NDArray[np.complex64]:
    """Fourier transform of a spot at any frequencies, as two products; zero beyond `limit` [1/Å]."""
    rows, columns = np.abs(down) <= limit, np.abs(across) <= limit
    turn = -2j * np.pi * place
    along = np.exp(turn[:, None] * across[None, columns]).astype(np.complex64)
    upright = np.exp(turn[None, :] * down[rows, None]).astype(np.complex64)
    found = np.zeros((down.size, across.size), np.complex64)
    found[np.ix_(rows, columns)] = upright @ (spot.astype(np.complex64) @ along)
    return found.conj()  # the image is the correlation of specimen and probe, not their convolution


# --- geometric --------------------------------------------------------------------------------------------


def _geometric(beam: Beam, down: Plane, across: Plane, shape: tuple[int, int], pixel_a: float) -> Transfer:
    ideal = 0.51 * wavelength_a(beam.optics.voltage_kv) / beam.convergence / 2.3548
    fall = np.exp(np.float32(-2 * (np.pi * ideal) ** 2) * (down**2 + across**2))
    if beam.aberrations.simple:
        return np.asarray(_ellipse(beam, down, across) * fall)
    return np.asarray(ray_transfer(beam.aberrations, beam.convergence, shape, pixel_a) * fall)


def _ellipse(beam: Beam, down: Plane, across: Plane) -> Plane:
    """Defocus and astigmatism turn the filled aperture into a filled ellipse."""
    c1, a1 = beam.aberrations.c1, beam.aberrations.a1
    scale = np.float32(2e10 * np.pi * beam.convergence)
    if a1:
        first = np.float32(c1 + a1.real) * across + np.float32(a1.imag) * down
        second = np.float32(a1.imag) * across + np.float32(c1 - a1.real) * down
        x = scale * np.hypot(first, second)
    else:
        x = (scale * np.float32(abs(c1))) * np.hypot(down, across)
    disc = np.ones_like(x)
    np.divide(2 * special.j1(x), x, out=disc, where=x > 1e-6)
    return disc


@lru_cache(maxsize=6)
def _transfer(beam: Beam, shape: tuple[int, int], pixel: float, points: bool) -> Transfer:
    pixel_a = pixel * 1e10
    down = np.fft.fftfreq(shape[0], pixel_a).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(shape[1], pixel_a).astype(np.float32)[None, :]
    waves = pixel <= ATOMIC_PIXEL and beam.shows_atoms
    transfer = _coherent(beam, down, across) if waves else _geometric(beam, down, across, shape, pixel_a)
    transfer *= np.exp(np.float32(-2 * (np.pi * _gauss_a(beam.optics)) ** 2) * (down**2 + across**2))
    return np.asarray(transfer / taken_back(down * pixel_a, across * pixel_a)) if points else transfer


def transfer_at(beam: Beam, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a round probe shows of waves with these frequencies [1/Å], as a part of their amplitude."""
    across = frequency.astype(np.float32)[None, :]
    found = np.abs(_coherent(beam, np.zeros((1, 1), np.float32), across))[0]
    return np.asarray(found * np.exp(-2 * (np.pi * _gauss_a(beam.optics) * frequency) ** 2), np.float64)


def blurred(plane: Plane, beam: Beam, pixel: float, *, points: bool = False) -> Plane:
    """`plane` as the probe sees it; wraps round at the edges, so pad by `Beam.reach` first.

    With `points` it holds point scatterers shared among pixels by `splat`; that blur is taken back.
    """
    return blurred_by(plane, (beam,), pixel, points=points)[0]


def too_fine(beam: Beam, pixel: float) -> bool:
    """Whether a pixel is too coarse to show that the probe has a width."""
    return pixel > ATOMIC_PIXEL and max(2 * beam.blur, 2.4 * beam.spot) < 0.5 * pixel


def blurred_by(plane: Plane, beams: tuple[Beam, ...], pixel: float, *, points: bool = False) -> list[Plane]:
    """`plane` as each of several probes sees it, see `blurred`."""
    rows, columns = (fft.next_fast_len(n, real=True) for n in plane.shape)
    spectrum: NDArray[np.complex64] | None = None
    seen = []
    for beam in beams:
        if too_fine(beam, pixel):
            seen.append(plane)
            continue
        if spectrum is None:
            room = ((0, rows - plane.shape[0]), (0, columns - plane.shape[1]))
            spectrum = fft.rfft2(np.pad(plane, room, mode="edge"))
        image = fft.irfft2(spectrum * _transfer(beam, (rows, columns), pixel, points), s=(rows, columns))
        seen.append(np.ascontiguousarray(image[: plane.shape[0], : plane.shape[1]], dtype=np.float32))
    return seen
