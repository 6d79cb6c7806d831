"""The tilt of a crystal from the Kikuchi bands of its pattern, to a fraction of a pixel.

Bands turn rigidly with the crystal, so the bands that an orientation predicts are found in the picture by correlation,
spots masked and everything made comparable to its counting noise. The height of the peak over that noise says whether
there were bands at all; a thin crystal has none, and then the answer is None.
"""

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.knowledge.crystal.rotation import axis_angle
from eucentric.knowledge.diffraction.kikuchi import bands
from eucentric.knowledge.diffraction.laue import ZoneOffset, offset_of
from eucentric.knowledge.diffraction.picture import band_image
from eucentric.knowledge.diffraction.reflections import Reflections
from eucentric.knowledge.diffraction.screen import Screen
from eucentric.knowledge.diffraction.spots import Illumination, spots

Array = NDArray[np.float64]
Image = NDArray[np.float32]
_BANDS = 40
_SMOOTH_PX = 24.0
"""Background is what changes over more than this [px]."""
_SPOT_PX, _FAINT_PX, _DIRECT_PX = 7.0, 4.5, 16.0
"""What is left out around a spot, one too faint to be found, the direct beam [px]."""
_FAINT, _FAINT_NM = 2e-5, 50.0
"""Spots of more than this share of the beam, in a crystal of this thickness [nm], are expected."""
_ROUNDS = 3
_SIGMAS = 13.0
"""Least height of the peak over the noise: patterns without bands reach 8, and of those between 9 and 13 one in three
is off by 0.1° (60 simulated patterns, 1e5 to 3e7 electrons)."""
_LEAD = 1.1
"""Least ratio to the best place elsewhere."""
_OPTIMISTIC = 2.0
"""By which the curvature alone is too sure: predicted widths and strengths of bands are not exact."""
_FLOOR_DEG = 0.003
"""No tilt is told better: the camera's distortion alone is of that order."""


def offset_by_bands(
    image: Image,
    known: Reflections,
    to_lab: Array,
    light: Illumination,
    screen: Screen,
    spots_px: Array,
    reach_deg: float = 1.0,
) -> ZoneOffset | None:
    """The offset of the zone axis from the bands of an indexed pattern; None if none are seen with certainty.

    Parameters
    ----------
    image
        (H, W) float32 [counts].
    to_lab
        (3, 3) crystal Cartesian to lab, right to `reach_deg`.
    screen
        With the scale and the direct beam as the indexing corrected them.
    spots_px
        (n, 2) row, column of the spots to leave out [px], beside those that are predicted but too faint to be found.
    """
    faint = screen.to_pixels(spots(known, to_lab, light, _FAINT_NM, _FAINT).at)
    mask = np.ones(image.shape)
    for at, radius in ((np.array([screen.middle]), _DIRECT_PX), (spots_px, _SPOT_PX), (faint, _FAINT_PX)):
        _blank(mask, at, radius)
    reach = max(8, math.ceil(math.radians(reach_deg) * light.k / screen.per_pixel))
    relief = _relief(image.astype(np.float64), mask, screen.middle)
    height = sigma_px = 0.0
    for turn in range(_ROUNDS):
        drawn = bands(known, to_lab, light.k, _BANDS, screen.reach)
        template = _high_passed(band_image(drawn, light.k, screen).astype(np.float64), mask)
        found = _shift(relief, template, mask, reach if turn == 0 else 6)
        if found is None:
            return None
        (rows, columns), height, sigma_px = found
        to_lab = _followed(to_lab, rows, columns, light.k, screen)
    if height < _SIGMAS:
        return None
    sigma = math.hypot(math.degrees(_OPTIMISTIC * sigma_px * screen.per_pixel / light.k), _FLOOR_DEG)
    return offset_of(known.crystal, to_lab, sigma, "bands")


def _blank(mask: Array, at_px: Array, radius: float) -> None:
    """Set discs about places (n, 2) to zero, in place."""
    half = math.ceil(radius)
    for row, column in at_px.reshape(-1, 2).tolist():
        r0, c0 = max(0, round(row) - half), max(0, round(column) - half)
        part = mask[r0 : max(0, round(row) + half + 1), c0 : max(0, round(column) + half + 1)]
        rows, columns = np.ogrid[r0 : r0 + part.shape[0], c0 : c0 + part.shape[1]]
        part[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = 0


def _relief(image: Array, mask: Array, middle: tuple[float, float]) -> Array:
    """The picture less what is the same all around the direct beam and what is smooth, over its counting noise."""
    around = _all_around(image, mask, middle)
    weight = ndimage.gaussian_filter(mask, _SMOOTH_PX)
    rest = (image - around) / np.sqrt(np.maximum(around, 1.0))
    rest = rest - ndimage.gaussian_filter(rest * mask, _SMOOTH_PX) / np.maximum(weight, 1e-6)
    relief = mask * np.clip(rest, -6, 6)
    return np.asarray(relief / max(float(np.sqrt((relief**2).sum() / mask.sum())), 1e-9))


def _all_around(image: Array, mask: Array, middle: tuple[float, float]) -> Array:
    """(H, W) median over each ring about the direct beam."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    radius = np.hypot(rows - middle[0], columns - middle[1])
    ring, free = np.rint(radius / 2).astype(int), mask > 0
    medians = ndimage.median(image[free], ring[free], np.arange(ring.max() + 1))
    known = np.isfinite(medians)
    medians = np.interp(np.arange(len(medians)), np.flatnonzero(known), medians[known])
    smooth = ndimage.gaussian_filter1d(medians, 1.0, mode="nearest")
    return np.asarray(np.interp(radius / 2, np.arange(len(smooth)), smooth))


def _high_passed(template: Array, mask: Array) -> Array:
    weight = ndimage.gaussian_filter(mask, _SMOOTH_PX)
    return np.asarray(
        template - ndimage.gaussian_filter(template * mask, _SMOOTH_PX) / np.maximum(weight, 1e-6)
    )


def _shift(
    relief: Array, template: Array, mask: Array, reach: int
) -> tuple[tuple[float, float], float, float] | None:
    """Where the template lies (rows, columns), its height over noise, and the error of the place [px]."""
    shape = [scipy.fft.next_fast_len(n + reach, real=True) for n in relief.shape]
    spectra = [scipy.fft.rfft2(a, shape) for a in (relief, mask, template, template**2)]
    hit = scipy.fft.irfft2(spectra[0] * spectra[2].conj(), shape)
    energy = scipy.fft.irfft2(spectra[1] * spectra[3].conj(), shape)
    steps = np.arange(-reach, reach + 1)
    window = np.ix_(steps, steps)
    score = hit[window] / np.sqrt(np.maximum(energy[window], 1e-9 * float(energy.max())))
    row, column = (int(x) for x in np.unravel_index(int(score.argmax()), score.shape))
    if min(row, column) == 0 or max(row, column) == 2 * reach:
        return None
    top = float(score[row, column])
    if reach > 10 and top < _LEAD * _elsewhere(score, row, column):
        return None
    down, bend_r = _vertex(score[row - 1 : row + 2, column])
    right, bend_c = _vertex(score[row, column - 1 : column + 2])
    sigma = 1 / math.sqrt(max(top * min(bend_r, bend_c), 1e-9))  # the log-likelihood is score²/2
    return (float(steps[row]) + down, float(steps[column]) + right), top, sigma


def _vertex(three: Array) -> tuple[float, float]:
    """Place of the vertex of a parabola, and how much it bends."""
    before, here, after = (float(x) for x in three)
    bend = max(2 * here - before - after, 1e-12)
    return max(-0.5, min(0.5, 0.5 * (after - before) / bend)), bend


def _elsewhere(score: Array, row: int, column: int) -> float:
    others = score.copy()
    others[max(0, row - 8) : row + 9, max(0, column - 8) : column + 9] = 0.0
    return max(float(others.max()), 0.0)


def _followed(to_lab: Array, rows: float, columns: float, k: float, screen: Screen) -> Array:
    """The orientation turned so that its bands move by that many pixels: q = -K (u_x, u_y)."""
    x, y = (screen.per_pixel * screen.turn @ np.array([columns, rows])).tolist()
    axis, size = (y, -x, 0.0), math.degrees(math.hypot(x, y) / k)
    return to_lab if size < 1e-9 else axis_angle(axis, size) @ to_lab
