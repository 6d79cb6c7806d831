"""The shadow of a film in a convergent probe: magnified by defocus, stretched by astigmatism, and shown by a camera."""

import threading

import numpy as np
import pytest
from scipy import ndimage

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import twin_driver
from eucentric.instruments.twin.optics.aberrations import Aberrations
from eucentric.instruments.twin.optics.ronchigram import grid_for, ronchigram
from eucentric.instruments.twin.oracle import Oracle

NEVER = threading.Event()
KV, MRAD, HALF, N = 60.0, 30.0, 45.0, 128


def nothing(count: int, apart_a: float) -> np.ndarray:
    return np.zeros((count, count))


def step(x_a: float):
    """A film whose edge lies at x: thicker on the right."""

    def phase(count: int, apart_a: float) -> np.ndarray:
        x = (np.arange(count) - count // 2) * apart_a
        return np.broadcast_to(1.5 * (x > x_a), (count, count)).astype(float)

    return phase


def grain(seed: int):
    def phase(count: int, apart_a: float) -> np.ndarray:
        rough = np.random.default_rng(seed).standard_normal((count, count))
        return 3.0 * ndimage.gaussian_filter(rough, 1.5 / apart_a)

    return phase


def test_without_a_film_the_disc_is_evenly_filled():
    image = ronchigram(Aberrations(c1=200e-9), KV, MRAD, HALF, N, nothing)
    angle = (np.arange(N) + 0.5 - N / 2) * 2 * HALF / N
    radius = np.hypot(angle[:, None], angle[None, :])
    assert image.sum() == pytest.approx(1.0, abs=0.01)
    assert image[radius > MRAD + 2].sum() < 0.01
    inside = image[radius < MRAD - 2]
    assert inside.std() < 0.03 * inside.mean()


@pytest.mark.parametrize("c1", [150e-9, -150e-9, 300e-9])
def test_an_edge_is_seen_at_its_place_over_the_defocus(c1):
    x_a = 25.0
    image = ronchigram(Aberrations(c1=c1), KV, MRAD, HALF, N, step(x_a))
    profile = image[N // 2 - 20 : N // 2 + 20].sum(axis=0)
    bump = np.abs(profile / np.median(profile[N // 2 - 30 : N // 2 + 30]) - 1)
    bump[: N // 2 - 38] = bump[N // 2 + 38 :] = 0
    place = np.argmax(ndimage.gaussian_filter1d(bump, 1.0)) + 0.5 - N / 2
    assert place * 2 * HALF / N == pytest.approx(x_a * 1e-10 / c1 * 1e3, abs=4.0)


def spread(image: np.ndarray) -> tuple[float, float]:
    """Energy of gradients along x and along y within the disc."""
    mid = image[N // 2 - 25 : N // 2 + 25, N // 2 - 25 : N // 2 + 25]
    return float(np.mean(np.diff(mid, axis=1) ** 2)), float(np.mean(np.diff(mid, axis=0) ** 2))


@pytest.mark.parametrize("a1", [120e-9, -120e-9])
def test_astigmatism_stretches_the_shadow_along_one_axis(a1):
    along, across = spread(ronchigram(Aberrations(c1=160e-9, a1=a1), KV, MRAD, HALF, N, grain(1)))
    even = spread(ronchigram(Aberrations(c1=160e-9), KV, MRAD, HALF, N, grain(1)))
    assert even[0] / even[1] == pytest.approx(1.0, abs=0.35)
    assert (along > 1.6 * across) == (a1 > 0)
    assert (across > 1.6 * along) == (a1 < 0)


def test_the_grid_holds_the_probe_up_to_its_limit():
    for c1 in (0.0, 100e-9, 800e-9):
        count, apart = grid_for(Aberrations(c1=c1), KV, MRAD, HALF)
        assert count * apart > 2 * abs(c1) * MRAD * 1e-3 * 1e10
        assert count & (count - 1) == 0


def test_a_camera_shows_it_where_a_film_is_and_focus_changes_it():
    twin = twin_driver("mxene", {"seed": "5", "stage": "ideal", "column": "tuned"})
    oracle = Oracle(twin)
    places = [
        (x * 1e-6, 0.0)
        for x in range(-20, 20)
        if oracle.on_film(x * 1e-6, 0.0) and not oracle.layers_at(x * 1e-6, 0.0)
    ]
    x, y = places[0]
    twin.move({"x": x, "y": y}, NEVER)
    twin.set_blank(False)
    scan = ScanSpec(detectors=("camera",), rows=1, columns=1, fov_m=1e-9, dwell_s=1.0, pattern_px=N)
    images = []
    for defocus in (150e-9, 300e-9, 300e-9):
        twin.set_optics({"defocus": oracle.height(x, y) + defocus}, NEVER)
        images.append(twin.acquire(scan, NEVER)[1][0])
    disc = np.hypot(*(np.indices((N, N)) - N / 2 + 0.5)) < N / 2 * 27 / 45
    seen = [image[disc] for image in images]
    assert images[0].sum() == pytest.approx(30e-12 / 1.602e-19, rel=0.05)
    assert seen[1].std() > 3 * np.sqrt(seen[1].mean())
    assert np.corrcoef(seen[1], seen[2])[0, 1] > 0.9
    assert np.corrcoef(seen[0], seen[1])[0, 1] < 0.6
