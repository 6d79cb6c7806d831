"""Images: geometry, continuity across magnifications, focus, motion during the scan."""

import threading

import numpy as np
import pytest

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.optics.probe import Beam, blurred
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.render import View, scattered_shares
from eucentric.instruments.twin.specimen import Specimen
from eucentric.instruments.twin.specimen_spec import ContaminationSpec, HeightSpec
from eucentric.instruments.twin.world import OpticsSpec

NEVER = threading.Event()
WORLD = load_world("mxene").model_copy(update={"height": HeightSpec()})
CLEAN = WORLD.model_copy(update={"contamination": ContaminationSpec(share_of_monolayer=0.0)})


def scan(fov: float, n: int = 256, rows: int | None = None) -> ScanSpec:
    return ScanSpec(detectors=("haadf",), rows=rows or n, columns=n, fov_m=fov, dwell_s=2e-6)


def at(x: float, y: float, rows: int = 256, **tilt: float) -> np.ndarray:
    return np.repeat([[x, y, 0.0, tilt.get("alpha", 0.0), tilt.get("beta", 0.0)]], rows, axis=0)


def shares(
    world, spec: ScanSpec, positions: np.ndarray, shift=(0.0, 0.0), defocus: float = 0.0
) -> np.ndarray:
    return scattered_shares(Specimen(world, 7), spec, View(positions, shift, defocus))


@pytest.fixture(scope="module")
def spot():
    return Oracle(TwinDriver(WORLD, 7)).suspended((-60e-6, 60e-6, -60e-6, 60e-6))[0]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_rotation_agrees_with_convention_c1():
    alpha, beta = 0.3, -0.2
    expected = (-np.sin(beta) * np.cos(alpha), np.sin(alpha), np.cos(beta) * np.cos(alpha))
    np.testing.assert_allclose(Tilt(alpha, beta).rows[2], expected)
    rows = np.array(Tilt(alpha, beta).rows)
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=1e-12)
    point = rows @ np.array([*Tilt(alpha, beta).to_specimen(1.0, 2.0, 0.5), 0.5])
    np.testing.assert_allclose(point[:2], (1.0, 2.0))


@pytest.mark.parametrize(("row", "column"), [(64, 40), (128, 128), (200, 30)])
def test_a_pixel_shows_the_place_that_its_address_names(row, column):
    """x grows with the column, y with the row: holes are dark exactly where truth says."""
    twin = TwinDriver(WORLD, 7, stage="ideal")
    oracle = Oracle(twin)
    spec = scan(8e-6)
    hole = oracle._specimen.holes((0, 0, 0, 0))[0]
    p = spec.pixel_m
    stage = (hole.x - (column - 127.5) * p, hole.y - (row - 127.5) * p)
    image = shares(CLEAN, spec, at(*stage))
    film = oracle._specimen.film.fraction
    assert image[row, column] < 0.8 * film
    assert (image[row, column] < 0.1 * film) == (oracle.layers_at(hole.x, hole.y) == 0)


def test_moving_the_stage_or_the_beam_shows_the_same_place(spot):
    moved = shares(WORLD, scan(8e-9), at(spot.x + 2e-9, spot.y - 1e-9))
    shifted = shares(WORLD, scan(8e-9), at(spot.x, spot.y), shift=(2e-9, -1e-9))
    np.testing.assert_allclose(moved, shifted, rtol=1e-3, atol=1e-6)
    assert correlation(moved, shares(WORLD, scan(8e-9), at(spot.x, spot.y))) < 0.9


def test_the_image_shifts_by_whole_pixels_with_the_stage(spot):
    p = scan(8e-9).pixel_m
    first = shares(WORLD, scan(8e-9), at(spot.x, spot.y))
    second = shares(WORLD, scan(8e-9), at(spot.x + 20 * p, spot.y + 7 * p))
    assert correlation(first[7:, 20:], second[:-7, :-20]) > 0.999


@pytest.mark.parametrize("layers", [1, 3])
def test_the_mean_agrees_across_the_switch_from_atoms_to_sheets(layers):
    oracle = Oracle(TwinDriver(WORLD, 7))
    place = oracle.suspended((-120e-6, 120e-6, -120e-6, 120e-6), layers=layers)[0]
    atoms = shares(WORLD, scan(15.3e-9), at(place.x, place.y))  # 0.0598 nm per pixel
    sheet = shares(WORLD, scan(15.5e-9), at(place.x, place.y))  # 0.0605
    assert atoms.std() > 2 * sheet.std()
    assert atoms.mean() == pytest.approx(sheet.mean(), rel=0.02)


def test_film_is_brighter_than_a_suspended_monolayer_and_emptiness_is_dark(spot):
    twin = Oracle(TwinDriver(CLEAN, 7))
    mono = shares(CLEAN, scan(50e-9), at(spot.x, spot.y)).mean()
    assert mono == pytest.approx(0.0047, rel=0.04)
    assert twin._specimen.film.fraction == pytest.approx(0.0142, rel=0.02)


def test_contamination_is_never_negative_and_a_tenth_to_a_fifth_of_a_monolayer(spot):
    dirty = shares(WORLD, scan(300e-9), at(spot.x, spot.y))
    clean = shares(CLEAN, scan(300e-9), at(spot.x, spot.y))
    extra = dirty - clean
    assert extra.min() >= -1e-7
    assert 0.05 < extra.mean() / clean.mean() < 0.4
    assert extra.std() / clean.mean() > 0.03  # something to focus on


def test_defocus_takes_the_lattice_away_within_the_depth_of_focus(spot):
    contrast = {}
    for defocus in (0.0, 4e-9, 10e-9, 20e-9, -20e-9):
        image = shares(CLEAN, scan(8e-9), at(spot.x, spot.y), defocus=defocus)
        contrast[defocus] = image.std() / image.mean()
    assert contrast[0.0] > 0.2
    assert contrast[4e-9] > 0.5 * contrast[0.0]
    assert contrast[10e-9] < 0.5 * contrast[0.0]
    assert contrast[20e-9] < 0.25 * contrast[0.0]
    assert contrast[20e-9] == pytest.approx(contrast[-20e-9], rel=1e-3)


@pytest.mark.parametrize("defocus", [60e-9, 400e-9, 5e-6])
def test_far_from_focus_the_mean_stays_and_detail_goes(spot, defocus):
    sharp = shares(WORLD, scan(100e-9), at(spot.x, spot.y))
    blurry = shares(WORLD, scan(100e-9), at(spot.x, spot.y), defocus=defocus)
    assert blurry.shape == sharp.shape
    assert np.isfinite(blurry).all()
    assert blurry.mean() == pytest.approx(sharp.mean(), rel=0.2)
    assert np.diff(blurry, axis=1).std() < 0.7 * np.diff(sharp, axis=1).std()


def test_blurring_keeps_the_sum():
    plane = np.zeros((256, 256), dtype=np.float32)
    plane[100:140, 80:170] = 1.0
    for beam, pixel in ((Beam(OpticsSpec(), 3e-9), 2e-11), (Beam(OpticsSpec(), 2e-7), 2e-10)):
        assert blurred(plane, beam, pixel).sum() == pytest.approx(plane.sum(), rel=1e-3)


def test_drift_during_the_scan_is_exact_at_each_line(spot):
    """A frame scanned while the specimen runs away equals, line for line, still frames at those places."""
    spec = scan(4e-9, 128)
    start = at(spot.x, spot.y, 128)
    drifting = start.copy()
    drifting[:, 0] += np.linspace(-0.12e-9, 0.12e-9, 128)
    drifting[:, 1] += np.linspace(0.0, 0.08e-9, 128)
    image = shares(CLEAN, spec, drifting)
    for line in (5, 64, 120):
        still = shares(CLEAN, spec, np.repeat(drifting[line : line + 1], 128, axis=0))
        assert correlation(image[line], still[line]) > 0.99
    assert correlation(image, shares(CLEAN, spec, start)) < 0.8


@pytest.mark.parametrize("tilt", [{"alpha": 0.3}, {"beta": 0.3}, {"alpha": 0.3, "beta": 0.3}])
def test_tilting_foreshortens_and_thickens(spot, tilt):
    flat = shares(CLEAN, scan(2e-7), at(spot.x, spot.y))
    tilted = shares(CLEAN, scan(2e-7), at(spot.x, spot.y, **tilt))
    thicker = np.prod([1 / np.cos(angle) for angle in tilt.values()])
    assert tilted.mean() == pytest.approx(flat.mean() * thicker, rel=0.02)
    atoms = shares(CLEAN, scan(8e-9), at(spot.x, spot.y, **tilt))
    assert atoms.mean() == pytest.approx(flat.mean() * thicker, rel=0.03)


def test_height_moves_the_focus(spot):
    tall = load_world("mxene")
    oracle = Oracle(TwinDriver(tall, 7))
    height = oracle.height(spot.x, spot.y)
    place = at(spot.x, spot.y)
    sharp = shares(tall, scan(8e-9), place, defocus=height)
    assert sharp.std() > 1.5 * shares(tall, scan(8e-9), place, defocus=height + 15e-9).std()
    raised = place.copy()
    raised[:, 2] = 30e-9
    np.testing.assert_allclose(shares(tall, scan(8e-9), raised, defocus=height + 30e-9), sharp, rtol=1e-4)


def test_a_frame_need_not_be_square(spot):
    spec = ScanSpec(detectors=("haadf",), rows=96, columns=160, fov_m=8e-9, dwell_s=2e-6)
    wide = shares(WORLD, spec, at(spot.x, spot.y, 96))
    square = shares(WORLD, scan(8e-9, 160), at(spot.x, spot.y, 160))
    assert wide.shape == (96, 160)
    assert correlation(wide, square[32:128]) > 0.999
