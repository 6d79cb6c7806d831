"""What a camera sees of a thin amorphous film under a convergent probe: its shadow, bent by the aberrations.

The probe's wave times exp(iσV) at the specimen, transformed to the diffraction plane (Cowley 1979). Where the film is
in focus the magnification is infinite; astigmatism stretches the shadow along a line, coma shifts its middle.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.optics.aberrations import Aberrations
from eucentric.instruments.twin.optics.pupil import aperture_wave
from eucentric.knowledge.electron_optics import wavelength_a

Plane = NDArray[np.float32]
Phase = Callable[[int, float], NDArray[np.floating]]
"""(n, n) phase shift [rad] of the film around the probe, for n and the distance of points [Å]; rows down."""

_MOST = 2048
"""Points along an edge. A probe that is wider (1.3 µm of defocus at 30 mrad) overlaps itself."""
_ROOM = 1.6
_TAIL_A = 40.0
_TAIL = 1.2
"""Of a narrow aperture: in wavelengths over its half-angle."""


def grid_for(
    aberrations: Aberrations, voltage_kv: float, convergence_mrad: float, half_mrad: float
) -> tuple[int, float]:
    """How many points along an edge, and how far apart [Å], hold the probe and the angles wanted."""
    alpha = convergence_mrad * 1e-3
    tail = max(_TAIL_A, _TAIL * wavelength_a(voltage_kv) / alpha)
    widest = _ROOM * 2 * (aberrations.blur(alpha) * 1e10 + tail)
    finest = wavelength_a(voltage_kv) / (2e-3 * max(half_mrad, 1.1 * convergence_mrad))
    count = 2 ** math.ceil(math.log2(max(128.0, widest / finest)))
    return min(_MOST, count), finest


def ronchigram(
    aberrations: Aberrations,
    voltage_kv: float,
    convergence_mrad: float,
    half_mrad: float,
    pixels: int,
    phase: Phase,
) -> Plane:
    """Share of the beam in each pixel of a square camera, (pixels, pixels) float32, sum at most 1.

    Parameters
    ----------
    half_mrad
        Half the angle that the camera's edge spans.
    """
    count, apart = grid_for(aberrations, voltage_kv, convergence_mrad, half_mrad)
    k = np.fft.fftfreq(count, apart)
    wave = aperture_wave(
        aberrations, voltage_kv, convergence_mrad, k[None, :], k[:, None], 1 / (count * apart)
    )
    there = np.fft.fftshift(np.fft.ifft2(wave)) * np.exp(1j * phase(count, apart))
    seen = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(there)))) ** 2
    seen /= float((np.abs(wave) ** 2).sum())
    return _binned(seen, 1e3 * wavelength_a(voltage_kv) / (count * apart), half_mrad, pixels)


def _binned(seen: NDArray[np.float64], step_mrad: float, half_mrad: float, pixels: int) -> Plane:
    """The intensity summed into the camera's pixels: its integral read at their edges."""
    edges = np.linspace(-half_mrad, half_mrad, pixels + 1) / step_mrad + seen.shape[0] // 2 + 0.5
    edges = np.clip(edges, 0, seen.shape[0])
    low = np.minimum(np.floor(edges).astype(np.int64), seen.shape[0] - 1)
    part = edges - low
    integral = np.pad(np.cumsum(seen, axis=0), ((1, 0), (0, 0)))
    rows = np.diff(integral[low] + part[:, None] * (integral[low + 1] - integral[low]), axis=0)
    integral = np.pad(np.cumsum(rows, axis=1), ((0, 0), (1, 0)))
    both = np.diff(integral[:, low] + part * (integral[:, low + 1] - integral[:, low]), axis=1)
    return np.asarray(both, np.float32)
