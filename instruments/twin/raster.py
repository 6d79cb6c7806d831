"""The places on the specimen that the pixels of a frame look at, drift during the scan included."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.optics.scan_unit import STRAIGHT, Distortion

Coordinates = NDArray[np.float64]


_STILL = 0.1
"""Motion of less than this part of a pixel is not applied to smooth parts of an image."""


@dataclass(frozen=True)
class Raster:
    """Pixel (r, c) sees specimen point (x = x[c] + dx[r], y[r] - shear·(x - x0)) [m]."""

    x: Coordinates
    """(columns,)."""
    y: Coordinates
    """(rows,), the motion of each line included."""
    dx: Coordinates
    """(rows,) displacement along the line: motion, skew and rotation of the scan."""
    pixel: float
    """Edge of a pixel in the image plane [m]."""
    step_x: float
    """Distance of neighbours on the specimen along a line [m]."""
    step_y: float
    """Area of a pixel on the specimen over `step_x` [m]."""
    shear: float = 0.0
    lean: tuple[float, float] = (0.0, 0.0)
    """By which what lies higher is seen further along x and y, for each metre of height: the tilt of the view."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.y), len(self.x)

    @property
    def x0(self) -> float:
        """Where the shear is zero."""
        return float(self.x[0] + self.x[-1]) / 2

    def y2d(self) -> Coordinates:
        """y of every pixel, (rows, columns), or (rows, 1) without shear."""
        column = self.y[:, None]
        return column - self.shear * (self.x[None, :] - self.x0) if self.shear else column

    def every(self, stride: int) -> "Raster":
        """Every n-th pixel, reaching at least one beyond the last."""
        x = self.x[0] + self.step_x * stride * np.arange(-(-len(self.x) // stride) + 1)
        rows = np.arange(-(-len(self.y) // stride) + 1) * stride
        last = len(self.y) - 1
        slope = (self.y[-1] - self.y[0]) / last if last else 0.0
        y = np.interp(rows, np.arange(last + 1), self.y) + slope * np.maximum(rows - last, 0)
        if self.shear:  # the longer line has another middle: keep the same places
            y = y - self.shear * ((x[0] + x[-1]) / 2 - self.x0)
        dx = np.interp(rows, np.arange(last + 1), self.dx)
        return replace(
            self,
            x=x,
            y=y,
            dx=dx,
            pixel=self.pixel * stride,
            step_x=self.step_x * stride,
            step_y=self.step_y * stride,
        )

    def box(self) -> tuple[float, float, float, float]:
        """(x low, x high, y low, y high) of all pixels, with half a pixel around [m]."""
        y = self.y2d()[:, [0, -1]] if self.shear else self.y
        half = self.pixel / 2
        lean = half + abs(self.shear) * float(np.abs(self.dx).max())
        return (
            float(self.x[0] + self.dx.min()) - half,
            float(self.x[-1] + self.dx.max()) + half,
            float(y.min()) - lean,
            float(y.max()) + lean,
        )

    def locate(self, x: Coordinates, y: Coordinates) -> tuple[Coordinates, Coordinates]:
        """(row, column) at which specimen points are scanned; -10 for rows outside the raster."""
        level = y + self.shear * (x - self.x0) if self.shear else y
        lines = np.arange(len(self.y), dtype=np.float64)
        row = np.interp(level, self.y, lines, left=-10.0, right=-10.0)
        return row, (x - self.x[0] - np.interp(row, lines, self.dx)) / self.step_x

    def shifted(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """`plane`, evaluated at (x, y), moved so that each line shows what it saw at x + dx."""
        shift = self.dx / self.step_x
        if float(np.abs(shift).max()) < _STILL:
            return plane
        whole = np.floor(shift).astype(np.int64)
        rest = (shift - whole).astype(np.float32)[:, None]
        at = np.clip(np.arange(plane.shape[1])[None, :] + whole[:, None], 0, plane.shape[1] - 1)
        after = np.minimum(at + 1, plane.shape[1] - 1)
        lines = np.arange(plane.shape[0])[:, None] * plane.shape[1]
        left: NDArray[np.float32] = np.take(plane, at + lines)
        left += (np.take(plane, after + lines) - left) * rest
        return left


def make_raster(
    shape: tuple[int, int],
    pixel: float,
    centre: tuple[float, float],
    motion: tuple[Coordinates, Coordinates],
    tilt: Tilt,
    padding: int,
    zoom: int = 1,
    distortion: Distortion = STRAIGHT,
) -> Raster:
    """The raster of a frame, padded on each side and with `zoom` scan pixels to one.

    Over the pixel (c, r), counted from the middle, the probe stands at u = xx·c + xy·r, v = yx·c + yy·r. It meets a
    level specimen at x = u/R_xx, y = (v - R_yx·x)/R_yy with R of `Tilt`.

    Parameters
    ----------
    shape
        (rows, columns) of the scan.
    pixel
        Edge of a scan pixel [m].
    centre
        Specimen point at the middle of the frame when the motion is zero [m].
    motion
        (rows,) arrays of the specimen's displacement in x and y at each line [m].
    padding
        In pixels of the result.
    """
    rows, columns = shape
    (cb, _, _), (lean, ca, _), _ = tilt.rows
    at_row = (np.arange(-padding, -(-rows // zoom) + padding) + 0.5) * zoom - 0.5
    at_column = (np.arange(-padding, -(-columns // zoom) + padding) + 0.5) * zoom - 0.5
    lines = np.arange(rows, dtype=np.float64)
    to_x = distortion.xx / cb
    shear = lean / ca - distortion.yx / (ca * to_x)
    row_x = distortion.xy / cb
    row_y = (distortion.yy - lean * row_x) / ca + shear * row_x
    down = (at_row - (rows - 1) / 2) * pixel
    x = centre[0] + (at_column - (columns - 1) / 2) * pixel * to_x
    dx = np.interp(at_row, lines, motion[0])
    y = centre[1] + down * row_y + np.interp(at_row, lines, motion[1]) + shear * dx
    y = y - shear * ((x[0] + x[-1]) / 2 - centre[0])
    dx = dx + down * row_x
    edge = pixel * zoom
    return Raster(
        x=np.asarray(x),
        y=np.asarray(y),
        dx=dx,
        pixel=edge * math.sqrt(distortion.area),
        step_x=edge * to_x,
        step_y=edge * distortion.area / (ca * cb * to_x),
        shear=shear,
        lean=(math.tan(tilt.beta), -math.tan(tilt.alpha) / cb),
    )
