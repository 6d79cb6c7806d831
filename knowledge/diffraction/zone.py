"""Which low-index axis of a crystal is near the beam."""

import numpy as np

from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.indices import Indices, low_indices
from eucentric.knowledge.crystal.rotation import Array

_NEAR_AXIS_DEG = 6.0


def nearest_zone_axis(crystal: Crystal, to_lab: Array, max_index: int = 5) -> tuple[Indices, float]:
    """The axis with the shortest lattice vector within 6° of the beam, else the nearest; and its angle to it."""
    axes = low_indices(max_index)
    vectors = axes @ (to_lab @ crystal.cell.structure).T
    length = np.linalg.norm(vectors, axis=1)
    off = np.degrees(np.arccos(np.clip(vectors[:, 2] / length, -1, 1)))
    near = np.flatnonzero(off < _NEAR_AXIS_DEG)
    best = (
        int(near[np.lexsort((off[near], np.round(length[near], 3)))[0]]) if len(near) else int(off.argmin())
    )
    u, v, w = axes[best].tolist()
    return (u, v, w), float(off[best])
