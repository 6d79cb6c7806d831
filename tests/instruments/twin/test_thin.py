"""A thin specimen under the camera: a phase grating, seen by the probe as the column makes it."""

import math
import threading

import numpy as np
import pytest

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.oracle import Oracle
from eucentric.knowledge.electron_optics import wavelength_a

NEVER = threading.Event()
MOS2 = load_world("mos2")
PX, WIDTH = 256, 0.120


def pattern(convergence, defocus_nm=0.0, *, suspended=True, px=PX, seed=7, offset=0.0):
    """Expected pattern of a suspended monolayer, or of the film at the origin; and where it is."""
    optics = MOS2.optics.model_copy(update={"convergence_mrad": convergence})
    driver = TwinDriver(MOS2.model_copy(update={"optics": optics}), seed, stage="ideal")
    oracle = Oracle(driver)
    x = y = 0.0
    if suspended:
        place = oracle.suspended((-6e-5, 6e-5, -6e-5, 6e-5), 1)[0]
        x, y = place.x + offset, place.y
    driver.move({"x": x, "y": y}, NEVER)
    driver.set_optics({"defocus": oracle.height(x, y) + defocus_nm * 1e-9}, NEVER)
    driver.set_blank(False)
    scan = ScanSpec(detectors=("camera",), rows=1, columns=1, fov_m=1e-10, dwell_s=0.2, pattern_px=px)
    raw, (pixels,) = driver.acquire(scan, NEVER)
    assert raw.pattern_rad == pytest.approx(WIDTH / px)
    return pixels, oracle


def radii(px=PX):
    at = (np.arange(px) - (px - 1) / 2) * WIDTH / px * 1e3
    return np.hypot(at[:, None], at[None, :])


def test_nearly_all_electrons_stay_and_the_disc_is_as_wide_as_the_aperture():
    pixels, _ = pattern(25.0)
    electrons = 30e-12 * 0.2 / 1.602176634e-19
    assert pixels.sum() == pytest.approx(electrons, rel=0.02)
    inside = pixels[radii() < 24].sum() / pixels.sum()
    assert 0.9 < inside < 0.999
    assert pixels[radii() < 24].mean() > 50 * pixels[(radii() > 26) & (radii() < 30)].mean()


def test_spots_of_a_monolayer_are_where_its_lattice_says():
    pixels, oracle = pattern(1.5)
    flake = oracle.flakes[oracle.suspended((-6e-5, 6e-5, -6e-5, 6e-5), 1)[0].flake]
    wavelength = wavelength_a(60.0)
    length = 2 / (3.16 * math.sqrt(3)) * wavelength * 1e3  # of the first ring [mrad]
    ring = pixels[(radii() > length - 1.2) & (radii() < length + 1.2)].sum()
    other = pixels[(radii() > 0.62 * length) & (radii() < 0.8 * length)].sum()
    assert ring > 4 * other
    # a* is perpendicular to b, which is 120° from a: 30° below a
    for n in range(6):
        angle = flake.rotation + math.radians(30 + 60 * n)
        row, column = ((PX - 1) / 2 + length * f(angle) / (WIDTH / PX * 1e3) for f in (math.sin, math.cos))
        here = pixels[round(row) - 2 : round(row) + 3, round(column) - 2 : round(column) + 3].sum()
        between = flake.rotation + math.radians(60 * n)
        row, column = ((PX - 1) / 2 + length * f(between) / (WIDTH / PX * 1e3) for f in (math.sin, math.cos))
        there = pixels[round(row) - 2 : round(row) + 3, round(column) - 2 : round(column) + 3].sum()
        assert here > 3 * there


def shadow(defocus_nm, **more):
    """The relief inside the disc: a Ronchigram of the film."""
    pixels, _ = pattern(30.0, defocus_nm, suspended=False, **more)
    disc = radii() < 22
    values = pixels / pixels[disc].mean() - 1
    values[~disc] = 0.0
    return values


def test_a_ronchigram_magnifies_less_the_farther_from_focus():
    def fineness(picture):
        power = np.abs(np.fft.fft2(picture)) ** 2
        f = np.hypot(*np.meshgrid(np.fft.fftfreq(PX), np.fft.fftfreq(PX)))
        return float((power * f).sum() / power.sum())

    near, far = fineness(shadow(-40.0)), fineness(shadow(-160.0))
    assert far > 1.3 * near


def test_the_film_is_the_same_at_every_visit_and_another_elsewhere():
    first, again, other = shadow(-80.0), shadow(-80.0), shadow(-80.0, seed=8)
    disc = radii() < 22
    assert np.corrcoef(first[disc], again[disc])[0, 1] > 0.8
    assert abs(np.corrcoef(first[disc], other[disc])[0, 1]) < 0.3


def test_a_small_pattern_is_the_large_one_binned():
    large, small = pattern(25.0)[0], pattern(25.0, px=64)[0]
    binned = large.reshape(64, 4, 64, 4).sum(axis=(1, 3))
    assert (
        np.corrcoef(np.sqrt(np.maximum(binned, 0)).ravel(), np.sqrt(np.maximum(small, 0)).ravel())[0, 1]
        > 0.995
    )
