"""Scan errors and focus over a leaning surface: a picture taken so equals single places seen one by one."""

import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.optics import focus
from eucentric.instruments.twin.optics.focus import Planes, Slope, focused, planes_of
from eucentric.instruments.twin.optics.probe import Beam, blurred
from eucentric.instruments.twin.optics.scan_unit import (
    STRAIGHT,
    Distortion,
    distortion_of,
    jumps,
    late_px,
    started_late,
)
from eucentric.instruments.twin.optics.spec import OpticsSpec, ScanUnitSpec
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.render import View, scattered_shares
from eucentric.instruments.twin.specimen import Specimen
from eucentric.instruments.twin.specimen_spec import HeightSpec

NEVER = threading.Event()
WORLD = load_world("mxene").model_copy(update={"height": HeightSpec()})


def scan(fov: float, n: int = 128) -> ScanSpec:
    return ScanSpec(detectors=("haadf",), rows=n, columns=n, fov_m=fov, dwell_s=2e-6)


@pytest.fixture(scope="module")
def spot():
    return Oracle(TwinDriver(WORLD, 7)).suspended((-60e-6, 60e-6, -60e-6, 60e-6))[0]


def at(spot, **tilt: float) -> np.ndarray:
    return np.repeat([[spot.x, spot.y, 0.0, tilt.get("alpha", 0.0), tilt.get("beta", 0.0)]], 128, axis=0)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


# --- distortion -------------------------------------------------------------------------------------------


def test_the_unit_skews_scales_and_turns():
    one = distortion_of(ScanUnitSpec(scale_x=1.02, scale_y=0.99, rotation_deg=3.0, skew_deg=1.0))
    corner = np.array([[one.xx, one.xy], [one.yx, one.yy]]) @ (1.0, 1.0)
    plain = np.array([1.02 + 0.99 * math.tan(math.radians(1.0)), 0.99])
    c, s = math.cos(math.radians(3)), math.sin(math.radians(3))
    np.testing.assert_allclose(corner, np.array([[c, -s], [s, c]]) @ plain)
    assert one.area == pytest.approx(1.02 * 0.99)
    assert distortion_of(ScanUnitSpec()) == STRAIGHT


@pytest.mark.parametrize("tilt", [{}, {"alpha": 0.3, "beta": 0.2}])
@pytest.mark.parametrize("fov", [6e-9, 3e-7])
@pytest.mark.parametrize(
    "distortion", [Distortion(1.05, 0.0, 0.0, 0.95), distortion_of(ScanUnitSpec(rotation_deg=5, skew_deg=2))]
)
def test_a_distorted_picture_is_the_straight_one_resampled(spot, tilt, fov, distortion):
    """Sampled from a wider straight picture with cubic splines; tilted, the two share what the beam meets."""
    specimen, view = Specimen(WORLD, 7), View(at(spot, **tilt), (0.0, 0.0), 0.0)
    wide = scan(2 * fov, 256)
    straight = scattered_shares(specimen, wide, replace(view, positions=np.repeat(view.positions, 2, axis=0)))
    bent = scattered_shares(specimen, scan(fov), replace(view, distortion=distortion))
    c, r = np.meshgrid(np.arange(128) - 63.5, np.arange(128) - 63.5)
    where = [
        distortion.yx * c + distortion.yy * r + 127.5,
        distortion.xx * c + distortion.xy * r + 127.5,
    ]
    expected = ndimage.map_coordinates(straight, where, order=3)
    inner = np.s_[4:-4, 4:-4]
    assert correlation(bent[inner], expected[inner]) > 0.99  # the probe is as round on a stretched picture
    assert bent.mean() == pytest.approx(expected.mean(), rel=0.005)


def test_lines_jump_by_what_was_declared_and_keep_their_order():
    spec = scan(8e-9, 512)
    times = np.arange(512) * 1e-3
    unit = ScanUnitSpec(jitter_pm=5.0, jitter_px=0.4)
    away = jumps(unit, spec, times, np.random.default_rng(1))
    size = math.hypot(5e-12, 0.4 * spec.pixel_m)
    assert away[:, 0].std() == pytest.approx(size, rel=0.1)
    assert (np.diff(np.arange(512) * spec.pixel_m + away[:, 1]) > 0).all()
    assert 0.5 * size < away[:, 1].std() < 1.5 * size
    assert not jumps(ScanUnitSpec(), spec, times, np.random.default_rng(1)).any()


def test_hum_runs_with_the_mains():
    times = np.arange(400) * 1e-3
    away = jumps(ScanUnitSpec(hum_pm=20.0, hum_hz=50.0), scan(8e-9, 400), times, np.random.default_rng(1))
    spectrum = np.abs(np.fft.rfft(away[:, 0]))
    assert np.fft.rfftfreq(400, 1e-3)[spectrum.argmax()] == pytest.approx(50.0)
    assert away[:, 0].std() * math.sqrt(2) == pytest.approx(20e-12, rel=0.02)


def test_a_line_begun_too_early_starts_too_far_along():
    unit = ScanUnitSpec(lag_share=0.02, lag_us=20.0)
    late = late_px(unit, scan(8e-9, 512).model_copy(update={"columns": 512}))
    assert late[0] == pytest.approx(0.02 * 512)
    assert late[10] == pytest.approx(0.02 * 512 / math.e)
    assert late_px(ScanUnitSpec(), scan(8e-9)).size == 0
    ramp = np.broadcast_to(np.arange(600, dtype=np.float32), (4, 600))
    seen = started_late(ramp, late, 512)
    np.testing.assert_allclose(seen[0, : late.size], np.arange(late.size) + late, rtol=1e-5)
    np.testing.assert_array_equal(seen[:, late.size :], ramp[:, late.size : 512])


def test_the_driver_scans_as_its_unit_does():
    bent = WORLD.model_copy(update={"scan": ScanUnitSpec(rotation_deg=4, lag_share=0.03, jitter_px=0.5)})
    images = []
    for world in (WORLD, bent, bent):
        driver = TwinDriver(world, 7, stage="ideal")
        driver.set_blank(False)
        images.append(driver.acquire(scan(4e-6), NEVER)[1][0])
    assert np.array_equal(images[1], images[2])
    assert correlation(images[0], images[1]) < 0.99


def test_overhead_flyback_and_dwell_are_the_unit_s():
    unit = ScanUnitSpec(min_dwell_us=0.5, flyback_us=100, overhead_ms=50)
    driver = TwinDriver(WORLD.model_copy(update={"scan": unit}), 7, stage="ideal")
    caps = driver.capabilities()
    assert (caps.min_dwell_s, caps.line_flyback_s, caps.frame_overhead_s) == pytest.approx((5e-7, 1e-4, 0.05))
    driver.set_blank(False)
    frames, _ = driver.acquire(scan(4e-6), NEVER)
    assert frames.duration_s == pytest.approx(0.05 + 128 * (128 * 2e-6 + 1e-4))


# --- a leaning surface ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["alpha", "beta"])
def test_over_a_tilted_surface_only_a_strip_is_sharp(axis):
    """The middle is in focus, one edge over and one under: detail there is that of a level field so far off."""
    angle, fov = 0.5, 8e-6
    positions = np.zeros((256, 5))
    positions[:, 3 if axis == "alpha" else 4] = angle
    specimen = Specimen(WORLD, 7)
    spec = ScanSpec(detectors=("haadf",), rows=256, columns=256, fov_m=fov, dwell_s=2e-6)
    image = scattered_shares(specimen, spec, View(positions, (0.0, 0.0), 0.0))
    sharp = image if axis == "alpha" else image.T
    focus_at = np.tan(angle) * fov / 2 * (1 if axis == "alpha" else -1)
    for edge, defocus in ((0, -focus_at), (255, focus_at)):
        refocused = scattered_shares(specimen, spec, View(positions, (0.0, 0.0), defocus))
        lines = refocused if axis == "alpha" else refocused.T
        near = slice(0, 40) if edge == 0 else slice(216, 256)
        assert np.diff(lines[near], axis=1).std() > 1.15 * np.diff(sharp[near], axis=1).std()
    middle = slice(118, 138)
    assert np.diff(sharp[middle], axis=1).std() > 1.15 * np.diff(lines[middle], axis=1).std()


def test_a_mixture_of_planes_is_what_each_place_s_own_focus_would_give():
    rng = np.random.default_rng(0)
    plane = ndimage.gaussian_filter(rng.random((160, 160)).astype(np.float32), 1.0)
    pixel, beam = 4e-9, Beam(OpticsSpec(), 0.0)
    slope = Slope(0.0, 1.2, 160 * pixel, 160 * pixel)
    planes = planes_of(beam, slope, pixel, plane.shape)
    assert 2 < len(planes.beams) <= focus._MOST
    mixed = focused(plane, planes, pixel, points=False)
    for row in (20, 80, 141):
        height = 1.2 * (row - 79.5) * pixel
        own = blurred(plane, Beam(OpticsSpec(), -height), pixel)
        assert correlation(mixed[row], own[row]) > 0.995


def test_a_level_surface_needs_one_plane_and_many_are_never_too_many():
    beam = Beam(OpticsSpec(), 0.0)
    assert len(planes_of(beam, Slope(0.0, 0.0, 1e-6, 1e-6), 2e-9, (512, 512)).beams) == 1
    assert len(planes_of(beam, Slope(0.01, 0.01, 16e-9, 16e-9), 3e-11, (512, 512)).beams) == 1
    steep = planes_of(beam, Slope(0.6, 0.0, 2e-5, 2e-5), 4e-10, (512, 512))
    assert len(steep.beams) == focus._MOST
    place = Planes(steep.beams, steep.slope).place((512, 512), 2e-5 / 512)
    assert (place.min(), place.max()) == pytest.approx((0, focus._MOST - 1), abs=0.05)
    assert steep.beams[0].defocus == pytest.approx(0.6e-5)
