"""Vacancies put into a frame by leaving electrons out, so that there is a truth to find where nobody knows one.

The electrons of a site are kept with the probability 1 - lost·A·g/mu, A·g being the column's part of the
expected image mu: what is left is Poisson with the column weakened by `lost`, as if it had been so when scanned.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from eucentric.knowledge.phases import Column
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.thinning import Electrons

Array = NDArray[np.float64]

_APART = 2.3
"""Least distance of planted sites from each other and from anything unusual, in spacings: each is judged alone."""
_MOST_SHARE = 0.04
"""Of the sites of the kind: more would change what the detector takes for usual."""
_SMOOTH = 0.45
"""Smoothing of the image for its expected value, in column widths."""


@dataclass(frozen=True)
class Planted:
    """Where columns were weakened, and what share of the electrons stays everywhere."""

    xy: Array
    """(n, 2) [px]."""
    keep: Array
    """(H, W)."""


def plant(
    frame: Electrons, seen: AtomMap, column: Column, lost: float, most: int, rng: np.random.Generator
) -> Planted:
    """Choose full sites of a kind of column, and weaken them by `lost`.

    Parameters
    ----------
    seen
        What the frame shows as it is.
    lost
        What goes, over the net counts of a column in the map; those leave out tails, so it may be above 1.
    most
        How many at most.
    """
    rows = _chosen(seen, column, most, rng)
    xy = seen.sites_xy[rows]
    return Planted(xy, _keep(frame, seen, rows, xy, lost))


def sublattices_of(seen: AtomMap, column: Column) -> list[int]:
    """Numbers under which the map lists the sites of a kind of column."""
    if seen.phase.alike:
        return list(range(len(seen.phase.columns)))
    return [n for n, one in enumerate(seen.phase.columns) if one == column]


def _chosen(seen: AtomMap, column: Column, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    of = seen.sites_examined & np.isin(seen.sites_sublattice, sublattices_of(seen, column))
    plain = of & (seen.sites_p_vacancy < 0.1) & (np.abs(seen.sites_relative - 1) < 0.5)
    odd = seen.sites_xy[of & ~plain]
    reach = _APART * seen.phase.spacing_angstrom * 100 / (seen.pixel_pm or 1.0)
    taken: list[int] = []
    for row in rng.permutation(np.flatnonzero(plain)):
        others = np.concatenate([odd, seen.sites_xy[taken]])
        if len(taken) >= min(most, _MOST_SHARE * of.sum()):
            break
        if not len(others) or float(np.hypot(*(others - seen.sites_xy[row]).T).min()) > reach:
            taken.append(int(row))
    return np.array(taken, np.int64)


def _keep(frame: Electrons, seen: AtomMap, rows: NDArray[np.int64], xy: Array, lost: float) -> Array:
    sigma = (seen.column_sigma_pm or 48.0) / (seen.pixel_pm or 1.0)
    of = seen.sites_sublattice[seen.atoms_site]
    usual = {s: float(np.median(seen.atoms_counts[of == s])) for s in np.unique(of)}
    image = np.where(np.isfinite(frame.image), frame.image, 0.0)
    expected = np.maximum(ndimage.gaussian_filter(image, _SMOOTH * sigma), 1e-9)
    keep = np.ones(image.shape)
    for row, (x, y) in zip(rows, xy, strict=True):
        part = usual[seen.sites_sublattice[row]] / (2 * math.pi * sigma**2)
        top, left = (max(int(v - 4 * sigma), 0) for v in (y, x))
        box = (slice(top, int(y + 4 * sigma) + 2), slice(left, int(x + 4 * sigma) + 2))
        down, across = np.mgrid[box[0].start : box[0].start + keep[box].shape[0],
                                box[1].start : box[1].start + keep[box].shape[1]]  # fmt: skip
        shape = np.exp(-((down - y) ** 2 + (across - x) ** 2) / (2 * sigma**2))
        keep[box] *= np.clip(1 - lost * part * shape / expected[box], 0.0, 1.0)
    return keep


def brightness_of(xy: Array, seen: AtomMap) -> float:
    """Median of what is left at these places, over a full column."""
    _, row = cKDTree(seen.sites_xy).query(xy)
    return float(np.median(seen.sites_relative[row]))


def found_again(planted: Array, seen: AtomMap, radius_pm: float = 70.0) -> int:
    """How many planted sites are called vacant."""
    if not len(planted) or not len(seen.vacancies_xy) or not seen.pixel_pm or seen.cannot_tell:
        return 0
    gap, _ = cKDTree(seen.vacancies_xy).query(planted)
    return int((gap * seen.pixel_pm < radius_pm).sum())
