"""Points onto pixels: nothing is lost or moved, and their own blur can be taken back."""

import numpy as np
import pytest

from eucentric.knowledge.splat import splat, taken_back

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("place", [(10.0, 12.0), (10.5, 12.5), (9.99, 12.01), (11.3, 8.8)])
def test_a_point_keeps_its_weight_and_its_place(place):
    plane = splat(np.array([place[0]]), np.array([place[1]]), np.array([3.0]), (24, 26))
    assert plane.sum() == pytest.approx(3.0)
    assert plane.min() >= 0
    assert (plane * np.arange(24)[:, None]).sum() / 3 == pytest.approx(place[0], rel=1e-6)
    assert (plane * np.arange(26)[None, :]).sum() / 3 == pytest.approx(place[1], rel=1e-6)


def test_with_the_spline_taken_back_points_have_the_spectrum_of_points():
    row, column = RNG.uniform(4, 60, (2, 50))
    spectrum = np.fft.rfft2(splat(row, column, np.ones(50), (64, 64)))
    down, across = np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64)[None, :]
    spectrum /= taken_back(down.astype(np.float32), across.astype(np.float32))
    turns = -2j * np.pi * (down[..., None] * row + across[..., None] * column)
    truth = np.exp(turns).sum(axis=-1)
    inner = np.hypot(down, across) < 0.32
    error = np.abs(spectrum - truth)[inner]
    assert np.sqrt((error**2).mean()) < 0.05 * np.sqrt(50)
