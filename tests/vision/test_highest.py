"""Running maxima against scipy's, and the half spectrum against the whole one."""

import numpy as np
import pytest
from scipy import ndimage

from eucentric.tools.vision.highest import highest_around
from eucentric.tools.vision.spectrum import spectrum_of


@pytest.mark.parametrize(("shape", "half"), [((37, 52), 1), ((37, 52), 3), ((64, 31), 8), ((20, 20), 9)])
@pytest.mark.parametrize(("mode", "theirs"), [("edge", "nearest"), ("wrap", "wrap")])
def test_maxima_are_those_of_a_square_window(shape, half, mode, theirs):
    image = np.random.default_rng(half).normal(size=shape).astype(np.float32)
    expected = ndimage.maximum_filter(image, 2 * half + 1, mode=theirs)
    np.testing.assert_array_equal(highest_around(image, half, mode), expected)


@pytest.mark.parametrize("shape", [(96, 96), (97, 110), (110, 97), (97, 97)])
def test_a_spectrum_has_the_symmetry_of_a_real_image(shape):
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    whitened = spectrum_of(image).whitened
    assert whitened.shape == shape
    turned = np.roll(whitened[::-1, ::-1], (1, 1), (0, 1))
    np.testing.assert_allclose(whitened, turned, rtol=1e-4)


@pytest.mark.parametrize("shape", [(96, 128), (97, 129)])
def test_noise_has_a_whitened_power_of_one(shape):
    noise = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    rows, columns = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])[None]
    middle = (np.hypot(rows, columns) > 0.15) & (np.hypot(rows, columns) < 0.45)
    assert spectrum_of(noise).whitened[middle].mean() == pytest.approx(1.0, abs=0.05)
