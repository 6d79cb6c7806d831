"""What the parts of a specimen draw on: covered share, scattered share, and single atoms."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.raster import Raster
from eucentric.knowledge.splat import MARGIN, splat

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""(x low, x high, y low, y high) [m]."""
CrossSection = Callable[[str], float]
"""Of an element for scattering onto a detector [Å²]."""


@dataclass(frozen=True)
class Points:
    """Atoms or columns of atoms."""

    x: Floats
    """(n,) [m]."""
    y: Floats
    z: Floats
    """(n,) over the specimen's surface [m]; or (1,) for all."""
    weight: Floats
    """(n,) cross-section [m²]."""


_GROUND = np.zeros(1)


@dataclass
class Canvas:
    """One raster being drawn."""

    raster: Raster
    atoms: bool
    """Whether columns are seen one by one; else sheets of the same mean are drawn."""
    solid: Plane
    """(rows, columns) share of each pixel under which there is something; may pass 1."""
    share: Plane
    """(rows, columns) part of the beam that goes onto the detector."""
    dose: Plane | None = None
    """(rows, columns) dose so far [e/Å²]; None where it changed nothing."""
    shade: Plane | None = None
    """(rows, columns) share of all electrons that gets through, atoms' share too; None: all."""
    points: list[Points] = field(default_factory=list)

    @classmethod
    def of(cls, raster: Raster, *, atoms: bool, dose: Plane | None = None) -> "Canvas":
        """An empty one."""
        empty = np.zeros((2, *raster.shape), np.float32)
        return cls(raster, atoms, empty[0], empty[1], dose)

    def add_columns(self, x: Floats, y: Floats, weight: Floats) -> None:
        """Columns whose atoms all lie on the surface."""
        self.points.append(Points(x, y, _GROUND, weight))

    def splat(self) -> Plane | None:
        """The points, shared among pixels, as fractions of the beam; None if there are none."""
        if not self.points:
            return None
        raster = self.raster
        lean_x, lean_y = raster.lean
        x = np.concatenate([group.x + lean_x * group.z for group in self.points])
        y = np.concatenate([group.y + lean_y * group.z for group in self.points])
        weight = np.concatenate([group.weight for group in self.points]) / (raster.step_x * raster.step_y)
        row, column = raster.locate(x, y)
        rows, columns = raster.shape
        inside = (row >= MARGIN) & (column >= MARGIN) & (row < rows - MARGIN) & (column < columns - MARGIN)
        return splat(row[inside], column[inside], weight[inside], raster.shape)


class Part(Protocol):
    """Something a specimen is made of."""

    def draw(self, canvas: Canvas) -> None:
        """Add to the canvas, unblurred and without motion along the lines."""
        ...

    def towards(self, cross_section_a2: CrossSection) -> "Part":
        """The same part as another detector sees it."""
        ...
