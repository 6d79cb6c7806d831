"""Grains: tilt-dependent contrast, and a camera whose patterns say what the oracle knows."""

import math
import re
import threading

import numpy as np
import pytest

from eucentric.core.errors import BadInput, Unsupported
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.camera_spec import CameraModel
from eucentric.instruments.twin.fault_words import read_faults
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen.voronoi import Seeds
from eucentric.knowledge.diffraction import Illumination, Screen, reflections
from eucentric.tools.vision.pattern import read_pattern

NEVER = threading.Event()
WORLD = load_world("polycrystal")
LIGHT = Illumination(voltage_kv=200, convergence_mrad=0.5)


def twin(seed=7, stage="ideal", world=WORLD, **more):
    driver = TwinDriver(world, seed, stage=stage, **more)
    driver.set_blank(False)
    return driver, Oracle(driver)


def shot(px=256, exposure_s=0.05, rows=1, columns=1, fov_m=3e-9):
    return ScanSpec(
        detectors=("camera",), rows=rows, columns=columns, fov_m=fov_m, dwell_s=exposure_s, pattern_px=px
    )


def image(driver, detector, fov=12e-6, n=128):
    scan = ScanSpec(detectors=(detector,), rows=n, columns=n, fov_m=fov, dwell_s=1e-4)
    return driver.acquire(scan, NEVER)[1][0]


def on_axis(oracle, x=0.0, y=0.0, uvw=(0, 0, 1)):
    """Tilt (alpha, beta) [rad] that brings the nearest axis of a family onto the beam."""
    grain = oracle.grain(x, y)
    crystal = grain.structure.crystal
    best = max(
        (grain.to_specimen @ crystal.direction(one) for one in crystal.direction_family(uvw).tolist()),
        key=lambda d: d[2],
    )
    # R·d = z with R = Rx(α)·Ry(β): Ry brings d into the plane x = 0, Rx onto z
    beta = math.atan2(-best[0], best[2])
    return math.atan2(best[1], math.hypot(best[0], best[2])), beta


# --- where grains are -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shear", [0.0, 0.2])
def test_every_pixel_has_the_nearest_seed(shear):
    seeds = Seeds(5, 1e-6)
    n = 90
    x, y = np.linspace(-2e-6, 3e-6, n), np.linspace(-4e-6, 1e-6, n)
    raster = Raster(x, y, np.zeros(n), 5.6e-8, 5.6e-8, 5.6e-8, shear)
    cells, label = seeds.labels(raster)
    down = np.broadcast_to(raster.y2d(), raster.shape)
    for r, c in np.random.default_rng(1).integers(0, n, (150, 2)).tolist():
        assert tuple(cells[label[r, c]].tolist()) == seeds.at(x[c], down[r, c])


def test_grains_are_the_same_at_every_magnification():
    _, oracle = twin()
    assert oracle.grain(1e-6, 2e-6).cell == oracle.grain(1e-6, 2e-6).cell
    there = {oracle.grain(x * 1e-6, 0.0).cell for x in range(-10, 11)}
    assert 4 <= len(there) <= 14
    for cell in there:
        matrix = oracle._specimen.grains.grain(cell).to_specimen
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)


# --- contrast ---------------------------------------------------------------------------------------------------


def test_a_grain_on_an_axis_is_dark_in_the_bright_field_and_bright_in_the_dark_field():
    driver, oracle = twin()
    off = {name: image(driver, name, 300e-9, 32).mean() for name in ("bf", "adf", "haadf")}
    alpha, beta = on_axis(oracle)
    driver.set_blank(True)
    driver.move({"alpha": min(max(alpha, -0.6), 0.6), "beta": min(max(beta, -0.5), 0.5)}, NEVER)
    driver.set_blank(False)
    assert abs(alpha) < 0.6, "seed 7 has an axis within reach here"
    assert abs(beta) < 0.5
    on = {name: image(driver, name, 300e-9, 32).mean() for name in off}
    assert on["bf"] < 0.6 * off["bf"]
    assert on["adf"] > 1.5 * off["adf"]
    assert on["haadf"] > 1.05 * off["haadf"]


def test_grains_differ_and_change_with_tilt():
    driver, _ = twin()
    flat = image(driver, "bf")
    driver.move({"alpha": 0.05}, NEVER)
    tilted = image(driver, "bf")
    assert flat.std() / flat.mean() > 0.15
    assert np.corrcoef(flat.ravel(), tilted.ravel())[0, 1] < 0.8


# --- patterns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_pattern_is_read_as_the_oracle_knows_it(seed):
    driver, oracle = twin(seed)
    alpha, beta = on_axis(oracle)
    target = {
        "alpha": float(np.clip(alpha + 0.012, -0.6, 0.6)),
        "beta": float(np.clip(beta - 0.008, -0.5, 0.5)),
    }
    driver.set_blank(True)
    driver.move(target, NEVER)
    driver.set_blank(False)
    raw, (pixels,) = driver.acquire(shot(exposure_s=0.2), NEVER)
    grain, actual = oracle.grain(0.0, 0.0), oracle.actual()
    screen = Screen(rows=256, columns=256, per_pixel=raw.pattern_rad * LIGHT.k)
    found = read_pattern(pixels, [reflections(grain.structure, 2.4)], LIGHT, screen)
    if found.offset is None:
        assert found.why or found.indexing.why  # it says that it can't tell
        return
    along = np.linalg.inv(oracle.to_lab(grain, actual["alpha"], actual["beta"]))[
        :, 2
    ]  # the beam, in the crystal
    told = np.linalg.inv(np.array(found.offset.to_lab))[:, 2]
    off = math.degrees(math.acos(min(1.0, float((grain.structure.crystal.cartesian @ told @ along).max()))))
    assert off < max(0.15, 4 * found.offset.sigma_deg)


def test_the_camera_length_scales_the_pattern():
    driver, _ = twin()
    near = driver.acquire(shot(), NEVER)[0].pattern_rad
    driver.set_optics({"camera_length": 2 * driver.read().optics["camera_length"]}, NEVER)
    assert driver.acquire(shot(), NEVER)[0].pattern_rad == pytest.approx(near / 2)
    assert driver.acquire(shot(128), NEVER)[0].pattern_rad == pytest.approx(near)


def test_the_dose_of_a_pattern_lies_under_the_probe():
    driver, oracle = twin()
    driver.acquire(shot(exposure_s=0.1), NEVER)
    (scan,) = oracle.scans
    assert scan.pixel_electrons == pytest.approx(30e-12 * 0.1 / 1.602176634e-19)
    assert oracle.dose_per_tile((-3e-9, 3e-9, -3e-9, 3e-9)).max() > 1e3
    assert oracle.dose_per_tile((20e-9, 23e-9, 0, 3e-9)).max() == 0


def test_a_raster_of_patterns_lies_side_by_side_and_changes_at_a_boundary():
    driver, oracle = twin()
    raw, (pixels,) = driver.acquire(shot(64, 5e-3, 5, 7, 7e-6), NEVER)
    assert pixels.shape == (5 * 64, 7 * 64)
    assert raw.lines_done == 5
    tiles = pixels.reshape(5, 64, 7, 64).transpose(0, 2, 1, 3).reshape(35, -1)
    cells = [oracle.grain((c - 3) * 1e-6, (r - 2) * 1e-6).cell for r in range(5) for c in range(7)]
    tiles = np.sqrt(np.maximum(tiles, 0))
    alike = np.corrcoef(tiles)
    same = np.array([[a == b for b in cells] for a in cells])
    off = ~np.eye(35, dtype=bool)
    assert 2 <= len(set(cells)) < 35
    assert alike[same & off].min() > alike[~same].max()


def test_the_same_patterns_twice():
    def run():
        driver, _ = twin(3, stage="worn")
        driver.move({"alpha": 0.1}, NEVER)
        return [driver.acquire(shot(64, 0.01), NEVER)[1][0].tobytes() for _ in range(2)]

    first = run()
    assert first == run()
    assert first[0] != first[1]


@pytest.mark.parametrize(
    ("kind", "darker"), [("detector_not_inserted", True), ("detector_saturation", False)]
)
def test_faults_strike_the_camera_too(kind, darker):
    driver, _ = twin(faults=read_faults(f"{kind}@2", {}))
    good, bad = (driver.acquire(shot(64, 0.02), NEVER)[1][0].sum() for _ in range(2))
    assert (bad < 0.01 * good) if darker else (bad > 1.5 * good)


@pytest.mark.parametrize(
    "bad",
    [
        {"pattern_px": 0},
        {"pattern_px": 16},
        {"pattern_px": 1024},
        {"detectors": ("haadf",)},
        {"detectors": ("camera", "haadf")},
        {"detectors": ("haadf", "camera"), "pattern_px": 0},
        {"dwell_s": 1e-6},
        {"dwell_s": 100.0},
        {"rows": 64, "columns": 64},
    ],
)
def test_what_is_no_pattern_is_refused_by_driver_and_guard(bad):
    from eucentric.core.errors import LimitRefused

    driver, oracle = twin()
    scan = shot().model_copy(update=bad)
    with pytest.raises(Unsupported, match="nothing was scanned"):
        driver.acquire(scan, NEVER)
    guard = Guard(driver)
    epoch = guard.lease("test")
    with pytest.raises((Unsupported, LimitRefused)) as caught:
        guard.acquire(scan, epoch=epoch)
    assert "sent" in str(caught.value)
    assert not oracle.scans


def test_nothing_that_the_driver_says_tells_how_a_grain_lies():
    driver, oracle = twin(5, stage="worn")
    grain = oracle.grain(0.0, 0.0)
    said = [driver.capabilities().model_dump_json()]
    for n in range(4):
        driver.set_blank(True)
        driver.move({"alpha": 0.05 * n, "beta": -0.03 * n, "x": n * 1e-8}, NEVER)
        driver.set_blank(False)
        said += [
            driver.acquire(scan, NEVER)[0].model_dump_json()
            for scan in (shot(64), shot(64, 2e-3, 2, 2, 1e-7))
        ]
        said.append(driver.read().model_dump_json())
    numbers = [float(one) for one in re.findall(r"-?\d+\.?\d*(?:[eE][-+]?\d+)?", " ".join(said))]
    actual = oracle.actual()
    secrets = [
        *grain.to_specimen.ravel(), *oracle.to_lab(grain, actual["alpha"], actual["beta"]).ravel(),
        oracle._specimen.grains.thickness_nm(0.0, 0.0), actual["alpha"], actual["beta"],
    ]  # fmt: skip
    for secret in secrets:
        assert not np.isclose(numbers, secret, rtol=1e-6, atol=0).any(), secret
    assert not re.search("orientation|grain|thickness|phase|SrTiO3", " ".join(said))


def test_a_guard_hands_patterns_on_and_blanks():
    driver, _ = twin()
    guard = Guard(driver)
    epoch = guard.lease("test")
    raw, (pixels,) = guard.acquire(shot(64, 0.01, 2, 3, 1e-7), epoch=epoch)
    assert pixels.shape == (128, 192)
    assert raw.pattern_rad == pytest.approx(0.077 / 64)
    assert guard.is_blanked()


def test_a_camera_and_a_detector_have_names_of_their_own():
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match="haadf"):
        type(WORLD).model_validate(WORLD.model_dump() | {"cameras": {"haadf": CameraModel()}})
    spec = WORLD.grains.model_copy(update={"phases": ("Unobtainium",)})
    with pytest.raises(BadInput, match="Unobtainium"):
        TwinDriver(WORLD.model_copy(update={"grains": spec}))
