"""Strain and distortion against what was applied."""

import math

import numpy as np
import pytest

from eucentric.bench.images.drawn_lattices import draw
from eucentric.knowledge.phases import phase
from eucentric.knowledge.plan_lattice import HEXAGONAL, SQUARE
from eucentric.tools.vision import find_atoms
from eucentric.tools.vision.atom_map import Grain
from eucentric.tools.vision.distortion import mean_cell
from eucentric.tools.vision.strain import regular_cell, strain_of


def strained(material, pixel, strain, **how):
    drawn = draw(
        material,
        size=384,
        pixel_a=pixel,
        counts=1500,
        strain=strain,
        vacancies=0.01,
        scatter_pm=1.0,
        seed=6,
        **how,
    )
    atoms = find_atoms(drawn.image, phase(material), pixel_pm=100 * pixel)
    return drawn, atoms, strain_of(atoms)


@pytest.mark.parametrize(("material", "pixel"), [("SrTiO3", 0.18), ("MoS2", 0.14)])
def test_an_applied_strain_is_found(material, pixel):
    _, _, found = strained(material, pixel, 0.01)
    left, right = found.xy[:, 0] < 0.38 * 384, found.xy[:, 0] > 0.62 * 384
    step = found.values[right].mean(0) - found.values[left].mean(0)
    assert step[0] == pytest.approx(0.01, abs=0.002)
    assert np.abs(step[1:]).max() < 0.002


def test_an_unstrained_image_shows_none_beyond_its_errors():
    _, atoms, found = strained("SrTiO3", 0.18, 0.0)
    for name, mean in found.mean.items():
        assert mean.low - 3e-4 <= 0 <= mean.high + 3e-4, name
    ratio = found.values / found.errors
    assert 0.5 < np.sqrt(np.mean(ratio**2)) < 1.5
    assert found.left_out == len(atoms.atoms_xy) - len(found.xy) > 0


def test_places_are_not_drawn_to_the_lattice():
    """Columns that truly scatter by 12 pm: the lattice prior shrinks that at few counts, free places do not."""
    drawn = draw("Ti3C2", size=300, pixel_a=0.14, counts=40, vacancies=0.0, scatter_pm=12.0, seed=4)
    atoms = find_atoms(drawn.image, phase("Ti3C2"), pixel_pm=14)
    free = atoms.atoms_free_xy
    inner = ((atoms.atoms_xy > 30) & (atoms.atoms_xy < 270)).all(1)
    site = atoms.sites_xy[atoms.atoms_site]
    spread = [np.sqrt(np.mean((xy - site)[inner] ** 2)) for xy in (atoms.atoms_xy, free)]
    assert spread[1] > 1.15 * spread[0]


@pytest.mark.parametrize("lattice", [HEXAGONAL, SQUARE])
@pytest.mark.parametrize("turn_deg", [4.0, 51.0])
def test_drift_and_stretch_of_a_mean_cell(lattice, turn_deg):
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    regular = 30.0 * lattice.ideal @ np.array([[c, s], [-s, c]])
    drift = np.array(
        [[1.0, 0.0], [0.012, 1.007]]
    )  # a later line lies 0.012 px further right, 0.007 further down
    cell = mean_cell(Grain(regular @ drift, 1.0, 10.0))
    assert cell.drift_px_per_line == pytest.approx((0.012, 0.007), abs=1e-6)
    assert cell.turn_deg == pytest.approx(turn_deg % lattice.angle_deg, abs=0.5)
    whole = mean_cell(Grain(regular, 1.0, 10.0))
    assert whole.stretch_percent == pytest.approx(0, abs=1e-9)
    assert whole.angle_deg == pytest.approx(lattice.angle_deg)
    assert regular_cell(regular) == pytest.approx(regular)
