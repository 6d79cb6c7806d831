"""Atomic columns of a flake: the same atoms whenever and however closely one looks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed, uniform
from eucentric.instruments.twin.specimen.flakes import Flake
from eucentric.instruments.twin.specimen_spec import MaterialSpec

Box = tuple[float, float, float, float]
"""(x low, x high, y low, y high) [m]."""

_SIX = np.array([(1, 0), (0, 1), (1, 1), (-1, 0), (0, -1), (-1, -1)], dtype=np.int64)
"""Nearest sites of the same plane, for cell vectors at 120 degrees."""


@dataclass(frozen=True)
class Material:
    """A material in numbers."""

    a: float
    """Lattice constant [m]."""
    sites: tuple[tuple[float, float], ...]
    """Fractional site of each sublattice."""
    full: tuple[float, ...]
    """Cross-section of a complete column of one layer, per sublattice [m²]."""
    vacant: tuple[float, ...]
    """The same without the element that may be missing [m²]."""

    @property
    def cell_area(self) -> float:
        """[m²]."""
        return self.a**2 * math.sqrt(3) / 2

    def layer_fraction(self, vacancy_fraction: float) -> float:
        """Share of the beam that one layer sends onto the annular detector, averaged over the cell."""
        columns = zip(self.full, self.vacant, strict=True)
        return sum(f + (v - f) * vacancy_fraction for f, v in columns) / self.cell_area


def make_material(spec: MaterialSpec, cross_section_a2: Callable[[str], float]) -> Material:
    """The columns, as bright as their elements are for a detector.

    Parameters
    ----------
    cross_section_a2
        Of an element, for that detector [Å²].
    """

    def column(elements: dict[str, float]) -> float:
        return sum(n * cross_section_a2(e) * 1e-20 for e, n in elements.items())

    def emptied(elements: dict[str, float]) -> float:
        return column({e: n for e, n in elements.items() if e != spec.vacant_element})

    return Material(
        a=spec.lattice_a_angstrom * 1e-10,
        sites=tuple(entry.site for entry in spec.columns),
        full=tuple(column(entry.elements) for entry in spec.columns),
        vacant=tuple(emptied(entry.elements) for entry in spec.columns),
    )


@dataclass(frozen=True)
class Columns:
    """Atomic columns of one flake inside a box."""

    x: NDArray[np.float64]
    """(N,) [m]."""
    y: NDArray[np.float64]
    i: NDArray[np.int64]
    """(N,) cell index."""
    j: NDArray[np.int64]
    sublattice: NDArray[np.int64]
    """(N,)."""
    vacant: NDArray[np.bool_]
    """(layers, N): the heavy atom of that layer is missing."""
    weight: NDArray[np.float64]
    """(N,) cross-section of all layers together [m²]."""


@dataclass(frozen=True)
class Vacancies:
    """How sites are emptied: singly, or with a partner."""

    fraction: float
    pairing: float = 0.0
    """Chance that a neighbour in the same plane goes with an independently missing atom."""

    @property
    def single(self) -> float:
        """Independent fraction q with q + (1 - q)·q·pairing = fraction."""
        c = self.pairing
        if c == 0 or self.fraction == 0:
            return self.fraction
        return (1 + c - math.sqrt((1 + c) ** 2 - 4 * c * self.fraction)) / (2 * c)

    def at(self, seed: int, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where the site (i, j) of the plane with this seed is empty."""
        empty: NDArray[np.bool_] = uniform(seed, i, j) < self.single
        if self.pairing:
            step = _SIX[(6 * uniform(subseed(seed, 1), i, j)).astype(np.int64)]
            parent = uniform(seed, i + step[..., 0], j + step[..., 1]) < self.single
            empty |= parent & (uniform(subseed(seed, 2), i, j) < self.pairing)
        return empty


def _cells(flake: Flake, a: float, box: Box) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of all cells that may touch the box, as flat arrays."""
    cos, sin = math.cos(flake.rotation), math.sin(flake.rotation)
    x = np.array([box[0], box[1], box[0], box[1]]) - flake.origin[0]
    y = np.array([box[2], box[2], box[3], box[3]]) - flake.origin[1]
    along, across = x * cos + y * sin, y * cos - x * sin
    j = across / (a * math.sqrt(3) / 2)
    i = along / a + j / 2
    rows = np.arange(math.floor(j.min()) - 1, math.ceil(j.max()) + 2, dtype=np.int64)
    columns = np.arange(math.floor(i.min()) - 1, math.ceil(i.max()) + 2, dtype=np.int64)
    grid_i, grid_j = np.meshgrid(columns, rows)
    return grid_i.ravel(), grid_j.ravel()


def _places(
    flake: Flake, a: float, site: tuple[float, float], i: NDArray[np.int64], j: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cos, sin = math.cos(flake.rotation), math.sin(flake.rotation)
    along = a * (i + site[0] - 0.5 * (j + site[1]))
    across = a * math.sqrt(3) / 2 * (j + site[1])
    return flake.origin[0] + along * cos - across * sin, flake.origin[1] + along * sin + across * cos


def _sublattice(
    flake: Flake,
    material: Material,
    vacancies: Vacancies,
    number: int,
    box: Box,
) -> Columns:
    i, j = _cells(flake, material.a, box)
    x, y = _places(flake, material.a, material.sites[number], i, j)
    keep = (x >= box[0]) & (x <= box[1]) & (y >= box[2]) & (y <= box[3])
    keep[keep] = flake.depth(x[keep], y[keep]) >= 0
    i, j, x, y = i[keep], j[keep], x[keep], y[keep]
    vacant = np.stack(
        [vacancies.at(subseed(flake.seed, layer, number), i, j) for layer in range(flake.layers)]
    )
    missing = vacant.sum(axis=0)
    weight = flake.layers * material.full[number] - missing * (
        material.full[number] - material.vacant[number]
    )
    return Columns(x, y, i, j, np.full(x.shape, number, dtype=np.int64), vacant, weight)


def columns_in(flake: Flake, material: Material, vacancies: Vacancies, box: Box) -> Columns:
    """All columns of a flake within the box (x low, x high, y low, y high) [m].

    Layers are stacked as in the MAX phase (each is the last one turned by 180° about the middle plane's
    column), so that seen along the layer normal every layer adds to the same columns.
    """
    parts = [_sublattice(flake, material, vacancies, n, box) for n in range(len(material.sites))]
    return Columns(
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        i=np.concatenate([part.i for part in parts]),
        j=np.concatenate([part.j for part in parts]),
        sublattice=np.concatenate([part.sublattice for part in parts]),
        vacant=np.concatenate([part.vacant for part in parts], axis=1),
        weight=np.concatenate([part.weight for part in parts]),
    )
