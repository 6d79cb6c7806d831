"""The columns of a phase on a fitted lattice: which site is which, how bright a full one is."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.knowledge.phases import Column, Phase
from eucentric.tools.vision.lattice import Lattice
from eucentric.tools.vision.sites import USUAL_WIDTH_PM, Profile, column_profile, site_heights

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sites:
    """Every site of the lattice of columns (triangular a/√3, square a/√2) that lies in the image."""

    xy: Array
    sublattice: NDArray[np.int64]
    """(n,) int64: 0 for the brightest column of the phase, then in the phase's order."""
    heights: Array
    """(n,) float64 [image units]: all columns solved jointly."""
    profile: Profile


def sites_of(small: NDArray[np.float32], lattice: Lattice, phase: Phase, spacing: float) -> Sites:
    """All sites with their sublattice (0: the brightest column of the phase) and heights."""
    if phase.equal_columns:
        profile = column_profile(
            small, lattice.xy, spacing, usual=usual_width(phase), fold=phase.lattice.fold
        )
        sublattice = (lattice.index[:, 0] - lattice.index[:, 1]) % phase.lattice.parts
        xy = lattice.xy
        heights = site_heights(small, xy, profile.sigma_px, spacing)
        return Sites(xy, sublattice.astype(np.int64), heights, profile)
    profile = column_profile(
        small,
        lattice.xy,
        spacing,
        brightness_around(phase),
        usual=usual_width(phase),
        fold=phase.lattice.fold,
    )
    parts = phase.lattice.parts
    places = [lattice.xy, *(_between(lattice, part / parts) for part in range(1, parts))]
    xy, sublattice = np.concatenate(places), np.repeat(np.arange(parts), [len(one) for one in places])
    inside = ((xy >= -0.5) & (xy < np.array(small.shape[::-1]) - 0.5)).all(1)
    xy, sublattice = xy[inside], sublattice[inside]
    heights = site_heights(small, xy, profile.sigma_px, spacing)
    order = sorted(range(parts), key=lambda s: -float(np.median(heights[sublattice == s])))
    return Sites(xy, np.argsort(order)[sublattice].astype(np.int64), heights, profile)


def _between(lattice: Lattice, fraction: float) -> Array:
    """Sites shifted by `fraction` of both lattice vectors, from the lattice points on either side of them.

    At the edge one of the two lies outside the image.
    """
    known = {tuple(index) for index in lattice.index}
    other = np.array([tuple(index - 1) not in known for index in lattice.index], bool)
    places: Array = np.concatenate([lattice.offset(fraction), lattice.offset(fraction - 1)[other]])
    return places


def brightness_around(phase: Phase) -> float:
    """Mean brightness of the sites around the brightest column, over its own."""
    if phase.equal_columns:
        return 1.0
    return sum(column.weight for column in phase.columns[1:]) / (phase.lattice.parts - 1)


def usual_width(phase: Phase) -> float:
    """Width of a column in focus, standard deviation over the spacing of sites."""
    return USUAL_WIDTH_PM / 100 / phase.spacing_angstrom


def profile_without(
    sites: Sites, lost: Mask, small: NDArray[np.float32], phase: Phase, spacing: float
) -> Sites:
    """The same sites, their mean column measured only where the lattice is seen."""
    good = ~lost & ((sites.sublattice == 0) | phase.equal_columns)
    if good.sum() < 20:
        return sites
    profile = column_profile(
        small,
        sites.xy[good],
        spacing,
        brightness_around(phase),
        usual=usual_width(phase),
        fold=phase.lattice.fold,
    )
    return replace(sites, profile=profile)


def full_heights(sites: Sites, phase: Phase, edge: Mask) -> Array:
    """(n,) height of a full column of the site's sublattice; NaN where the phase has no column."""
    medians = [_median(sites.heights[(sites.sublattice == s) & ~edge]) for s in range(phase.lattice.parts)]
    full = np.full(phase.lattice.parts, np.nan)
    for s, column in enumerate(phase.columns):
        full[s] = max(
            _full_height(s, medians, sites.profile.height, phase), 0.5 * column.weight * sites.profile.height
        )
    heights: Array = full[sites.sublattice]
    return heights


def _full_height(s: int, medians: list[float], height: float, phase: Phase) -> float:
    """The profile gives the scale, the joint solution what differs between sublattices.

    What all sublattices have in common it cannot tell from background, so its zero is a hollow site, if there is one.
    """
    if phase.equal_columns:
        return height + medians[s] - float(np.mean(medians))
    hollow = medians[-1] if len(phase.columns) < len(medians) else 0.0
    return height * (medians[s] - hollow) / max(medians[0] - hollow, 1e-12)


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else 0.0


def kinds_of(phase: Phase) -> list[tuple[Column, list[int]]]:
    """Kinds of column with the sublattices that share one set of populations."""
    if phase.equal_columns:
        return [(phase.columns[0], list(range(phase.lattice.parts)))]
    return [(column, [i]) for i, column in enumerate(phase.columns)]
