"""Points through a transfer: where they end up, how wide, how much of them."""

import numpy as np
import pytest

from eucentric.knowledge.linear_image import Spot, drawn


def moments(image):
    rows, cols = np.mgrid[: image.shape[0], : image.shape[1]]
    total = image.sum()
    x, y = (image * cols).sum() / total, (image * rows).sum() / total
    return total, x, y, (image * (cols - x) ** 2).sum() / total, (image * (rows - y) ** 2).sum() / total


@pytest.mark.parametrize("place", [(40.0, 31.0), (40.37, 30.81)])
@pytest.mark.parametrize("pixel_a", [0.06, 0.12])
def test_one_point_is_a_gaussian_where_it_lies(place, pixel_a):
    spot = Spot(sigma_a=0.5 * pixel_a / 0.12)
    image = drawn(np.array([place]), np.array([3.0]), (64, 80), pixel_a, spot)
    total, x, y, across, down = moments(image.astype(float))
    assert total * pixel_a**2 == pytest.approx(3.0, rel=1e-3)
    assert (x, y) == pytest.approx(place, abs=0.01)
    assert (across, down) == pytest.approx([(0.5 / 0.12) ** 2] * 2, rel=0.01)


def test_an_ellipse_keeps_its_area_and_a_tail_takes_its_share():
    round_, long, tailed = (
        drawn(np.array([[40.0, 40.0]]), np.ones(1), (81, 81), 0.12, spot)
        for spot in (Spot(0.5), Spot(0.5, ellipse=1.2), Spot(0.5, tail_share=0.25, tail_a=1.2))
    )
    _, _, _, across, down = moments(long.astype(float))
    assert across / down == pytest.approx(1.44, rel=0.02)
    assert long.max() == pytest.approx(round_.max(), rel=1e-3)
    wide = 1 / (2 * np.pi * 1.2**2) / (1 / (2 * np.pi * 0.5**2))
    assert tailed.max() / round_.max() == pytest.approx(0.75 + 0.25 * wide, rel=1e-2)


def test_what_lies_outside_reaches_in_and_nothing_comes_round():
    spot = Spot(0.5)
    near = drawn(np.array([[-1.0, 30.0]]), np.ones(1), (60, 60), 0.12, spot)
    assert near[30, 0] > 0.5 * near.max() > 0
    assert np.abs(near[:, 40:]).max() < 1e-4 * near.max()
    assert np.abs(drawn(np.array([[500.0, 30.0]]), np.ones(1), (60, 60), 0.12, spot)).max() == 0
