"""Aberrations: the formula, waves against rays, what a picture shows of them."""

import math
import threading

import numpy as np
import pytest
from scipy import special

from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.optics.aberrations import NONE, Aberrations
from eucentric.instruments.twin.optics.probe import Beam, _coherent, _geometric, blurred
from eucentric.instruments.twin.optics.pupil import aperture_wave, probe_intensity
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen_spec import ContaminationSpec, HeightSpec

NEVER = threading.Event()
OPTICS = OpticsSpec()
ANGLE = OPTICS.convergence_mrad * 1e-3
DOWN = np.fft.fftfreq(320, 0.31).astype(np.float32)[:, None]
ACROSS = np.fft.rfftfreq(320, 0.31).astype(np.float32)[None, :]

CASES = {
    "c1": Aberrations(c1=35e-9),
    "a1": Aberrations(c1=5e-9, a1=20e-9 + 15e-9j),
    "b2": Aberrations(c1=20e-9, b2=500e-9 - 300e-9j),
    "a2": Aberrations(c1=20e-9, a2=-400e-9 + 700e-9j),
    "c3": Aberrations(c1=-20e-9, c3=50e-6),
    "c5": Aberrations(c5=40e-3),
    "all": Aberrations(10e-9, 8e-9j, 200e-9 + 0j, 300e-9j, 10e-6, 5e-3),
}


@pytest.mark.parametrize("name", CASES)
def test_rays_land_at_the_gradient_of_the_phase(name):
    one = CASES[name]
    omega = np.array([0.011 + 0.007j, -0.02 + 0.013j, 0.029j])
    step, wavelength = 1e-7, 4.87e-12
    scale = wavelength / (2 * math.pi) / (2 * step)
    dx = (one.phase(omega + step, wavelength) - one.phase(omega - step, wavelength)) * scale
    dy = (one.phase(omega + 1j * step, wavelength) - one.phase(omega - 1j * step, wavelength)) * scale
    np.testing.assert_allclose(one.landing(omega), dx + 1j * dy, rtol=1e-6, atol=1e-15)


def test_coefficients_add_and_scale_as_they_are_defined():
    """χ at the edge of the aperture along x, from the formula by hand."""
    one = CASES["all"]
    t = 0.03
    path = (10e-9 * t**2 / 2) + 0 + 200e-9 * t**3 + 0 + 10e-6 * t**4 / 4 + 5e-3 * t**6 / 6
    assert one.phase(np.array([t + 0j]), 5e-12)[0] == pytest.approx(2 * math.pi / 5e-12 * path)
    assert CASES["b2"] + CASES["a2"] == Aberrations(40e-9, 0j, 500e-9 - 300e-9j, -400e-9 + 700e-9j)
    assert CASES["c3"].round
    assert not CASES["a2"].round


@pytest.mark.parametrize("name", CASES)
def test_waves_and_rays_agree_on_coarse_detail(name):
    """Below 1/2 nm⁻¹ the spot's geometry decides; a wrong hand of coma would differ by more than half."""
    beam = Beam(OPTICS, CASES[name].c1, Aberrations(*(0.0, *list(vars(CASES[name]).values())[1:])))
    wave = np.asarray(_coherent(beam, DOWN, ACROSS))
    rays = np.asarray(_geometric(beam, DOWN, ACROSS, (320, 320), 0.31))
    coarse = np.hypot(DOWN, ACROSS) < 0.05
    assert np.abs(wave - rays)[coarse].max() < 0.06
    if not beam.aberrations.round and not beam.aberrations.simple:
        assert np.abs(wave - rays.conj())[coarse].max() > 0.15


@pytest.mark.parametrize("defocus", [0.0, 3e-9, 20e-9, 48e-9])
def test_the_plane_of_a_round_probe_is_its_radius_turned(defocus):
    turned = _coherent(Beam(OPTICS, defocus, Aberrations(a1=2e-11)), DOWN, ACROSS)
    np.testing.assert_allclose(turned, _coherent(Beam(OPTICS, defocus), DOWN, ACROSS), atol=0.012)


def test_the_probe_on_its_grid_holds_one_electron_where_it_should():
    place, spot = probe_intensity(NONE, 60.0, 30.0, 40.0)
    assert spot.sum() == pytest.approx(1.0)
    x = np.broadcast_to(place[None, :], spot.shape)
    assert abs((spot * x).sum()) < 0.02
    radius = np.hypot(place[:, None], place[None, :])
    v = (
        2 * math.pi * 0.03 / 0.04866 * np.array([1.4, 3.0, 8.0])
    )  # Born & Wolf 8.5.2: the Airy disc's encircled energy
    held = [spot[radius < r].sum() for r in (1.4, 3.0, 8.0)]
    np.testing.assert_allclose(held, 1 - special.j0(v) ** 2 - special.j1(v) ** 2, atol=0.03)
    coma_place, coma = probe_intensity(Aberrations(b2=300e-9 + 0j), 60.0, 30.0, 40.0)
    rays = Aberrations(b2=300e-9 + 0j).landing(
        ANGLE * np.sqrt(np.linspace(0, 1, 400))[:, None] * np.exp(2j * np.pi * np.arange(48) / 48)
    )
    assert (coma * coma_place[None, :]).sum() == pytest.approx(rays.real.mean() * 1e10, rel=0.05)


def test_the_aperture_passes_what_lies_within_it():
    k = np.linspace(-1, 1, 201)
    wave = aperture_wave(NONE, 60.0, 30.0, k[None, :], k[:, None])
    radius = np.hypot(k[None, :], k[:, None]) * 0.04866
    assert (np.abs(wave) == (radius <= 0.03)).mean() > 0.999
    soft = aperture_wave(CASES["all"], 60.0, 30.0, k[None, :], k[:, None], 0.01)
    assert np.abs(soft).sum() * 1e-4 == pytest.approx(math.pi * (0.03 / 0.04866) ** 2, rel=2e-3)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("scale", "pixel"), [(1.0, 3.1e-11), (1.0, 4e-10), (20.0, 4e-10)])
def test_no_aberration_makes_electrons(name, scale, pixel):
    one = CASES[name]
    plane = np.zeros((192, 192), np.float32)
    plane[90:100, 80:110] = 1.0
    others = Aberrations(0.0, one.a1 * scale, one.b2 * scale, one.a2 * scale, one.c3 * scale, one.c5 * scale)
    seen = blurred(plane, Beam(OPTICS, one.c1 * scale, others), pixel)
    assert seen.sum() == pytest.approx(plane.sum(), rel=2e-3)
    assert seen.min() > -0.05


# --- what a picture shows ---------------------------------------------------------------------------------

CLEAN = load_world("mxene").model_copy(
    update={"height": HeightSpec(), "contamination": ContaminationSpec(share_of_monolayer=0.0)}
)
FINE = ScanSpec(detectors=("haadf",), rows=192, columns=192, fov_m=4e-9, dwell_s=2e-6)


@pytest.fixture(scope="module")
def twin() -> TwinDriver:
    driver = TwinDriver(CLEAN, 7, stage="ideal")
    spot = Oracle(driver).suspended((-60e-6, 60e-6, -60e-6, 60e-6))[0]
    driver.move({"x": spot.x, "y": spot.y}, NEVER)
    return driver


def contrast(driver: TwinDriver, **settings: float) -> float:
    driver.set_optics({"defocus": 0.0, "a1_x": 0.0, "a1_y": 0.0} | settings, NEVER)
    image = Oracle(driver).noiseless(FINE)
    return float(image.std() / image.mean())


def test_a_stigmator_blurs_and_another_puts_it_right(twin):
    sharp = contrast(twin)
    assert contrast(twin, a1_x=8e-9) < 0.6 * sharp
    assert contrast(twin, a1_y=-8e-9) < 0.6 * sharp
    assert contrast(twin) == pytest.approx(sharp, rel=1e-6)


def test_astigmatism_stretches_detail_across_focus():
    """Holes of carbon, far under and over focus: blurred along one direction and then along the other."""
    driver = TwinDriver(CLEAN, 7, stage="ideal")
    scan = ScanSpec(detectors=("haadf",), rows=256, columns=256, fov_m=1.5e-6, dwell_s=2e-6)
    ratio = {}
    for sign in (-1, 1):
        driver.set_optics({"defocus": sign * 400e-9, "a1_x": 180e-9}, NEVER)
        image = Oracle(driver).noiseless(scan)
        ratio[sign] = np.diff(image, axis=1).std() / np.diff(image, axis=0).std()
    assert ratio[-1] > 1.1 * ratio[1]


def test_without_a_knob_it_can_not_be_set_and_is_not_declared():
    world = CLEAN.model_copy(update={"optics": OpticsSpec(knobs=())})
    driver = TwinDriver(world, 7, stage="ideal")
    assert driver.capabilities().optic("a1_x") is None
    assert "a1_x" not in driver.read().optics
    assert "a1_x" not in driver.capabilities().responds_to["haadf"]
