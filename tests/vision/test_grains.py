"""Several grains: each on its own lattice, boundaries named and not counted, and one grain left in peace."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from eucentric.bench.images.drawn_lattices import draw
from eucentric.knowledge.phases import phase
from eucentric.tools.vision import find_atoms, vacancy_density

CASES = [
    # material, pixel Å, turns
    pytest.param("Ti3C2", 0.14, (10.0, 15.0), id="five degrees apart"),
    pytest.param("SrTiO3", 0.18, (2.4, 16.4), id="an oxide"),
    pytest.param("MoS2", 0.14, (3.0, 20.0, 45.0), id="three grains"),
]


def read(material, pixel, turns, **how):
    drawn = draw(material, size=360, pixel_a=pixel, turns_deg=turns, seed=3, **how)
    return drawn, find_atoms(drawn.image, phase(material), pixel_pm=100 * pixel)


@pytest.mark.parametrize(("material", "pixel", "turns"), CASES)
def test_every_grain_is_read_on_its_own_lattice(material, pixel, turns):
    drawn, seen = read(material, pixel, turns)
    assert not seen.cannot_tell
    fold = 90.0 if material == "SrTiO3" else 60.0
    assert sorted(g.turn_deg for g in seen.grains) == pytest.approx(sorted(t % fold for t in turns), abs=0.4)
    examined = np.flatnonzero(seen.sites_examined)
    gap, atom = cKDTree(drawn.atoms_xy).query(seen.sites_xy[examined])
    near = gap < 0.5 / pixel
    table = np.zeros((len(turns), len(turns)), int)
    np.add.at(table, (seen.sites_grain[examined][near], drawn.atoms_grain[atom[near]]), 1)
    assert table.max(1).sum() > 0.99 * table.sum()
    assert (table.max(1) > 50).all()
    assert seen.pixel_pm == pytest.approx(100 * pixel, rel=0.003)


def test_boundaries_are_named_flagged_and_not_counted():
    drawn, seen = read("Ti3C2", 0.14, (10.0, 35.0), vacancies=0.0)
    assert "several_grains" in dict(seen.flags)
    assert seen.doubt > 0.6
    assert any("boundaries of 2 grains" in text for text in seen.not_counted)
    at_boundary = drawn.atoms_xy[drawn.boundary_px < 1.2 * 1.76 / 0.14]
    _, site = cKDTree(seen.sites_xy).query(at_boundary)
    assert (seen.sites_grain[site] == -1).mean() > 0.9
    assert not seen.sites_examined[seen.sites_grain < 0].any()
    assert seen.called <= 1
    finding = vacancy_density([seen])
    assert finding.of == (seen.sites_grain[seen.sites_examined] >= 0).sum()
    assert any("boundaries" in text for text in finding.excluded)


def test_columns_at_a_boundary_are_still_found():
    drawn, seen = read("Ti3C2", 0.14, (10.0, 35.0), vacancies=0.0)
    near = drawn.atoms_xy[drawn.boundary_px < 3 * 1.76 / 0.14]
    gap, _ = cKDTree(seen.atoms_xy).query(near)
    assert (gap < 0.5 / 0.14).mean() > 0.9


@pytest.mark.parametrize(("material", "pixel"), [("Ti3C2", 0.14), ("graphene", 0.10)])
def test_one_grain_with_few_counts_and_a_patch_without_lattice_is_one(material, pixel):
    drawn = draw(material, size=320, pixel_a=pixel, counts=60, seed=8)
    image = drawn.image.copy()
    rng = np.random.default_rng(1)
    image[180:, :120] = rng.poisson(max(float(image.mean()), 0.0), image[180:, :120].shape)
    seen = find_atoms(image, phase(material), pixel_pm=100 * pixel)
    assert len(seen.grains) == 1
    assert "several_grains" not in dict(seen.flags)
    patch = (seen.sites_xy[:, 0] < 100) & (seen.sites_xy[:, 1] > 200)
    assert seen.sites_examined[patch].mean() < 0.05
    assert (seen.sites_grain[patch] == -1).mean() > 0.9
    assert "partly_lost" in dict(seen.flags)
