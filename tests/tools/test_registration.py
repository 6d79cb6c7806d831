"""Registration says where, and says no where it can't know."""

import numpy as np
import pytest
from scipy import ndimage

from eucentric.tools.vision.registration import drift, locate, rescaled


def scene(seed=0, size=400, counts=20.0):
    rng = np.random.default_rng(seed)
    texture = sum(ndimage.gaussian_filter(rng.standard_normal((size, size)), s) * s for s in (2, 5, 12))
    return np.maximum(counts * (1 + 0.8 * texture), 0)


def lattice(period, size=400, counts=100.0):
    rows, columns = np.mgrid[:size, :size]
    waves = [
        np.cos(2 * np.pi / period * (np.cos(t) * columns + np.sin(t) * rows)) for t in (0.2, 1.2472, 2.2944)
    ]
    return counts * (1.6 + 0.5 * sum(waves))


def seen(image, seed):
    return np.random.default_rng(seed).poisson(image).astype(np.float32)


@pytest.mark.parametrize("counts", [3.0, 10.0, 100.0])
@pytest.mark.parametrize("away", [(0, 0), (9, -14), (-30, 22)])
def test_locate_finds_the_place(counts, away):
    plain = scene(counts=counts)
    small = seen(plain[120:248, 100:228], 1)
    centre = (120 + 63.5, 100 + 63.5)
    match = locate(small, seen(plain, 2), (centre[0] - away[0], centre[1] - away[1]), 45)
    assert match.sure
    assert (match.rows, match.columns) == pytest.approx(away, abs=0.2)


@pytest.mark.parametrize("shift", [0.25, 0.5, 0.8])
def test_locate_is_right_to_a_fraction_of_a_pixel(shift):
    plain = ndimage.gaussian_filter(scene(), 1.5)
    moved = ndimage.shift(plain, (shift, -shift), order=3, mode="nearest")[120:248, 100:228]
    match = locate(moved.astype(np.float32), plain.astype(np.float32), (183.5, 163.5), 10)
    assert (match.rows, match.columns) == pytest.approx((-shift, shift), abs=0.1)


@pytest.mark.parametrize("period", [7.3, 12.0, 20.0, 33.0])
@pytest.mark.parametrize("counts", [5, 100, 1000])
def test_locate_refuses_a_perfect_lattice(period, counts):
    plain = lattice(period, counts=counts)
    match = locate(seen(plain[100:228, 100:228], 1), seen(plain, 2), (170.0, 150.0), 60)
    assert match.peak > 0.8  # it fits well, in many places
    assert not match.sure


@pytest.mark.parametrize("seed", range(6))
def test_locate_refuses_another_scene_and_an_empty_one(seed):
    large = seen(scene(seed), 1)
    assert not locate(seen(scene(seed + 50), 2)[:128, :128], large, (200.0, 200.0), 60).sure
    assert not locate(seen(np.full((128, 128), 20.0), 3), large, (200.0, 200.0), 60).sure
    assert not locate(np.zeros((128, 128), np.float32), large, (200.0, 200.0), 60).sure


def test_locate_is_not_sure_of_the_flank_of_a_peak_beyond_its_reach():
    plain = ndimage.gaussian_filter(scene(counts=100.0), 4.0)
    small = seen(plain[120:248, 100:228], 1)
    for beyond in (16, 18, 20):
        assert not locate(small, seen(plain, 2), (183.5 + beyond, 163.5), 12).sure


def test_locate_at_the_edge_of_the_large_image_raises_nothing():
    large = seen(scene(), 1)
    assert not locate(seen(scene(9), 2)[:128, :128], large, (2.0, 397.0), 60).sure


@pytest.mark.parametrize("counts", [0.5, 5.0, 100.0])
@pytest.mark.parametrize("shift", [(0, 0), (3, -4), (-2, 1)])
def test_drift_measures_the_motion_of_the_content(counts, shift):
    plain = scene(3, 300, counts)
    first, second = (
        seen(plain[20:276, 20:276], 1),
        seen(plain[20 - shift[0] :, 20 - shift[1] :][:256, :256], 2),
    )
    match = drift(first, second, 8, sigma=1.5)
    assert match.sure
    assert (match.rows, match.columns) == pytest.approx(shift, abs=0.6 if counts < 1 else 0.25)


def test_drift_is_never_sure_of_noise():
    rng = np.random.default_rng(0)
    pairs = [
        [rng.poisson(counts, (256, 256)).astype(np.float32) for _ in range(2)]
        for counts in [0.05, 0.5, 50] * 12
    ]
    margins = [drift(*pair, 20, sigma=1.5).margin for pair in pairs]
    assert max(margins) < 5.0


def test_drift_looks_where_it_is_told():
    plain = lattice(16.0, 300)
    first, second = seen(plain[20:276, 20:276], 1), seen(plain[14:270, 20:276], 2)
    match = drift(first, second, 4, sigma=1.5, expected=(5.0, 0.0))
    assert (match.rows, match.columns) == pytest.approx((6.0, 0.0), abs=0.3)


@pytest.mark.parametrize("blank", [0.0, 7.0])
def test_drift_of_blank_images_is_not_sure_and_not_nan(blank):
    image = np.full((64, 64), blank, np.float32)
    match = drift(image, image, 5)
    assert not match.sure
    assert np.isfinite([match.rows, match.columns, match.peak, match.margin]).all()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 3.7])
def test_rescaling_keeps_centre_and_level(factor):
    rows, columns = np.mgrid[:128, :128] - 63.5
    image = (10 + 50 * np.exp(-((rows - 12) ** 2 + (columns + 8) ** 2) / 400)).astype(np.float32)
    small = rescaled(image, factor)
    weight = small - 10
    at = [
        np.average(grid - (n - 1) / 2, weights=weight)
        for grid, n in zip(np.indices(small.shape), small.shape, strict=True)
    ]
    assert np.multiply(at, factor) == pytest.approx((12, -8), abs=0.7)
    assert small.mean() == pytest.approx(image.mean(), rel=0.03)
