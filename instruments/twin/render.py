"""From specimen, stage motion and optics to the expected share of electrons in each pixel."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.optics.aberrations import NONE, Aberrations
from eucentric.instruments.twin.optics.focus import Slope, focused, planes_of
from eucentric.instruments.twin.optics.probe import ATOMIC_PIXEL, Beam
from eucentric.instruments.twin.optics.scan_unit import STRAIGHT, Distortion, started_late
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.instruments.twin.raster import Raster, make_raster
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
    """C1 as it truly is over the eucentric plane [m]."""
    others: Aberrations = NONE
    """The other aberrations that are not in the declaration of the column."""
    set_optics: OpticsSpec | None = None
    """The column with the aperture and current that are set; None: as declared."""
    distortion: Distortion = STRAIGHT
    late: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """By how many pixels each line is begun too far along."""

    @property
    def middle(self) -> NDArray[np.float64]:
        """(5,) position at the middle line."""
        return np.asarray(self.positions[len(self.positions) // 2])

    @property
    def tilt(self) -> Tilt:
        """Tilt during the scan."""
        return Tilt(float(self.middle[3]), float(self.middle[4]))

    def optics(self, specimen: Specimen) -> OpticsSpec:
        """The column as it is set."""
        return self.set_optics or specimen.world.optics


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
    return _seen(specimen, scan, view, lambda raster, atoms: specimen.scattered(raster, atoms=atoms))


def lost_shares(specimen: Specimen, scan: ScanSpec, view: View, disc_mrad: float) -> Plane | None:
    """Share of the bright disc that is lost otherwise (`Specimen.lost`), as the probe sees it; None: nothing."""
    x, y, _ = centre_of(specimen, view)
    half = max(scan.fov_m, scan.rows * scan.pixel_m)  # twice the field: tilt and motion widen it
    if not specimen.thick((x - half, x + half, y - half, y + half)):
        return None
    return _seen(specimen, scan, view, lambda raster, atoms: specimen.lost(raster, disc_mrad), smooth=True)


def _seen(
    specimen: Specimen,
    scan: ScanSpec,
    view: View,
    drawn: Callable[[Raster, bool], Plane],
    *,
    smooth: bool = False,
) -> Plane:
    """What is drawn on the frame's raster, blurred by the probe; `smooth`: without single atoms."""
    x, y, height = centre_of(specimen, view)
    beam = Beam(view.optics(specimen), view.defocus - height, view.others)
    shape, pixel = (scan.rows, scan.columns), scan.pixel_m
    atoms = pixel <= ATOMIC_PIXEL and beam.shows_atoms and not smooth
    field_m = (scan.fov_m, scan.rows * pixel)
    planes = planes_of(beam, _surface(specimen, view, (x, y), field_m), pixel, shape)
    reach = max(one.reach for one in planes.beams)
    zoom = 1 if atoms else _zoom(reach, pixel)
    motion = (view.positions[:, 0] - view.middle[0], view.positions[:, 1] - view.middle[1])
    swing = min(_swing(motion[0], view, shape, pixel), max(shape) / 2)
    padding = math.ceil((reach / pixel + swing) / zoom) + 2
    raster = make_raster(shape, pixel, (x, y), motion, view.tilt, padding, zoom, view.distortion)
    plane = focused(drawn(raster, atoms), planes, pixel * zoom, points=atoms)
    margin = padding - (zoom > 1)
    plane = plane[margin : plane.shape[0] - margin, margin:]
    if zoom > 1:
        plane = _enlarged(plane[:, : plane.shape[1] - margin], zoom, shape)
    late = np.minimum(view.late, plane.shape[1] - 2.0 - np.arange(view.late.size))
    return started_late(plane, late, scan.columns)


def _swing(along: NDArray[np.float64], view: View, shape: tuple[int, int], pixel: float) -> float:
    """By how many pixels a line may be displaced along itself."""
    late = float(view.late.max()) if view.late.size else 0.0
    return float(np.abs(along).max()) / pixel + abs(view.distortion.xy) * shape[0] / 2 + late


def _surface(specimen: Specimen, view: View, at: tuple[float, float], field_m: tuple[float, float]) -> Slope:
    """How the height in the column changes over the field, along columns and down rows."""
    x, y = at
    dx, dy = field_m[0] / 2, field_m[1] / 2
    sx = (specimen.height(x + dx, y) - specimen.height(x - dx, y)) / (2 * dx)
    sy = (specimen.height(x, y + dy) - specimen.height(x, y - dy)) / (2 * dy)
    nx, ny, nz = (-row[0] * sx - row[1] * sy + row[2] for row in view.tilt.rows)
    return Slope(-nx / nz, -ny / nz, *field_m)
