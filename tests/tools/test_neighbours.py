"""How two overlapping frames lie to each other: right on what they share, silent where they share nothing."""

import numpy as np
import pytest
from scipy import ndimage

from eucentric.tools.vision.neighbours import displaced


def scene(kind, seed=0, size=700):
    rng = np.random.default_rng(seed)
    if kind == "blobs":
        return 50 + 400 * ndimage.gaussian_filter(rng.standard_normal((size, size)), 6)
    if kind == "lattice":
        rows, columns = np.mgrid[:size, :size]
        return 50 + 20 * (np.cos(rows / 3) + np.cos(columns / 3))
    return np.full((size, size), 50.0)


def pair(kind, down, across, seed=0, size=200):
    """Two noisy crops, the second that far below and to the right of the first."""
    rng, whole = np.random.default_rng(seed + 100), scene(kind, seed)
    crops = (whole[250:, 250:], whole[250 + down :, 250 + across :])
    return [rng.poisson(np.clip(crop[:size, :size], 0, None)).astype(np.float32) for crop in crops]


@pytest.mark.parametrize(
    ("shift", "expected", "reach"),
    [
        ((0, 170), (0, 180), 25), ((3, 178), (0, 180), 12), ((-4, -165), (0, -180), 30), ((160, -6), (170, 0), 20),
        ((0, 0), (0, 0), 12), ((90, -75), (100, -90), 30),
    ],
)  # fmt: skip
def test_it_finds_the_common_strip(shift, expected, reach):
    found = displaced(*pair("blobs", *shift), expected, reach)
    assert found.sure
    assert (found.rows, found.columns) == pytest.approx(shift, abs=0.5)


@pytest.mark.parametrize(
    ("kind", "shift", "expected", "why"),
    [
        ("lattice", (0, 170), (0, 175), "the same every few pixels"),
        ("nothing", (0, 170), (0, 175), "no feature"),
        ("blobs", (0, 0), (0, 175), "the stage did not move"),
        ("blobs", (0, 175), (0, 0), "it did"),
        ("blobs", (0, 195), (0, 190), "five pixels in common"),
        ("blobs", (0, 170), (0, 400), "they can't touch"),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_it_is_not_sure_of_what_it_can_not_see(kind, shift, expected, why, seed):
    assert not displaced(*pair(kind, *shift, seed=seed), expected, 20).sure, why


def test_constant_images_raise_nothing():
    flat = np.full((64, 64), 3.0, np.float32)
    assert displaced(flat, flat, (0.0, 50.0), 10.0).margin == 0.0
