"""Convex outlines, and how much of each pixel they cover."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.raster import Raster

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Outline:
    """A convex polygon: all points with n·(p - centre) <= side, for each side [m, rad]."""

    x: float
    y: float
    """Centre of a circle that holds it; not always inside."""
    reach: float
    """Radius of that circle [m]."""
    normals: tuple[float, ...]
    """Directions of the sides."""
    sides: tuple[float, ...]
    """Their distances from the centre; below 0 where the centre is outside [m]."""

    def depth(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance inside the nearest side, negative outside [m]; x and y broadcast."""
        dx, dy = x - self.x, y - self.y
        depth: NDArray[np.float64] | None = None
        for angle, side in zip(self.normals, self.sides, strict=True):
            inside = (side - dx * math.cos(angle)) - dy * math.sin(angle)
            depth = inside if depth is None else np.minimum(depth, inside, out=depth)
        assert depth is not None
        return depth

    def cut(self, angle: float, distance: float) -> "Outline":
        """What lies below a line with that normal and distance from the centre."""
        return replace(self, normals=(*self.normals, angle), sides=(*self.sides, distance))

    def mirrored(self, angle: float, distance: float) -> "Outline":
        """Its mirror image in such a line; the circle stays where it is and holds what is on this side of the line."""
        normals = tuple(math.pi + 2 * angle - normal for normal in self.normals)
        sides = tuple(
            side - 2 * distance * math.cos(normal - angle)
            for normal, side in zip(self.normals, self.sides, strict=True)
        )
        return replace(self, normals=normals, sides=sides)


@dataclass(frozen=True)
class Patch:
    """The part of a raster that something covers."""

    where: tuple[slice, slice]
    share: Plane
    """Covered share of each pixel there; one number if all are wholly covered."""


def window(low: float, high: float, values: NDArray[np.float64]) -> slice:
    """The part of ascending `values` within [low, high]."""
    return slice(int(np.searchsorted(values, low)), int(np.searchsorted(values, high, side="right")))


def around(x: float, y: float, reach: float, raster: Raster) -> tuple[slice, slice] | None:
    """Rows and columns that a circle may touch, a pixel more on each side; None if there are none."""
    pad = raster.pixel
    across = window(x - reach - pad, x + reach + pad, raster.x)
    slack = pad + (abs(raster.shear) * float(np.ptp(raster.x)) if raster.shear else 0.0)
    down = window(y - reach - slack, y + reach + slack, raster.y)
    return None if across.start == across.stop or down.start == down.stop else (down, across)


def places(raster: Raster, where: tuple[slice, slice]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x (1, columns) and y (rows, 1 or columns) of a window [m]."""
    down, across = where
    y = raster.y2d()[down]
    return raster.x[across][None, :], y[:, across] if raster.shear else y


def coverage(outline: Outline, raster: Raster) -> Patch | None:
    """What the outline covers, edges anti-aliased; None if it does not touch the raster."""
    where = around(outline.x, outline.y, outline.reach, raster)
    if where is None:
        return None
    x, y = places(raster, where)
    if (y.shape[1] == 1) and float(
        outline.depth(x[:, [0, 0, -1, -1]], y[[0, -1, 0, -1]].T).min()
    ) > raster.pixel:
        return Patch(where, np.ones(1, dtype=np.float32))  # convex: the corners decide
    share = np.clip(outline.depth(x, y) / raster.pixel + 0.5, 0, 1).astype(np.float32)
    return Patch(where, share) if share.any() else None
