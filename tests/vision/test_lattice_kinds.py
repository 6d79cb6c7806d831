"""Oxides down [001] and graphene on drawn images: columns, vacancies, scale, and what is not their lattice."""

import numpy as np
import pytest

from eucentric.bench.images import score as rules
from eucentric.bench.images.drawn_lattices import draw
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms
from eucentric.tools.vision.spectrum import spectrum_of

CASES = [
    # material, pixel Å, turn, counts
    pytest.param("SrTiO3", 0.18, 33, 120, id="strontium titanate"),
    pytest.param("BaTiO3", 0.18, 77, 250, id="barium titanate"),
    pytest.param("graphene", 0.10, 8, 80, id="graphene"),
]


def scored(drawn, found, truth, radius_a):
    size = drawn.image.shape[0]
    return rules.score(found, truth, radius_a, drawn.pixel_a, (size, size), 3.5 / drawn.pixel_a)


@pytest.mark.parametrize(("material", "pixel", "turn", "counts"), CASES)
def test_columns_and_vacancies_of_other_lattices(material, pixel, turn, counts):
    drawn = draw(material, size=288, pixel_a=pixel, turns_deg=(turn,), counts=counts, vacancies=0.04, seed=2)
    seen = find_atoms(drawn.image, phase(material))
    assert not seen.cannot_tell
    assert seen.pixel_pm == pytest.approx(100 * pixel, rel=0.005)
    assert seen.doubt < 0.5
    assert scored(drawn, seen.atoms_xy, drawn.atoms_xy, rules.ATOM_RADIUS_A).f1 > 0.99
    vacancies = scored(drawn, seen.vacancies_xy, drawn.vacancies_xy, rules.VACANCY_RADIUS_A)
    assert vacancies.predicted_true == vacancies.predicted
    assert vacancies.found >= 0.85 * vacancies.true > 0
    to = rules.partners(seen.vacancies_xy, drawn.vacancies_xy, rules.VACANCY_RADIUS_A / pixel)
    named = [
        (seen.sites_kind[seen.vacancies_site[i]], drawn.vacancy_kind[j]) for i, j in enumerate(to) if j >= 0
    ]
    assert all(said == true for said, true in named)


@pytest.mark.parametrize("factor", [0.5, 2**-0.5, 1.03, 2**0.5, 2.0])
@pytest.mark.parametrize("material", ["SrTiO3", "graphene", "Ti3C2"])
def test_a_wrong_pixel_size_is_found_out_for_every_lattice(material, factor):
    pixel = {"SrTiO3": 0.18, "graphene": 0.10, "Ti3C2": 0.14}[material]
    drawn = draw(material, size=224, pixel_a=pixel, counts=150, seed=5)
    seen = find_atoms(drawn.image, phase(material), pixel_pm=100 * pixel * factor)
    assert "scale_disagrees" in dict(seen.flags)
    assert seen.pixel_pm == pytest.approx(100 * pixel, rel=0.01)


@pytest.mark.parametrize(
    ("drawn_as", "told"), [("Ti3C2", "SrTiO3"), ("SrTiO3", "MoS2"), ("graphene", "BaTiO3")]
)
def test_a_lattice_of_another_kind_is_not_counted(drawn_as, told):
    drawn = draw(drawn_as, size=256, pixel_a=0.12, counts=150, seed=3)
    seen = find_atoms(drawn.image, phase(told), pixel_pm=12)
    assert seen.cannot_tell or seen.doubt > 0.6


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_no_square_lattice(seed):
    image = np.random.default_rng(seed).poisson(3.0, (256, 256)).astype(np.float32)
    assert find_atoms(image, phase("SrTiO3"), pixel_pm=18).cannot_tell


def test_a_large_image_is_read_in_tiles():
    """The spectrum of one tile and of nine like it peak at the same frequency."""
    drawn = draw("Ti3C2", size=256, pixel_a=0.2, counts=60, vacancies=0.0, seed=1)
    one = spectrum_of(drawn.image)
    many = spectrum_of(np.tile(drawn.image, (1, 9)))
    assert one.shape == (256, 256)
    assert many.shape[1] <= 2048
    assert many.shape[1] * 2 == 9 * 256
    row, column = np.unravel_index(int(np.argmax(one.whitened[8:120, 8:120])), (112, 112))
    g = np.array([[(column + 8) / 256, (row + 8) / 256]])
    assert many.highest(g)[0] > 20


@pytest.mark.parametrize(
    ("element", "weight", "counts", "share"), [("Si", 4.0, 200, 0.95), ("N", 1.29, 900, 0.8)]
)
def test_dopants_of_graphene_are_named_and_no_vacancies(element, weight, counts, share):
    drawn = draw(
        "graphene", size=288, pixel_a=0.10, counts=counts, vacancies=0.01, dopants=0.04, dopant_weight=weight,
        texture=0.1, seed=9,
    )  # fmt: skip
    seen = find_atoms(drawn.image, phase("graphene"), pixel_pm=10)
    to = rules.partners(drawn.atoms_xy[drawn.doped], seen.sites_xy, 0.5 / 0.10)
    named = [seen.sites_state[i] == f"{element} on C" for i in to if i >= 0 and seen.sites_examined[i]]
    assert len(named) >= 4
    assert np.mean(named) >= share
    others = rules.partners(drawn.atoms_xy[~drawn.doped], seen.sites_xy, 0.5 / 0.10)
    wrong = [seen.sites_state[i] != "full" for i in others if i >= 0 and seen.sites_examined[i]]
    assert np.mean(wrong) < 0.02
    assert scored(drawn, seen.vacancies_xy, drawn.vacancies_xy, rules.VACANCY_RADIUS_A).precision == 1.0
