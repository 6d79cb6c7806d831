"""Both readings together: the lattice stage measures, the network contradicts, adds, and stands in."""

import dataclasses

import numpy as np
import pytest

from eucentric.knowledge.phases import phase
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.fusion import agreement, contradicted, fused, network_only, read_atoms, together
from eucentric.tools.vision.network import Fusion, NetworkPoints, network_points, open_network

BOTH = Fusion(offset=0.1, lattice=0.8, network=0.5, sites=100, gain=0.001)


def test_fusion_rises_with_either_and_stays_between_0_and_1():
    grid = np.linspace(0, 1, 41)
    p, score = np.meshgrid(grid, grid)
    both = fused(p, score, BOTH)
    assert ((both > 0) & (both < 1)).all()
    assert (np.diff(both, axis=0) >= 0).all()
    assert (np.diff(both, axis=1) >= 0).all()
    assert both[20, 20] == pytest.approx(1 / (1 + np.exp(-0.1)))


@pytest.mark.parametrize(
    ("p", "score", "odd"),
    [
        (0.99, 0.99, False),
        (0.01, 0.01, False),
        (0.95, 0.0001, True),
        (0.05, 0.9999, True),
        (0.55, 0.4, False),
    ],
)
def test_only_a_strong_contradiction_makes_a_site_unknown(p, score, odd):
    assert contradicted(np.array([p]), np.array([score]), BOTH)[0] == odd
    for nothing in (None, BOTH.model_copy(update={"gain": -0.001})):
        assert not contradicted(np.array([p]), np.array([score]), nothing)[0]


@pytest.fixture(scope="module")
def read(simulate):
    picture = simulate(size=320, counts=300, vacancies=0.03, seed=4)
    alone = read_atoms(picture.image, phase("Ti3C2"), pixel_pm=15.6)
    points = network_points(picture.image, phase("Ti3C2").spacing_angstrom, 15.6, open_network())
    return picture, alone, points


def test_what_the_lattice_stage_measured_stays(read):
    _, alone, points = read
    both = together(alone, points, None)
    for name in ("atoms_xy", "sites_p_vacancy", "vacancies_site", "atoms_sigma_pm"):
        assert np.array_equal(getattr(both, name), getattr(alone, name))
    assert both.agreement > 0.97
    assert both.network_sha256 == points.model_sha256
    assert len(both.sites_network) == len(both.sites_xy)
    assert both.flags == alone.flags


def test_disagreement_is_flagged(read):
    _, alone, points = read
    half = dataclasses.replace(points, atoms_xy=points.atoms_xy[::2], atoms_score=points.atoms_score[::2])
    assert agreement(alone, half) == pytest.approx(2 / 3, abs=0.03)
    flagged = together(alone, half, None)
    assert "stages_disagree" in dict(flagged.flags)
    assert flagged.doubt > 0.5
    dim = dataclasses.replace(alone, snr=2.0)  # too few counts for the network to see every column
    assert "stages_disagree" not in dict(together(dim, half, None).flags)


def test_an_atom_between_columns_is_an_extra_one_and_one_on_a_column_is_not(read):
    _, alone, points = read
    inner = alone.sites_xy[alone.sites_examined]
    near = inner[np.argsort(np.hypot(*(inner - inner.mean(0)).T))]
    beside = near[np.argsort(np.hypot(*(near - near[0]).T))]
    third = next(k for k in range(2, 7) if np.hypot(*(beside[k] - beside[1])) < 1.2 * 176.1 / 15.6)
    hollow = beside[[0, 1, third]].mean(0)
    seen = dataclasses.replace(points, extras_xy=np.array([hollow, near[0] + 0.7]), extras_score=np.ones(2))
    assert together(alone, seen, None).extras_xy == pytest.approx(hollow[None])


def test_without_a_lattice_the_network_stands_alone_and_says_so():
    rng = np.random.default_rng(3)
    places = np.array([(x + rng.uniform(-6, 6), y + rng.uniform(-6, 6)) for x in range(30, 380, 34)
                       for y in range(30, 380, 34)])  # fmt: skip
    cols, rows = np.meshgrid(np.arange(400), np.arange(400))
    image = np.full((400, 400), 2.0)
    for x, y in places:
        image += 40 * np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / 2 / 3.8**2)
    image = rng.poisson(image).astype(np.float32)
    known = phase("Ti3C2")
    alone = read_atoms(image, known, pixel_pm=12.5)
    assert not len(alone.atoms_xy)
    both = read_atoms(image, known, pixel_pm=12.5, network=open_network())
    assert "network_only" in dict(both.flags)
    assert both.cannot_tell == alone.cannot_tell
    assert both.examined == 0
    gap = np.array([np.hypot(*(both.atoms_xy - place).T).min() for place in places])
    assert (gap < 4).mean() > 0.9
    assert len(both.atoms_xy) < 1.3 * len(places)


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_has_no_columns(seed):
    image = np.random.default_rng(seed).poisson(4.0, (256, 256)).astype(np.float32)
    both = read_atoms(image, phase("Ti3C2"), pixel_pm=12.0, network=open_network())
    assert both.network_sha256
    assert len(both.atoms_xy) == 0


def test_the_network_needs_a_pixel_size(read):
    noise = np.random.default_rng(0).normal(0, 1, (128, 128)).astype(np.float32)
    both = read_atoms(noise, phase("Ti3C2"), network=open_network())
    assert both.network_sha256 == ""
    assert isinstance(read[2], NetworkPoints)


@pytest.mark.parametrize("kind", ["both", "alone"])
def test_all_arrays_of_sites_and_atoms_keep_their_length(read, kind):
    _, alone, points = read
    bare = AtomMap(alone.phase, alone.shape, stated_pixel_pm=15.6, cannot_tell="no lattice")
    seen = together(alone, points, BOTH) if kind == "both" else network_only(bare, points)
    for name in (field.name for field in dataclasses.fields(seen)):
        value = getattr(seen, name)
        if name.startswith(("sites_", "atoms_")) and name not in ("sites_by_hand", "sites_classes"):
            assert len(value) == len(seen.sites_xy if name.startswith("sites_") else seen.atoms_xy), name
