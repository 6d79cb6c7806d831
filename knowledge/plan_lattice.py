"""The lattice that columns form in plan view: triangular or square, with its sublattices and its two rings.

A cell of edge a holds 3 column sites at a/√3 (hexagonal layers) or 2 at a/√2 (cubic and tetragonal crystals down
[001]): sublattice k of n is shifted by k/n of both cell vectors. The first ring of the site lattice lies a factor √n
outside the first ring of the cell, turned by half the angle between neighbours.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["hexagonal", "square"]


@dataclass(frozen=True)
class PlanLattice:
    """One of the two lattices that are read."""

    kind: Kind
    fold: int
    """Nearest neighbours of a site, and order of the rotation axis."""
    parts: int
    """Sites in a cell: as many sublattices."""
    outer: str
    """Name of the first ring of the site lattice."""
    inner: str
    """Name of the first ring of the cell."""
    shell: float
    """Distances up to this many spacings are those of nearest neighbours."""

    @property
    def root(self) -> float:
        """Edge of the cell over the spacing of sites."""
        return math.sqrt(self.parts)

    @property
    def angle_deg(self) -> float:
        """Between neighbours [deg]."""
        return 360.0 / self.fold

    @property
    def half_turn_deg(self) -> float:
        """Between the inner and the outer ring [deg]."""
        return 180.0 / self.fold

    @property
    def turns_deg(self) -> tuple[float, ...]:
        """Directions of a ring that are not the inverse of one another [deg]."""
        return tuple(self.angle_deg * k for k in range(self.fold // 2))

    @property
    def ideal(self) -> NDArray[np.float64]:
        """(2, 2) float64: unit vectors of the lattice, rows."""
        angle = math.radians(self.angle_deg)
        return np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])

    @property
    def cell_of_sites(self) -> NDArray[np.float64]:
        """(2, 2) float64: the cell's two vectors as combinations of two neighbouring ones of the site lattice."""
        return np.array([[1.0, 1.0], [-1.0, 2.0 if self.fold == 6 else 1.0]])

    def site_area(self, cell_edge: float) -> float:
        """Area of one site of a cell with that edge [unit of the edge, squared]."""
        return cell_edge**2 * math.sin(math.radians(self.angle_deg)) / self.parts


HEXAGONAL = PlanLattice("hexagonal", 6, 3, "{11-20}", "{10-10}", 1.35)
SQUARE = PlanLattice("square", 4, 2, "{110}", "{100}", 1.2)
PLAN_LATTICES = {lattice.kind: lattice for lattice in (HEXAGONAL, SQUARE)}
