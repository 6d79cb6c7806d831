"""Atoms and vacancies of one image: scale, lattice, sites, populations, refinement, and what can be trusted."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from eucentric.core.errors import BadInput
from eucentric.knowledge.phases import Phase
from eucentric.tools.vision import quality
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.columns import Sites, full_heights, profile_without, sites_of
from eucentric.tools.vision.judgement import Judged, judge
from eucentric.tools.vision.lattice import Lattice, fit_lattice, six_fold_coherence
from eucentric.tools.vision.peaks import band_pass, peaks_of
from eucentric.tools.vision.refine import Refined, refine
from eucentric.tools.vision.scale import Scale, measure_scale
from eucentric.tools.vision.sites import seen_locally

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_WORKING_PM = 13.0
"""Pixels much finer than this are summed: a column's width is 45-60 pm, no information is lost."""
_FIELD_PEAKS = 40
"""About as many peaks make one site of the lattice field."""
_MUCH_LOST = 0.05
"""From here on, the mean column is measured again without the places where there is none."""
_MIN_SPACING_PX, _MIN_MATCHED = 4.5, 0.4
_EDGE_SPACINGS = 1.5
"""Sites nearer to the edge than this are shown, but not counted."""


def find_atoms(
    image: NDArray[np.float32],
    phase: Phase,
    *,
    pixel_pm: float | None = None,
    counts_per_electron: float | None = None,
) -> AtomMap:
    """Find the columns and the vacancies of a plan-view HAADF image.

    Parameters
    ----------
    image
        (H, W) float [any unit; counts for honest localisation errors]. NaN pixels are left out.
    phase
        What the specimen is; its lattice constant sets the scale.
    pixel_pm
        Pixel size from metadata [pm]; cross-checked against the lattice.
    counts_per_electron
        Detector calibration: counts for one electron.

    Returns
    -------
    AtomMap
        With `cannot_tell` and flags, and without atoms, where there is no lattice to see.

    Raises
    ------
    BadInput
        If the array is not two-dimensional, or smaller than 64 px.
    """
    (pixels, unit), missing = _checked(image)
    scale = measure_scale(pixels, phase, pixel_pm)
    if scale is None:
        return _abstain(phase, pixels, pixel_pm, "no rings of the phase's lattice in the power spectrum")
    factor = max(1, round(_WORKING_PM / scale.pixel_pm))
    spacing = phase.spacing_angstrom * 100 / scale.pixel_pm / factor
    if spacing < _MIN_SPACING_PX:
        reason = f"columns are {spacing * factor:.1f} px apart; {_MIN_SPACING_PX} px are needed"
        return _abstain(phase, pixels, pixel_pm, reason)
    small = _summed(pixels, factor)
    filtered = band_pass(small, spacing)
    peaks = peaks_of(filtered, spacing)
    basis = scale.real_basis("column" if phase.equal_columns else "cell") / factor
    lattice = fit_lattice(filtered, peaks, basis, small.shape)
    if lattice is None or lattice.matched < _MIN_MATCHED:
        return _abstain(phase, pixels, pixel_pm, "no lattice grows from any part of the image")
    view = _View(
        small, pixels.shape, missing, factor, _pixel_of_lattice(lattice, phase, factor), phase,
        quality.pile_up(image),
    )  # fmt: skip
    coherence = _coherence(small, peaks, view.spacing, phase)
    return _analysed(view, scale, lattice, coherence, pixel_pm, (counts_per_electron or 1.0) / unit)


def _abstain(phase: Phase, pixels: NDArray[np.float32], pixel_pm: float | None, reason: str) -> AtomMap:
    """A map without atoms that says why."""
    return AtomMap(
        phase, (pixels.shape[0], pixels.shape[1]), stated_pixel_pm=pixel_pm, cannot_tell=reason,
        doubt=1.0, flags=(("no_lattice", reason),), not_counted=(f"the whole image: {reason}",),
    )  # fmt: skip


def _checked(image: NDArray[np.float32]) -> tuple[tuple[NDArray[np.float32], float], Mask]:
    if image.ndim != 2 or min(image.shape) < 64:
        raise BadInput(
            f"the image has shape {tuple(image.shape)}",
            "an image of at least 64×64 px is needed",
            "give one two-dimensional frame",
        )
    pixels = np.ascontiguousarray(image, np.float32)
    missing = ~np.isfinite(pixels)
    if missing.mean() > 0.5:
        raise BadInput(
            f"{missing.mean():.0%} of the pixels are not numbers", "more than half", "give a complete frame"
        )
    if missing.any():
        pixels = _filled(pixels, missing)
        missing = ndimage.binary_opening(missing, np.ones((3, 3)))  # single pixels are bridged well enough
    return _normalised(pixels), missing


def _filled(pixels: NDArray[np.float32], missing: Mask) -> NDArray[np.float32]:
    """Missing pixels as the mean of their surroundings."""
    known = np.where(missing, np.float32(0), pixels)
    weight = ndimage.gaussian_filter((~missing).astype(np.float32), 2.0)
    around = ndimage.gaussian_filter(known, 2.0) / np.maximum(weight, 1e-6)
    fallback = np.float32(np.median(pixels[~missing]))
    filled: NDArray[np.float32] = np.where(missing, np.where(weight > 1e-3, around, fallback), pixels)
    return filled


def _normalised(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Pixels over their spread, X-ray hits cut, and that spread: nothing below depends on the unit of the file."""
    low, middle, high = np.percentile(pixels, (1, 50, 99))
    cut = np.clip(pixels, low - 8 * (high - low), high + 8 * (high - low)) if high > low else pixels
    unit = float(np.std(cut, dtype=np.float64))
    if unit <= 1e-6 * abs(float(middle)):
        return np.zeros_like(pixels), 1.0  # a dead or blanked detector: no lattice will be found
    return (cut / np.float32(unit)).astype(np.float32), unit


def _summed(pixels: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Sums of factor×factor pixels; a rest at the right and lower edge is dropped."""
    if factor == 1:
        return pixels
    height, width = (n // factor for n in pixels.shape)
    block = pixels[: height * factor, : width * factor].reshape(height, factor, width, factor)
    total: NDArray[np.float32] = block.sum((1, 3), dtype=np.float32)
    return total


def _coherence(small: NDArray[np.float32], peaks: Array, spacing: float, phase: Phase) -> float:
    if phase.equal_columns:
        return six_fold_coherence(peaks, spacing)
    cell = spacing * math.sqrt(3)
    return six_fold_coherence(peaks_of(band_pass(small, cell), cell), cell)


@dataclass(frozen=True)
class _View:
    """The image on its working grid, and how that grid lies on the original."""

    small: NDArray[np.float32]
    shape: tuple[int, ...]
    missing: Mask
    factor: int
    pixel_pm: float
    """Of the original image, by the lattice."""
    phase: Phase
    clipped: float
    """Share of the pixels at the highest value."""

    @property
    def step_pm(self) -> float:
        """Working pixel [pm]."""
        return self.pixel_pm * self.factor

    @property
    def spacing(self) -> float:
        """Distance of neighbouring sites [working px]."""
        return self.phase.spacing_angstrom * 100 / self.step_pm

    def original(self, xy: Array) -> Array:
        """Places on the original image [px]."""
        place: Array = xy * self.factor + (self.factor - 1) / 2
        return place


@dataclass(frozen=True)
class _Masks:
    """(n,) bool over the sites."""

    occupied: Mask
    """The phase has a column here."""
    edge: Mask
    lost: Mask
    column: Mask
    """A column is here, full or not."""
    vacant: Mask

    @property
    def use(self) -> Mask:
        """Counted in a density."""
        return np.logical_and(self.occupied, ~(self.edge | self.lost))


def _pixel_of_lattice(lattice: Lattice, phase: Phase, factor: int) -> float:
    """Pixel size from the area of the mean cell of the fitted lattice [pm]."""
    area = phase.site_area_a2 * (1 if phase.equal_columns else 3)
    return 100 * math.sqrt(area / abs(float(np.linalg.det(lattice.basis)))) / factor


def _analysed(
    view: _View, scale: Scale, lattice: Lattice, coherence: float, stated_pm: float | None, gain: float
) -> AtomMap:
    sites = sites_of(view.small, lattice, view.phase, view.spacing)
    edge = _at_edge(sites.xy, view)
    full = full_heights(sites, view.phase, edge)
    if not np.nanmin(full) > 0:
        return _abstain(view.phase, view.small, stated_pm, "columns do not stand out of the background")
    occupied = np.isfinite(full)
    lost = _lost(sites, full, occupied, view)
    if lost.mean() > _MUCH_LOST:
        sites = profile_without(sites, lost, view.small, view.phase, view.spacing)
        full = full_heights(sites, view.phase, edge | lost)
    judged = judge(view.small, sites, full, occupied & ~edge & ~lost, view.phase, view.spacing)
    known = occupied & ~lost
    masks = _Masks(occupied, edge, lost, known & (judged.p_column > 0.5), known & (judged.p_vacancy > 0.5))
    field_px = lattice.residual_px / math.sqrt(2 * _FIELD_PEAKS)
    refined = refine(
        view.small, sites.xy, sites.heights, sites.profile.sigma_px, view.spacing, masks.column, field_px
    )
    picture = _picture(view, lattice, coherence, stated_pm, sites, masks, judged, refined)
    return _assembled(view, scale, picture, sites, masks, judged, refined, gain)


def _at_edge(xy: Array, view: _View) -> Mask:
    limit, margin = np.array(view.small.shape[::-1]) - 1, _EDGE_SPACINGS * view.spacing
    edge: Mask = np.any((xy < margin) | (xy > limit - margin), axis=1)
    return edge


def _lost(sites: Sites, full: Array, occupied: Mask, view: _View) -> Mask:
    """Sites where the lattice is not seen around, or pixels are missing."""
    lost: Mask = quality.near_missing(sites.xy, view.missing, view.factor, view.spacing)
    seen, error = seen_locally(sites.heights[occupied], full[occupied], sites.xy[occupied])
    # Few counts make the local brightness uncertain: then only a clear loss is one.
    limit = max(quality.LATTICE_SEEN - 1.5 * error, quality.LATTICE_GONE)
    lost[occupied] |= seen < limit
    return lost | _beside(lost, sites.xy, view.spacing)


def _beside(lost: Mask, xy: Array, spacing: float) -> Mask:
    """Sites with two lost ones close by: the rim of a hole or of the flake is no place to count vacancies."""
    if lost.sum() < 2:
        return np.zeros(len(xy), bool)
    near, _ = cKDTree(xy[lost]).query(xy, k=2)
    beside: Mask = near[:, 1] < 2.2 * spacing
    return beside


def _picture(
    view: _View, lattice: Lattice, coherence: float, stated_pm: float | None, sites: Sites, masks: _Masks,
    judged: Judged, refined: Refined,
) -> quality.Picture:  # fmt: skip
    area_a2 = view.shape[0] * view.shape[1] * (view.pixel_pm / 100) ** 2
    columns = float(refined.height[masks.column].sum()) * 2 * math.pi * sites.profile.sigma_px**2
    return quality.Picture(
        coherence=coherence, residual_pm=lattice.residual_px * view.step_pm,
        column_sigma_pm=sites.profile.sigma_px * view.step_pm, fit_noise_pm=min(refined.noise_px * view.step_pm, 1e6),
        pixel_pm=view.pixel_pm, stated_pixel_pm=stated_pm, columns=int((masks.occupied & ~masks.lost).sum()),
        capacity=area_a2 / view.phase.site_area_a2 * view.phase.occupied_fraction,
        usable=float(masks.use.sum() / max((masks.occupied & ~masks.edge).sum(), 1)), recall=judged.recall,
        modulation=columns / max(abs(float(view.small.sum())), 1e-12), stretch=lattice.stretch,
        spacing_pm=view.phase.spacing_angstrom * 100, clipped=view.clipped,
    )  # fmt: skip


def _assembled(
    view: _View, scale: Scale, picture: quality.Picture, sites: Sites, masks: _Masks, judged: Judged,
    refined: Refined, gain: float,
) -> AtomMap:  # fmt: skip
    column, rows = masks.column, np.flatnonzero(masks.vacant)
    net = 2 * math.pi * sites.profile.sigma_px**2 * refined.height / gain
    bright = column & (sites.sublattice == 0)
    flags = quality.flags_of(picture)
    return AtomMap(
        phase=view.phase, shape=(view.shape[0], view.shape[1]), pixel_pm=view.pixel_pm,
        pixel_pm_sigma=scale.pixel_pm_sigma, stated_pixel_pm=picture.stated_pixel_pm, rings=scale.rings,
        atoms_xy=view.original(refined.xy[column]), atoms_sigma_pm=refined.sigma_px[column] * view.step_pm,
        atoms_counts=net[column], atoms_site=np.flatnonzero(column), atoms_p=judged.p_column[column],
        atoms_element=tuple(judged.holds[i] for i in np.flatnonzero(column)), sites_xy=view.original(sites.xy),
        sites_p_vacancy=judged.p_vacancy, sites_sublattice=sites.sublattice,
        sites_relative=np.where(masks.occupied, judged.relative, 0.0), sites_examined=masks.use,
        sites_state=tuple(judged.state), sites_kind=tuple(judged.kind), vacancies_xy=view.original(sites.xy[rows]),
        vacancies_p=judged.p_vacancy[rows], vacancies_site=rows, coherence=picture.coherence,
        residual_pm=picture.residual_pm, column_sigma_pm=picture.column_sigma_pm,
        localisation_pm=picture.fit_noise_pm, displacement_pm=refined.prior_px * view.step_pm,
        counts_per_column=float(np.median(net[bright])) if bright.any() else 0.0, snr=judged.snr,
        capacity=picture.capacity, columns_seen=int((masks.occupied & ~masks.vacant).sum()), usable=picture.usable,
        not_counted=quality.not_counted(picture.usable, int(masks.edge.sum()), float(view.missing.mean())),
        recall=judged.recall, false_calls=judged.false_calls, doubt=quality.doubt(picture), flags=flags,
        cannot_tell=quality.verdict(flags), recall_low=judged.recall_low, recall_high=judged.recall_high,
        sites_classes=judged.classes, sites_posterior=judged.posterior, sites_p_value=judged.p_full,
        atoms_covariance_pm2=_packed(refined.covariance[column], view.step_pm),
        atoms_free_xy=view.original(refined.free_xy[column]),
        atoms_free_covariance_pm2=_packed(refined.free_covariance[column], view.step_pm),
    )  # fmt: skip


def _packed(covariance: Array, step_pm: float) -> Array:
    """(n, 3): xx, yy, xy [pm²] of (n, 2, 2) [px²]."""
    packed: Array = covariance[:, (0, 1, 0), (0, 1, 1)] * step_pm**2
    return packed
