"""What a thin specimen does to the wave of the probe: a phase grating of its atoms.

Coherent, without absorption and thermal motion: discs interfere, aberrations show, and far from focus the picture is
a Ronchigram. The phase of the transmitted wave is lambda gamma f / area, summed over atoms, with their scattering
amplitudes f (De Graef 2003, chapter 2); all of them take the shape of carbon's or of the heaviest element's amplitude.
"""

import math

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.hashing import subseed, uniform
from eucentric.instruments.twin.optics.probe import Beam
from eucentric.instruments.twin.optics.pupil import aperture_wave
from eucentric.instruments.twin.optics.splat import taken_back
from eucentric.instruments.twin.raster import Raster, make_raster
from eucentric.instruments.twin.specimen import Specimen
from eucentric.knowledge.diffraction import atomic_factor_a, relativistic_mass
from eucentric.knowledge.electron_optics import wavelength_a

Plane = NDArray[np.float32]
_LEAST_FIELD_A = 100.0
"""The probe is followed over a field of at least this edge [Å]."""
_MOST_PX = 1024
_MARGIN = 2
_LEAST_KEPT = 0.1
"""Of an amplitude, by the spline that atoms are drawn with: what is smaller is not enlarged further."""
_GRAIN, _GRAIN_A = 71, 0.7
"""Atoms of amorphous carbon are counted in cells of this edge [Å]."""


class ThinPatterns:
    """Patterns of one specimen with one setting of the column.

    Parameters
    ----------
    beam
        With its defocus over the specimen.
    per_pixel
        Of a pattern [1/Å].
    edge
        Rows and columns of a pattern.
    """

    def __init__(self, specimen: Specimen, beam: Beam, tilt: Tilt, edge: int, per_pixel: float) -> None:
        self._specimen, self._tilt, self._edge = specimen.by_amplitude(), tilt, edge
        optics = beam.optics
        field_a = max(_LEAST_FIELD_A, 4e10 * beam.reach)
        self._finer = max(1, min(math.ceil(field_a * per_pixel), _MOST_PX // edge))
        """So many times as fine as the pattern are the angles that are reckoned with."""
        count, step = edge * self._finer, per_pixel / self._finer
        k = np.fft.fftfreq(count, 1 / (count * step))
        wave = aperture_wave(
            beam.aberrations, optics.voltage_kv, optics.convergence_mrad, k[None, :], k[:, None], step
        )
        self._pixel_a = 1 / (count * step)
        place = (np.arange(count) - count // 2) * self._pixel_a
        half = np.exp(-1j * np.pi * step * place)  # the beam falls between the four middle pixels
        probe = np.fft.fftshift(np.fft.ifft2(wave)) * half[None, :] * half[:, None]
        self._probe = probe / math.sqrt(float((probe.real**2 + probe.imag**2).sum()))
        self._per_area = wavelength_a(optics.voltage_kv) * relativistic_mass(optics.voltage_kv)
        self._shape = self._amplitude_shape(np.hypot(k[None, : count // 2 + 1], k[:, None]))
        pixels = k[None, : count // 2 + 1] * self._pixel_a, k[:, None] * self._pixel_a
        spline = taken_back(pixels[1].astype(np.float32), pixels[0].astype(np.float32))
        self._sharper = 1 / np.maximum(spline, _LEAST_KEPT)

    def _amplitude_shape(self, g: NDArray[np.float64]) -> NDArray[np.float64]:
        element = self._specimen.heaviest
        relative = atomic_factor_a(element, g.ravel()) / atomic_factor_a(element, np.zeros(1))
        return np.asarray(relative.reshape(g.shape))

    def at(self, x: float, y: float) -> Plane:
        """(edge, edge) share of the electrons in each pixel, with the probe at a place of the specimen [m]."""
        count, edge = len(self._probe), self._edge
        none = np.zeros(count)
        raster = make_raster((count, count), self._pixel_a * 1e-10, (x, y), (none, none), self._tilt, _MARGIN)
        inner = slice(_MARGIN, -_MARGIN)
        atoms = np.fft.rfft2(self._specimen.scattered(raster, atoms=True)[inner, inner]) * self._sharper
        atoms += np.fft.rfft2(self._grain(raster)[inner, inner])
        phase = self._per_area * np.fft.irfft2(atoms * self._shape, (count, count))
        far = np.fft.fftshift(np.fft.fft2(self._probe * np.exp(1j * phase))) / count
        power = far.real**2 + far.imag**2
        binned = power.reshape(edge, self._finer, edge, self._finer).sum(axis=(1, 3))
        return np.asarray(binned, dtype=np.float32)

    def _grain(self, raster: Raster) -> Plane:
        """Where the single atoms of the film are more, and where fewer, than their mean; the same at every visit."""
        film = self._specimen.film
        if film is None or film.fraction <= 0:
            return np.zeros(raster.shape, np.float32)
        amplitude = float(atomic_factor_a("C", np.zeros(1))[0])
        here = film.cover(raster)
        i, j = (np.floor(at * 1e10 / _GRAIN_A).astype(np.int64) for at in (raster.x[None, :], raster.y2d()))
        wide = math.sqrt(12) * (uniform(subseed(film.seed, _GRAIN), i, j) - 0.5)
        spread = amplitude * math.sqrt(film.fraction / amplitude) / _GRAIN_A
        return np.asarray(here * wide * spread, dtype=np.float32)
