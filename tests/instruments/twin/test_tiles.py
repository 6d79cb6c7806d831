"""Truth in tiles: every electron is somewhere, and where it was sent."""

import threading

import numpy as np
import pytest

from eucentric.core.units import ELECTRON_C
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.oracle import Oracle

NEVER = threading.Event()


def scanned(stage="ideal", world=None, **scan):
    driver = TwinDriver(world or load_world("mxene"), 5, stage=stage)
    driver.set_blank(False)
    spec = {"detectors": ("haadf",), "rows": 32, "columns": 64, "fov_m": 3.2e-9, "dwell_s": 2e-6}
    driver.acquire(ScanSpec(**{**spec, **scan}), NEVER)
    driver.set_blank(True)
    return driver, Oracle(driver)


def edges(half_nm, step_nm=1.0):
    return np.arange(-half_nm, half_nm + step_nm / 2, step_nm) * 1e-9


CURRENT = load_world("mxene").optics.probe_current_pa * 1e-12


def test_every_electron_is_in_a_tile():
    _, oracle = scanned()
    total = CURRENT * 32 * (64 * 2e-6 + 20e-6) / ELECTRON_C
    assert oracle.electrons_in_tiles(edges(10), edges(10)).sum() == pytest.approx(total, rel=1e-9)
    assert oracle.electrons == pytest.approx(total, rel=1e-9)


def test_a_well_sampled_scan_is_even_inside_and_nothing_lies_outside():
    _, oracle = scanned(rows=80, columns=80, fov_m=4e-9)
    tiles = oracle.electrons_in_tiles(edges(4), edges(4))
    flat = CURRENT * (2e-6 + 20e-6 / 80) / ELECTRON_C / (0.05e-9) ** 2 * 1e-18
    assert tiles[2:6, 2:6] == pytest.approx(np.full((4, 4), flat), rel=1e-9)
    tiles[2:6, 2:6] = 0
    assert tiles.max() == 0


def test_an_overview_lands_where_the_probe_stands():
    _, oracle = scanned(rows=16, columns=16, fov_m=160e-9, dwell_s=5e-5)
    tiles = oracle.electrons_in_tiles(edges(100), edges(100))
    hit = tiles > 10 * np.median(tiles[tiles > 0])
    assert hit.sum() in range(256, 4 * 256 + 1)  # a probe at a corner of tiles shares among four
    assert tiles[hit].sum() == pytest.approx(256 * CURRENT * 5e-5 / ELECTRON_C, rel=0.02)


def test_a_creeping_stage_moves_the_lines():
    driver = TwinDriver(load_world("mxene"), 5, stage="worn")
    driver.move({"x": 5e-6, "y": 5e-6}, NEVER)
    driver.set_blank(False)
    scan = ScanSpec(detectors=("haadf",), rows=64, columns=64, fov_m=3.2e-9, dwell_s=20e-6)
    driver.acquire(scan, NEVER)
    (lines,) = Oracle(driver).scans
    pitch = np.diff(lines.y)
    assert abs(lines.x[-1] - lines.x[0]) > 1e-12
    assert abs(pitch.mean() - 0.05e-9) > 1e-13


def test_a_parked_beam_burns_the_first_and_the_last_pixel():
    world = load_world("mxene").model_copy(update={"beam_idle": "parked", "unblank_s": 1e-3})
    driver, oracle = scanned(world=world)
    assert driver.capabilities().parked_s == 1e-3
    tiles = oracle.electrons_in_tiles(edges(3, 0.25), edges(3, 0.25))
    spots = np.argwhere(tiles > 0.5e-3 * CURRENT / ELECTRON_C)
    assert len(spots) == 2
    assert (spots[0] < spots[1]).all()
    one = oracle.electrons_in_tiles(edges(10), edges(10), 0, 1).sum()
    assert one == pytest.approx(CURRENT * (32 * (64 * 2e-6 + 20e-6) + 2e-3) / ELECTRON_C, rel=1e-9)


def test_scans_are_told_apart():
    driver, oracle = scanned()
    driver.set_blank(False)
    driver.acquire(ScanSpec(detectors=("haadf",), rows=16, columns=16, fov_m=3.2e-9, dwell_s=1e-6), NEVER)
    at = edges(10)
    first, second = (oracle.electrons_in_tiles(at, at, n, n + 1).sum() for n in (0, 1))
    assert oracle.electrons_in_tiles(at, at).sum() == pytest.approx(first + second)
    assert second == pytest.approx(CURRENT * 16 * (16e-6 + 20e-6) / ELECTRON_C, rel=1e-9)
