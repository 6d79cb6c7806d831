"""Where one image lies in another, with a confidence that may say no.

Two jobs. `locate` finds a small image in a larger one of the same kind of texture (normalised
cross-correlation, with a prior on the displacement), and reports the lead of the best place over any other:
on a periodic texture the lead is small, and then the answer is "cannot tell". `drift` measures a small shift
between two images of the same field, and reports the height of the peak over what noise alone would give.

Margins on the twin (smallest … largest; `tests/tools/measure_registration.py` prints them again):

==========================================================  =====  ===============  ==============
pairs                                                       n      margin           right
==========================================================  =====  ===============  ==============
locate: overview of 5 µm at 2 µs in a tile of 20 µm         128    1.13 … 1.80      all (p95 3 nm)
locate: the same at 0.5 µs                                  128    0.73 … 1.40      all (p95 5 nm)
locate: searched in the wrong place of the tile, or absent  256    0.00 … 0.26      never
locate: perfect lattices, 5 to 1000 counts                  180    0.00 … 0.10      refused
drift: fields of 2 µm at 0.5 µs, up to 0.5 µm off focus     48     17.6 … 33.7      all (p95 10 nm)
drift: fields of 2 µm at another place                      48     0.6 … 12.0       never
drift: lattice, 8 nm, 512 px, 1 µs                          48     31.5 … 40.2      all (p95 0.14 px)
drift: the same at 0.2 µs (0.2 counts a pixel)              48     5.6 … 10.4       47 of 48
drift: another lattice, or Poisson noise alone              240    -0.4 … 3.9       never
==========================================================  =====  ===============  ==============

The margin of `drift` says that two images share a pattern, not that they show the same place: fields whose
edges are alike reach 12, so tracking asks for more (`go_to_target`).
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]

MIN_PEAK = 0.35
MIN_MARGIN = 0.33
"""Below either, `locate` is not sure: wrong pairs stay below 0.28; right ones at the edge of a tile can fall to 0.3."""
MIN_SIGMA = 5.0
"""Below it, `drift` is not sure: noise alone stays below 4."""


@dataclass(frozen=True)
class Match:
    """A displacement with its confidence."""

    rows: float
    """Shift along rows [px], subpixel."""
    columns: float
    peak: float
    """Correlation at the best place, -1 … 1."""
    margin: float
    """Confidence: for `locate` the distance to the best place elsewhere in Fisher's z = artanh(correlation),
    for `drift` the height of the peak over the noise of the correlation [standard deviations]."""
    sure: bool
    """Whether it may be acted on."""


def rescaled(image: Image, factor: float) -> Image:
    """`image` with its pixel enlarged by `factor`, block-averaged so that noise falls as it should."""
    if factor > 1:
        image = ndimage.gaussian_filter(image, 0.45 * factor)
    shape = np.maximum(1, np.round(np.array(image.shape) / factor).astype(int))
    rows = (np.arange(shape[0]) - (shape[0] - 1) / 2) * factor + (image.shape[0] - 1) / 2
    columns = (np.arange(shape[1]) - (shape[1] - 1) / 2) * factor + (image.shape[1] - 1) / 2
    grid = np.meshgrid(rows, columns, indexing="ij")
    out: Image = ndimage.map_coordinates(image, grid, order=1, mode="nearest").astype(np.float32)
    return out


def _parabola(before: float, at: float, after: float) -> float:
    curve = before - 2 * at + after
    return 0.0 if curve >= 0 else float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5))


def _subpixel(score: NDArray[np.floating], row: int, column: int) -> tuple[float, float]:
    inside_r, inside_c = 0 < row < score.shape[0] - 1, 0 < column < score.shape[1] - 1
    down = _parabola(*score[row - 1 : row + 2, column]) if inside_r else 0.0
    right = _parabola(*score[row, column - 1 : column + 2]) if inside_c else 0.0
    return row + down, column + right


def _highest(score: NDArray[np.floating]) -> tuple[int, int, float]:
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    return int(row), int(column), float(score[row, column])


def _lead(score: NDArray[np.floating], row: int, column: int, apart: int) -> float:
    """How far the peak there is above all that is more than `apart` pixels away, in Fisher's z.

    The variance of z does not depend on the correlation, so one bound serves sharp and blurred scenes.
    """
    others = score.copy()
    others[max(0, row - apart) : row + apart + 1, max(0, column - apart) : column + apart + 1] = -1
    best = np.clip([score[row, column], others.max()], -0.999, 0.999)
    return float(np.arctanh(best[0]) - np.arctanh(best[1]))


def locate(small: Image, large: Image, expected: tuple[float, float], reach: float) -> Match:
    """Find `small` in `large` (same pixel size) near where it is expected.

    Parameters
    ----------
    small, large
        (H, W) float32 [any unit].
    expected
        (row, column) of the small image's centre in the large one [px].
    reach
        Largest believable distance from there [px].

    Returns
    -------
    Match
        Displacement of the centre from `expected`. Parts of the search area outside `large` are padded
        with its mean, so a target near the edge loses confidence rather than raising.
    """
    from skimage.feature import match_template  # takes scipy.stats along: 0.5 s that not every run needs

    half = np.array(small.shape) // 2
    pad = int(np.ceil(reach + max(half) + 2))
    smooth = ndimage.gaussian_filter(large, 1.0)
    padded = np.pad(smooth, pad, constant_values=float(large.mean()))
    centre = np.round(np.array(expected)).astype(int) + pad
    span = half + int(np.ceil(reach)) + 1
    low = np.clip(centre - span, 0, None)
    window = padded[low[0] : centre[0] + span[0] + 1, low[1] : centre[1] + span[1] + 1]
    score = match_template(window, ndimage.gaussian_filter(small, 1.0))  # type: ignore[no-untyped-call]
    row, column, peak = _highest(score)
    margin = _lead(score, row, column, apart=6)
    fine = _subpixel(score, row, column)
    found = np.array(fine) + (np.array(small.shape) - 1) / 2 + low - pad
    # a maximum on the border is the flank of a peak outside, and its margin says nothing
    inside = 0 < row < score.shape[0] - 1 and 0 < column < score.shape[1] - 1
    sure = inside and peak >= MIN_PEAK and margin >= MIN_MARGIN
    return Match(float(found[0] - expected[0]), float(found[1] - expected[1]), peak, margin, sure)


@dataclass(frozen=True)
class _Spectrum:
    """A windowed, band-passed image in Fourier space; half plane as of `rfft2`."""

    amplitudes: NDArray[np.complexfloating]
    noise: NDArray[np.floating]
    """Expected power of the image's own white noise at each frequency."""

    @property
    def power(self) -> NDArray[np.floating]:
        return np.asarray(np.abs(self.amplitudes) ** 2)


_NOISE_FROM = 0.4
"""White noise is read off the spectrum above this frequency [1/px]."""
_WINDOW_GAIN = 1.944
"""Noise of a correlation of two Hann-windowed images at small shifts, over its mean: √(NΣw⁴)/Σw² = (35/18)."""


def _spectrum(image: Image, sigma: float) -> _Spectrum:
    """Band: a Gaussian of `sigma` pixels less one twelve times as wide."""
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1])).astype(np.float32)
    raw = scipy.fft.rfft2((image - np.float32(image.mean())) * window)
    square = (
        scipy.fft.fftfreq(image.shape[0])[:, None] ** 2 + scipy.fft.rfftfreq(image.shape[1])[None, :] ** 2
    )
    fall = 2 * np.pi**2 * sigma**2 * square
    band = (np.exp(-fall) * (1 - np.exp(-144 * fall))).astype(np.float32)
    floor = float(np.median(np.abs(raw[square > _NOISE_FROM**2]) ** 2)) / np.log(
        2
    )  # exponential distribution
    return _Spectrum(raw * band, np.float32(floor) * band**2)


def _summed(half: NDArray[np.floating], columns: int) -> float:
    """Sum over the whole plane of what is symmetric and given on the half plane of `rfft2`."""
    total = 2 * float(half.sum(dtype=np.float64)) - float(half[:, 0].sum(dtype=np.float64))
    return total - float(half[:, -1].sum(dtype=np.float64)) if columns % 2 == 0 else total


def drift(
    first: Image,
    second: Image,
    reach_px: float,
    sigma: float = 1.0,
    expected: tuple[float, float] = (0.0, 0.0),
) -> Match:
    """Shift of the content from `first` to `second`, within `reach_px` of `expected` (rows, columns) [px].

    The reach is the prior: on a lattice it must stay below half the spacing, or neighbours are confused.
    The margin is the height of the peak over what the white noise of the two images alone would give
    there, so that it means the same for a lattice and for a scene of edges.
    """
    a, b = _spectrum(first, sigma), _spectrum(second, sigma)
    columns, pixels = first.shape[1], first.size
    norm = float(np.sqrt(_summed(a.power, columns) * _summed(b.power, columns))) / pixels or 1.0
    of_noise = a.power * b.noise + b.power * a.noise - a.noise * b.noise
    noise = _WINDOW_GAIN * float(np.sqrt(max(_summed(of_noise, columns), 0.0))) / pixels / norm or 1e-12
    score = np.fft.fftshift(scipy.fft.irfft2(np.conj(a.amplitudes) * b.amplitudes, s=first.shape)) / norm
    centre = np.array(score.shape) // 2
    rows, across = np.ogrid[: score.shape[0], : score.shape[1]]
    away = np.hypot(rows - centre[0] - expected[0], across - centre[1] - expected[1])
    row, column, peak = _highest(np.where(away <= reach_px, score, -1.0))
    fine = _subpixel(score, row, column)
    return Match(fine[0] - centre[0], fine[1] - centre[1], peak, peak / noise, peak / noise >= MIN_SIGMA)
