"""Spots in a diffraction pattern: where they are, how bright, and where the direct beam is.

Counts are made comparable by a square root, whose noise is the same everywhere; a spot is a round maximum that stands
well above it. Edges of Kikuchi bands are long, not round, and are left out by the ratio of their curvatures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.core.errors import BadInput

Array = NDArray[np.float64]
Image = NDArray[np.float32]
_ROUND = 0.3
"""Smaller curvature over the larger one: a Gaussian has 1, a band's edge 0.1 and less."""
_SIGMAS = 6.0
_COUNTING = 4.5
"""Counts of a spot over the counting noise of the background below it."""
_CENTRE_PX = 8.0
"""The direct beam lies this near to where it is expected; a bright reflection may be not much farther away."""
_MOST = 400


@dataclass(frozen=True, eq=False)
class Peaks:
    """Spots of an image, brightest first, the direct beam left out."""

    at: Array
    """(n, 2) row, column [px]."""
    counts: Array
    """(n,) above the background around them [counts]."""
    sigmas: Array
    """(n,) height over noise."""
    centre: tuple[float, float]
    """(row, column) of the direct beam [px]."""
    centre_seen: bool
    """False if no spot was there and no pairs of spots told it: the expected place was taken."""

    def __len__(self) -> int:
        return len(self.at)


def find_spots(
    image: Image,
    spot_px: float = 1.5,
    centre: tuple[float, float] | None = None,
    sigmas: float = _SIGMAS,
    centre_px: float = _CENTRE_PX,
) -> Peaks:
    """Spots of a pattern.

    Parameters
    ----------
    image
        (H, W) float32 [counts].
    spot_px
        Standard deviation of a spot [px].
    centre
        (row, column) where the direct beam is expected [px]; None: the middle.
    sigmas
        Least height over the noise.
    centre_px
        How far from there it may be at most [px].

    Raises
    ------
    BadInput
        If the image is not two-dimensional, smaller than 32 px, not finite or empty.
    """
    _check(image)
    flat = np.sqrt(np.maximum(image.astype(np.float64), 0.0) + 0.375)
    relief = ndimage.gaussian_filter(flat, spot_px) - ndimage.gaussian_filter(flat, 3.0 * spot_px)
    noise = _noise(relief)
    rows, columns = _maxima(relief, sigmas * noise, max(1, round(1.5 * spot_px)))
    keep = _roundness(relief, rows, columns) >= _ROUND
    rows, columns = rows[keep], columns[keep]
    strongest = np.argsort(-relief[rows, columns], kind="stable")[:_MOST]
    rows, columns = rows[strongest], columns[strongest]
    at, counts, sure = _measured(image.astype(np.float64), rows, columns, spot_px)
    at, counts, rows, columns = at[sure], counts[sure], rows[sure], columns[sure]
    expected = centre or ((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2)
    found, direct, seen = _centre(at, counts, expected, centre_px)
    keep = np.ones(len(at), dtype=bool)
    if direct is not None:
        keep[direct] = False
    keep &= np.hypot(*(at - found).T) > 3.0 * spot_px if len(at) else keep
    order = np.argsort(-counts[keep], kind="stable")
    return Peaks(
        at[keep][order],
        counts[keep][order],
        (relief[rows, columns] / noise)[keep][order],
        found,
        seen,
    )


def _check(image: Image) -> None:
    if image.ndim != 2 or min(image.shape) < 32:
        raise BadInput(
            f"a pattern of shape {image.shape}", "it has two axes of at least 32 px", "give one image"
        )
    if not np.isfinite(image).all() or float(image.max()) <= float(image.min()):
        raise BadInput(
            "the pattern is empty or holds values that are no numbers",
            "counts are needed",
            "acquire it again; check that the camera is in the beam",
        )


def _noise(relief: Array) -> float:
    """Standard deviation by the median, which spots don't move."""
    return max(1.4826 * float(np.median(np.abs(relief - np.median(relief)))), 1e-6)


def _maxima(relief: Array, above: float, half: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    highest = ndimage.maximum_filter(relief, 2 * half + 1, mode="nearest")
    there = (relief == highest) & (relief > above)
    there[:2], there[-2:], there[:, :2], there[:, -2:] = False, False, False, False
    found = np.nonzero(there)
    return found[0], found[1]


def _roundness(relief: Array, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Array:
    """Ratio of the two curvatures at each maximum, 0 ... 1."""
    here = relief[rows, columns]
    down = relief[rows - 1, columns] + relief[rows + 1, columns] - 2 * here
    right = relief[rows, columns - 1] + relief[rows, columns + 1] - 2 * here
    mixed = 0.25 * (
        relief[rows + 1, columns + 1]
        + relief[rows - 1, columns - 1]
        - relief[rows + 1, columns - 1]
        - relief[rows - 1, columns + 1]
    )
    middle, spread = (down + right) / 2, np.hypot((down - right) / 2, mixed)
    return np.asarray(np.clip((middle + spread) / np.minimum(middle - spread, -1e-12), 0, 1))


def _measured(
    image: Array, rows: NDArray[np.intp], columns: NDArray[np.intp], spot_px: float
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Centroids (n, 2), counts (n,) above the mean of a ring around each, and whether that is more than chance.

    Few counts have long tails, which the noise of all pixels together does not know.
    """
    half, ring = max(2, round(2.5 * spot_px)), max(4, round(4 * spot_px))
    padded = np.pad(image, ring, mode="reflect")
    step = np.arange(-ring, ring + 1)
    far = np.hypot(step[:, None], step[None, :])
    inside, around = far <= half, far > half + 0.5
    at, counts, sure = np.empty((len(rows), 2)), np.empty(len(rows)), np.empty(len(rows), dtype=bool)
    for n, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        box = padded[row : row + 2 * ring + 1, column : column + 2 * ring + 1]
        ground = float(np.median(box[around])) if box[around].min() > 3 else float(box[around].mean())
        above = np.where(inside, box - ground, 0.0)
        counts[n] = max(float(above.sum()), 1e-9)
        sure[n] = counts[n] > _COUNTING * np.sqrt(ground * inside.sum() + 1)
        weight = np.maximum(above, 0.0)
        total = max(float(weight.sum()), 1e-9)
        at[n] = row + float(weight.sum(1) @ step) / total, column + float(weight.sum(0) @ step) / total
    return at, counts, sure


def _centre(
    at: Array, counts: Array, expected: tuple[float, float], reach: float
) -> tuple[tuple[float, float], int | None, bool]:
    """Where the direct beam is, which peak it is, and whether anything showed it."""
    near = np.flatnonzero(np.hypot(*(at.reshape(-1, 2) - expected).T) < reach)
    direct = int(near[np.argmax(counts[near])]) if len(near) else None
    guess = expected if direct is None else (float(at[direct, 0]), float(at[direct, 1]))
    others = at if direct is None else np.delete(at, direct, axis=0)
    paired = _middle_of_pairs(others, guess, reach if direct is None else 2.0)
    if paired is not None and (direct is None or np.hypot(*(np.array(paired) - guess)) < 2.0):
        return paired, direct, True
    return guess, direct, direct is not None


def _middle_of_pairs(at: Array, guess: tuple[float, float], reach: float) -> tuple[float, float] | None:
    """Opposite spots lie evenly about the direct beam: where most of their middles are, if there are three pairs."""
    first, second = np.triu_indices(min(len(at), 60), 1)
    middles = (at[first] + at[second]) / 2
    close = middles[np.hypot(*(middles - guess).T) < reach]
    if len(close) < 3:
        return None
    near = np.linalg.norm(close[:, None] - close[None], axis=2) < 1.0
    together = close[near[int(near.sum(axis=1).argmax())]]
    if len(together) < 3:
        return None
    row, column = together.mean(axis=0).tolist()
    return row, column
