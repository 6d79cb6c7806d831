"""The column sites of all grains of an image together."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision.columns import Sites, brightness_around, sites_of, usual_width
from eucentric.tools.vision.patches import Patches, values_at
from eucentric.tools.vision.sites import column_profile, site_heights

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]


def sites_of_grains(
    small: NDArray[np.float32], patches: Patches, phase: Phase, spacing: float
) -> tuple[Sites, Labels]:
    """All sites of all grains, and the grain of each, -1 at boundaries and where there is none.

    Near a boundary, of two sites too close together the one of the smaller grain is left out.
    """
    if patches.labels is None:
        sites = sites_of(small, patches.lattices[0], phase, spacing)
        return sites, np.zeros(len(sites.xy), np.int64)
    parts = []
    for number, lattice in enumerate(patches.lattices):
        one = _sorted(sites_of(small, lattice, phase, spacing), phase)
        own = values_at(patches.labels, one.xy, patches.pitch) == number
        parts.append((one.xy[own], one.sublattice[own]))
    xy, sublattice = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = _apart(xy, 0.6 * spacing)
    xy, sublattice = xy[keep], sublattice[keep]
    bright = xy if phase.equal_columns else xy[sublattice == 0]
    profile = column_profile(
        small, bright, spacing, brightness_around(phase), usual=usual_width(phase), fold=phase.lattice.fold
    )
    heights = site_heights(small, xy, profile.sigma_px, spacing)
    return Sites(xy, sublattice, heights, profile), patches.grain_at(xy)


def _sorted(sites: Sites, phase: Phase) -> Sites:
    """Sublattices in order of brightness also where all are alike: each grain numbers them from its own origin."""
    parts = range(phase.lattice.parts)
    order = sorted(parts, key=lambda s: -float(np.median(sites.heights[sites.sublattice == s])))
    return replace(sites, sublattice=np.argsort(order)[sites.sublattice].astype(np.int64))


def _apart(xy: Array, least: float) -> Mask:
    pairs = cKDTree(xy).query_pairs(least, output_type="ndarray").reshape(-1, 2)
    keep = np.ones(len(xy), bool)
    keep[pairs.max(1)] = False
    return keep
