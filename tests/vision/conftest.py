"""A tiny linear image model for tests: points with Gaussian profiles on a smooth background, Poisson counts.

It is written apart from the code under test and shares nothing with it but the definition of the lattice.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # microscope_files is a plain module beside the tests


@dataclass(frozen=True)
class Picture:
    image: np.ndarray
    atoms_xy: np.ndarray
    vacancies_xy: np.ndarray
    kinds: tuple[str, ...] = field(default=())


def _sites(a, pixel, rotation_deg, size, origin):
    angle = np.radians(rotation_deg)
    a1 = a / pixel * np.array([np.cos(angle), np.sin(angle)])
    a2 = a / pixel * np.array([np.cos(angle + np.pi / 3), np.sin(angle + np.pi / 3)])
    n = int(2.5 * size / (a / pixel)) + 4
    i, j = (grid.ravel() for grid in np.mgrid[-n:n, -n:n])
    xy, kind = [], []
    for sublattice in range(3):
        u, v = i + sublattice / 3, j + sublattice / 3
        xy.append(u[:, None] * a1 + v[:, None] * a2 + size / 2 + np.array(origin))
        kind.append(np.full(len(u), sublattice))
    xy, kind = np.concatenate(xy), np.concatenate(kind)
    inside = ((xy > -12) & (xy < size + 12)).all(1)
    return xy[inside], kind[inside]


def _paint(xy, volume, sigma, size):
    image = np.zeros((size, size))
    half = int(np.ceil(4.5 * sigma))
    dy, dx = (grid.ravel() for grid in np.mgrid[-half : half + 1, -half : half + 1])
    col, row = np.rint(xy[:, :1]).astype(int) + dx, np.rint(xy[:, 1:]).astype(int) + dy
    value = volume[:, None] * np.exp(-((col - xy[:, :1]) ** 2 + (row - xy[:, 1:]) ** 2) / 2 / sigma**2)
    ok = (col >= 0) & (row >= 0) & (col < size) & (row < size)
    np.add.at(image, (row[ok], col[ok]), (value / (2 * np.pi * sigma**2))[ok])
    return image


def _simulate(
    material="Ti3C2", *, size=320, pixel=0.156, rotation=17.0, counts=100.0, vacancies=0.03, seed=0, a=None,
    sigma_angstrom=0.48, texture=0.3, scatter_pm=3.0, drift=0.0, origin=(0.3, 0.7),
):  # fmt: skip
    """HAADF-like image. `counts`: net counts of the brightest column; `texture`: background over mean column signal."""
    rng = np.random.default_rng(seed)
    a = a or {"Ti3C2": 3.0505, "MoS2": 3.16}[material]
    xy, kind = _sites(a, pixel, rotation, size, origin)
    weight = np.ones(len(xy)) if material == "Ti3C2" else np.array([1.0, 0.39, 0.0])[kind]
    xy, kind, weight = xy[weight > 0], kind[weight > 0], weight[weight > 0]
    t = (xy - size / 2) / size
    ideal = xy + drift * size * np.stack([t[:, 1] ** 2, 0.5 * t[:, 0] * t[:, 1]], -1)
    place = ideal + rng.normal(0, scatter_pm / 100 / pixel, ideal.shape)
    empty = rng.random(len(xy)) < vacancies
    left = 0.16 if material == "Ti3C2" else 0.0
    expected = _paint(place, counts * weight * np.where(empty, left, 1.0), sigma_angstrom / pixel, size)
    expected += texture * expected.mean() * _texture(rng, size, pixel)
    image = rng.poisson(np.maximum(expected, 0)) + rng.normal(0, 0.3, expected.shape)
    inside = ((ideal >= 0) & (ideal <= size - 1)).all(1)
    names = np.array(
        ["V_Ti"] * len(xy) if material == "Ti3C2" else ["V_Mo" if k == 0 else "V_S2" for k in kind]
    )
    return Picture(
        image.astype(np.float32), place[inside & ~empty], ideal[inside & empty], tuple(names[inside & empty])
    )


def _texture(rng, size, pixel):
    """Smooth positive contamination of mean 1, with features of about 1.5 nm."""
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None]) / pixel
    field_ = np.fft.ifft2(
        np.fft.fft2(rng.normal(size=(size, size))) * np.exp(-0.5 * (2 * np.pi * k * 7.0) ** 2)
    ).real
    field_ = field_ / field_.std()
    return np.clip(1 + 0.5 * field_, 0, None)


@pytest.fixture(scope="session")
def simulate():
    """The image model, as a function; same arguments, same picture."""
    return _simulate
