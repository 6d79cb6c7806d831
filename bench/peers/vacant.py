"""Vacancies for a detector that has no such class: sites of a lattice without a detection near them."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

NEAR = 0.4
"""A site holds a detection within this share of the distance of neighbouring sites."""


def vacant_sites(
    found: Array, sites: Array, sublattice: NDArray[np.int64], empty: int, spacing_px: float
) -> NDArray[np.int64]:
    """Rows of the sites that a list of atoms leaves empty, in the sublattices that it fills.

    Parameters
    ----------
    found
        (n, 2) float64 [px]: detections.
    sites, sublattice
        (m, 2) float64 [px] and (m,) int64: the lattice.
    empty
        How many sublattices hold nothing by nature; those with the fewest detections are taken for them.
    spacing_px
        Distance of neighbouring sites [px].
    """
    if not len(sites):
        return np.zeros(0, np.int64)
    held = np.zeros(len(sites), bool)
    if len(found):
        gap, _ = cKDTree(found).query(sites)
        held = gap <= NEAR * spacing_px
    names = np.unique(sublattice)
    share = [float(held[sublattice == name].mean()) for name in names]
    natural = names[np.argsort(share, kind="stable")[:empty]]
    rows: NDArray[np.int64] = np.flatnonzero(~held & ~np.isin(sublattice, natural))
    return rows
