"""Point defects at hashed sites: which atoms are missing, replaced or added, without storing any."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed, uniform
from eucentric.instruments.twin.specimen.nuclei import nuclei_in
from eucentric.instruments.twin.specimen_spec import ClusterSpec, DefectSpec

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_SIX = np.array([(1, 0), (0, 1), (1, 1), (-1, 0), (0, -1), (-1, -1)], dtype=np.int64)
"""Nearest sites of the same plane, for cell vectors at 120 degrees."""
_SWAP, _ON_TOP, _CLUSTER = 31, 37, 39
_NO_CLUSTERS = ClusterSpec()


def either(one: Mask | None, other: Mask | None) -> Mask | None:
    """Where one of two masks holds; None stands for nowhere."""
    if one is None or other is None:
        return other if one is None else one
    return one | other


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

    def at(self, seed: int, i: Index, j: Index) -> Mask:
        """True where the site (i, j) of the plane with this seed is empty."""
        empty: Mask = uniform(seed, i, j) < self.single
        if self.pairing:
            step = _SIX[(6 * uniform(subseed(seed, 1), i, j)).astype(np.int64)]
            parent = uniform(seed, i + step[..., 0], j + step[..., 1]) < self.single
            empty |= parent & (uniform(subseed(seed, 2), i, j) < self.pairing)
        return empty


@dataclass(frozen=True)
class Imperfections:
    """All kinds of point defects of a world."""

    vacancies: tuple[tuple[str, Vacancies], ...] = ()
    """By element."""
    swaps: tuple[DefectSpec, ...] = ()
    adatoms: tuple[DefectSpec, ...] = ()
    clusters: ClusterSpec = _NO_CLUSTERS

    @classmethod
    def of(
        cls,
        defects: Sequence[DefectSpec],
        clusters: ClusterSpec,
        vacant_element: str,
        fraction: float,
        pairing: float,
    ) -> "Imperfections":
        """The world's list, and its shorthand for vacancies of one element."""
        emptied = [(vacant_element, Vacancies(fraction, pairing))] if fraction else []
        emptied += [(d.element, Vacancies(d.fraction, d.pairing)) for d in defects if d.kind == "vacancy"]
        return cls(
            tuple(emptied),
            tuple(d for d in defects if d.kind == "substitution"),
            tuple(d for d in defects if d.kind == "adatom"),
            clusters,
        )

    def missing(self, element: str, seed: int, copy: int, i: Index, j: Index) -> Mask | None:
        """Where that atom of a column is missing; None: nowhere.

        Parameters
        ----------
        seed
            Of the layer and sublattice.
        copy
            Number of the atom among those of its element in the column.
        """
        gone: Mask | None = None
        for n, (emptied, vacancies) in enumerate(self.vacancies):
            if emptied == element and vacancies.fraction:
                label = (n, copy) if n or copy else ()
                empty = vacancies.at(subseed(seed, *label) if label else seed, i, j)
                gone = empty if gone is None else gone | empty
        return gone

    def clustered(
        self, seed: int, layer: int, places: tuple[Floats, Floats], box: tuple[float, float, float, float]
    ) -> Mask | None:
        """Which places lie in a cluster of vacancies of that layer of a flake; None: none."""
        spec, (x, y) = self.clusters, places
        if not spec.per_um2:
            return None
        reach = 1.25 * spec.radius_nm * 1e-9
        wide = (box[0] - reach, box[1] + reach, box[2] - reach, box[3] + reach)
        found = nuclei_in(subseed(seed, _CLUSTER, layer), spec.per_um2 * 1e12, wide, 1)
        inside = np.zeros(x.shape, dtype=np.bool_)
        for at_x, at_y, draw in zip(found.x, found.y, found.draws[:, 0], strict=True):
            radius = spec.radius_nm * 1e-9 * (0.75 + 0.5 * draw)
            inside |= (x - at_x) ** 2 + (y - at_y) ** 2 < radius**2
        return inside

    def swapped(self, element: str, seed: int, copy: int, i: Index, j: Index) -> list[tuple[str, Mask]]:
        """What stands in place of that atom, and where."""
        draw = None
        found, low = [], 0.0
        for swap in self.swaps:
            if swap.element == element and swap.by is not None:
                draw = uniform(subseed(seed, _SWAP, copy), i, j) if draw is None else draw
                found.append((swap.by, (draw >= low) & (draw < low + swap.fraction)))
                low += swap.fraction
        return found

    def on_top(self, elements: Sequence[str], seed: int, i: Index, j: Index) -> list[tuple[str, Mask]]:
        """Adatoms on a column that holds these elements."""
        return [
            (one.by or one.element, uniform(subseed(seed, _ON_TOP, n), i, j) < one.fraction)
            for n, one in enumerate(self.adatoms)
            if one.element in elements
        ]

    def replaced_fraction(self, element: str) -> float:
        """Share of the atoms of an element that are missing."""
        present = 1.0
        for emptied, vacancies in self.vacancies:
            present *= 1 - vacancies.fraction if emptied == element else 1.0
        return 1 - present
