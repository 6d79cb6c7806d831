"""From specimen, stage motion and optics to the expected share of electrons in each pixel."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.optics.probe import ATOMIC_BLUR, ATOMIC_PIXEL, Beam, blurred
from eucentric.instruments.twin.raster import make_raster
from eucentric.instruments.twin.specimen import Specimen

Plane = NDArray[np.float32]
_MOST_PADDING = 128
"""If the blur reaches further than this many pixels, they are rendered coarser: nothing is lost."""


@dataclass(frozen=True)
class View:
    """Where the stage truly was while a frame was scanned."""

    positions: NDArray[np.float64]
    """(rows, 5) actual stage position at each line [m, rad]."""
    shift: tuple[float, float]
    """Beam shift [m]."""
    defocus: float
    """Setting [m]."""

    @property
    def middle(self) -> NDArray[np.float64]:
        """(5,) position at the middle line."""
        return np.asarray(self.positions[len(self.positions) // 2])

    @property
    def tilt(self) -> Tilt:
        """Tilt during the scan."""
        return Tilt(float(self.middle[3]), float(self.middle[4]))


def centre_of(specimen: Specimen, view: View) -> tuple[float, float, float]:
    """Specimen point (x, y) under the middle of the frame, and its height in the column [m]."""
    x, y, z = (float(value) for value in view.middle[:3])
    at_x, at_y = x + view.shift[0], y + view.shift[1]
    for _ in range(3):  # the height depends on the place and, tilted, the place on the height
        height = specimen.height(at_x, at_y) + z
        dx, dy = view.tilt.to_specimen(*view.shift, height)
        at_x, at_y = x + dx, y + dy
    return at_x, at_y, view.tilt.lab_height(dx, dy, height)


def _zoom(reach: float, pixel: float) -> int:
    """Also beyond the frame itself: where the blur is far wider than the field, the frame is one point of it."""
    zoom = 1
    while reach / (pixel * zoom) > _MOST_PADDING:
        zoom *= 2
    return zoom


def _enlarged(plane: Plane, zoom: int, shape: tuple[int, int]) -> Plane:
    """Bilinear reading of a coarse plane with one pixel of margin at the scan's own pixels."""
    at = [(np.arange(n) + 0.5) / zoom + 0.5 for n in shape]
    low = [np.floor(position).astype(np.int64) for position in at]
    fy, fx = ((position - first).astype(np.float32) for position, first in zip(at, low, strict=True))
    lines = plane[low[0]] * (1 - fy[:, None]) + plane[low[0] + 1] * fy[:, None]
    return np.asarray(lines[:, low[1]] * (1 - fx) + lines[:, low[1] + 1] * fx, dtype=np.float32)


def scattered_shares(specimen: Specimen, scan: ScanSpec, view: View) -> Plane:
    """Expected share of the beam that each pixel sends to 60-140 mrad, (rows, columns) float32.

    Motion during the scan moves every column exactly to where its line meets it; the probe is not
    distorted by motion within the few lines that it covers.
    """
    x, y, height = centre_of(specimen, view)
    beam = Beam(specimen.world.optics, view.defocus - height)
    shape, pixel = (scan.rows, scan.columns), scan.pixel_m
    atoms = pixel <= ATOMIC_PIXEL and beam.blur <= ATOMIC_BLUR
    zoom = 1 if atoms else _zoom(beam.reach, pixel)
    motion = (view.positions[:, 0] - view.middle[0], view.positions[:, 1] - view.middle[1])
    swing = min(float(np.abs(motion[0]).max()) / pixel, max(shape) / 2)
    padding = math.ceil((beam.reach / pixel + swing) / zoom) + 2
    raster = make_raster(shape, pixel, (x, y), motion, view.tilt, padding, zoom)
    plane = blurred(specimen.scattered(raster, atoms=atoms), beam, pixel * zoom, points=atoms)
    margin = padding - (zoom > 1)
    plane = plane[margin : plane.shape[0] - margin, margin : plane.shape[1] - margin]
    return plane if zoom == 1 else _enlarged(plane, zoom, shape)
