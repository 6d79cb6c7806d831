"""Atoms: the same ones at whatever magnification, in the right number."""

import math

import numpy as np
import pytest

from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.specimen.defects import Imperfections, Vacancies
from eucentric.instruments.twin.specimen.flakes import Flake, blocks_of
from eucentric.instruments.twin.specimen.lattice import Columns, Look, columns_in
from eucentric.instruments.twin.specimen.material import make_material
from eucentric.instruments.twin.specimen_spec import ClusterSpec
from eucentric.knowledge.scattering import haadf_cross_section_a2

MXENE = load_world("mxene")
MATERIAL = make_material(MXENE.material, haadf_cross_section_a2)


def empty(fraction: float, pairing: float = 0.0) -> Imperfections:
    return Imperfections((("Ti", Vacancies(fraction, pairing)),))


def columns_of(flake: Flake, imperfections: Imperfections, box: tuple[float, float, float, float]) -> Columns:
    (block,) = blocks_of(flake)
    return columns_in(block, Look(MATERIAL, imperfections, box))


def oracle_with(fraction: float, pairing: float = 0.0, seed: int = 3) -> Oracle:
    update = {"vacancy_fraction": fraction, "vacancy_pairing": pairing, "clusters": ClusterSpec()}
    world = MXENE.model_copy(update=update)
    return Oracle(TwinDriver(world, seed))


def box_inside(oracle: Oracle, half: float, layers: int = 1) -> tuple[float, float, float, float]:
    flake = next(f for f in oracle.flakes if f.layers == layers and f.width > 3e-6)
    return flake.x - half, flake.x + half, flake.y - half, flake.y + half


def test_cross_sections_are_the_calibrated_ones():
    assert np.mean(MATERIAL.full) == pytest.approx(0.0125e-20, rel=0.01)
    assert MATERIAL.full[0] - MATERIAL.vacant[0] == pytest.approx(0.0109e-20)
    assert MATERIAL.layer_fraction(empty(0.0)) == pytest.approx(0.0047, rel=0.02)
    assert MATERIAL.layer_fraction(empty(0.5)) < MATERIAL.layer_fraction(empty(0.0))


def test_every_column_is_on_a_triangular_lattice_of_a_over_root_three():
    oracle = oracle_with(0.02)
    sites = oracle.sites(box_inside(oracle, 3e-9))
    places = np.stack([sites.x, sites.y], axis=1)
    gaps = np.sort(np.linalg.norm(places[:, None] - places[None], axis=2), axis=1)[:, 1]
    assert np.median(gaps) == pytest.approx(3.0505e-10 / math.sqrt(3), rel=1e-4)
    density = len(sites.x) / 36e-18
    assert density == pytest.approx(3 / MATERIAL.cell_area, rel=0.03)


def test_the_same_atoms_in_a_small_and_a_large_field():
    oracle = oracle_with(0.05)
    small, large = (oracle.sites(box_inside(oracle, half)) for half in (4e-9, 30e-9))
    box = box_inside(oracle, 4e-9)
    inside = (large.x >= box[0]) & (large.x <= box[1]) & (large.y >= box[2]) & (large.y <= box[3])

    def ordered(s, keep):
        order = np.lexsort((s.y[keep], s.x[keep]))
        return s.x[keep][order], s.y[keep][order], s.vacant[keep][order]

    for one, two in zip(ordered(small, slice(None)), ordered(large, inside), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("fraction", "pairing"), [(0.0, 0.0), (0.01, 0.0), (0.05, 0.0), (0.05, 0.4)])
def test_the_vacancy_fraction_is_what_was_asked(fraction, pairing):
    oracle = oracle_with(fraction, pairing)
    sites = oracle.sites(box_inside(oracle, 50e-9))
    n = len(sites.vacant)
    assert n > 3e5
    tolerance = 5 * math.sqrt(max(fraction * (1 - fraction) * (1 + 2 * pairing), 0) / n)
    assert abs(sites.vacancy_fraction - fraction) <= tolerance


@pytest.mark.parametrize(("pairing", "low", "high"), [(0.0, 0.8, 1.2), (0.4, 1.8, 20.0)])
def test_pairing_makes_neighbours_in_the_same_plane(pairing, low, high):
    flake = next(f for f in oracle_with(0.02).flakes if f.layers == 1)
    box = (flake.x - 4e-8, flake.x + 4e-8, flake.y - 4e-8, flake.y + 4e-8)
    columns = columns_of(flake, empty(0.02, pairing), box)
    gone = {
        (i, j, s)
        for i, j, s, lost in zip(columns.i, columns.j, columns.sublattice, columns.vacant[0], strict=True)
        if lost
    }
    pairs = sum((i + 1, j, s) in gone for i, j, s in gone)
    assert low <= pairs / (0.02 * len(gone)) <= high


def test_layers_have_their_own_vacancies_and_weights_add_up():
    oracle = oracle_with(0.05)
    number, flake = next((n, f) for n, f in enumerate(oracle.flakes) if f.layers == 5)
    box = (flake.x - 5e-9, flake.x + 5e-9, flake.y - 5e-9, flake.y + 5e-9)
    columns = columns_of(flake, empty(0.05), box)
    assert columns.vacant.shape[0] == 5
    assert all((columns.vacant[0] != columns.vacant[layer]).any() for layer in range(1, 5))
    area = 100e-18
    assert columns.weight.sum() / area == pytest.approx(5 * MATERIAL.layer_fraction(empty(0.05)), rel=0.03)
    assert set(oracle.sites(box).flake) >= {number}
