"""What an atomic image of a hexagonal layer tells about noise and blur, without knowing where its atoms are."""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.core.errors import BadInput

Plane = NDArray[np.float64]

RINGS = {"11": 1.0, "30": math.sqrt(3), "22": 2.0}
"""Rings of a triangular lattice of equal columns, in units of the first one."""
_RING_WIDTH = 0.06
"""Half width of a ring, as a part of its radius: a distorted scan smears its spots."""
_LOCKED_A = 8.0
"""Over this distance the phase of the lattice is followed (one sigma): bends of the scan are longer."""
_FEWEST_SPACINGS = 10


@dataclass(frozen=True)
class Picture:
    """Figures of one image; intensities as parts of its mean."""

    contrast: float
    """Standard deviation, with noise."""
    pixel_noise: float
    """One sigma in a pixel, from what is finer than any probe can show."""
    electrons_per_a2: float
    """Detected electrons that would make as much noise at the frequencies of the lattice [1/Å²]."""
    rings: dict[str, float]
    """Amplitude of the lattice's waves, mean over the image: 1 for points without background."""
    wave_sigma: float
    """One sigma of a ring's amplitude, by noise alone."""
    additive: float
    """Part of the noise that does not grow with the signal."""
    spacing_a: float
    """1 over the first ring's radius, as found [Å]."""


def measure(image: NDArray[np.floating], pixel_a: float, lattice_a: float, limit: float) -> Picture:
    """Figures of an image.

    Parameters
    ----------
    image
        (rows, columns), an offset of the detector taken off.
    pixel_a
        Edge of a pixel [Å].
    lattice_a
        Hexagonal lattice constant [Å]; columns lie `lattice_a / √3` apart.
    limit
        Beyond this frequency the probe transfers nothing, 2α/λ [1/Å].

    Raises
    ------
    BadInput
        Too few columns, pixels too coarse, or a mean that is not above zero.
    """
    plane = np.asarray(image, np.float64)
    first = 2 / lattice_a
    _check(plane, pixel_a, first, limit)
    mean = float(plane.mean())
    power, frequency = _spectrum(plane / mean, pixel_a)
    floor = _floor(power, frequency, limit, 0.5 / pixel_a)
    found = _peak(power, frequency, first)
    return Picture(
        contrast=float(plane.std()) / mean,
        pixel_noise=math.sqrt(_beyond(power, frequency, limit, pixel_a)),
        electrons_per_a2=1 / floor,
        rings=_locked(plane / mean - 1, _three(power, frequency, found, pixel_a), pixel_a, floor),
        wave_sigma=math.sqrt(floor / (6 * plane.size)) / pixel_a,
        additive=_additive(plane / mean, frequency > 1.02 * limit, pixel_a),
        spacing_a=1 / found,
    )


def _check(plane: Plane, pixel_a: float, first: float, limit: float) -> None:
    if plane.ndim != 2 or not np.isfinite(plane).all() or plane.mean() <= 0:
        raise BadInput(
            "not an image of finite numbers with a mean above zero", remedy="take the detector's offset off"
        )
    if min(plane.shape) * pixel_a * first < _FEWEST_SPACINGS:
        raise BadInput(
            "the image shows too few columns", f"at least {_FEWEST_SPACINGS} lattice planes are needed"
        )
    if 0.5 / pixel_a < max(1.2 * limit, 2 * RINGS["30"] * first / 2):
        raise BadInput(
            f"pixels of {pixel_a:g} Å are too coarse",
            f"noise is read beyond {limit:.2f} 1/Å, where the probe shows nothing",
            f"at most {0.4 / limit:.2f} Å",
        )


def _spectrum(plane: Plane, pixel_a: float) -> tuple[Plane, Plane]:
    """Power density [Å²] of deviations from 1 (windowed) and frequency [1/Å] of each bin."""
    window = np.hanning(plane.shape[0])[:, None] * np.hanning(plane.shape[1])[None, :]
    window /= math.sqrt(float(np.mean(window**2)))
    amplitude = np.fft.fft2((plane - 1.0) * window)
    down, across = (np.fft.fftfreq(n, pixel_a) for n in plane.shape)
    frequency = np.hypot(down[:, None], across[None, :])
    return np.abs(amplitude) ** 2 * pixel_a**2 / plane.size, frequency


def _floor(power: Plane, frequency: Plane, limit: float, nyquist: float) -> float:
    """Noise density just beyond the probe's limit [Å²]: averaged frames are smoothed, so not farther out."""
    ring = (frequency > 1.02 * limit) & (frequency < min(1.3 * limit, nyquist))
    return float(power[ring].mean())


def _beyond(power: Plane, frequency: Plane, limit: float, pixel_a: float) -> float:
    """Variance of the noise: what lies beyond the limit, and as much as just beyond it in each bin below."""
    bins = power.size * pixel_a**2
    floor = _floor(power, frequency, limit, 0.5 / pixel_a)
    outside = frequency > 1.02 * limit
    return float(power[outside].sum() + floor * np.count_nonzero(~outside)) / bins


def _peak(power: Plane, frequency: Plane, first: float) -> float:
    """Radius of the first ring, near where it should be: the centre of its power [1/Å]."""
    near = np.abs(frequency / first - 1) < 2 * _RING_WIDTH
    strong = near & (power > 0.2 * float(power[near].max()))
    return float(np.sum(power[strong] * frequency[strong]) / np.sum(power[strong]))


def _three(power: Plane, frequency: Plane, radius: float, pixel_a: float) -> Plane:
    """(3, 2) waves (down, across) [1/Å] of the first ring, 60 degrees apart: where its six-fold sum is strongest."""
    ring = np.argwhere(np.abs(frequency / radius - 1) < _RING_WIDTH)
    freq = [np.fft.fftfreq(n, pixel_a) for n in power.shape]
    place = np.stack([freq[0][ring[:, 0]], freq[1][ring[:, 1]]], axis=1)
    turn = np.arctan2(place[:, 0], place[:, 1]) % (math.pi / 3)
    weight = power[ring[:, 0], ring[:, 1]]
    angles = np.linspace(0, math.pi / 3, 241)[:-1]
    apart = np.abs((turn[None, :] - angles[:, None] + math.pi / 6) % (math.pi / 3) - math.pi / 6)
    best = angles[int(np.argmax(np.exp(-0.5 * (apart / 0.02) ** 2) @ weight))]
    turns = best + np.arange(3) * math.pi / 3
    wanted = radius * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    return np.array([_centre(place, weight, one, 0.5 * _RING_WIDTH * radius) for one in wanted])


def _centre(place: Plane, weight: Plane, wanted: Plane, reach: float) -> Plane:
    """Centre of the strong power around a wave."""
    near = np.hypot(*(place - wanted).T) < reach
    if not near.any():
        return wanted
    strong = near & (weight > 0.3 * weight[near].max())
    return np.asarray(weight[strong] @ place[strong] / weight[strong].sum())


def _locked(plane: Plane, waves: Plane, pixel_a: float, floor: float) -> dict[str, float]:
    """Amplitudes of the first ring, and of waves that are its sums, where its own local phase says that they are.

    So a bent scan does not weaken them, and noise averages out over the whole image.
    """
    down, across = (np.arange(n) * pixel_a for n in plane.shape)

    def carrier(wave: Plane) -> NDArray[np.complex128]:
        turned: NDArray[np.complex128] = np.exp(
            -2j * math.pi * (wave[0] * down[:, None] + wave[1] * across[None, :])
        )
        return turned

    def smooth(part: Plane) -> Plane:
        return np.asarray(ndimage.gaussian_filter(part, _LOCKED_A / pixel_a, mode="nearest", truncate=3))

    phases = []
    for one in map(carrier, waves):
        local = smooth((plane * one).real) + 1j * smooth((plane * one).imag)
        phases.append(one * np.exp(-1j * np.angle(local)))
    a, b, c = phases  # 60 degrees apart: two neighbours add up to a wave of the second ring

    def seen(*locked: NDArray[np.complex128]) -> float:
        return max(0.0, float(np.mean([np.mean((plane * one).real) for one in locked])))

    followed = floor / (4 * math.pi * _LOCKED_A**2)
    """What noise alone seems to have, where its own phase is followed."""
    return {
        "11": math.sqrt(max(0.0, seen(a, b, c) ** 2 - followed)),
        "30": seen(a * b, b * c, c * a.conj()),
        "22": seen(a * a, b * b, c * c),
    }


def _additive(plane: Plane, outside: NDArray[np.bool_], pixel_a: float) -> float:
    """How much of the noise is there where nothing scatters, by a line through local variance against local mean."""
    fine = np.fft.ifft2(np.fft.fft2(plane) * outside).real
    smooth = ndimage.gaussian_filter(plane, 0.4 / pixel_a)
    low, high = np.percentile(smooth, [2, 98])
    steps = np.linspace(low, high, 9)
    noise, level = [], []
    for a, b in pairwise(steps):
        there = (smooth >= a) & (smooth < b)
        if np.count_nonzero(there) >= 200:
            noise.append(float(np.mean(fine[there] ** 2)))
            level.append(float(smooth[there].mean()))
    if len(level) < 3:
        return 0.0
    slope, at_zero = np.polyfit(level, noise, 1)
    return float(np.clip(at_zero / (at_zero + slope), 0.0, 1.0))
