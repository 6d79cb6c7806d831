"""A fixed amount of work, timed beside every benchmark so that machines can be compared."""

import statistics
import time

import numpy as np
from numpy.typing import NDArray

_EDGE = 1024
_SORTED = 400_000
_ROUNDS = 3


def _once(plane: NDArray[np.float64], numbers: NDArray[np.float64]) -> float:
    start = time.process_time()
    for _ in range(_ROUNDS):
        spectrum = np.fft.rfft2(plane)
        np.fft.irfft2(spectrum, s=plane.shape)
        np.sort(numbers)
    return time.process_time() - start


def reference_seconds(repeats: int = 7) -> float:
    """Median CPU seconds of three times: a 1024² real FFT, its inverse, and a sort of 400,000 numbers."""
    rng = np.random.default_rng(0)
    plane, numbers = rng.random((_EDGE, _EDGE)), rng.random(_SORTED)
    _once(plane, numbers)  # first call plans the transform
    return statistics.median(_once(plane, numbers) for _ in range(repeats))
