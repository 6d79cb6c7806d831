"""The unit cell, and crystal Cartesian axes: a along x, c* along z (convention C1, the same as gemmi's)."""

import math
from functools import cached_property
from typing import Any, Self

import numpy as np
from pydantic import model_validator

from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.finite import all_finite
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.value import Value


class Cell(Value):
    """Edges [Å] and angles [degree] of a unit cell. An impossible cell is refused."""

    a_angstrom: float
    b_angstrom: float
    c_angstrom: float
    alpha_deg: float = 90.0
    beta_deg: float = 90.0
    gamma_deg: float = 90.0

    @model_validator(mode="before")
    @classmethod
    def _finite(cls, data: Any) -> Any:
        return all_finite(data, "the cell", "give edges in Å and angles in degrees; check the CIF")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        edges = (self.a_angstrom, self.b_angstrom, self.c_angstrom)
        angles = (self.alpha_deg, self.beta_deg, self.gamma_deg)
        shown = " ".join(f"{x:g}" for x in (*edges, *angles))
        if min(edges) < 0.5 or max(edges) > 1e4:
            raise BadInput(
                f"a cell of {shown} has an edge out of range",
                "edges are 0.5 ... 10000 Å",
                "give edges in ångström, not in nm or pm",
            )
        if min(angles) <= 0 or max(angles) >= 180 or self._square() < 1e-8:
            raise BadInput(
                f"no cell has the angles {shown.split(' ', 3)[3]}",
                "alpha + beta + gamma < 360°, and each is less than the sum of the other two",
                "check for swapped edges and angles, and angles in degrees",
            )
        return self

    def _square(self) -> float:
        ca, cb, cg = (math.cos(math.radians(x)) for x in (self.alpha_deg, self.beta_deg, self.gamma_deg))
        return 1 - ca * ca - cb * cb - cg * cg + 2 * ca * cb * cg

    @cached_property
    def volume_a3(self) -> float:
        """Volume [Å³]."""
        return self.a_angstrom * self.b_angstrom * self.c_angstrom * math.sqrt(self._square())

    @cached_property
    def structure(self) -> Array:
        """(3, 3) [Å], columns a, b, c: [uvw] is the vector `structure @ uvw`."""
        ca, cb, cg = (math.cos(math.radians(x)) for x in (self.alpha_deg, self.beta_deg, self.gamma_deg))
        sg = math.sin(math.radians(self.gamma_deg))
        a, b, c = self.a_angstrom, self.b_angstrom, self.c_angstrom
        return np.array(
            [
                [a, b * cg, c * cb],
                [0.0, b * sg, c * (ca - cb * cg) / sg],
                [0.0, 0.0, self.volume_a3 / (a * b * sg)],
            ]
        )

    @cached_property
    def reciprocal(self) -> Array:
        """(3, 3) [1/Å], columns a*, b*, c*: the normal of (hkl) is `reciprocal @ hkl`, of length 1/d."""
        return np.asarray(np.linalg.inv(self.structure).T)

    @cached_property
    def metric(self) -> Array:
        """(3, 3) [Å²]: the dot products of the edges."""
        return np.asarray(self.structure.T @ self.structure)
