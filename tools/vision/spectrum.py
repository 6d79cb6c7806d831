"""The whitened power spectrum of an image: what stands out of its own surroundings, ring by ring."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from eucentric.tools.vision.highest import highest_around

Array = NDArray[np.float64]

_LARGEST_PX = 2048
"""Larger images are read in tiles of at most this edge, their spectra added: one spectrum would take gigabytes."""
_REACH, _GAIN_NEAR = 3, 30.0 / 24.6
"""A sum of three, each the highest of 9 bins, passes 24.6 in noise as rarely as 30 where each is that of 49."""
_TAPER_OF_PART = 0.3
"""Share of an edge over which a box around a part is faded; the part's own weight does the rest."""


@dataclass(frozen=True)
class Spectrum:
    """Power over what is usual at its frequency: 1 on average in noise."""

    whitened: NDArray[np.float32]
    """(H, W) power over the geometric ring mean, zero frequency at [0, 0]."""
    peak: NDArray[np.float32]
    """Maximum of `whitened` over a square of bins."""
    usual: Array
    """(n,) float64: power that is 1 in `whitened`, by whole bins of frequency."""
    reach: int = _REACH
    """Half the edge of that square."""

    @property
    def gain(self) -> float:
        """What a sum of three peaks counts for: the fewer bins are looked at, the less of it is noise."""
        return 1.0 if self.reach == _REACH else _GAIN_NEAR

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W), of a tile where the image was read in tiles."""
        return self.whitened.shape[0], self.whitened.shape[1]

    def highest(self, vectors: Array) -> NDArray[np.float32]:
        """(…) float32: highest value near vectors (…, 2) [cycles/px], as (x, y)."""
        height, width = self.shape
        col = np.rint(vectors[..., 0] * width).astype(int) % width
        row = np.rint(vectors[..., 1] * height).astype(int) % height
        values: NDArray[np.float32] = self.peak[row, col]
        return values

    def power(self, vectors: Array) -> Array:
        """(…) float64: the same, in the image's own power."""
        radius = np.rint(np.hypot(vectors[..., 0], vectors[..., 1]) * max(self.shape)).astype(int)
        values: Array = self.highest(vectors) * self.usual[np.minimum(radius, len(self.usual) - 1)]
        return values

    def centroid(self, g: Array) -> tuple[tuple[float, float], float]:
        """Sub-bin place [cycles/px] and height of the highest peak within reach of `g`."""
        height, width = self.shape
        row, col = round(g[1] * height), round(g[0] * width)
        span = np.arange(-self.reach, self.reach + 1)
        box = self.whitened[np.ix_((row + span) % height, (col + span) % width)]
        r, c = np.unravel_index(int(np.argmax(box)), box.shape)
        row, col = row + int(span[r]), col + int(span[c])
        near = np.arange(-2, 3)
        weights = self.whitened[np.ix_((row + near) % height, (col + near) % width)].astype(float)
        weights = np.maximum(weights - 2.0, 0)
        total = weights.sum() or 1.0
        x = (col + float((weights.sum(0) * near).sum() / total)) / width
        y = (row + float((weights.sum(1) * near).sum() / total)) / height
        return (x, y), float(box.max())


def spectrum_of(
    image: NDArray[np.float32],
    weight: NDArray[np.float32] | None = None,
    *,
    taper: float = 1.0,
    reach: int = _REACH,
) -> Spectrum:
    """Whitened power spectrum; of a large image the mean over its tiles.

    Parameters
    ----------
    image
        (H, W) float32 [any unit], finite.
    weight
        (H, W) float32, 0 … 1: how much of each pixel is looked at, such as one part of the image.
    taper
        Share of the edges over which a whole image is faded. Less keeps more of its counts, and lets strong peaks
        spread along both axes.
    reach
        Peaks are looked for within so many bins of where they should be: 3, or 1 where that is well known.
    """
    taper = taper if weight is None else _TAPER_OF_PART
    flat = _flat(image, weight)
    power = np.float32(1e-30) + sum((_power(tile, taper) for tile in _tiles(flat)), np.float32(0))
    height, width = power.shape[0], next(_tiles(flat)).shape[1]
    radius = _radius_bins(height, width)
    times = np.full(power.shape, 2.0, np.float32)  # all but these columns stand for their mirror image too
    times[:, [0, -1] if width % 2 == 0 else [0]] = 1.0
    number = np.bincount(radius.ravel(), times.ravel())
    log_mean = np.bincount(radius.ravel(), (times * np.log(power)).ravel()) / np.maximum(number, 1)
    # The mean logarithm of an exponential variable lies 0.577 below the logarithm of its mean.
    usual = np.exp(ndimage.uniform_filter1d(log_mean, 5) + 0.5772)
    whitened = _mirrored(power / usual.astype(np.float32)[radius], width)
    for axis in (
        whitened[:1],
        whitened[1:2],
        whitened[-1:],
        whitened[:, :1],
        whitened[:, 1:2],
        whitened[:, -1:],
    ):
        axis /= max(1.0, float(np.median(axis)) / math.log(2))  # scan-line noise fills both axes evenly
    peak = highest_around(whitened, reach, "wrap")
    return Spectrum(whitened, peak, usual, reach)


def _tiles(image: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Tiles of one shape that cover the image but for a rest at its edges."""
    height, width = image.shape
    down, across = -(-height // _LARGEST_PX), -(-width // _LARGEST_PX)
    rows, columns = height // down, width // across
    for i in range(down):
        for j in range(across):
            yield image[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns]


def _flat(image: NDArray[np.float32], weight: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The image without what varies over an eighth of a tile."""
    edge = min(min(image.shape), _LARGEST_PX)
    flat: NDArray[np.float32] = image - ndimage.uniform_filter(image, max(9, edge // 8))
    return flat if weight is None else flat * weight


def _power(tile: NDArray[np.float32], taper: float) -> NDArray[np.float32]:
    """(H, W // 2 + 1) float32: the other half is its mirror image."""
    down, across = (_tukey(n, taper).astype(np.float32) for n in tile.shape)
    spectrum = fft.rfft2(tile * down[:, None] * across)
    power: NDArray[np.float32] = spectrum.real**2 + spectrum.imag**2
    return power


def _mirrored(half: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """(H, W) float32: the spectrum of a real image from its first W // 2 + 1 columns."""
    whole = np.empty((len(half), width), np.float32)
    inner = half[:, 1 : (width + 1) // 2]
    whole[:, : half.shape[1]] = half
    whole[0, half.shape[1] :] = inner[0, ::-1]
    whole[1:, half.shape[1] :] = inner[:0:-1, ::-1]
    return whole


def _tukey(n: int, taper: float) -> Array:
    """(n,) cosine-tapered window (Harris 1978); `scipy.signal` has one, and takes 0.4 s to import."""
    steps = np.minimum(np.arange(n), np.arange(n)[::-1])
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.minimum(2 * steps / (taper * (n - 1)), 1.0)))


def _radius_bins(height: int, width: int) -> NDArray[np.int64]:
    """(H, W // 2 + 1) int64: frequency in whole bins of the longer edge."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    bins: NDArray[np.int64] = np.rint(np.sqrt(fy**2 + fx**2) * max(height, width)).astype(np.int64)
    return bins
