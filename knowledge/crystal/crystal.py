"""A crystal as tilting needs it: a cell and the rotations of its Laue group."""

from collections.abc import Sequence
from functools import cached_property
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal import symmetry
from eucentric.knowledge.crystal.cell import Cell
from eucentric.knowledge.crystal.indices import Indices, Integers, direction_indices, plane_indices
from eucentric.knowledge.crystal.rotation import Array, angle_between, quaternion, unit
from eucentric.knowledge.crystal.value import Value

Nine = tuple[int, int, int, int, int, int, int, int, int]


class Crystal(Value):
    """A cell with its Laue symmetry, in the setting of the cell. Directions are [uvw] or [UVTW]."""

    name: str = ""
    cell: Cell
    space_group: str = ""
    """Symbol with setting, such as 'R -3 m:R'; empty if only operators are known."""
    rotations: tuple[Nine, ...] = Field(min_length=1, max_length=24)
    """Proper rotations of the Laue group on fractional coordinates, rows first, identity first."""

    @model_validator(mode="after")
    def _symmetry_fits(self) -> Self:
        group = symmetry.laue_rotations(self.matrices)
        if len(group) != len(self.rotations) or not symmetry.fits(self.cell, self.matrices):
            raise BadInput(
                f"the symmetry operators do not fit the cell of {self.name or 'this crystal'}",
                "each leaves edges and angles unchanged, and they form a group",
                "give operators in the setting of the cell (hexagonal or rhombohedral axes, unique axis)",
            )
        return self

    @cached_property
    def matrices(self) -> Integers:
        """(n, 3, 3) integers: the rotations on fractional coordinates."""
        return np.array(self.rotations, dtype=np.int64).reshape(-1, 3, 3)

    @cached_property
    def on_planes(self) -> Integers:
        """(n, 3, 3) integers: the same rotations on plane indices, W^-T."""
        return np.rint(np.linalg.inv(self.matrices).transpose(0, 2, 1)).astype(np.int64)

    @cached_property
    def cartesian(self) -> Array:
        """(n, 3, 3): the rotations in crystal Cartesian axes."""
        return symmetry.cartesian(self.cell, self.matrices)

    @cached_property
    def quaternions(self) -> Array:
        """(n, 4): the rotations as quaternions, scalar first."""
        return np.array([quaternion(matrix) for matrix in self.cartesian])

    def direction(self, indices: Sequence[int]) -> Array:
        """Unit vector (3,) along a direction, crystal Cartesian."""
        return unit(self.cell.structure @ direction_indices(indices), "direction")

    def normal(self, indices: Sequence[int]) -> Array:
        """Unit vector (3,) along the outward normal of a plane, crystal Cartesian."""
        return unit(self.cell.reciprocal @ plane_indices(indices), "plane")

    def spacing_angstrom(self, indices: Sequence[int]) -> float:
        """Distance of neighbouring planes, 1/|h a* + k b* + l c*| [Å]."""
        return 1 / float(np.linalg.norm(self.cell.reciprocal @ plane_indices(indices)))

    def directions_angle_deg(self, first: Sequence[int], second: Sequence[int]) -> float:
        """Angle of two directions, 0 ... 180."""
        return angle_between(self.direction(first), self.direction(second))

    def planes_angle_deg(self, first: Sequence[int], second: Sequence[int]) -> float:
        """Angle of two outward plane normals, 0 ... 180."""
        return angle_between(self.normal(first), self.normal(second))

    def plane_direction_angle_deg(self, plane: Sequence[int], direction: Sequence[int]) -> float:
        """Angle of a plane's normal with a direction, 0 ... 180."""
        return angle_between(self.normal(plane), self.direction(direction))

    def direction_family(self, indices: Sequence[int]) -> Integers:
        """(m, 3) integers: all directions that the full Laue group makes of one, both senses."""
        return _family(self.matrices, direction_indices(indices))

    def plane_family(self, indices: Sequence[int]) -> Integers:
        """(m, 3) integers: all planes that the full Laue group makes of one, both senses."""
        return _family(self.on_planes, plane_indices(indices))

    @cached_property
    def is_cubic(self) -> bool:
        """True for both cubic Laue groups, m-3 and m-3m."""
        return len(self.rotations) in (12, 24) and _threefolds(self.matrices) == 8


def crystal_of(edges_and_angles: Sequence[float], space_group: int | str, name: str = "") -> Crystal:
    """A crystal from a, b, c [Å], alpha, beta, gamma [degree] and a space group.

    Raises
    ------
    BadInput
        If the cell is impossible or has not the symmetry of the group in any setting.
    """
    if len(edges_and_angles) != 6:
        raise BadInput(
            f"{len(edges_and_angles)} numbers for a cell", "a cell has six", "give a b c alpha beta gamma"
        )
    a, b, c, alpha, beta, gamma = edges_and_angles
    cell = Cell(a_angstrom=a, b_angstrom=b, c_angstrom=c, alpha_deg=alpha, beta_deg=beta, gamma_deg=gamma)
    symbol, rotations = symmetry.space_group(cell, space_group)
    return Crystal(name=name, cell=cell, space_group=symbol, rotations=as_nines(rotations))


def as_nines(rotations: Integers) -> tuple[Nine, ...]:
    """Rotations (n, 3, 3) in the form the model stores."""
    return tuple(
        (a, b, c, d, e, f, g, h, i) for a, b, c, d, e, f, g, h, i in rotations.reshape(-1, 9).tolist()
    )


def _family(rotations: Integers, indices: Indices) -> Integers:
    images = rotations @ np.asarray(indices, dtype=np.int64)
    return np.unique(np.concatenate([images, -images]), axis=0)[::-1]


def _threefolds(rotations: Integers) -> int:
    return int((np.trace(rotations, axis1=1, axis2=2) == 0).sum())
