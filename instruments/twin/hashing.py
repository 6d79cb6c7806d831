"""Numbers from integers: a world of any size without storing it, the same at whatever magnification."""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_A = 0xBF58476D1CE4E5B9
_MIX_B = 0x94D049BB133111EB


def _mix(words: Words) -> Words:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014), in place."""
    words ^= words >> np.uint64(30)
    words *= np.uint64(_MIX_A)
    words ^= words >> np.uint64(27)
    words *= np.uint64(_MIX_B)
    words ^= words >> np.uint64(31)
    return words


def _mixed(word: int) -> int:
    """`_mix` of one word: an array of one would take ten times as long."""
    word = ((word ^ word >> 30) * _MIX_A) & _MASK
    word = ((word ^ word >> 27) * _MIX_B) & _MASK
    return word ^ word >> 31


def subseed(seed: int, *labels: int) -> int:
    """A 64-bit seed for one part of the world, from the seed of the whole and some labels."""
    state = seed & _MASK
    for label in labels:
        state = _mixed((state + _GOLDEN * ((label & _MASK) + 1)) & _MASK)
    return state


def words(seed: int, *indices: NDArray[np.int64]) -> Words:
    """64 random bits for each (broadcast) tuple of integer indices."""
    state: Words = np.full((1,) * max(index.ndim for index in indices), seed & _MASK, dtype=np.uint64)
    for index in indices:
        state = _mix(state + np.uint64(_GOLDEN) * (index.astype(np.uint64) + np.uint64(1)))
    return state


def uniform(seed: int, *indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in [0, 1) for each (broadcast) tuple of integer indices."""
    fraction: NDArray[np.float64] = (words(seed, *indices) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return fraction


def uniform_at(seed: int, *indices: int) -> float:
    """`uniform` for one tuple of indices, where arrays of one would take ten times as long."""
    state = seed & _MASK
    for index in indices:
        state = _mixed((state + _GOLDEN * ((index & _MASK) + 1)) & _MASK)
    return (state >> 11) * 2.0**-53


def draws(seed: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) that belong to one seed."""
    return uniform(seed, np.arange(count, dtype=np.int64))
