"""The linear image model: point scatterers, shared among pixels, times a transfer.

The twin draws its columns with the same `splat`; a trainer of detectors draws labelled scenes by this. Against
multislice (Ti3C2O2, MoS2; bench twin) the correlation is 0.99 and better.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from eucentric.knowledge.splat import MARGIN, splat, taken_back

Array = NDArray[np.float64]
Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Spot:
    """What the image shows of one point: an elliptic Gaussian with a wider, weaker one around it."""

    sigma_a: float
    """Standard deviation of the core [Å]: probe, source size and thermal motion together."""
    tail_share: float = 0.0
    """Part of the intensity in the tail, 0 to 1."""
    tail_a: float = 2.0
    """Standard deviation of the tail [Å]."""
    ellipse: float = 1.0
    """Longer over shorter axis of the core."""
    turn_rad: float = 0.0

    @property
    def reach_a(self) -> float:
        """Radius that holds nearly all of it [Å]."""
        return 3.5 * max(self.sigma_a * math.sqrt(self.ellipse), self.tail_a if self.tail_share else 0.0)

    def transfer(self, down: Plane, across: Plane) -> Plane:
        """For frequencies [1/Å]."""
        c, s = math.cos(self.turn_rad), math.sin(self.turn_rad)
        long, short = (c * across + s * down) ** 2, (c * down - s * across) ** 2
        scale = np.float32(-2 * (math.pi * self.sigma_a) ** 2)
        core = np.exp(scale * (np.float32(self.ellipse) * long + np.float32(1 / self.ellipse) * short))
        if not self.tail_share:
            return core
        tail = np.exp(np.float32(-2 * (math.pi * self.tail_a) ** 2) * (long + short))
        mixed: Plane = np.float32(1 - self.tail_share) * core + np.float32(self.tail_share) * tail
        return mixed


def drawn(xy: Array, weight: Array, shape: tuple[int, int], pixel_a: float, spot: Spot) -> Plane:
    """(H, W) float32 [weight per Å²]: what points show.

    Parameters
    ----------
    xy
        (n, 2) [px], x = column, 0 = centre of the first pixel; points outside the image count as far as they reach.
    weight
        (n,) [any unit].
    pixel_a
        [Å]
    """
    pad = math.ceil(spot.reach_a / pixel_a) + MARGIN + 1
    rows, columns = (fft.next_fast_len(n + 2 * pad, real=True) for n in shape)
    row, column = xy[:, 1] + pad, xy[:, 0] + pad
    inside = (row >= MARGIN) & (column >= MARGIN) & (row < rows - MARGIN) & (column < columns - MARGIN)
    plane = splat(row[inside], column[inside], weight[inside] / pixel_a**2, (rows, columns))
    down = np.fft.fftfreq(rows, pixel_a).astype(np.float32)[:, None]
    across = np.fft.rfftfreq(columns, pixel_a).astype(np.float32)[None, :]
    spectrum = fft.rfft2(plane) * (spot.transfer(down, across) / taken_back(down * pixel_a, across * pixel_a))
    image = fft.irfft2(spectrum, s=(rows, columns))
    return np.ascontiguousarray(image[pad : pad + shape[0], pad : pad + shape[1]], np.float32)
