"""The wave that the aperture lets through."""

import math

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.optics.aberrations import Aberrations
from eucentric.knowledge.electron_optics import wavelength_a

Wave = NDArray[np.complex128]


def aperture_wave(
    aberrations: Aberrations,
    voltage_kv: float,
    convergence_mrad: float,
    kx: NDArray[np.floating],
    ky: NDArray[np.floating],
    edge: float = 0.0,
) -> Wave:
    """A(k)·exp(-iχ(k)) at broadcast frequencies.

    Parameters
    ----------
    kx, ky
        Along image columns and down image rows [1/Å].
    edge
        Distance of neighbouring frequencies [1/Å]: the rim of the aperture is spread over it, so that its area is
        right on a coarse grid.
    """
    wavelength = wavelength_a(voltage_kv)
    omega: Wave = np.asarray(wavelength * (kx + 1j * ky), np.complex128)
    limit, angle = convergence_mrad * 1e-3, np.abs(omega)
    if edge:
        amplitude = np.clip((limit - angle) / (wavelength * edge) + 0.5, 0.0, 1.0)
    else:
        amplitude = (angle <= limit).astype(np.float64)
    wave = np.zeros(omega.shape, np.complex128)
    inside = amplitude > 0
    phase = aberrations.phase(omega[inside], wavelength * 1e-10)
    wave[inside] = amplitude[inside] * np.exp(-1j * phase)
    return wave


def probe_intensity(
    aberrations: Aberrations, voltage_kv: float, convergence_mrad: float, reach_a: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The coherent probe on a square grid that holds all it has.

    Returns
    -------
    tuple
        (n,) places from the axis [Å] and (n, n) intensity with sum 1, rows down, columns along.
    """
    finest = 0.475 * wavelength_a(voltage_kv) / (2e-3 * convergence_mrad)
    count = 2 * math.ceil(reach_a / finest)
    step = 1 / (count * finest)
    k = (np.arange(count) - count // 2) * step
    wave = aperture_wave(aberrations, voltage_kv, convergence_mrad, k[None, :], k[:, None], step)
    spot = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(wave)))
    intensity = spot.real**2 + spot.imag**2
    place = np.asarray((np.arange(count) - count // 2) * finest, np.float64)
    return place, np.asarray(intensity / intensity.sum(), np.float64)
