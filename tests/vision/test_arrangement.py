"""Lattice indices, neighbours, clusters and distances, on drawn lattices whose answers are known."""

import numpy as np
import pytest

from eucentric.tools.vision.statistics import arrange, pair_correlation, topology
from eucentric.tools.vision.statistics.arrangement import indices_of

BASES = {"hexagonal": [[1, 0], [0.5, 3**0.5 / 2]], "square": [[1, 0], [0, 1]]}


def lattice(form="hexagonal", size=24, turn_deg=17.0, stretch=0.03, bend=3e-4):
    """(places [px], indices) of a patch whose field is turned, stretched and bent."""
    ij = np.stack([g.ravel() for g in np.mgrid[0:size, 0:size]], 1)
    xy = ij @ np.array(BASES[form]) * 11.0
    xy = xy * [1 + stretch, 1 - stretch] + bend * xy[:, ::-1] ** 2 * [1, -1]
    angle = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return xy @ turn, ij


def marked(rows, n, p=0.99):
    chance = np.full(n, 0.001)
    chance[list(rows)] = p
    return chance


def arranged(rows, form="hexagonal", kind=None, **more):
    xy, ij = lattice(form, **more)
    n = len(xy)
    at = {tuple(index): row for row, index in enumerate(ij.tolist())}
    rows = [at[row] if isinstance(row, tuple) else row for row in rows]
    kinds = np.zeros(n, int) if kind is None else kind(ij)
    return arrange(xy, kinds, marked(rows, n), kinds >= 0, names=("V_Ti",) * n, pixel_nm=0.016)


@pytest.mark.parametrize("form", BASES)
@pytest.mark.parametrize("turn", [0.0, 29.0, 71.0])
def test_indices_are_those_of_the_lattice(form, turn):
    xy, ij = lattice(form, turn_deg=turn)
    index, grain, grains = indices_of(xy)
    assert set(grain) == {0}
    assert len(grains) == 1
    design = np.column_stack([ij, np.ones(len(ij))])
    map_, *_ = np.linalg.lstsq(design, index.astype(float), rcond=None)
    np.testing.assert_allclose(design @ map_, index, atol=1e-6)
    assert abs(np.linalg.det(map_[:2])) == pytest.approx(1.0)


def test_two_grains_are_counted_apart():
    one, _ = lattice(turn_deg=0, bend=0)
    two, _ = lattice(turn_deg=22, bend=0)
    moved = two + np.array([60, 40])
    both = np.concatenate([one[one[:, 0] < 150], moved[moved[:, 0] > 156]])
    _, grain, grains = indices_of(both)
    assert len(grains) == 2
    assert (grain >= 0).mean() > 0.95
    left = both[:, 0] < 150
    assert all(np.bincount(grain[side & (grain >= 0)]).max() > 0.98 * side.sum() for side in (left, ~left))


def test_noise_is_no_lattice():
    xy = np.random.default_rng(0).random((300, 2)) * 200
    _, grain, _ = indices_of(xy)
    assert (grain >= 0).mean() < 0.6
    assert indices_of(xy[:5])[2] == ()


@pytest.mark.parametrize(("form", "each"), [("hexagonal", 6), ("square", 4)])
def test_inner_sites_have_the_neighbours_of_the_lattice(form, each):
    pairs = arranged([], form).neighbours
    degree = np.bincount(pairs.ravel())
    assert degree.max() == each
    assert np.median(degree) == each


def test_neighbours_of_two_kinds_are_at_their_own_distances():
    """MoS2: Mo and S at a/√3, each kind at a; the third site of the cell is empty and not counted."""
    sites = arranged(
        [], kind=lambda ij: np.where((ij[:, 0] - ij[:, 1]) % 3 == 2, -1, (ij[:, 0] - ij[:, 1]) % 3)
    )
    kinds = np.sort(sites.kind[sites.neighbours], axis=1)
    inner = np.bincount(sites.neighbours.ravel()).max()
    assert inner == 6 + 3
    assert {tuple(pair) for pair in kinds.tolist()} == {(0, 0), (0, 1), (1, 1)}


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [
        ([(5, 5), (9, 9)], (2, 0, 0, 0)),
        ([(5, 5), (6, 5)], (0, 1, 0, 0)),
        ([(5, 5), (6, 4)], (0, 1, 0, 0)),
        ([(5, 5), (6, 6)], (2, 0, 0, 0)),  # √3 apart
        ([(5, 5), (6, 5), (6, 4), (12, 12)], (1, 0, 1, 0)),
        ([(5, 5), (6, 5), (6, 4), (7, 4), (12, 12), (12, 13)], (0, 1, 0, 1)),
        ([], (0, 0, 0, 0)),
    ],
)
def test_clusters_by_lattice_neighbours(rows, sizes):
    found = topology([arranged(rows)], rounds=99)
    called = (found.isolated, found.divacancies, found.trivacancies, found.pores)
    assert tuple(one.called for one in called) == sizes
    assert sum(one.size for one in found.clusters) == found.clustered
    for one in found.clusters:
        assert one.p == pytest.approx(0.99**one.size, abs=1e-3)
        assert one.kinds == ("V_Ti",) * one.size
    assert all(one.low <= one.called <= one.high for one in called if one.called)


def test_unsure_sites_widen_the_number_of_clusters():
    xy, _ = lattice()
    p = marked(range(0, 400, 40), len(xy))
    p[list(range(1, 400, 40))] = 0.4
    found = topology([arrange(xy, np.zeros(len(xy), int), p, np.ones(len(xy), bool))], rounds=199)
    assert found.divacancies.called == 0
    assert found.divacancies.high >= 4
    assert found.isolated.low < found.isolated.called


def test_pairs_are_seen_and_chance_is_not_accused():
    rng = np.random.default_rng(3)
    steps = [(int(i), int(j)) for i, j in rng.integers(1, 22, (12, 2))]
    together = arranged({*steps, *((i, j + 1) for i, j in steps)})
    seen = pair_correlation([together], rounds=199)
    assert seen.p_value <= 0.01
    assert seen.verdict.startswith("more pairs than chance at 1 ")
    assert seen.shells[0].nm == pytest.approx(11 * 0.016, rel=0.02)
    assert topology([together], rounds=199).p_value < 0.01
    p = [
        pair_correlation([arranged(rng.choice(576, 24, replace=False))], rounds=99, seed=k).p_value
        for k in range(12)
    ]
    assert np.mean(np.array(p) < 0.05) < 0.35


def test_vacancies_that_avoid_each_other_are_seen():
    rows = [(i, j) for i in range(2, 23, 3) for j in range(2, 23, 3)]
    seen = pair_correlation([arranged(rows)], rounds=199)
    assert "fewer pairs than chance at 1" in seen.verdict


def test_few_vacancies_say_nothing():
    seen = pair_correlation([arranged([(3, 3), (4, 3)])])
    assert seen.p_value is None
    assert "cannot tell" in seen.verdict


def test_same_seed_same_answer():
    sites = arranged(range(0, 570, 19))
    assert pair_correlation([sites], seed=4) == pair_correlation([sites], seed=4)
    assert topology([sites, sites], seed=4) == topology([sites, sites], seed=4)
