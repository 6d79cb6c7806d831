"""How an image is divided into grains: the lattice of each, and which place belongs to which."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision.atom_map import Grain
from eucentric.tools.vision.lattice import Lattice

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


def cells_of(xy: Array, pitch: float, grid: tuple[int, ...]) -> Labels:
    """(n, 2) int64: row and column on a grid of places (n, 2) [px]."""
    cell: Labels = np.clip((xy[:, ::-1] / pitch).astype(np.int64), 0, np.array(grid) - 1)
    return cell


def values_at(values: NDArray[np.generic], xy: Array, pitch: float) -> NDArray[np.generic]:
    """Values of a grid at places (n, 2) [px]."""
    cell = cells_of(xy, pitch, values.shape)
    return values[cell[:, 0], cell[:, 1]]


@dataclass(frozen=True)
class Patches:
    """The grains of an image."""

    lattices: tuple[Lattice, ...]
    """The largest first."""
    labels: Labels | None
    """(h, w) int64 on a grid of one site spacing: grain of every place, -1 for none; None with one grain."""
    border: Mask | None
    """(h, w) bool on the same grid: within a boundary."""
    pitch: float
    """Of that grid [px]."""

    def grain_at(self, xy: Array) -> Labels:
        """(n,) int64: grain of places (n, 2) [px], -1 for none and for boundaries."""
        if self.labels is None or self.border is None:
            return np.zeros(len(xy), np.int64)
        own = values_at(self.labels, xy, self.pitch)
        return np.where(values_at(self.border, xy, self.pitch), -1, own)

    def border_at(self, xy: Array) -> Mask:
        """(n,) bool: on a lattice, but within a boundary."""
        if self.labels is None or self.border is None:
            return np.zeros(len(xy), bool)
        border: Mask = values_at(self.border & (self.labels >= 0), xy, self.pitch).astype(bool)
        return border

    def averaged(self, xy: Array, figure: Callable[[Array], float]) -> float:
        """A figure of places (n, 2) [px], worked out within each grain and averaged by their number.

        Drift and shear of the whole grain are taken out first.
        """
        own = self.grain_at(xy)
        parts = [lattice.straightened(xy[own == k]) for k, lattice in enumerate(self.lattices)]
        if not any(len(part) for part in parts):
            return 0.0
        return float(np.average([figure(part) for part in parts], weights=[len(part) for part in parts]))

    @property
    def site_px2(self) -> float:
        """Area of a lattice point, mean of the grains [px²]."""
        areas = [abs(float(np.linalg.det(one.basis))) for one in self.lattices]
        return float(np.average(areas, weights=[len(one.xy) for one in self.lattices]))

    def as_grains(self, factor: int, step_pm: float, phase: Phase) -> tuple[Grain, ...]:
        """For the map of the image, whose pixels are `factor` times finer and `step_pm` / `factor` [pm] wide."""
        cell = phase.lattice.cell_of_sites if phase.equal_columns else np.eye(2)
        return tuple(
            Grain(cell @ lattice.basis * factor, share, lattice.residual_px * step_pm)
            for lattice, share in zip(self.lattices, self.shares, strict=True)
        )

    @property
    def residual_px(self) -> float:
        """rms 2D distance of the peaks from the lattices [px]."""
        weight = [len(one.xy) for one in self.lattices]
        return float(np.sqrt(np.average([one.residual_px**2 for one in self.lattices], weights=weight)))

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the area of every grain, boundaries left out."""
        if self.labels is None or self.border is None:
            return (1.0,)
        inner = np.where(self.border, -1, self.labels)
        return tuple(float((inner == k).mean()) for k in range(len(self.lattices)))

    @property
    def boundary_share(self) -> float:
        """Share of the area that boundaries take."""
        return 0.0 if self.border is None else float(self.border.mean())
