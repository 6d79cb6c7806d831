"""What the scan unit does to a picture: scale, rotation, skew, lines that jump, hum, a late start of each line."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin.optics.spec import ScanUnitSpec

Vector = NDArray[np.float64]
Plane = NDArray[np.float32]

_ORDER = 0.05
"""Lines keep this part of their distance, however they jump."""
_OVER = 12.0
"""After so many time constants a line is where it should be (6e-6)."""


@dataclass(frozen=True)
class Distortion:
    """Where the probe truly goes: (x, y) = matrix · (declared offset along columns, down rows)."""

    xx: float = 1.0
    xy: float = 0.0
    """Of the row's offset into x."""
    yx: float = 0.0
    yy: float = 1.0

    @property
    def area(self) -> float:
        """True area of a field over the declared one."""
        return self.xx * self.yy - self.xy * self.yx


STRAIGHT = Distortion()


def distortion_of(unit: ScanUnitSpec) -> Distortion:
    """Skewed, scaled, then turned."""
    turn, skew = math.radians(unit.rotation_deg), math.tan(math.radians(unit.skew_deg))
    cos, sin = math.cos(turn), math.sin(turn)
    lean = unit.scale_y * skew
    return Distortion(
        xx=unit.scale_x * cos,
        xy=lean * cos - unit.scale_y * sin,
        yx=unit.scale_x * sin,
        yy=lean * sin + unit.scale_y * cos,
    )


def jumps(unit: ScanUnitSpec, scan: ScanSpec, times_s: Vector, rng: np.random.Generator) -> Vector:
    """(rows, 2) by which each line is displaced along x and y [m].

    The lines stay in order: across them a jump is cut off where it would overtake the line before.
    """
    size = math.hypot(unit.jitter_pm * 1e-12, unit.jitter_px * scan.pixel_m)
    away = np.zeros((scan.rows, 2))
    if size:
        away += size * rng.standard_normal((scan.rows, 2))
        line = np.arange(scan.rows) * scan.pixel_m
        least = _ORDER * line
        away[:, 1] = np.maximum.accumulate(line + away[:, 1] - least) + least - line
    if unit.hum_pm:
        phase = rng.uniform(0, 2 * math.pi)
        away[:, 0] += unit.hum_pm * 1e-12 * np.sin(2 * math.pi * unit.hum_hz * times_s + phase)
    return away


def late_px(unit: ScanUnitSpec, scan: ScanSpec) -> Vector:
    """By how many pixels the probe is still too far along the line, for the columns in which it is late."""
    fall = unit.lag_us * 1e-6 / scan.dwell_s
    columns = min(scan.columns, math.ceil(_OVER * fall)) if unit.lag_share else 0
    return np.asarray(unit.lag_share * scan.columns * np.exp(-np.arange(columns) / fall))


def started_late(plane: Plane, late: Vector, columns: int) -> Plane:
    """The first `columns` of a plane that is wider than that, each line begun too far along.

    Parameters
    ----------
    plane
        (rows, more than columns + the lateness).
    late
        From `late_px`.
    """
    image = plane[:, :columns].copy()
    at = np.arange(late.size) + late
    low = np.minimum(np.floor(at).astype(np.int64), plane.shape[1] - 2)
    part = (at - low).astype(np.float32)
    image[:, : late.size] = plane[:, low] * (1 - part) + plane[:, low + 1] * part
    return image
