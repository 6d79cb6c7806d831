"""Focus over a surface that leans: several planes of focus, mixed by where each pixel's place lies between them."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.optics.probe import ATOMIC_PIXEL, Beam, blurred_by
from eucentric.knowledge.electron_optics import wavelength_a

Plane = NDArray[np.float32]

_MOST = 13
"""Planes of focus in one frame; a steeper surface gets coarser ones."""
_DEPTHS = 0.3
"""Distance of two planes, in units of λ/α², where the lattice shows."""
_WIDER = 0.1
"""By which part the blur may differ between two planes where it is wide."""


@dataclass(frozen=True)
class Slope:
    """Height of the specimen in the column over a field: its rise per metre."""

    along: float
    down: float
    width: float
    """Of the field [m]."""
    height: float

    @property
    def range(self) -> float:
        """Highest over lowest place [m]."""
        return abs(self.along) * self.width + abs(self.down) * self.height


@dataclass(frozen=True)
class Planes:
    """The probe at evenly spaced heights, from the lowest place of the field to the highest."""

    beams: tuple[Beam, ...]
    slope: Slope

    def place(self, shape: tuple[int, int], pixel: float) -> Plane:
        """Which plane each pixel's place lies in, as a broken number, (rows, columns) about the field's middle."""
        step = self.slope.range / (len(self.beams) - 1)
        down, across = ((np.arange(n) - (n - 1) / 2) * pixel / step for n in shape)
        rise = self.slope.down * down[:, None] + self.slope.along * across[None, :]
        return np.clip(rise + (len(self.beams) - 1) / 2, 0, len(self.beams) - 1).astype(np.float32)


def planes_of(beam: Beam, slope: Slope, pixel: float, shape: tuple[int, int]) -> Planes:
    """As many planes as the picture can tell apart; one, if the surface is level enough.

    Parameters
    ----------
    beam
        At the middle of the field.
    pixel
        Edge of a pixel [m].
    shape
        (rows, columns), for the planes' number only.
    """
    apart = _apart(beam, pixel)
    count = min(_MOST, max(shape), 1 + math.ceil(slope.range / apart - 0.5))
    if count < 2:
        return Planes((beam,), slope)
    heights = slope.range * (np.arange(count) / (count - 1) - 0.5)
    return Planes(tuple(replace(beam, defocus=beam.defocus - float(height)) for height in heights), slope)


def _apart(beam: Beam, pixel: float) -> float:
    """Distance of two planes of focus that look nearly alike [m]."""
    if pixel <= ATOMIC_PIXEL and beam.shows_atoms:
        return _DEPTHS * wavelength_a(beam.optics.voltage_kv) * 1e-10 / beam.convergence**2
    return max(pixel, _WIDER * beam.blur) / beam.convergence


def focused(plane: Plane, planes: Planes, pixel: float, *, points: bool) -> Plane:
    """`plane` as the probe sees it, see `probe.blurred`; each pixel between its two nearest planes of focus."""
    images = blurred_by(plane, planes.beams, pixel, points=points)
    if len(images) == 1:
        return images[0]
    place, mixed = planes.place(plane.shape, pixel), np.zeros_like(plane)
    for number, image in enumerate(images):
        mixed += np.maximum(1 - np.abs(place - number), 0) * image
    return mixed
