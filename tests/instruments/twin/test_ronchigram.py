"""The shadow of a film in a convergent probe, through the driver: focus magnifies it, astigmatism stretches it."""

import threading

import numpy as np
import pytest

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import twin_driver
from eucentric.instruments.twin.oracle import Oracle

NEVER = threading.Event()
N = 128
DISC = np.hypot(*(np.indices((N, N)) - N / 2 + 0.5)) < N / 2 * 27 / 45


@pytest.fixture(scope="module")
def twin():
    """Over film where no flake lies, tuned but for what the seed left."""
    driver = twin_driver("mxene", {"seed": "5", "stage": "ideal", "column": "tuned"})
    oracle, y, places = Oracle(driver), 0.0, (n * 1e-6 for n in range(-20, 20))
    x = next(x for x in places if oracle.on_film(x, y) and not oracle.layers_at(x, y))
    driver.move({"x": x, "y": y}, NEVER)
    driver.set_blank(False)
    return driver


def shadow(driver, defocus: float, a1: float = 0.0) -> np.ndarray:
    place = Oracle(driver).actual()
    truly = Oracle(driver).aberrations.a1 - complex(driver.read().optics["a1_x"], 0.0)
    values = {"defocus": Oracle(driver).height(place["x"], place["y"]) + defocus, "a1_x": a1 - truly.real}
    driver.set_optics(values, NEVER)
    scan = ScanSpec(detectors=("camera",), rows=1, columns=1, fov_m=1e-9, dwell_s=1.0, pattern_px=N)
    return driver.acquire(scan, NEVER)[1][0]


def edges(image: np.ndarray) -> float:
    """Energy of gradients along x over that along y in the middle of the disc."""
    mid = image[N // 2 - 24 : N // 2 + 24, N // 2 - 24 : N // 2 + 24]
    return float(np.mean(np.diff(mid, axis=1) ** 2) / np.mean(np.diff(mid, axis=0) ** 2))


def test_the_same_shadow_at_the_same_focus_and_another_at_another(twin):
    near, far, again = (shadow(twin, size)[DISC] for size in (100e-9, 200e-9, 200e-9))
    assert far.std() > 3 * np.sqrt(far.mean())
    assert np.corrcoef(far, again)[0, 1] > 0.8
    assert np.corrcoef(near, far)[0, 1] < 0.6


def test_astigmatism_stretches_it_along_one_axis(twin):
    along, even, across = (edges(shadow(twin, 100e-9, a1)) for a1 in (70e-9, 0.0, -70e-9))
    assert along > 1.5 * even > 1.5 * 1.5 * across
