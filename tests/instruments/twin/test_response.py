"""From electrons to numbers: pulses of many heights, answers that come late, a converter with whole numbers."""

import math
import threading

import numpy as np
import pytest

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.detector import delayed, digitised, pulses
from eucentric.instruments.twin.optics.spec import DetectorModel

NEVER = threading.Event()
WORLD = load_world("mxene")


def detector(**more: object) -> DetectorModel:
    return DetectorModel(kind="annular", collection_mrad=(60, 140), **more)


@pytest.mark.parametrize("electrons", [1.0, 7.0, 300.0])
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_pulses_of_many_heights_add_their_own_noise(electrons, spread):
    many = np.full((400, 400), electrons, np.float32)
    seen = pulses(many, detector(pulse_spread=spread), np.random.default_rng(1))
    assert seen.mean() == pytest.approx(electrons, rel=0.01)
    assert seen.std() == pytest.approx(spread * math.sqrt(electrons), rel=0.02)
    assert seen.min() >= 0


def test_without_spread_electrons_are_counted():
    many = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert pulses(many, detector(), np.random.default_rng(1)) is many
    assert delayed(many, detector(), 1e-6, 2e-5) is many
    assert (
        pulses(np.zeros((4, 4), np.float32), detector(pulse_spread=1.0), np.random.default_rng(1)).max() == 0
    )


@pytest.mark.parametrize(("dwell_s", "flyback_s"), [(1e-6, 2e-5), (1e-7, 0.0), (2e-5, 1e-6)])
def test_the_answer_is_that_of_a_fine_integration(dwell_s, flyback_s):
    """du/dt = (signal - u)/τ on a grid of 200 steps a dwell, its mean over each dwell."""
    rng, tau = np.random.default_rng(2), 2e-6
    signal = rng.random((4, 30)).astype(np.float32)
    steps, u, expected = 200, 0.0, []
    for line in signal:
        for value in line:
            parts = []
            for _ in range(steps):
                parts.append(u)
                u += (value - u) * (1 - math.exp(-dwell_s / steps / tau))
            expected.append(
                np.mean(parts) + (value - np.mean(parts)) * (1 - math.exp(-dwell_s / steps / tau)) / 2
            )
        u *= math.exp(-flyback_s / tau)
    seen = delayed(signal, detector(response_us=tau * 1e6), dwell_s, flyback_s)
    np.testing.assert_allclose(seen.ravel(), expected, atol=2e-3)


def test_a_dwell_below_the_response_smears_along_the_line_only():
    spot = np.zeros((9, 64), np.float32)
    spot[4, 20] = 1000.0
    for dwell_s in (1e-6, 5e-8):
        seen = delayed(spot, detector(response_us=0.4), dwell_s, 1e-4)
        at_once = 1 - 4e-7 / dwell_s * (1 - math.exp(-dwell_s / 4e-7))
        assert seen[4, 20] / 1000 == pytest.approx(at_once, rel=1e-4)
        assert seen[4, :20].max() == 0
        assert np.abs(seen[[3, 5]]).max() < 1e-3
        assert seen[4, 21] > seen[4, 22] > seen[4, 25]


def test_afterglow_keeps_a_part_for_later():
    edge = np.zeros((2, 200), np.float32)
    edge[:, :100] = 100.0
    seen = delayed(edge, detector(afterglow=0.1, afterglow_us=20.0), 1e-6, 1.0)
    assert seen[0, 99] == pytest.approx(100, abs=0.2)
    assert seen[0, 100] == pytest.approx(10 * 20 * (1 - math.exp(-1 / 20)), rel=0.02)
    assert seen[0, 120] / seen[0, 100] == pytest.approx(math.exp(-1), rel=1e-3)
    assert seen[0, 0] == pytest.approx(90, abs=0.5)


def test_a_converter_gives_whole_numbers_from_zero_to_its_end():
    model = detector(
        digital=True, counts_per_electron=20.0, offset_counts=50, read_noise_counts=8, saturation_counts=4095
    )
    rng = np.random.default_rng(1)
    dark = digitised(np.zeros((200, 200), np.float32), model, rng)
    assert (dark == np.rint(dark)).all()
    assert dark.mean() == pytest.approx(50, abs=0.2)
    assert dark.std() == pytest.approx(math.hypot(8, math.sqrt(1 / 12)), rel=0.03)
    low = digitised(np.zeros((50, 50), np.float32), model.model_copy(update={"offset_counts": -100}), rng)
    assert (low == 0).all()
    assert (digitised(np.full((50, 50), 300.0, np.float32), model, rng) == 4095).all()


def test_the_driver_s_numbers_are_what_the_declaration_makes_of_them():
    model = detector(
        digital=True, counts_per_electron=16.0, offset_counts=120, read_noise_counts=5, pulse_spread=0.5
    )
    plain, dull = (
        TwinDriver(WORLD.model_copy(update={"detectors": {"haadf": one}}), 7, stage="ideal")
        for one in (detector(), model)
    )
    scan = ScanSpec(detectors=("haadf",), rows=96, columns=96, fov_m=4e-6, dwell_s=2e-5)
    images = []
    for driver in (plain, dull):
        driver.set_blank(False)
        spec = driver.capabilities().detector("haadf")
        counts = driver.acquire(scan, NEVER)[1][0]
        images.append((counts - spec.offset_counts) / spec.counts_per_electron)
    assert images[1].mean() == pytest.approx(images[0].mean(), rel=0.02)
    assert np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1] > 0.9
    assert (images[1] * 16 == np.rint(images[1] * 16)).all()
