"""Noise and blur of an image are found again from the image alone."""

import threading

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.fitting.image_fit import fit_image
from eucentric.instruments.twin.fitting.picture import measure
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen_spec import ContaminationSpec

NEVER = threading.Event()
WORLD = load_world("mxene")
A = WORLD.material.lattice_a_angstrom
FOV, N = 8e-9, 512
PIXEL_A = FOV * 1e10 / N


def picture(fwhm: float, dwell_us: float = 80.0, dirt: float = 0.0, seed: int = 3) -> np.ndarray:
    """A suspended monolayer in focus."""
    optics = WORLD.optics.model_copy(update={"source_fwhm_angstrom": fwhm})
    change = {"optics": optics, "contamination": ContaminationSpec(share_of_monolayer=dirt)}
    twin = TwinDriver(WORLD.model_copy(update=change), seed, stage="ideal")
    oracle = Oracle(twin)
    spot = oracle.suspended((-100e-6, 100e-6, -100e-6, 100e-6))[0]
    twin.move({"x": spot.x, "y": spot.y}, NEVER)
    twin.set_optics({"defocus": oracle.height(spot.x, spot.y)}, NEVER)
    twin.set_blank(False)
    scan = ScanSpec(detectors=("haadf",), rows=N, columns=N, fov_m=FOV, dwell_s=dwell_us * 1e-6)
    return twin.acquire(scan, NEVER)[1][0]


@pytest.mark.parametrize("fwhm", [0.6, 0.8])
def test_blur_noise_and_lattice_of_a_picture(fwhm):
    image = picture(fwhm)
    found = fit_image(image, PIXEL_A, A)
    assert found.blur_known
    assert found.source_fwhm_angstrom == pytest.approx(fwhm, rel=0.1)
    assert found.electrons_per_a2 == pytest.approx(float(image.mean()) / PIXEL_A**2, rel=0.1)
    assert found.picture.spacing_a == pytest.approx(A / 2, rel=0.01)
    assert found.background < 0.1
    assert found.picture.pixel_noise == pytest.approx(1 / np.sqrt(image.mean()), rel=0.05)


def test_smooth_intensity_is_background():
    image = picture(0.7)
    plain, over = fit_image(image, PIXEL_A, A), fit_image(image + 0.5 * image.mean(), PIXEL_A, A)
    assert over.background == pytest.approx(1.5 * (1 + plain.background) - 1, rel=0.02)
    assert over.source_fwhm_angstrom == pytest.approx(plain.source_fwhm_angstrom, abs=0.02)


def test_a_blur_that_hides_the_second_ring_is_only_bounded():
    found = fit_image(picture(1.4), PIXEL_A, A)
    assert not found.blur_known
    assert 0.6 < found.source_fwhm_angstrom < 1.4
    assert found.background > 0.3


def test_noise_that_is_not_of_electrons_is_told():
    image = picture(0.8)
    rough = image + 2 * np.sqrt(image.mean()) * np.random.default_rng(1).standard_normal(image.shape)
    assert fit_image(image, PIXEL_A, A).read_noise_share < 0.25
    assert fit_image(rough, PIXEL_A, A).read_noise_share > 0.6


@pytest.mark.parametrize(
    ("image", "pixel_a", "says"),
    [
        (np.zeros((64, 64)), 0.1, "mean above zero"),
        (np.full((64, 64), np.nan), 0.1, "finite"),
        (np.ones((64, 64)), 0.1, "too few columns"),
        (np.ones((512, 512)), 0.5, "too coarse"),
    ],
)
def test_what_is_no_such_image_is_refused(image, pixel_a, says):
    with pytest.raises(BadInput, match=says):
        measure(image, pixel_a, A, 1.23)


def test_an_image_without_the_lattice_is_refused():
    noise = np.random.default_rng(1).poisson(50, (512, 512)).astype(float)
    with pytest.raises(BadInput, match="does not show this lattice"):
        fit_image(noise, PIXEL_A, A)
