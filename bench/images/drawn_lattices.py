"""Drawn images with truth: columns as Gaussians on an uneven background, one grain or several, strained or not.

A linear image model, apart from the code under test: it shares nothing with it but what a lattice is.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

_READ = 0.3
"""Read noise [electrons]."""


@dataclass(frozen=True)
class Material:
    """One cell in plan view."""

    name: str
    a_a: float
    angle_deg: float
    """Between the two cell vectors [deg]."""
    places: tuple[tuple[float, float], ...]
    weights: tuple[float, ...]
    left: tuple[float, ...]
    """Share of the brightness that a vacancy leaves."""
    vacancy: tuple[str, ...]
    """Name of a vacancy; empty for columns that nobody asks for."""
    sigma_a: float = 0.48


_HEX = ((0.0, 0.0), (1 / 3, 1 / 3), (2 / 3, 2 / 3))
_OXIDE = ((0.0, 0.0), (0.5, 0.5), (0.5, 0.0), (0.0, 0.5))
MATERIALS = {
    m.name: m
    for m in (
        Material("Ti3C2", 3.0505, 60, _HEX, (1.0, 1.0, 0.95), (0.16, 0.16, 0.16), ("V_Ti",) * 3),
        Material("MoS2", 3.1604, 60, _HEX[:2], (1.0, 0.39), (0.0, 0.0), ("V_Mo", "V_S2")),
        Material("graphene", 2.461, 60, _HEX[:2], (1.0, 1.0), (0.0, 0.0), ("V_C", "V_C"), sigma_a=0.42),
        Material("SrTiO3", 3.905, 90, _OXIDE, (1.0, 0.5, 0.06, 0.06), (0.0, 0.1, 0, 0), ("V_Sr", "V_Ti", "", "")),
        Material("BaTiO3", 3.997, 90, _OXIDE, (1.0, 0.3, 0.05, 0.05), (0.0, 0.12, 0, 0), ("V_Ba", "V_Ti", "", "")),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """An image with what is true of it; positions are (n, 2) [px], x then y."""

    material: str
    pixel_a: float
    image: NDArray[np.float32]
    atoms_xy: Array
    atoms_grain: NDArray[np.int64]
    vacancies_xy: Array
    vacancy_kind: tuple[str, ...]
    boundary_px: Array
    """(n,) float64: distance of every atom from the nearest other grain."""
    doped: NDArray[np.bool_]
    """(n,) bool over the atoms: a dopant."""


def draw(
    material: str, *, size: int = 320, pixel_a: float = 0.14, counts: float = 150.0, vacancies: float = 0.02,
    turns_deg: tuple[float, ...] = (17.0,), strain: float = 0.0, scatter_pm: float = 3.0, texture: float = 0.3,
    sigma_a: float | None = None, seed: int = 0, dopants: float = 0.0, dopant_weight: float = 1.0,
) -> Drawn:  # fmt: skip
    """One image.

    Parameters
    ----------
    material
        A name of `MATERIALS`.
    counts
        Net counts of the brightest column.
    vacancies
        Share of the columns that are vacant.
    turns_deg
        Rotation of every grain; several meet in the middle as sectors of a circle.
    strain
        Extension along x of the right half; the left is unstrained.
    scatter_pm
        Of the columns about their lattice, along one axis.
    texture
        Uneven background over the mean of the columns.
    dopants, dopant_weight
        Share of the full columns that are dopants, and their brightness over that of what they replace.
    """
    rng, kind = np.random.default_rng(seed), MATERIALS[material]
    xy, part, grain = _grains(kind, size, pixel_a, turns_deg, rng)
    xy = _strained(xy, strain, size)
    asked = np.array([bool(name) for name in kind.vacancy])[part]
    vacant = asked & (rng.random(len(xy)) < vacancies)
    weight = np.array(kind.weights)[part] * np.where(vacant, np.array(kind.left)[part], 1.0)
    doped = asked & ~vacant & (rng.random(len(xy)) < dopants) if dopants else np.zeros(len(xy), bool)
    weight = weight * np.where(doped, dopant_weight, 1.0)
    place = xy + rng.normal(0, scatter_pm / 100 / pixel_a, xy.shape)
    expected = _painted(place, counts * weight, (sigma_a or kind.sigma_a) / pixel_a, size)
    expected = expected + texture * float(expected.mean()) * _texture(rng, size, pixel_a)
    noisy = rng.poisson(np.maximum(expected, 0)) + rng.normal(0, _READ, expected.shape)
    inside = asked & ((xy >= 0) & (xy <= size - 1)).all(1)
    full, gone = inside & ~vacant, inside & vacant
    return Drawn(
        material, pixel_a, noisy.astype(np.float32), place[full], grain[full], xy[gone],
        tuple(np.array(kind.vacancy)[part[gone]]), _from_boundary(xy, grain)[full], doped[full],
    )  # fmt: skip


def _grains(
    kind: Material, size: int, pixel_a: float, turns_deg: tuple[float, ...], rng: np.random.Generator
) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """(places, sublattice, grain); of two columns of different grains too close together one is left out."""
    start = rng.uniform(0, 2 * math.pi)
    found = []
    for number, turn in enumerate(turns_deg):
        xy, part = _lattice(kind, size, pixel_a, turn, rng.uniform(-3, 3, 2))
        angle = np.arctan2(xy[:, 1] - size / 2, xy[:, 0] - size / 2) - start
        own = ((angle / (2 * math.pi)) % 1.0 * len(turns_deg)).astype(int) == number
        found.append((xy[own], part[own], np.full(int(own.sum()), number)))
    xy, part, grain = (np.concatenate(column) for column in zip(*found, strict=True))
    spacing = kind.a_a / pixel_a / math.sqrt(3 if kind.angle_deg == 60 else 2)
    pairs = cKDTree(xy).query_pairs(0.6 * spacing, output_type="ndarray").reshape(-1, 2)
    keep = np.ones(len(xy), bool)
    keep[pairs[grain[pairs[:, 0]] != grain[pairs[:, 1]]].max(1)] = False
    return xy[keep], part[keep], grain[keep]


def _lattice(
    kind: Material, size: int, pixel_a: float, turn_deg: float, origin: Array
) -> tuple[Array, NDArray[np.int64]]:
    edge = kind.a_a / pixel_a
    angles = np.radians([turn_deg, turn_deg + kind.angle_deg])
    basis = edge * np.stack([np.cos(angles), np.sin(angles)], -1)
    n = int(1.3 * size / edge) + 4
    i, j = (grid.ravel() for grid in np.mgrid[-n : n + 1, -n : n + 1])
    places = [np.stack([i + u, j + v], -1) @ basis + size / 2 + origin for u, v in kind.places]
    xy, part = np.concatenate(places), np.repeat(np.arange(len(places)), len(i))
    inside = ((xy > -12) & (xy < size + 12)).all(1)
    return xy[inside], part[inside]


def _strained(xy: Array, strain: float, size: int) -> Array:
    """exx rises from 0 to `strain` about the middle within a tenth of the width."""
    width, x = 0.05 * size, xy[:, 0] - size / 2
    shift = strain / 2 * (x + width * np.log(2 * np.cosh(np.clip(x / width, -30, 30))))
    return np.stack([xy[:, 0] + shift, xy[:, 1]], -1)


def _from_boundary(xy: Array, grain: NDArray[np.int64]) -> Array:
    distance = np.full(len(xy), np.inf)
    for number in np.unique(grain):
        own = grain == number
        if not own.all():
            distance[own], _ = cKDTree(xy[~own]).query(xy[own])
    return distance


def _painted(xy: Array, volume: Array, sigma: float, size: int) -> Array:
    image = np.zeros((size, size))
    half = math.ceil(4.5 * sigma)
    dy, dx = (grid.ravel() for grid in np.mgrid[-half : half + 1, -half : half + 1])
    col, row = np.rint(xy[:, :1]).astype(int) + dx, np.rint(xy[:, 1:]).astype(int) + dy
    value = volume[:, None] * np.exp(-((col - xy[:, :1]) ** 2 + (row - xy[:, 1:]) ** 2) / 2 / sigma**2)
    ok = (col >= 0) & (row >= 0) & (col < size) & (row < size)
    np.add.at(image, (row[ok], col[ok]), (value / (2 * math.pi * sigma**2))[ok])
    return image


def _texture(rng: np.random.Generator, size: int, pixel_a: float) -> Array:
    """Smooth positive contamination of mean 1, with features of about 1.5 nm."""
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), 7.0 / pixel_a, mode="wrap")
    texture: Array = np.clip(1 + 0.5 * field / field.std(), 0, None)
    return texture
