"""Adding a drifting series of frames without inventing sharpness."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.tools.vision.registration import drift

Image = NDArray[np.float32]

MAX_STEP_PX = 5
"""Largest believable drift between frames [px]: less than half the shortest lattice spacing at the
recommended sampling, so that neighbouring columns are not confused."""
_SMOOTH_PX = 0.8
"""Smoothing before registration [px]: at 31 pm a pixel more would take the lattice away too."""


@dataclass(frozen=True)
class Aligned:
    """The sum over the area that every used frame covers."""

    image: Image
    used: tuple[bool, ...]
    path_px: float | None
    """Distance drifted from the first to the last used frame [px]; None if none but the first was used."""
    last_used: int
    """Index of the last used frame."""
    first_centre_px: tuple[float, float]
    """Centre of the sum relative to the first frame's centre (rows, columns) [px]."""


def aligned_sum(frames: list[Image]) -> Aligned:
    """Register each frame to the sum so far and add it shifted by whole pixels.

    Parameters
    ----------
    frames
        n images (H, W) float32 [counts] of one place, in time order.
    """
    path = drift_path(frames)
    used = [here is not None for here in path]
    offsets = [(0, 0) if here is None else (round(here[0]), round(here[1])) for here in path]
    reached = [here for here in path if here is not None][-1]
    return _cropped(frames, offsets, used, float(np.hypot(*reached)))


def drift_path(frames: list[Image]) -> list[tuple[float, float] | None]:
    """Where the content of each frame lies, seen from the first (rows, columns) [px]; None if it is not recognised.

    Parameters
    ----------
    frames
        n images (H, W) float32 [counts] of one place, in time order.
    """
    path: list[tuple[float, float] | None] = [(0.0, 0.0)]
    total = frames[0].astype(np.float64)
    step = last = (0.0, 0.0)
    for frame in frames[1:]:
        guess = (last[0] + step[0], last[1] + step[1])
        match = drift(total.astype(np.float32), frame, MAX_STEP_PX, _SMOOTH_PX, expected=guess)
        here = (match.rows, match.columns) if match.sure else guess
        step = (here[0] - last[0], here[1] - last[1]) if match.sure else step
        last = here
        path.append(here if match.sure else None)
        if match.sure:
            total += np.roll(frame, (-round(here[0]), -round(here[1])), (0, 1))
    return path


def _cropped(frames: list[Image], offsets: list[tuple[int, int]], used: list[bool], path: float) -> Aligned:
    kept = [(frame, offset) for frame, offset, ok in zip(frames, offsets, used, strict=True) if ok]
    height, width = frames[0].shape
    top, left = max(0, max(-o[0] for _, o in kept)), max(0, max(-o[1] for _, o in kept))
    bottom, right = max(0, max(o[0] for _, o in kept)), max(0, max(o[1] for _, o in kept))
    rows, columns = height - top - bottom, width - left - right
    total = np.zeros((rows, columns), np.float32)
    for frame, (down, across) in kept:
        total += frame[top + down : top + down + rows, left + across : left + across + columns]
    centre = ((top - bottom) / 2, (left - right) / 2)
    return Aligned(total, tuple(used), path if sum(used) > 1 else None, int(np.flatnonzero(used)[-1]), centre)
