"""Which axis to visit next so that the surviving candidates can be told apart."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from eucentric.core.base import Model
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.indices import Indices, Integers, low_indices
from eucentric.knowledge.crystal.orientation import Orientation
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.solve import Candidate
from eucentric.knowledge.crystal.stage import Stage
from eucentric.knowledge.crystal.tilts import axes_within_reach, directions_of, tilt_to_axis


class NextAxis(Model):
    """Where the first candidate predicts an axis, and how far from it the others have any of its family."""

    uvw: Indices
    alpha_deg: float
    beta_deg: float
    separation_deg: float
    """The least distance between the predictions of two candidates there."""
    told_apart: int
    """Pairs of candidates that differ by more than a degree there, of `pairs`."""
    pairs: int


def next_axis(
    crystal: Crystal, candidates: Sequence[Candidate], stage: Stage, max_index: int = 3
) -> NextAxis | None:
    """The reachable low-index axis whose predicted tilts differ most between the candidates.

    None if there is only one candidate, or if no axis within reach tells any two apart. The other members of
    the axis' family count as the same pattern: a place where a candidate has one of them decides nothing.
    """
    if len(candidates) < 2:
        return None
    first = candidates[0].orientation
    axes, readings = axes_within_reach(crystal, first, stage, low_indices(max_index))
    if not len(axes):
        return None
    gaps = np.array(
        [_gap(crystal, a.orientation, b.orientation, axes) for a, b in combinations(candidates, 2)]
    )
    apart = (gaps > 1.0).sum(axis=0)
    least = np.where(gaps > 1.0, gaps, np.inf).min(axis=0)
    least = np.where(np.isfinite(least), least, 0.0)
    best = int(np.lexsort((np.arange(len(axes)), -np.round(least, 3), -apart))[0])
    if not apart[best]:
        return None
    u, v, w = axes[best].tolist()
    return NextAxis(
        uvw=(u, v, w),
        alpha_deg=float(readings[best, 0]),
        beta_deg=float(readings[best, 1]),
        separation_deg=float(least[best]),
        told_apart=int(apart[best]),
        pairs=len(gaps),
    )


def spread_of_targets_deg(
    crystal: Crystal, candidates: Sequence[Candidate], uvw: Sequence[int], stage: Stage
) -> float:
    """The largest angle between two candidates' predictions for one axis (its line), 0 for one candidate."""
    ups = [
        c.orientation.array @ crystal.direction(tilt_to_axis(crystal, c.orientation, uvw, stage).uvw)
        for c in candidates
    ]
    gaps = [math.degrees(math.acos(min(1.0, abs(float(a @ b))))) for a, b in combinations(ups, 2)]
    return max(gaps, default=0.0)


def _gap(crystal: Crystal, first: Orientation, second: Orientation, axes: Integers) -> Array:
    """(n,) angle [degree] from each axis in one candidate to the nearest of its family in the other."""
    here = directions_of(crystal, first, axes)
    images = np.einsum("kij,nj->nki", crystal.matrices, axes)
    there = directions_of(crystal, second, images.reshape(-1, 3)).reshape(images.shape)
    cosines = np.abs(np.einsum("ni,nki->nk", here, there)).max(axis=1)
    return np.asarray(np.degrees(np.arccos(np.minimum(cosines, 1))))
