"""What a thin specimen does to the wave of the probe: a phase grating of its atoms.

Coherent, without absorption and thermal motion: discs interfere, aberrations show, and far from focus the picture is
a Ronchigram. The phase of the transmitted wave is lambda gamma f / area, summed over atoms, with their scattering
amplitudes f (De Graef 2003, chapter 2); all of them take the shape of the heaviest element's amplitude.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.hashing import subseed, uniform
from eucentric.instruments.twin.raster import Raster, make_raster
from eucentric.instruments.twin.specimen import Specimen
from eucentric.knowledge.diffraction import atomic_factor_a, relativistic_mass
from eucentric.knowledge.electron_optics import wavelength_a
from eucentric.knowledge.splat import taken_back

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]
_MARGIN = 2
_LEAST_KEPT = 0.1
"""Of an amplitude, by the spline that atoms are drawn with: what is smaller is not enlarged further."""
_GRAIN, _GRAIN_A = 71, 0.7
"""Atoms of amorphous carbon are counted in cells of this edge [Å]."""


class Grating:
    """One specimen at one tilt, as the wave meets it."""

    def __init__(self, specimen: Specimen, tilt: Tilt) -> None:
        self._specimen, self._tilt = specimen.by_amplitude(), tilt
        voltage = specimen.world.optics.voltage_kv
        self._per_area = wavelength_a(voltage) * relativistic_mass(voltage)

    def phase(self, x: float, y: float, count: int, apart_a: float) -> Floats:
        """(count, count) phase shift [rad] around a place [m], points `apart_a` [Å] from each other, rows down."""
        none = np.zeros(count)
        raster = make_raster((count, count), apart_a * 1e-10, (x, y), (none, none), self._tilt, _MARGIN)
        inner = slice(_MARGIN, -_MARGIN)
        shape, sharper = _filters(self._specimen.heaviest, count, apart_a)
        atoms = np.fft.rfft2(self._specimen.scattered(raster, atoms=True)[inner, inner]) * sharper
        atoms += np.fft.rfft2(self._grain(raster)[inner, inner])
        return np.asarray(self._per_area * np.fft.irfft2(atoms * shape, (count, count)))

    def _grain(self, raster: Raster) -> Plane:
        """Where the single atoms of the film are more, and where fewer, than their mean; the same at every visit."""
        film = self._specimen.film
        if film is None or film.fraction <= 0:
            return np.zeros(raster.shape, np.float32)
        amplitude = float(atomic_factor_a("C", np.zeros(1))[0])
        i, j = (np.floor(at * 1e10 / _GRAIN_A).astype(np.int64) for at in (raster.x[None, :], raster.y2d()))
        wide = math.sqrt(12) * (uniform(subseed(film.seed, _GRAIN), i, j) - 0.5)
        spread = amplitude * math.sqrt(film.fraction / amplitude) / _GRAIN_A
        return np.asarray(film.cover(raster) * wide * spread, dtype=np.float32)


@lru_cache(maxsize=8)
def _filters(element: str, count: int, apart_a: float) -> tuple[Floats, Floats]:
    """(count, count // 2 + 1) shape of the amplitude, and what takes the spline's blur back."""
    down, across = np.fft.fftfreq(count)[:, None], np.fft.rfftfreq(count)[None, :]
    g = np.hypot(down, across) / apart_a
    relative = atomic_factor_a(element, g.ravel()) / atomic_factor_a(element, np.zeros(1))
    spline = taken_back(down.astype(np.float32), across.astype(np.float32))
    return np.asarray(relative.reshape(g.shape)), np.asarray(1 / np.maximum(spline, _LEAST_KEPT))
