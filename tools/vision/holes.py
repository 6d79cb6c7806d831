"""What would be seen of a missing column if its place were filled with what lies between the columns.

Where columns overlap on all sides, nobody sees the true background: the population of vacancies says how deep
those of the image are, but a hole may be shallower, by as much as this.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

_RADIUS = 0.5
"""Of the filled disc, over the spacing of sites."""
_RINGS, _ANGLES, _MOST_SITES = 16, 12, 300


@dataclass(frozen=True)
class Hole:
    """Mean column minus what fills its disc, as rings."""

    radius: Array
    """(r,) float64 [px]."""
    lost: tuple[Array, Array]
    """Each (r,) float64 [image units]: by the level of the hollow sites, and by the discs around hollow sites."""

    def left(self, widths: Array, weights: Array, height: float) -> float:
        """Brightness that a filter of Gaussians still sees at the site [full columns].

        Parameters
        ----------
        widths, weights
            (k,) float64 [px], and such that a column of height 1 gives 1.
        height
            Of a full column [image units].
        """
        step = self.radius[1] - self.radius[0]
        kernel = np.exp(-0.5 * (self.radius[:, None] / widths) ** 2) / widths**2 * self.radius[:, None] * step
        seen = min(float((lost @ kernel) @ weights) for lost in self.lost)
        return float(np.clip(1 - seen / height, 0.0, 1.0))


def hole_of(image: NDArray[np.float32], xy: Array, spacing_px: float, fold: int = 6) -> Hole | None:
    """The hole of an image whose columns are alike; None with too few whole neighbourhoods.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    xy
        (n, 2) float64 [px]: every site of the lattice.
    spacing_px
        Distance of neighbouring sites [px].
    fold
        Nearest neighbours of a site: 6 of a triangular lattice, 4 of a square one.
    """
    gap, near = cKDTree(xy).query(xy, k=fold + 1)
    whole = np.flatnonzero(gap[:, -1] < 1.3 * spacing_px)
    if len(whole) < 30:
        return None
    chosen = whole[:: -(-len(whole) // _MOST_SITES)]
    step = xy[near[chosen, 1:]] - xy[chosen, None]
    order = np.argsort(np.arctan2(step[..., 1], step[..., 0]), 1)
    pair = np.take_along_axis(step, order[:, :2, None], 1)  # two neighbours 60° or 90° apart
    radius = (np.arange(_RINGS) + 0.5) / _RINGS * _RADIUS * spacing_px
    column = _rings(image, xy[chosen], radius)
    between = _rings(image, xy[chosen] + pair.sum(1) / (fold // 2), radius)
    return Hole(radius, (column - between[0], column - between))


def _rings(image: NDArray[np.float32], centres: Array, radius: Array) -> Array:
    """(r,): mean of the image on rings around places."""
    angle = np.arange(_ANGLES) * 2 * np.pi / _ANGLES
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    place = centres[:, None, None] + radius[:, None, None] * ring
    values = ndimage.map_coordinates(image, place.reshape(-1, 2).T[::-1], order=1, mode="nearest")
    mean: Array = values.reshape(len(centres), len(radius), _ANGLES).mean((0, 2), dtype=np.float64)
    return mean
