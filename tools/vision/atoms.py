"""Atoms and vacancies of one image: scale, lattice, sites, populations, refinement, and what can be trusted."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision import quality
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.cell_check import wrong_cell
from eucentric.tools.vision.columns import Sites, full_heights, profile_without
from eucentric.tools.vision.grain_sites import sites_of_grains
from eucentric.tools.vision.grains import find_grains
from eucentric.tools.vision.judgement import Judged, judge
from eucentric.tools.vision.lattice import fit_lattice, neighbour_coherence
from eucentric.tools.vision.patches import Patches
from eucentric.tools.vision.peaks import band_pass, peaks_of
from eucentric.tools.vision.pixels import prepared, summed, working_factor
from eucentric.tools.vision.refine import Refined, refine
from eucentric.tools.vision.scale import Scale, measure_scale
from eucentric.tools.vision.sites import seen_locally

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_FIELD_PEAKS = 40
"""About as many peaks make one site of the lattice field."""
_MUCH_LOST = 0.05
"""From here on, the mean column is measured again without the places where there is none."""
_MIN_SPACING_PX, _MIN_MATCHED = 4.5, 0.4
_GONE, _BLURRED = 0.6, 1.2
"""Spacings from pixels without an image within which no column is shown, and no vacancy counted."""
_FARTHEST = 3.0
"""How far a pixel size that was told may be off for a lattice at another one to be believed."""
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
    (pixels, unit), missing = prepared(image)
    full = _Image(
        pixels, missing, phase, pixel_pm, quality.pile_up(image), (counts_per_electron or 1.0) / unit
    )
    seen = _seen(full, pixel_pm)
    if len(seen.sites_xy) or pixel_pm is None:
        return seen
    # Where the pixel size that was told is wrong, so are the places where rings are looked for.
    untold = _seen(full, None)
    off = (untold.pixel_pm or 0.0) / pixel_pm
    return untold if not untold.cannot_tell and 1 / _FARTHEST < off < _FARTHEST else seen


@dataclass(frozen=True)
class _Image:
    """What is given."""

    pixels: NDArray[np.float32]
    missing: Mask
    phase: Phase
    stated_pm: float | None
    clipped: float
    gain: float
    """Of `pixels` for one electron."""


def _seen(image: _Image, told_pm: float | None) -> AtomMap:
    """With rings looked for where a pixel size says, if it is told."""
    phase, stated_pm = image.phase, image.stated_pm
    scale = measure_scale(image.pixels, phase, told_pm)
    if scale is None:
        return _abstain(phase, image.pixels, stated_pm, _no_rings(phase, stated_pm))
    factor = working_factor(scale.pixel_pm)
    spacing = phase.spacing_angstrom * 100 / scale.pixel_pm / factor
    if spacing < _MIN_SPACING_PX:
        reason = f"columns are {spacing * factor:.1f} px apart; {_MIN_SPACING_PX} px are needed"
        return _abstain(phase, image.pixels, stated_pm, reason)
    small = summed(image.pixels, factor)
    filtered = band_pass(small, spacing)
    peaks = peaks_of(filtered, spacing)
    basis = scale.real_basis("column" if phase.equal_columns else "cell") / factor
    lattice = fit_lattice(filtered, peaks, basis, small.shape)
    if lattice is None or lattice.matched < _MIN_MATCHED:
        return _abstain(phase, image.pixels, stated_pm, "no lattice grows from any part of the image")
    patches = find_grains(small, filtered, peaks, lattice, phase, scale.pixel_pm * factor, spacing)
    pixel_pm = _pixel_of_lattice(patches.site_px2, phase, factor)
    view = _View(small, image.pixels.shape, image.missing, factor, pixel_pm, phase, image.clipped)
    coherence = _coherence(small, peaks, patches, phase)
    return _analysed(view, scale, patches, coherence, stated_pm, image.gain)


def _no_rings(phase: Phase, pixel_pm: float | None) -> str:
    """Why there is no scale: where the pixel that was told is too coarse, that."""
    seen = "no rings of the phase's lattice in the power spectrum"
    coarsest = phase.spacing_angstrom * 100 / _MIN_SPACING_PX
    if pixel_pm is None or pixel_pm <= coarsest:
        return seen
    return f"{seen}; pixels of {pixel_pm:,.0f} pm are told, and columns of {phase.name} take {coarsest:.0f} pm or less"


def _abstain(phase: Phase, pixels: NDArray[np.float32], pixel_pm: float | None, reason: str) -> AtomMap:
    """A map without atoms that says why."""
    return AtomMap(
        phase, (pixels.shape[0], pixels.shape[1]), stated_pixel_pm=pixel_pm, cannot_tell=reason,
        doubt=1.0, flags=(("no_lattice", reason),), not_counted=(f"the whole image: {reason}",),
    )  # fmt: skip


def _coherence(small: NDArray[np.float32], peaks: Array, patches: Patches, phase: Phase) -> float:
    """Of the neighbours within each grain."""
    lattice, spacing = phase.lattice, patches.pitch
    if phase.equal_columns:
        return patches.averaged(peaks, lambda own: neighbour_coherence(own, spacing, lattice))
    cell = spacing * lattice.root
    # Where columns are alike, as in graphene, what a cell has one of is the hollow.
    one_of = band_pass(-small if phase.alike else small, cell)
    coherent = patches.averaged(peaks_of(one_of, cell), lambda own: neighbour_coherence(own, cell, lattice))
    # Columns on every site are neighbours too, unless the dim ones are lost in noise.
    whole = phase.occupied_fraction == 1
    if not whole:
        return coherent
    return max(coherent, patches.averaged(peaks, lambda own: neighbour_coherence(own, spacing, lattice)))


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
    """No lattice is seen here, or a boundary of grains runs by."""
    column: Mask
    """A column is here, full or not."""
    vacant: Mask

    @property
    def use(self) -> Mask:
        """Counted in a density."""
        return np.logical_and(self.occupied, ~(self.edge | self.lost))


def _pixel_of_lattice(point_px2: float, phase: Phase, factor: int) -> float:
    """Pixel size from the area of the mean point of the fitted lattice [pm]."""
    area = phase.site_area_a2 * (1 if phase.equal_columns else phase.lattice.parts)
    return 100 * math.sqrt(area / point_px2) / factor


def _analysed(
    view: _View, scale: Scale, patches: Patches, coherence: float, stated_pm: float | None, gain: float
) -> AtomMap:
    sites, grain = sites_of_grains(view.small, patches, view.phase, view.spacing)
    edge = _at_edge(sites.xy, view)
    full = full_heights(sites, view.phase, edge)
    if not np.nanmin(full) > 0:
        return _abstain(view.phase, view.small, stated_pm, "columns do not stand out of the background")
    occupied = np.isfinite(full)
    gap = quality.gap_to_missing(sites.xy, view.missing, view.factor) / view.spacing
    lost = _lost(sites, full, occupied, view) | (gap < _BLURRED) | (grain < 0)
    if lost.mean() > _MUCH_LOST:
        sites = profile_without(sites, lost, view.small, view.phase, view.spacing)
        full = full_heights(sites, view.phase, edge | lost)
        if not np.nanmin(full) > 0:
            return _abstain(view.phase, view.small, stated_pm, "columns do not stand out of the background")
    judged = judge(view.small, sites, full, occupied & ~edge & ~lost, view.phase, view.spacing)
    known = occupied & ~lost
    # A column at a boundary or by pixels without an image is seen, but whether one is missing there nobody can say.
    seen = known | (occupied & (patches.border_at(sites.xy) | ((gap > _GONE) & (gap < _BLURRED))))
    masks = _Masks(occupied, edge, lost, seen & (judged.p_column > 0.5), known & (judged.p_vacancy > 0.5))
    field_px = patches.residual_px / math.sqrt(2 * _FIELD_PEAKS)
    refined = refine(
        view.small, sites.xy, sites.heights, sites.profile.sigma_px, view.spacing, masks.column, field_px
    )
    picture = replace(
        _picture(view, patches, coherence, stated_pm, sites, masks, judged, refined),
        wrong_cell=_wrong_cell(view, sites, masks, grain),
    )
    atoms = _assembled(view, scale, picture, sites, masks, judged, refined, gain)
    return replace(
        atoms,
        sites_grain=np.where(lost, -1, grain),
        grains=patches.as_grains(view.factor, view.step_pm, view.phase),
    )


def _wrong_cell(view: _View, sites: Sites, masks: _Masks, grain: NDArray[np.int64]) -> str:
    """As the largest grain shows it."""
    inner = ~masks.edge & (grain >= 0)
    if not inner.any():
        return ""
    inner &= grain == np.bincount(grain[inner]).argmax()
    return wrong_cell(
        view.small, view.phase, sites.xy[inner], sites.heights[inner], sites.sublattice[inner], masks.occupied[inner],
        spacing=view.spacing, sigma_px=sites.profile.sigma_px,
    )  # fmt: skip


def _at_edge(xy: Array, view: _View) -> Mask:
    limit, margin = np.array(view.small.shape[::-1]) - 1, _EDGE_SPACINGS * view.spacing
    edge: Mask = np.any((xy < margin) | (xy > limit - margin), axis=1)
    return edge


def _lost(sites: Sites, full: Array, occupied: Mask, view: _View) -> Mask:
    """Sites where the lattice is not seen around."""
    lost = np.zeros(len(sites.xy), bool)
    seen, error = seen_locally(sites.heights[occupied], full[occupied], sites.xy[occupied])
    # Few counts make the local brightness uncertain: then only a clear loss is one.
    limit = max(quality.LATTICE_SEEN - 1.5 * error, quality.LATTICE_GONE)
    lost[occupied] = seen < limit
    return lost | _beside(lost, sites.xy, view.spacing)


def _beside(lost: Mask, xy: Array, spacing: float) -> Mask:
    """Sites with two lost ones close by: the rim of a hole or of the flake is no place to count vacancies."""
    if lost.sum() < 2:
        return np.zeros(len(xy), bool)
    near, _ = cKDTree(xy[lost]).query(xy, k=2)
    beside: Mask = near[:, 1] < 2.2 * spacing
    return beside


def _picture(
    view: _View, patches: Patches, coherence: float, stated_pm: float | None, sites: Sites, masks: _Masks,
    judged: Judged, refined: Refined,
) -> quality.Picture:  # fmt: skip
    area_a2 = view.shape[0] * view.shape[1] * (view.pixel_pm / 100) ** 2
    grains = patches.as_grains(view.factor, view.step_pm, view.phase)
    columns = float(refined.height[masks.column].sum()) * 2 * math.pi * sites.profile.sigma_px**2
    total = float((view.small - refined.black).sum(dtype=np.float64))
    return quality.Picture(
        coherence=coherence, residual_pm=patches.residual_px * view.step_pm,
        column_sigma_pm=sites.profile.sigma_px * view.step_pm, fit_noise_pm=min(refined.noise_px * view.step_pm, 1e6),
        pixel_pm=view.pixel_pm, stated_pixel_pm=stated_pm, columns=int((masks.occupied & ~masks.lost).sum()),
        capacity=area_a2 / view.phase.site_area_a2 * view.phase.occupied_fraction,
        usable=float(masks.use.sum() / max((masks.occupied & ~masks.edge).sum(), 1)), recall=judged.recall,
        modulation=columns / max(total, 1e-12), stretch=patches.lattices[0].stretch,
        spacing_pm=view.phase.spacing_angstrom * 100, clipped=view.clipped,
        widest_pm=quality.widest_column_pm(view.phase),
        turns_deg=tuple(grain.turn_deg for grain in grains), shares=tuple(grain.area_share for grain in grains),
        boundary=patches.boundary_share,
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
        not_counted=quality.not_counted(picture, int(masks.edge.sum()), float(view.missing.mean())),
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
