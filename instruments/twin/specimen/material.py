"""A material as columns of atoms: what stands at each site of a layer, and how bright that is."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.specimen.defects import Imperfections
from eucentric.instruments.twin.specimen_spec import ColumnSpec, MaterialSpec

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Species:
    """Atoms of one element in a column of one layer."""

    element: str
    count: float
    sigma: float
    """Cross-section of one atom [m²]."""
    heights: tuple[float, ...]
    """Of each, over the middle of the layer [m]; empty where the count is no whole number."""

    @property
    def copies(self) -> int:
        """Atoms that can be missing one by one."""
        return max(1, len(self.heights))

    @property
    def each(self) -> float:
        """Cross-section of one copy [m²]."""
        return self.sigma * self.count / self.copies


@dataclass(frozen=True)
class Material:
    """A material in numbers."""

    a: float
    """Lattice constant [m]."""
    height: float
    """Of a layer [m]."""
    vacant_element: str
    sites: tuple[tuple[float, float], ...]
    """Fractional site of each column of a stack."""
    species: tuple[tuple[tuple[Species, ...], tuple[Species, ...]], ...]
    """By site: what stands there in an even layer, and in an odd one."""
    cross_section: Callable[[str], float]
    """Of any element [m²]."""

    @property
    def cell_area(self) -> float:
        """[m²]."""
        return self.a**2 * math.sqrt(3) / 2

    @property
    def full(self) -> tuple[float, ...]:
        """Cross-section of a complete column of an even layer, per site [m²]."""
        return tuple(sum(one.sigma * one.count for one in even) for even, _ in self.species)

    @property
    def vacant(self) -> tuple[float, ...]:
        """The same without the element that may be missing [m²]."""
        return tuple(
            sum(one.sigma * one.count for one in even if one.element != self.vacant_element)
            for even, _ in self.species
        )

    def layer_fraction(self, imperfections: Imperfections) -> float:
        """Share of the beam that one layer sends onto the annular detector, averaged over the cell."""
        atoms = [one for even, _ in self.species for one in even]
        return sum(self._mean(one, imperfections) for one in atoms) / self.cell_area

    def _mean(self, one: Species, imperfections: Imperfections) -> float:
        here = 1 - imperfections.replaced_fraction(one.element)
        mean = one.sigma
        for swap in imperfections.swaps:
            if swap.element == one.element and swap.by is not None:
                mean += swap.fraction * (self.cross_section(swap.by) - one.sigma)
        return one.count * here * mean


def make_material(spec: MaterialSpec, cross_section_a2: Callable[[str], float]) -> Material:
    """The columns, as bright as their elements are for a detector.

    Parameters
    ----------
    cross_section_a2
        Of an element, for that detector [Å²].
    """

    def in_m2(element: str) -> float:
        return cross_section_a2(element) * 1e-20

    even = {_key(entry.site): tuple(_species(entry, in_m2)) for entry in spec.columns}
    turned = {_key((-site[0], -site[1])): atoms for site, atoms in even.items()}
    odd = turned if spec.stacking == "turned" else even
    named = {_key(entry.site): entry.site for entry in spec.columns}
    sites = [*named, *(site for site in odd if site not in named)]
    return Material(
        a=spec.lattice_a_angstrom * 1e-10,
        height=spec.layer_height_nm * 1e-9,
        vacant_element=spec.vacant_element,
        sites=tuple(named.get(site, site) for site in sites),
        species=tuple((even.get(site, ()), odd.get(site, ())) for site in sites),
        cross_section=in_m2,
    )


def _key(site: tuple[float, float]) -> tuple[float, float]:
    return round(site[0] % 1.0, 6) % 1.0, round(site[1] % 1.0, 6) % 1.0


def _species(entry: ColumnSpec, in_m2: Callable[[str], float]) -> Iterator[Species]:
    for element, count in entry.elements.items():
        whole = round(count) if abs(count - round(count)) < 1e-9 else 0
        heights = tuple(z * 1e-9 for z in entry.z_nm.get(element, (0.0,) * whole))
        yield Species(element, count, in_m2(element), heights)
