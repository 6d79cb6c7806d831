"""The mean cell of a grain against a regular one: edges, angle, stretch, and the drift that would explain it."""

import math
from dataclasses import dataclass

import numpy as np

from eucentric.tools.vision.atom_map import Grain
from eucentric.tools.vision.strain import regular_cell


@dataclass(frozen=True)
class MeanCell:
    """The cell as the image shows it."""

    a_px: float
    b_px: float
    angle_deg: float
    """Between both vectors; 60 or 90 if nothing is distorted."""
    turn_deg: float
    """Direction of the cell against x, y down."""
    stretch_percent: float
    """Longer over shorter axis of the distortion, minus 1."""
    drift_px_per_line: tuple[float, float]
    """(x, y): the constant drift during a scan line by line along x that would distort a regular cell like this.
    One image cannot tell it from a uniform strain."""


def mean_cell(grain: Grain) -> MeanCell:
    """Distortion of a grain's mean cell.

    A line that comes later is shifted: of a true place (x, y) the image shows (x + qy, ry), in units of the scale
    along x. With C the regular cell and V the measured one (rows), C⁻¹V is a rotation times (p 0 / pq pr), whose
    factor follows from its Gram matrix.
    """
    first, second = grain.vectors_px
    a, b = float(np.hypot(*first)), float(np.hypot(*second))
    change = np.linalg.inv(regular_cell(grain.vectors_px)) @ grain.vectors_px
    long, short = np.linalg.svd(change, compute_uv=False)
    gram = change.T @ change
    r = math.sqrt(gram[1, 1])
    q = gram[0, 1] / r
    p = math.sqrt(gram[0, 0] - q * q)
    angle = math.degrees(math.acos(float(np.clip(first @ second / (a * b), -1, 1))))
    return MeanCell(a, b, angle, grain.turn_deg, 100 * (long / short - 1), (q / p, r / p - 1))
