"""Flakes in an overview: where is a suspended area of a wanted number of layers?

The image is read as the share of the beam that reached the detector. A layer of a 2D crystal
scatters a known share, so over a hole the share counts the layers. On a support film it does not:
a 12 nm carbon film scatters about three times what a monolayer of Ti3C2 does.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import disk

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Region:
    """One candidate area."""

    row: float
    """Centre of the largest circle that fits [px]."""
    column: float
    radius_px: float
    area_px: int
    layers: float
    """Mean share over the share of one layer."""
    uniformity: float
    """Spread of the smoothed share inside the circle, in layers."""
    score: float
    """0 … 1: how well it is one plain area of that many layers."""


def beam_share(counts: Image, electrons_per_pixel: float, counts_per_electron: float, offset: float) -> Image:
    """Share of the beam that reached the detector, per pixel."""
    share: Image = ((counts - offset) / (counts_per_electron * electrons_per_pixel)).astype(np.float32)
    return share


def _core(mask: NDArray[np.bool_]) -> tuple[int, int, float]:
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(distance)), mask.shape)
    return int(row), int(column), float(distance[row, column])


def find_regions(
    share: Image, layer_share: float, layers: int, smooth_px: float = 1.5, tolerance: float = 0.4
) -> list[Region]:
    """Areas whose share is that of `layers` layers within ± `tolerance` layers, largest circle first.

    Parameters
    ----------
    share
        (H, W) float32, see `beam_share`.
    layer_share
        Share that one layer scatters, from the phase.
    """
    smooth = ndimage.gaussian_filter(share, smooth_px) / layer_share
    mask = np.abs(smooth - layers * (1 + 0.05)) < tolerance + 0.1 * (layers - 1)
    clean = ndimage.uniform_filter(mask.astype(np.float32), 3) > 0.5  # the median of nine, but faster
    mask = ndimage.binary_opening(clean, disk(2))  # type: ignore[no-untyped-call]
    labels, count = ndimage.label(mask)
    regions = []
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == index
        row, column, radius = _core(part)
        regions.append(_region(smooth, box, part, row, column, radius, layers))
    return sorted(regions, key=lambda region: -region.radius_px) if count else []


def _region(
    smooth: Image,
    box: tuple[slice, ...],
    part: NDArray[np.bool_],
    row: int,
    column: int,
    radius: float,
    layers: int,
) -> Region:
    at = (row + box[0].start, column + box[1].start)
    rows, columns = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
    inside = np.hypot(rows - at[0], columns - at[1]) <= max(1.0, 0.7 * radius)
    values = smooth[inside]
    mean, spread = float(values.mean()), float(values.std())
    score = float(np.exp(-0.5 * ((mean - layers * 1.05) / 0.25) ** 2) * np.exp(-0.5 * (spread / 0.3) ** 2))
    return Region(at[0], at[1], radius, int(part.sum()), mean, spread, score)
