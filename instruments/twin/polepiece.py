"""Does the holder touch a pole piece? The twin's own check, at true positions along the true path.

The holder is a box around the place under the beam, carried and tilted with the stage; the pole pieces are planes
at ± half the gap. The corners of the box are rotated by Rx(α)·Ry(β) (convention of `geometry`), so at β = 0 the
box is free as long as |y| < (g/2 - |z|·cos α - (t/2)·cos α)/sin|α| - w.
"""

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.world import PolePieceSpec

Vector = NDArray[np.float64]

_STEP_RAD, _STEP_M = 2e-3, 5e-6
"""A path is looked at this finely: the clearance can't change by more than 15 µm in between."""
_HALVINGS = 20
_GRAZE_M = 1e-9
"""A holder that already touches may slide along, to this depth, and leave."""


def clearance(spec: PolePieceSpec, place: Vector) -> float:
    """Distance of the holder's farthest corner from the nearer pole piece [m]; negative: inside it.

    Parameters
    ----------
    place
        (5,) true x, y, z [m] and alpha, beta [rad].
    """
    x, y, z, alpha, beta = (float(value) for value in place)
    zx, zy, zz = Tilt(alpha, beta).rows[2]
    half = spec.half_sizes_m
    spread = abs(zx) * half[0] + abs(zy) * half[1] + abs(zz) * half[2]
    return spec.gap_mm * 0.5e-3 - abs(-zx * x - zy * y + zz * z) - spread


def first_contact(spec: PolePieceSpec, start: Vector, way: Vector) -> float | None:
    """Share of the way from `start` at which the holder touches, or None if it never does.

    A way that begins in contact and goes no deeper is free: that is how a holder is brought back.
    """
    floor = min(0.0, clearance(spec, start) - _GRAZE_M)
    finest = np.array([_STEP_M] * 3 + [_STEP_RAD] * 2)
    steps = max(1, int(np.ceil(np.max(np.abs(way) / finest))))
    free = 0.0
    for share in np.arange(1, steps + 1) / steps:
        if clearance(spec, start + share * way) < floor:
            return _bisected(spec, start, way, (free, float(share)), floor)
        free = float(share)
    return None


def _bisected(
    spec: PolePieceSpec, start: Vector, way: Vector, bracket: tuple[float, float], floor: float
) -> float:
    free, touching = bracket
    for _ in range(_HALVINGS):
        middle = (free + touching) / 2
        if clearance(spec, start + middle * way) < floor:
            touching = middle
        else:
            free = middle
    return touching
