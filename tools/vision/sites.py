"""How bright every site is: all columns solved jointly on whatever background varies slowly.

The image is taken as columns of one Gaussian width on a background that changes little within a lattice
spacing. A zero-mean matched filter takes the background out; the overlap of neighbours is known from
their distances, so one sparse linear system gives the height of every column at once.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

_WIDTHS = np.linspace(0.59, 1.70, 31)
"""Column widths tried, over the usual one."""
USUAL_WIDTH_PM, _USUAL_SPREAD = 48.5, 0.0926
"""In a periodic image, width and background are hard to tell apart where columns overlap: 48.5 ± 4.5 pm is usual."""
_CLOSE = 0.275
"""Usual width over the spacing of columns that do overlap; farther apart, the image says more than what is usual."""


@dataclass(frozen=True)
class Profile:
    """The mean column of an image."""

    sigma_px: float
    height: float
    """Of the brightest kind of column above the background [image units]."""
    background: float

    @property
    def net(self) -> float:
        """Volume of the column, 2πσ²·height [image units × px²]."""
        return 2 * math.pi * self.sigma_px**2 * self.height


def column_profile(
    image: NDArray[np.float32],
    xy: Array,
    spacing_px: float,
    neighbour_weight: float = 1.0,
    *,
    usual: float = 0.27,
    fold: int = 6,
) -> Profile:
    """Width, height and background of the mean column.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    xy
        (n, 2) float64 [px]: sites of the brightest kind of column.
    spacing_px
        Distance of neighbouring sites [px].
    neighbour_weight
        Mean brightness of the sites around, over that of the columns averaged.
    usual
        Width of a column in focus, standard deviation over `spacing_px`.
    fold
        Number of sites around.
    """
    half = int(np.ceil(0.62 * spacing_px))
    inner = ((xy > half + 1) & (xy < np.array(image.shape[::-1]) - half - 2)).all(1)
    chosen = xy[inner][:: max(1, int(inner.sum()) // 1200)]
    span = np.arange(-half, half + 1)
    centre = np.rint(chosen).astype(int)
    box = image[centre[:, 1, None, None] + span[:, None], centre[:, 0, None, None] + span[None, :]]
    dx = span[None, None, :] - (chosen - centre)[:, 0, None, None]
    dy = span[None, :, None] - (chosen - centre)[:, 1, None, None]
    radius = np.hypot(dx, dy)
    bins = np.minimum((radius / spacing_px * 24).astype(int), 40)
    count = np.bincount(bins.ravel(), minlength=41)[:13]
    mean = np.bincount(bins.ravel(), box.ravel(), 41)[:13] / np.maximum(count, 1)
    square = np.bincount(bins.ravel(), box.ravel().astype(float) ** 2, 41)[:13] / np.maximum(count, 1)
    place = np.bincount(bins.ravel(), radius.ravel(), 41)[:13] / np.maximum(count, 1)
    # A percent of the contrast for what a Gaussian does not describe.
    variance = np.maximum(square - mean**2, 0) / np.maximum(count, 1) + (0.01 * np.ptp(mean)) ** 2 + 1e-30
    return _best_width(place, mean, variance, spacing_px, fold * neighbour_weight, usual)


def _best_width(
    r: Array, mean: Array, variance: Array, spacing_px: float, weight: float, usual: float
) -> Profile:
    """Scan the width; height and background are linear."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    spread = _USUAL_SPREAD * (_CLOSE / usual) ** 2
    best, profile = float("inf"), Profile(usual * spacing_px, 0.0, float(mean.mean()))
    for sigma in _WIDTHS * (usual * spacing_px):
        gap2 = r[:, None] ** 2 + spacing_px**2 - 2 * r[:, None] * spacing_px * np.cos(angles)[None]
        shape = np.exp(-0.5 * (r / sigma) ** 2) + weight * np.exp(-0.5 * gap2 / sigma**2).mean(1)
        root = 1 / np.sqrt(variance)
        design = np.column_stack([shape, np.ones_like(shape)]) * root[:, None]
        solution, *_ = np.linalg.lstsq(design, mean * root, rcond=None)
        cost = float((((design @ solution) - mean * root) ** 2).sum())
        cost += ((sigma / (usual * spacing_px) - 1) / spread) ** 2
        if cost < best and solution[0] > 0:
            best, profile = cost, Profile(float(sigma), float(solution[0]), float(solution[1]))
    return profile


def site_heights(image: NDArray[np.float32], xy: Array, sigma_px: float, spacing_px: float) -> Array:
    """(n,) float64 [image units]: height of the column at every site, negative ones included.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    xy
        (n, 2) float64 [px]: every site of the lattice, empty ones too.
    sigma_px
        Width of a column [px].
    spacing_px
        Distance of neighbouring sites [px].
    """
    wide = 0.9 * spacing_px
    filtered = ndimage.gaussian_filter(image, sigma_px, truncate=3.5) - ndimage.gaussian_filter(
        image, wide, truncate=3.5
    )
    response = ndimage.map_coordinates(filtered, xy.T[::-1], order=1, mode="nearest").astype(float)
    near, far = sigma_px**2 * 2, sigma_px**2 + wide**2
    pairs = cKDTree(xy).query_pairs(3.3 * math.sqrt(far), output_type="ndarray")
    gap2 = ((xy[pairs[:, 0]] - xy[pairs[:, 1]]) ** 2).sum(1)
    value = _overlap(gap2, sigma_px, near) - _overlap(gap2, sigma_px, far)
    diagonal = sigma_px**2 / near - sigma_px**2 / far
    n = len(xy)
    rows = np.concatenate([pairs[:, 0], pairs[:, 1], np.arange(n)])
    cols = np.concatenate([pairs[:, 1], pairs[:, 0], np.arange(n)])
    data = np.concatenate([value, value, np.full(n, diagonal)])
    matrix = sparse.csr_matrix((data, (rows, cols)), shape=(n, n))
    return _solve(matrix, response, diagonal)


def _overlap(gap2: Array, sigma_px: float, variance: float) -> Array:
    """Response at a distance to a column of height 1: two Gaussians convolved."""
    value: Array = sigma_px**2 / variance * np.exp(-0.5 * gap2 / variance)
    return value


def _solve(matrix: sparse.csr_matrix, response: Array, diagonal: float) -> Array:
    """Conjugate gradients, with a ridge of 2 % against the mode that is all background."""
    ridge = matrix + sparse.identity(matrix.shape[0], format="csr") * (0.02 * diagonal)
    solution, failed = sparse.linalg.cg(ridge, response, rtol=1e-4, maxiter=80)
    result: Array = solution if not failed else spsolve(ridge.tocsc(), response)
    return result


def seen_locally(heights: Array, full: Array, xy: Array, neighbours: int = 36) -> tuple[Array, float]:
    """Local median of the columns' heights over that of full ones, near 0 where the lattice is lost, and its error.

    Both are relative to the whole image, whose median is 1.
    """
    relative = heights / full
    _, near = cKDTree(xy).query(xy, k=min(neighbours, len(heights)))
    ratio: Array = np.median(relative[near], 1)
    whole = max(float(np.median(ratio)), 1e-12)
    scatter = 1.4826 * float(np.median(np.abs(relative - np.median(relative))))
    return ratio / whole, 1.25 * scatter / math.sqrt(
        near.shape[1]
    ) / whole  # 1.25: a median's error over a mean's
