"""Far from focus: the spot that rays make, whatever the aberrations."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from eucentric.instruments.twin.optics.aberrations import Aberrations

_FEWEST, _MOST = 4_000, 250_000
_RAYS_PER_PIXEL = 12


def _bundle(convergence: float, count: int) -> NDArray[np.complex128]:
    """Rays that fill the aperture evenly: a spiral with the golden angle (Vogel 1979)."""
    n = np.arange(count)
    turn = math.pi * (3 - math.sqrt(5)) * n
    return np.asarray(convergence * np.sqrt((n + 0.5) / count) * np.exp(1j * turn))


def ray_transfer(
    aberrations: Aberrations, convergence: float, shape: tuple[int, int], pixel_a: float
) -> NDArray[np.complex64]:
    """Transfer of the spot on the frequencies of a real transform of an image, (rows, columns // 2 + 1).

    Parameters
    ----------
    convergence
        [rad].
    shape
        (rows, columns) of the image.
    pixel_a
        Edge of a pixel [Å].
    """
    rows, columns = shape
    area = math.pi * (aberrations.blur(convergence) * 1e10 / pixel_a) ** 2
    rays = _bundle(convergence, int(min(_MOST, max(_FEWEST, _RAYS_PER_PIXEL * area))))
    place = aberrations.landing(rays) * (1e10 / pixel_a)
    spot = _spread(place.imag % rows, place.real % columns, (rows, columns))
    return np.asarray(fft.rfft2(spot).conj() / place.size, np.complex64)


def _spread(
    row: NDArray[np.float64], column: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Points shared bilinearly among four pixels, round the edges."""
    top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    fy, fx = row - top, column - left
    total = np.zeros(shape[0] * shape[1])
    for down, upright in ((0, 1 - fy), (1, fy)):
        for across, along in ((0, 1 - fx), (1, fx)):
            index = (top + down) % shape[0] * shape[1] + (left + across) % shape[1]
            total += np.bincount(index, upright * along, minlength=total.size)
    return total.reshape(shape).astype(np.float32)
