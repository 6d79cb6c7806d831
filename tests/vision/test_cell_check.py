"""A wrong phase whose lattice fits is found out by the sites and gaps of its cell; no image tells a pixel size."""

import numpy as np
import pytest

from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms
from eucentric.tools.vision.advice import advice_of, why_not_counted
from eucentric.tools.vision.cell_check import wrong_cell


@pytest.mark.parametrize(
    ("drawn_as", "told", "why"),
    [
        ("Ti3C2", "Ti3C2", ""),
        ("MoS2", "MoS2", ""),
        ("Ti3C2", "MoS2", "only one site of each cell holds a column"),
        ("Ti3C2", "graphene", "columns that should be alike are not"),
        ("MoS2", "graphene", "columns that should be alike are not"),
    ],
)
def test_the_cell_tells_the_material(simulate, drawn_as, told, why):
    picture = simulate(drawn_as, size=256, pixel=0.14, counts=300, vacancies=0.02, seed=3)
    seen = find_atoms(picture.image, phase(told))
    flag = dict(seen.flags).get("scale_disagrees", "")
    assert flag == (f"{why}: pixel size or material is wrong" if why else "")
    assert (bool(why_not_counted(seen)), advice_of(seen)) == (bool(why), "check_scale" if why else "none")


@pytest.fixture
def drawn():
    """An image of columns on the sites, with `more` of a column in every other gap; what `wrong_cell` takes."""
    spacing, sigma, n = 12.0, 3.0, 14
    i, j = (grid.ravel() for grid in np.mgrid[1:n, 1:n])
    place = np.stack([spacing * (i + 0.5 * j), spacing * np.sqrt(0.75) * j], -1)
    rows, columns = np.mgrid[0 : int(12.5 * n), 0 : int(18 * n)]

    def paint(kinds, more, seed=1):
        kind = (i - j) % 3
        image = np.zeros(rows.shape)
        gaps = place + spacing * np.array([0.5, 0.5 / np.sqrt(3)])
        heights = 80.0 * np.array(kinds)[kind]
        for xy, height in zip([*place, *gaps], [*heights, *np.full(len(gaps), 80.0 * more)], strict=True):
            image += height * np.exp(-0.5 * ((columns - xy[0]) ** 2 + (rows - xy[1]) ** 2) / sigma**2)
        noisy = np.random.default_rng(seed).poisson(image + 5).astype(np.float32)
        return noisy, phase("Ti3C2"), place, heights, kind, np.ones(len(kind), bool)

    return lambda *given: (paint(*given), {"spacing": spacing, "sigma_px": sigma})


@pytest.mark.parametrize(
    ("kinds", "more", "why"),
    [
        ((1.0, 1.0, 1.0), 0.0, ""),
        ((1.0, 0.6, 0.35), 0.0, ""),  # as the images of Ti3C2O2 by multislice
        ((1.0, 1.0, 1.0), 0.1, ""),  # as aberrations make it
        ((1.0, 1.0, 1.0), 0.5, "every other gap holds"),
        ((1.0, 0.7, 0.02), 0.0, "one site of each cell holds no column"),
    ],
)
def test_sites_and_gaps_of_three_equal_columns(drawn, kinds, more, why):
    given, sizes = drawn(kinds, more)
    said = wrong_cell(*given, **sizes)
    assert said.startswith(why) if why else said == ""


def test_too_few_sites_say_nothing(drawn):
    (image, ti, *sites), sizes = drawn((1.0, 0.7, 0.02), 0.0)
    assert wrong_cell(image, ti, *(one[:20] for one in sites), **sizes) == ""


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        ((1.0, 0.4, 0.0), ""),
        ((1.0, 0.5, 0.45), "the hollow of each cell holds a column"),
        ((1.0, 0.0, 0.0), "only one site of each cell holds a column"),
    ],
)
def test_sites_of_a_honeycomb(drawn, kinds, why):
    (image, _, place, heights, kind, _), sizes = drawn(kinds, 0.0)
    seen = heights + np.random.default_rng(2).normal(0, 2.0, len(heights))
    assert wrong_cell(image, phase("MoS2"), place, seen, kind, kind != 2, **sizes) == why
