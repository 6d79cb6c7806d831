"""The pixel size and the lattice directions from the rings of the power spectrum.

Two rings matter: {10-10} at frequency 2/(√3 a) and {11-20} at 2/a, a factor √3 apart. Where all columns
are alike, the image repeats at a/√3 and the strongest ring is usually {11-20}; taking it for {10-10}
gives a pixel √3 times too large. The rule: s/√3 is tested before s√3, then the columns are counted.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision.peaks import find_peaks

Array = NDArray[np.float64]

ROOT3 = math.sqrt(3)
_IDEAL_INVERSE = np.linalg.inv(np.array([[1.0, 0.0], [0.5, ROOT3 / 2]]))
_SUPPORT = 30.0
"""A sum of three whitened peaks, each the highest of 49 bins (4.5 ± 1.3 in noise), that noise does not reach."""
_RESOLVED_BINS = 8.0
_LATTICE_CONSTANT_RELATIVE = 0.003
"""Real MXenes differ in a by a few per mille with their terminations."""


@dataclass(frozen=True)
class Scale:
    """What the rings say."""

    pixel_pm: float
    pixel_pm_sigma: float
    reciprocal: Array
    """(2, 2) float64 [cycles/px]: rows g1, g2 of {11-20}, 60° apart, as (x, y)."""
    support: float
    """Whitened power of the three ring peaks together, 3 on average in noise."""
    rings: str
    """How the rings were assigned."""

    def real_basis(self, spacing: str) -> Array:
        """(2, 2) float64 [px]: rows are two lattice vectors 60° apart.

        `spacing` is 'column' for the lattice of all column sites (a/√3) or 'cell' for the lattice of period a.
        """
        columns = np.linalg.inv(self.reciprocal).T
        basis = np.array([columns[0], columns[0] + columns[1]])
        if spacing == "cell":
            first, second = basis
            basis = np.array([first + second, 2 * second - first])
        return basis


@dataclass(frozen=True)
class _Spectrum:
    whitened: NDArray[np.float32]
    """(H, W) power over the geometric ring mean, zero frequency at [0, 0]."""
    peak: NDArray[np.float32]
    """Maximum of `whitened` over 7×7."""

    @property
    def shape(self) -> tuple[int, int]:
        return self.whitened.shape[0], self.whitened.shape[1]


def measure_scale(image: NDArray[np.float32], phase: Phase, pixel_pm: float | None = None) -> Scale | None:
    """Pixel size and lattice directions, or None if the spectrum shows no hexagonal rings.

    Parameters
    ----------
    image
        (H, W) float32 [any unit], finite.
    phase
        Its lattice constant is the ruler.
    pixel_pm
        Size from metadata [pm]; used to look for rings where it says, never trusted unseen.
    """
    spectrum = _spectrum(image)
    for vectors, rings in _readings(spectrum, phase, pixel_pm):
        scale = _refined(spectrum, vectors, rings, phase)
        if scale is None or not (_cell_fits(spectrum, scale, phase) and columns_fit(image, scale, phase)):
            continue
        return scale
    return None


def _readings(spectrum: "_Spectrum", phase: Phase, pixel_pm: float | None) -> Iterator[tuple[Array, str]]:
    """{11-20} vectors to try: where the stated pixel size puts them, then by the strongest ring."""
    guided = _guided(spectrum, phase, pixel_pm) if pixel_pm else None
    if guided is not None:
        yield guided, "looked for where the stated pixel size puts them"
    yield from _blind(spectrum, phase)


def _cell_fits(spectrum: "_Spectrum", scale: Scale, phase: Phase) -> bool:
    """The ring check where columns differ: {10-10} is seen, and nothing of its kind a factor √3 further inside.

    The first fails for a cell that is too small, the second for one that is too large.
    """
    if phase.equal_columns:
        return True
    first = _rotated(scale.reciprocal[:1], 30) / ROOT3
    inside = _rotated(first, 30) / ROOT3
    seen = bool(_support(spectrum, first)[0] > _SUPPORT)
    apart = float(np.linalg.norm(first) - np.linalg.norm(inside)) * min(spectrum.shape)
    if (
        apart < _RESOLVED_BINS
    ):  # so few cells in the image that one ring spills over onto the place of the other
        return seen
    return seen and bool(_support(spectrum, inside)[0] < _SUPPORT)


def columns_fit(image: NDArray[np.float32], scale: Scale, phase: Phase) -> bool:
    """The column-count check: as many intensity peaks as the area holds sites, within a factor of 1.6.

    A wrong ring makes the factor 3. It says something only where all sites hold columns of one kind.
    """
    if not phase.equal_columns:
        return True
    spacing_px = phase.spacing_angstrom * 100 / scale.pixel_pm
    if spacing_px < 4:
        return False
    peaks = find_peaks(image, spacing_px)
    if len(peaks) < 12:
        return False
    area_px = image.size * _covered(peaks, spacing_px, image.shape)
    capacity = area_px * (scale.pixel_pm / 100) ** 2 / phase.site_area_a2
    return 1 / 1.6 < len(peaks) / capacity < 1.6


def _covered(peaks: Array, spacing_px: float, shape: tuple[int, ...]) -> float:
    """Share of the image that has peaks at all: vacuum beside a flake holds no columns."""
    rows, cols = np.mgrid[0 : shape[0] : spacing_px, 0 : shape[1] : spacing_px]
    gap, _ = cKDTree(peaks).query(np.stack([cols.ravel(), rows.ravel()], -1))
    return float((gap < 1.7 * spacing_px).mean())


def _spectrum(image: NDArray[np.float32]) -> _Spectrum:
    height, width = image.shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    flat = (image - ndimage.uniform_filter(image, max(9, min(height, width) // 8))) * window
    power = np.abs(fft.fft2(flat)) ** 2 + 1e-30
    radius = _radius_bins(height, width)
    log_mean = np.bincount(radius.ravel(), np.log(power).ravel()) / np.maximum(np.bincount(radius.ravel()), 1)
    # The mean logarithm of an exponential variable lies 0.577 below the logarithm of its mean.
    whitened = (power / np.exp(ndimage.uniform_filter1d(log_mean, 5) + 0.5772)[radius]).astype(np.float32)
    for axis in (
        whitened[:1],
        whitened[1:2],
        whitened[-1:],
        whitened[:, :1],
        whitened[:, 1:2],
        whitened[:, -1:],
    ):
        axis /= max(1.0, float(np.median(axis)) / math.log(2))  # scan-line noise fills both axes evenly
    return _Spectrum(whitened, ndimage.maximum_filter(whitened, 7, mode="wrap"))


def _radius_bins(height: int, width: int) -> NDArray[np.int64]:
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :]
    bins: NDArray[np.int64] = np.rint(np.hypot(fy, fx) * max(height, width)).astype(np.int64)
    return bins


def _rotated(vectors: Array, degrees: float) -> Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned: Array = vectors @ np.array([[c, s], [-s, c]])
    return turned


def _look_up(spectrum: _Spectrum, vectors: Array) -> NDArray[np.float32]:
    height, width = spectrum.shape
    col = np.rint(vectors[..., 0] * width).astype(int) % width
    row = np.rint(vectors[..., 1] * height).astype(int) % height
    values: NDArray[np.float32] = spectrum.peak[row, col]
    return values


def _support(spectrum: _Spectrum, vectors: Array) -> Array:
    """Summed power at each vector and at ±60° from it; the smallest counts double, a stray peak never wins."""
    three = np.stack([np.minimum(_look_up(spectrum, _rotated(vectors, turn)), 1e4) for turn in (0, 60, 120)])
    support: Array = np.minimum(three.sum(0), 3.0 * (three.min(0) + 5.0)).astype(float)
    return support


def _guided(spectrum: _Spectrum, phase: Phase, pixel_pm: float) -> Array | None:
    """{11-20} vectors near the radius that the stated pixel size predicts (±5 %), both rings counted."""
    radius = 2 * pixel_pm / 100 / phase.a_angstrom
    angles, factors = np.radians(np.arange(0, 60, 0.4)), np.arange(0.95, 1.0501, 0.01)
    grid = radius * factors[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], -1)[None]
    candidates = grid.reshape(-1, 2)
    if radius * 1.05 > 0.49:
        return None
    inner = _support(spectrum, _rotated(candidates, 30) / ROOT3)
    total = np.log(np.maximum(_support(spectrum, candidates), 1)) + np.log(np.maximum(inner, 1))
    best = candidates[int(np.argmax(total))]
    seen = max(_support(spectrum, best[None])[0], _support(spectrum, _rotated(best[None], 30) / ROOT3)[0])
    return np.stack([best, _rotated(best[None], 60)[0]]) if seen > _SUPPORT else None


def _blind(spectrum: _Spectrum, phase: Phase) -> list[tuple[Array, str]]:
    """Readings of the strongest ring as {11-20}, most probable first."""
    strongest = _strongest(spectrum)
    if strongest is None:
        return []
    inner = _support(spectrum, _rotated(strongest[None], 30) / ROOT3)[0] > _SUPPORT
    outer = _support(spectrum, _rotated(strongest[None], 30) * ROOT3)[0] > _SUPPORT
    as_1120 = np.stack([strongest, _rotated(strongest[None], 60)[0]])
    as_1010 = _rotated(as_1120, 30) * ROOT3
    first, second = (as_1120, "strongest ring is {11-20}"), (as_1010, "strongest ring is {10-10}")
    if inner:
        return [(first[0], first[1] + ", {10-10} seen inside"), second]
    if outer:
        return [(second[0], second[1] + ", {11-20} seen outside"), first]
    return [first, second] if phase.equal_columns else [second, first]


def _strongest(spectrum: _Spectrum) -> Array | None:
    """The vector whose ring of six has the most power, between 3 px and a 12th of the image."""
    height, width = spectrum.shape
    rows, cols = np.nonzero((spectrum.whitened == spectrum.peak) & (spectrum.whitened > 12))
    vectors = np.stack([np.fft.fftfreq(width)[cols], np.fft.fftfreq(height)[rows]], -1)
    radius = np.hypot(vectors[:, 0], vectors[:, 1])
    keep = (radius > 12 / min(height, width)) & (radius < 0.4) & (vectors[:, 1] >= 0)
    vectors = vectors[keep]
    if not len(vectors):
        return None
    support = _support(spectrum, vectors)
    strength = np.where(support > _SUPPORT, _look_up(spectrum, vectors) + support, 0)
    best = int(np.argmax(strength))
    chosen: Array = vectors[best]
    return chosen if strength[best] > 0 else None


_INDICES = np.array([[1, 0], [0, 1], [-1, 1], [1 / 3, 1 / 3], [-1 / 3, 2 / 3], [-2 / 3, 1 / 3]])
"""The two rings in terms of the {11-20} vectors g1, g2 at 60°: {11-20} first, then {10-10}."""


def _refined(spectrum: _Spectrum, vectors: Array, rings: str, phase: Phase) -> Scale | None:
    """Least squares of a 2×2 basis to the centroids of all ring peaks that stand out."""
    basis = vectors
    support = float(_support(spectrum, vectors[:1])[0])
    residual, used = 0.0, 0
    for _ in range(3):
        predicted = _INDICES @ basis
        found, power = zip(*(_centroid(spectrum, g) for g in predicted), strict=True)
        measured, weight = np.array(found), np.where(np.array(power) > 10, np.sqrt(np.array(power)), 0.0)
        used = int((weight > 0).sum())
        if used < 3:
            return None
        root = np.sqrt(weight)[:, None]
        basis = np.linalg.lstsq(_INDICES * root, measured * root, rcond=None)[0]
        residual = float(np.sqrt(np.average(((measured - _INDICES @ basis) ** 2).sum(1), weights=weight)))
    return _scale(basis, residual / math.sqrt(used), support, rings, phase)


def _scale(basis: Array, error: float, support: float, rings: str, phase: Phase) -> Scale:
    area_px = 1 / abs(np.linalg.det(basis))
    pixel_pm = 100 * math.sqrt(phase.site_area_a2 / area_px)
    singular = np.linalg.svd(_IDEAL_INVERSE @ basis, compute_uv=False)
    stretch = float(
        singular[0] / singular[1] - 1
    )  # drift and non-square scans change the mean pixel size too
    relative = math.hypot(error / float(np.mean(singular)), 0.25 * stretch, _LATTICE_CONSTANT_RELATIVE)
    return Scale(pixel_pm, pixel_pm * relative, basis, support, rings)


def _centroid(spectrum: _Spectrum, g: Array) -> tuple[tuple[float, float], float]:
    """Sub-bin place [cycles/px] and height of the highest peak within 3 bins of `g`."""
    height, width = spectrum.shape
    row, col = round(g[1] * height), round(g[0] * width)
    span = np.arange(-3, 4)
    box = spectrum.whitened[np.ix_((row + span) % height, (col + span) % width)]
    r, c = np.unravel_index(int(np.argmax(box)), box.shape)
    row, col = row + int(span[r]), col + int(span[c])
    near = np.arange(-2, 3)
    weights = spectrum.whitened[np.ix_((row + near) % height, (col + near) % width)].astype(float)
    weights = np.maximum(weights - 2.0, 0)
    total = weights.sum() or 1.0
    x = (col + float((weights.sum(0) * near).sum() / total)) / width
    y = (row + float((weights.sum(1) * near).sum() / total)) / height
    return (x, y), float(box.max())
