"""Single heavy atoms on a support without a lattice: a matched filter, and how often noise alone is as bright.

Nothing is assumed of the support but that its texture is no sharper than an atom. Noise and texture together are
measured around every place, so a bright or thick region has to show more than a thin one. How many maxima they would
make by themselves follows from their sharpness (a Gaussian random field); what is called is a list of which a stated
share is expected to be such.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from eucentric.core.errors import BadInput
from eucentric.tools.vision.peaks import peaks_of

Array = NDArray[np.float64]

FALSE_SHARE = 0.1
"""Expected share of false atoms in the list."""
_FILTER_PM, _LEVEL_FACTOR = 35.0, 3.0
"""Width of the filter, and of the local level over it. A Pt atom is 50-60 pm wide; the narrower filter pays where the
support has a texture of its own (tried on 24 labelled images of the kind)."""
_APART_PM = 100.0
"""Maxima that are nearer than this are one atom."""
_AROUND = 15.0
"""The noise is measured over so many widths of the filter."""
_EVERY_SIDE = 0.4
"""An atom keeps at least this share of its height when it is measured from the brightest side."""
_LEAST_SNR, _OUTLIER = 2.0, 3.0
_MOST_COVERED = 0.2
_MIN_PX = 1.0


@dataclass(frozen=True)
class SingleAtoms:
    """What stands out of the support, brightest first."""

    xy: Array
    """(n, 2) float64 [px], x = column, y = row, 0 = centre of the first pixel."""
    snr: Array
    """(n,) float64: height over the noise around it."""
    noise_above: Array
    """(n,) float64: expected number of maxima of noise alone, in the whole image, that are at least as bright."""
    sigma_pm: Array
    """(n,) float64: localisation error along one axis [pm]."""
    called: NDArray[np.bool_]
    """(n,) bool: in the list of which `FALSE_SHARE` is expected to be false."""
    pixel_pm: float
    shape: tuple[int, int]
    expected_false: float
    """Of the called ones."""
    flags: tuple[tuple[str, str], ...] = ()
    """(code, text for a person)."""

    @property
    def p_value(self) -> Array:
        """(n,) float64: chance that noise alone makes a maximum as bright anywhere in the image."""
        chance: Array = -np.expm1(-self.noise_above)
        return chance

    @property
    def atoms_xy(self) -> Array:
        """(k, 2) float64 [px]: the called ones."""
        return self.xy[self.called]

    @property
    def density_per_nm2(self) -> float:
        """Called atoms over the area of the image."""
        return float(self.called.sum()) / self.area_nm2

    @property
    def area_nm2(self) -> float:
        """Of the image."""
        return math.prod(self.shape) * (self.pixel_pm / 1e3) ** 2

    @property
    def density_interval(self) -> tuple[float, float]:
        """95 % of the density of called atoms that are none of noise [1/nm²].

        Counts are Poisson (Garwood, Biometrika 28 (1936) 437), and so is the noise expected among them, which is taken
        off. What is missed is not known and not added; nor do two places of one specimen differ by counting alone.
        """
        n = float(self.called.sum())
        low = stats.chi2.ppf(0.025, 2 * n) / 2 if n else 0.0
        high = stats.chi2.ppf(0.975, 2 * n + 2) / 2
        most = stats.poisson.ppf(0.975, self.expected_false)
        return max(low - most, 0.0) / self.area_nm2, high / self.area_nm2


def find_single_atoms(
    image: NDArray[np.float32], pixel_pm: float, *, false_share: float = FALSE_SHARE
) -> SingleAtoms:
    """Find bright single atoms on an irregular support.

    Parameters
    ----------
    image
        (H, W) float [any unit], no NaN.
    pixel_pm
        Pixel size [pm]; without a lattice nothing in the image can give it.
    false_share
        Expected share of false atoms among the called ones.

    Raises
    ------
    BadInput
        If the image is no plane of at least 64 px, holds NaN, or its pixels are too coarse for an atom.
    """
    width = _FILTER_PM / pixel_pm
    if image.ndim != 2 or min(image.shape) < 64 or not np.isfinite(image).all():
        raise BadInput(
            f"the image has shape {tuple(image.shape)}", "one complete plane of at least 64×64 px is needed",
            "give one two-dimensional frame",
        )  # fmt: skip
    if width < _MIN_PX:
        raise BadInput(
            f"pixels of {pixel_pm:.4g} pm are too coarse", f"{_FILTER_PM / _MIN_PX:g} pm or less are needed to tell "
            "an atom from noise", "magnify more",
        )  # fmt: skip
    pixels = image.astype(np.float64)
    ratio = _over_noise(pixels, width)
    xy = peaks_of(ratio.astype(np.float32), _APART_PM / pixel_pm / 0.36)
    snr = _at(ratio, xy)
    order = np.argsort(-snr, kind="stable")
    order = order[(snr[order] > _LEAST_SNR) & _stands_out(pixels, xy[order], width)]
    xy, snr = xy[order], snr[order]
    noise = _maxima_of_noise(ratio, snr)
    called = called_at(noise, false_share)
    return SingleAtoms(
        xy=xy, snr=snr, noise_above=noise, sigma_pm=math.sqrt(2) * _FILTER_PM / np.maximum(snr, 1e-9),
        called=called, pixel_pm=pixel_pm, shape=(image.shape[0], image.shape[1]),
        expected_false=float(noise[called][-1]) if called.any() else 0.0,
        flags=_flags(int(called.sum()), pixel_pm, image.size),
    )  # fmt: skip


def _over_noise(image: Array, width: float) -> Array:
    """Image filtered to the size of an atom, over its scatter around each place, outliers cut."""
    level = ndimage.gaussian_filter(image, _LEVEL_FACTOR * width)
    filtered = ndimage.gaussian_filter(image, width) - level
    usual = 1.4826 * float(np.median(np.abs(filtered)))
    if usual <= 0:
        return np.zeros_like(filtered)
    cut = np.clip(filtered, -_OUTLIER * usual, _OUTLIER * usual)
    ratio: Array = filtered / np.sqrt(ndimage.gaussian_filter(cut**2, _AROUND * width))
    return ratio


def _stands_out(image: Array, xy: Array, width: float) -> NDArray[np.bool_]:
    """(n,) bool: brighter than what lies around it on every side; at the edge of a thicker region one is not."""
    fine = ndimage.gaussian_filter(image, width)
    coarse = ndimage.gaussian_filter(image, _LEVEL_FACTOR * width)
    broad = ndimage.gaussian_filter(image, 2.0 * width)
    turns = np.arange(8) * math.pi / 4
    ring = xy[:, None, :] + _LEVEL_FACTOR * width * np.stack([np.cos(turns), np.sin(turns)], -1)
    height = _at(fine, xy) - _at(coarse, xy)
    out: NDArray[np.bool_] = _at(fine, xy) - _at(broad, ring).max(1) > _EVERY_SIDE * height
    return out


def _at(plane: Array, xy: Array) -> Array:
    """Values of the nearest pixels."""
    cells = np.clip(np.rint(xy).astype(int), 0, np.array(plane.shape[::-1]) - 1)
    value: Array = plane[cells[..., 1], cells[..., 0]]
    return value


def _maxima_of_noise(ratio: Array, level: Array) -> Array:
    """Expected number of maxima above each high level in a Gaussian field as sharp as this one (Adler 1981).

    N(u) = A |Λ|^½ (2π)^(-3/2) u exp(-u²/2), with Λ the covariance of the slopes of the field of unit variance.
    """
    rows, cols = np.gradient(np.clip(ratio, -_OUTLIER, _OUTLIER))
    sharpness = math.sqrt(max(float(np.linalg.det(np.cov(rows.ravel(), cols.ravel()))), 0.0))
    expected: Array = ratio.size * sharpness * (2 * math.pi) ** -1.5 * level * np.exp(-(level**2) / 2)
    return expected


def called_at(noise: Array, share: float) -> NDArray[np.bool_]:
    """The longest list, brightest first, of which at most a share is expected of noise (Benjamini, Hochberg)."""
    within = np.flatnonzero(noise <= share * np.arange(1, len(noise) + 1))
    last = int(within[-1]) + 1 if len(within) else 0
    called: NDArray[np.bool_] = np.arange(len(noise)) < last
    return called


def _flags(n: int, pixel_pm: float, pixels: int) -> tuple[tuple[str, str], ...]:
    covered = n * math.pi * (2 * _APART_PM / pixel_pm) ** 2 / pixels
    if n == 0:
        return (("none_found", "nothing stands out of the support's own texture"),)
    if covered > _MOST_COVERED:
        return (("crowded", f"atoms with their surroundings fill {covered:.0%} of the area: not sparse"),)
    return ()
