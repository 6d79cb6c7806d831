"""From maps to places: peaks, their centroids, their scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.tools.vision.highest import highest_around
from eucentric.tools.vision.network.targets import from_grid, to_grid

Array = NDArray[np.float64]
Maps = NDArray[np.float32]

ATOM_SCORE, VACANCY_SCORE, EXTRA_SCORE = 0.3, 0.6, 0.5
_HALF_PX = 2
_LEAST_APART = 0.45
"""Two places of one kind are never closer than this part of the column spacing."""


@dataclass(frozen=True)
class NetworkPoints:
    """Places (n, 2) float64 [px of the image], x = column, y = row; scores (n,) float64, no probabilities."""

    atoms_xy: Array
    atoms_score: Array
    vacancies_xy: Array
    vacancies_score: Array
    extras_xy: Array
    extras_score: Array
    maps: Maps
    """(3, H, W) float32 on the physical grid."""
    shape: tuple[int, int]
    """Of the image."""
    model_sha256: str

    def score_at(self, xy: Array, channel: int) -> Array:
        """(n,) float64: the highest score within 2 px of the grid around each place."""
        grid = (self.maps.shape[1], self.maps.shape[2])
        place = np.rint(to_grid(xy, self.shape, grid)).astype(int)
        highest = highest_around(self.maps[channel], _HALF_PX)
        rows, cols = (np.clip(place[:, k], 0, grid[1 - k] - 1) for k in (1, 0))
        score: Array = highest[rows, cols].astype(np.float64)
        return score


def points_of(maps: Maps, shape: tuple[int, int], spacing_px: float, sha256: str) -> NetworkPoints:
    """Peaks of the three maps.

    Parameters
    ----------
    maps
        (3, H, W) float32 on the physical grid.
    shape
        Of the image that the places are wanted on.
    spacing_px
        Distance of neighbouring columns [px of the grid].
    """
    found = []
    for drawn, least in zip(maps, (ATOM_SCORE, VACANCY_SCORE, EXTRA_SCORE), strict=True):
        places, score = _peaks(drawn, least, spacing_px)
        found.append((from_grid(places, shape, drawn.shape), score))
    (atoms, atoms_score), (vacant, vacant_score), (extra, extra_score) = found
    return NetworkPoints(atoms, atoms_score, vacant, vacant_score, extra, extra_score, maps, shape, sha256)


def _peaks(drawn: NDArray[np.float32], least: float, spacing_px: float) -> tuple[Array, Array]:
    half = max(1, int(_LEAST_APART * spacing_px))
    highest = highest_around(drawn, half)
    rows, cols = np.nonzero((drawn == highest) & (drawn >= least))
    span = np.arange(-_HALF_PX, _HALF_PX + 1)
    padded = np.pad(drawn, _HALF_PX)
    box = padded[
        rows[:, None, None] + _HALF_PX + span[:, None], cols[:, None, None] + _HALF_PX + span[None, :]
    ].astype(np.float64)  # fmt: skip
    total = np.maximum(box.sum((1, 2)), 1e-9)
    x = cols + (box.sum(1) * span).sum(1) / total
    y = rows + (box.sum(2) * span).sum(1) / total
    return np.stack([x, y], -1), drawn[rows, cols].astype(np.float64)
