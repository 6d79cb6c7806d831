"""The pixel size and the lattice directions from the rings of the power spectrum.

Two rings matter in a hexagonal layer: {10-10} at frequency 2/(√3 a) and {11-20} at 2/a, a factor √3 apart.
Where all columns are alike, the image repeats at a/√3 and the strongest ring is usually {11-20}; taking it for
{10-10} gives a pixel √3 times too large. The rule: s/√3 is tested before s√3, then the columns are counted.
A square lattice has {100} and {110}, a factor √2 apart, and the same trap. Below, the inner ring is that of the cell,
the outer one that of the lattice of all column sites.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.knowledge.plan_lattice import PlanLattice
from eucentric.tools.vision.peaks import find_peaks
from eucentric.tools.vision.pixels import summed, working_factor
from eucentric.tools.vision.spectrum import Spectrum, spectrum_of

Array = NDArray[np.float64]

_SUPPORT = 30.0
"""A sum of three whitened peaks, each the highest of 49 bins (4.5 ± 1.3 in noise), that noise does not reach."""
_QUIET = 22.0
"""Where a ring must not be seen: noise reaches this in one place of two hundred, a ring that grains share does."""
_MOST_UNSURE = 0.08
"""Relative error of a pixel size beyond which a reading is none: scans with drift reach half of it."""
_LEAST_WINDOW_PX = 128
_MOST_BY_WIDTH, _FALLS_TO = 6.0, 0.08
_OF_DEFECTS = 0.01
"""Vacancies scatter everywhere, where an image repeats them in sharp peaks, but so little (0.0005 of the ring with 4 %
missing); the ring of the true cell has 0.25 (graphene) and more."""
_OF_TWO = 1.25
"""Factor on a sum of two such peaks (square lattice): 24 is as rare in noise as 30 for three."""
_SMALLEST_PX, _SAME_SCALE = 24, 0.05
_RESOLVED_BINS = 6.0
_LATTICE_CONSTANT_RELATIVE = 0.003
"""Real MXenes differ in a by a few per mille with their terminations."""


@dataclass(frozen=True)
class Scale:
    """What the rings say."""

    pixel_pm: float
    pixel_pm_sigma: float
    reciprocal: Array
    """(2, 2) float64 [cycles/px]: neighbouring vectors g1, g2 of the outer ring, as (x, y)."""
    support: float
    """Whitened power of the ring's peaks together, 3 on average in noise."""
    rings: str
    """How the rings were assigned."""
    lattice: PlanLattice

    def real_basis(self, spacing: str) -> Array:
        """(2, 2) float64 [px]: rows are two lattice vectors, 60° or 90° apart.

        `spacing` is 'column' for the lattice of all column sites or 'cell' for the lattice of period a.
        """
        first, second = np.linalg.inv(self.reciprocal).T
        if self.lattice.fold == 6:
            second = first + second  # reciprocal vectors 60° apart have inverses 120° apart
        sites = np.array([first, second])
        return self.lattice.cell_of_sites @ sites if spacing == "cell" else sites


@dataclass(frozen=True)
class _Check:
    """How strictly a reading of the rings is checked."""

    nothing_inside: float
    """Support at which a ring inside the inner one speaks against the reading."""
    alone: float = math.inf
    """An outer ring of this support does without an inner one, in a square lattice: its A and B-O make the rings differ
    enough to say which is which, and few counts may hide the inner."""
    outer: float = _SUPPORT
    """What the outer ring must have where all columns are alike: then it is the first of the lattice itself."""
    least_peak: float = 10.0
    """Height from which on a peak is fitted to; noise reaches 10 in 1 of 500 places, 8.5 in 1 of 100."""


_LITTLE = 0.25
"""Taper for an image of few counts: its peaks are 1.9 times as high over noise as with edges faded all over."""
_STRICT, _OUTER_ALONE = _Check(_QUIET), _Check(_QUIET, 100.0)
_LENIENT, _FAINT = _Check(_SUPPORT, outer=0.0), _Check(_QUIET, least_peak=8.5)
_NEAR = _Check(_QUIET, least_peak=5.5)
"""For peaks looked for in 9 bins instead of 49; the ring as a whole was found before."""


def measure_scale(image: NDArray[np.float32], phase: Phase, pixel_pm: float | None = None) -> Scale | None:
    """Pixel size and lattice directions, or None if the spectrum shows no rings of the phase's lattice.

    Parameters
    ----------
    image
        (H, W) float32 [any unit], finite.
    phase
        Its lattice constant is the ruler.
    pixel_pm
        Size from metadata [pm]; used to look for rings where it says, never trusted unseen.
    """
    spectrum = spectrum_of(image)
    return (
        _first_that_fits(image, spectrum, phase, pixel_pm, _STRICT)
        or _first_that_fits(image, spectrum, phase, pixel_pm, _OUTER_ALONE)
        or _of_a_window(image, phase, pixel_pm)
        or _first_that_fits(image, spectrum, phase, pixel_pm, _LENIENT)
        or _of_few_counts(image, phase, pixel_pm)
    )


def _of_few_counts(image: NDArray[np.float32], phase: Phase, pixel_pm: float | None) -> Scale | None:
    """With less of the image faded; and, if the pixel size is told, with peaks looked for just where they should be."""
    wide = _first_that_fits(image, spectrum_of(image, taper=_LITTLE), phase, pixel_pm, _FAINT)
    if wide is not None or pixel_pm is None:
        return wide
    return _first_that_fits(image, spectrum_of(image, taper=_LITTLE, reach=1), phase, pixel_pm, _NEAR)


def _first_that_fits(
    image: NDArray[np.float32], spectrum: Spectrum, phase: Phase, pixel_pm: float | None, check: "_Check"
) -> Scale | None:
    for vectors, rings in _readings(spectrum, phase, pixel_pm):
        scale = _refined(spectrum, vectors, rings, phase, check.least_peak)
        if scale is None or scale.pixel_pm_sigma > _MOST_UNSURE * scale.pixel_pm:
            continue
        if _cell_fits(spectrum, scale, phase, check) and columns_fit(image, scale, phase):
            return scale
    return None


def _of_a_window(image: NDArray[np.float32], phase: Phase, pixel_pm: float | None) -> Scale | None:
    """From the part, half as wide, with the strongest ring: that of one grain where several blur the whole."""
    height, width = (n // 2 for n in image.shape)
    if min(height, width) < _LEAST_WINDOW_PX:
        return None
    found = []
    for top in (0, height // 2, height):
        for left in (0, width // 2, width):
            window = image[top : top + height, left : left + width]
            scale = _first_that_fits(window, spectrum_of(window), phase, pixel_pm, _STRICT)
            if scale is not None:
                found.append(scale)
    return max(found, key=lambda scale: scale.support, default=None)


def directions_of(
    image: NDArray[np.float32], weight: NDArray[np.float32], phase: Phase, pixel_pm: float
) -> Scale | None:
    """Lattice directions of one part of an image whose pixel size is known; None if it shows no rings there.

    Parameters
    ----------
    image
        (H, W) float32 [any unit], finite: a box around the part.
    weight
        (H, W) float32, 0 … 1: 1 in the part.
    phase
        Its lattice constant is the ruler.
    pixel_pm
        As measured on the whole [pm].
    """
    if min(image.shape) < _SMALLEST_PX:
        return None
    spectrum = spectrum_of(image, weight)
    vectors = _guided(spectrum, phase, pixel_pm)
    scale = _refined(spectrum, vectors, "of a part", phase) if vectors is not None else None
    return scale if scale is not None and abs(scale.pixel_pm / pixel_pm - 1) < _SAME_SCALE else None


def _readings(spectrum: Spectrum, phase: Phase, pixel_pm: float | None) -> Iterator[tuple[Array, str]]:
    """Vectors of the outer ring to try: where the stated pixel size puts them, then by the strongest ring."""
    guided = _guided(spectrum, phase, pixel_pm) if pixel_pm else None
    if guided is not None:
        yield guided, "looked for where the stated pixel size puts them"
    yield from _blind(spectrum, phase)


def _cell_fits(spectrum: Spectrum, scale: Scale, phase: Phase, check: "_Check") -> bool:
    """The ring check. Where columns differ, the inner ring is seen, and nothing of its kind further inside.

    The first fails for a cell that is too small; the second, at a factor √3 (√2) and 2, for one that is too large.
    """
    if phase.equal_columns:
        return scale.support > check.outer and not _taken_for_outer(spectrum, scale.reciprocal, phase.lattice)
    lattice = phase.lattice
    first = _inner(scale.reciprocal[:1], lattice)
    if lattice.parts == 2 and _too_alike(spectrum, scale.reciprocal, phase):
        return False
    lost = lattice.parts == 2 and scale.support > check.alone
    if not lost and not _support(spectrum, first, lattice)[0] > _SUPPORT:
        return False
    for inside in (_inner(first, lattice), first / 2):
        apart = float(np.linalg.norm(first - inside)) * min(spectrum.shape)
        if apart < _RESOLVED_BINS:  # so few cells that one ring spills over onto the place of the other
            continue
        seen = _support(spectrum, inside, lattice)[0] >= check.nothing_inside
        if seen and _ring_power(spectrum, inside, lattice) > _OF_DEFECTS * _ring_power(
            spectrum, first, lattice
        ):
            return False
    return True


def _ring_power(spectrum: Spectrum, vector: Array, lattice: PlanLattice) -> float:
    """Mean power at a vector (1, 2) and its turned ones."""
    ring = np.concatenate([_rotated(vector, turn) for turn in lattice.turns_deg])
    return float(spectrum.power(ring).mean())


def _taken_for_outer(spectrum: Spectrum, outer: Array, lattice: PlanLattice) -> bool:
    """The true outer ring is seen farther out: what is read as the outer one is the inner.

    Past the true one, the next of its lattice has at most a few per cent of the power, by the width of the columns.
    """
    farther = _rotated(outer, lattice.half_turn_deg) * lattice.root
    if np.linalg.norm(farther, axis=1).max() > 0.49 or _support(spectrum, farther[:1], lattice)[0] < _SUPPORT:
        return False
    return float(spectrum.power(farther).mean() / spectrum.power(outer).mean()) > _FALLS_TO


def _too_alike(spectrum: Spectrum, outer: Array, phase: Phase) -> bool:
    """The inner ring is far stronger than A and B of a perovskite make it: it is the outer ring of a larger cell.

    Their rings are as (A - B)² to (A + B)², and the width of columns favours the inner one up to fourfold.
    """
    dim = phase.columns[1].weight if len(phase.columns) > 1 else 0.0
    ratio = float(spectrum.power(_inner(outer, phase.lattice)).mean() / spectrum.power(outer).mean())
    return ratio > _MOST_BY_WIDTH * ((1 - dim) / (1 + dim)) ** 2


def _inner(vectors: Array, lattice: PlanLattice) -> Array:
    """The inner ring's vectors that belong to outer ones."""
    return _rotated(vectors, lattice.half_turn_deg) / lattice.root


def columns_fit(image: NDArray[np.float32], scale: Scale, phase: Phase) -> bool:
    """The column-count check: as many intensity peaks as the area holds sites, within a factor of 1.6.

    A wrong ring makes the factor 3, or 2. It says something only where all sites hold columns of one kind.
    """
    if not phase.equal_columns:
        return True
    factor = working_factor(scale.pixel_pm)
    spacing_px = phase.spacing_angstrom * 100 / scale.pixel_pm / factor
    if spacing_px < 4:
        return False
    small = summed(image, factor)
    peaks = find_peaks(small, spacing_px)
    if len(peaks) < 12:
        return False
    area_px = small.size * _covered(peaks, spacing_px, small.shape)
    capacity = area_px * (scale.pixel_pm * factor / 100) ** 2 / phase.site_area_a2
    return 1 / 1.6 < len(peaks) / capacity < 1.6


def _covered(peaks: Array, spacing_px: float, shape: tuple[int, ...]) -> float:
    """Share of the image that has peaks at all: vacuum beside a flake holds no columns."""
    rows, cols = np.mgrid[0 : shape[0] : spacing_px, 0 : shape[1] : spacing_px]
    gap, _ = cKDTree(peaks).query(np.stack([cols.ravel(), rows.ravel()], -1))
    return float((gap < 1.7 * spacing_px).mean())


def _rotated(vectors: Array, degrees: float) -> Array:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned: Array = vectors @ np.array([[c, s], [-s, c]])
    return turned


def _support(spectrum: Spectrum, vectors: Array, lattice: PlanLattice) -> Array:
    """Power at each vector and its turned ones, as a sum of three; the smallest bounds it, a stray peak never wins."""
    peaks = np.stack(
        [np.minimum(spectrum.highest(_rotated(vectors, turn)), 1e4) for turn in lattice.turns_deg]
    )
    total = peaks.sum(0) * (_OF_TWO if len(peaks) == 2 else 1.0)
    support: Array = spectrum.gain * np.minimum(total, 3.0 * (peaks.min(0) + 5.0)).astype(float)
    return support


def _pair(vector: Array, lattice: PlanLattice) -> Array:
    """A vector of a ring and its neighbour."""
    return np.stack([vector, _rotated(vector[None], lattice.angle_deg)[0]])


def _guided(spectrum: Spectrum, phase: Phase, pixel_pm: float) -> Array | None:
    """Outer vectors near the radius that the stated pixel size predicts (±5 %), both rings counted."""
    lattice = phase.lattice
    # the outer ring's frequency is the inverse distance of the rows of sites
    radius = pixel_pm / 100 / (phase.spacing_angstrom * math.sin(math.radians(lattice.angle_deg)))
    angles = np.radians(np.arange(0, lattice.angle_deg, 0.4))
    factors = np.arange(0.95, 1.0501, 0.01)
    grid = radius * factors[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], -1)[None]
    candidates = grid.reshape(-1, 2)
    if radius * 1.05 > 0.49:
        return None
    outer = _support(spectrum, candidates, lattice)
    inner = _support(spectrum, _inner(candidates, lattice), lattice)
    seen = np.log(np.maximum(outer, 1)) + np.log(np.maximum(inner, 1))
    # The look-up takes the highest of 49 bins: of vectors that see the same peak, the one nearest to what is stated.
    best = int(np.argmax(seen - 0.5 * np.repeat((factors - 1) / 0.05, len(angles)) ** 2))
    return _pair(candidates[best], lattice) if max(outer[best], inner[best]) > _SUPPORT else None


def _blind(spectrum: Spectrum, phase: Phase) -> list[tuple[Array, str]]:
    """Readings of the strongest ring as the outer one, most probable first."""
    lattice = phase.lattice
    strongest = _strongest(spectrum, lattice)
    if strongest is None:
        return []
    turned = _rotated(strongest[None], lattice.half_turn_deg)
    inner = _support(spectrum, turned / lattice.root, lattice)[0] > _SUPPORT
    outer = _support(spectrum, turned * lattice.root, lattice)[0] > _SUPPORT
    as_outer = _pair(strongest, lattice)
    as_inner = _rotated(as_outer, lattice.half_turn_deg) * lattice.root
    first, second = (
        (as_outer, f"strongest ring is {lattice.outer}"),
        (as_inner, f"strongest ring is {lattice.inner}"),
    )
    # A sharp probe may show the next ring of the site lattice more strongly than the first, where A and B-O differ.
    third = (
        _inner(as_outer, lattice),
        f"strongest ring is the second of the columns, {lattice.outer} seen inside",
    )
    if inner:
        return [(first[0], f"{first[1]}, {lattice.inner} seen inside"), second, third]
    if outer:
        return [(second[0], f"{second[1]}, {lattice.outer} seen outside"), first]
    return [first, second] if phase.equal_columns else [second, first]


def _strongest(spectrum: Spectrum, lattice: PlanLattice) -> Array | None:
    """The vector whose ring has the most power, between 3 px and a 12th of the image."""
    height, width = spectrum.shape
    rows, cols = np.nonzero((spectrum.whitened == spectrum.peak) & (spectrum.whitened > 12))
    vectors = np.stack([np.fft.fftfreq(width)[cols], np.fft.fftfreq(height)[rows]], -1)
    radius = np.hypot(vectors[:, 0], vectors[:, 1])
    keep = (radius > 12 / min(height, width)) & (radius < 0.4) & (vectors[:, 1] >= 0)
    vectors = vectors[keep]
    if not len(vectors):
        return None
    support = _support(spectrum, vectors, lattice)
    strength = np.where(support > _SUPPORT, spectrum.highest(vectors) + support, 0)
    best = int(np.argmax(strength))
    chosen: Array = vectors[best]
    return chosen if strength[best] > 0 else None


_INDICES = {
    "hexagonal": np.array([[1, 0], [0, 1], [-1, 1], [1 / 3, 1 / 3], [-1 / 3, 2 / 3], [-2 / 3, 1 / 3]]),
    "square": np.array([[1, 0], [0, 1], [1 / 2, 1 / 2], [-1 / 2, 1 / 2]]),
}
"""The two rings in terms of neighbouring vectors g1, g2 of the outer one: outer ring first, then the inner."""


def _refined(
    spectrum: Spectrum, vectors: Array, rings: str, phase: Phase, least_peak: float = _STRICT.least_peak
) -> Scale | None:
    """Least squares of a 2×2 basis to the centroids of all ring peaks that stand out."""
    basis, indices = vectors, _INDICES[phase.kind]
    support = float(_support(spectrum, vectors[:1], phase.lattice)[0])
    residual, used = 0.0, 0
    for _ in range(3):
        predicted = indices @ basis
        found, power = zip(*(spectrum.centroid(g) for g in predicted), strict=True)
        measured, weight = np.array(found), np.where(np.array(power) > least_peak, np.sqrt(power), 0.0)
        used = int((weight > 0).sum())
        if used < len(indices) // 2:
            return None
        root = np.sqrt(weight)[:, None]
        basis = np.linalg.lstsq(indices * root, measured * root, rcond=None)[0]
        if abs(float(np.linalg.det(basis))) < 1e-3 * float((basis**2).sum()):
            return None  # all peaks of noise on one line
        residual = float(np.sqrt(np.average(((measured - indices @ basis) ** 2).sum(1), weights=weight)))
    return _scale(basis, residual / math.sqrt(used), support, rings, phase)


def _scale(basis: Array, error: float, support: float, rings: str, phase: Phase) -> Scale:
    area_px = 1 / abs(np.linalg.det(basis))
    pixel_pm = 100 * math.sqrt(phase.site_area_a2 / area_px)
    singular = np.linalg.svd(np.linalg.inv(phase.lattice.ideal) @ basis, compute_uv=False)
    stretch = float(
        singular[0] / singular[1] - 1
    )  # drift and non-square scans change the mean pixel size too
    relative = math.hypot(error / float(np.mean(singular)), 0.25 * stretch, _LATTICE_CONSTANT_RELATIVE)
    return Scale(pixel_pm, pixel_pm * relative, basis, support, rings, phase.lattice)
