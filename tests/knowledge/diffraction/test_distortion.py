"""The tilt of a single layer from its distorted lattice: what it tells, and what it does not."""

import math

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import diffraction as df

CELL = df.structure_named("Ti3C2").crystal.cell
SIGMA = 0.005


def seen_lattice(tilt_deg, axis_deg, turn_deg, scale, rng, reciprocal):
    """Two vectors of the layer in a projection, with a random strain."""
    a = math.radians(turn_deg)
    plane = CELL.a_angstrom * np.array([[1, 0], [-0.5, math.sqrt(0.75)]])
    plane = plane @ np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
    n = np.array([-math.sin(math.radians(axis_deg)), math.cos(math.radians(axis_deg))])
    shorten = np.eye(2) - (1 - math.cos(math.radians(tilt_deg))) * np.outer(n, n)
    found = plane @ shorten.T
    if reciprocal:
        found = np.linalg.inv(found).T
    e1, e2 = rng.normal(0, SIGMA, 2)
    return scale * found @ np.array([[1 + e1, e2], [e2, 1 - e1]])


@pytest.mark.parametrize("reciprocal", [False, True])
@pytest.mark.parametrize("tilt", [0.0, 6.0, 12.0, 20.0, 35.0])
def test_the_interval_holds_the_truth(rng, tilt, reciprocal):
    held, axes, tilts = [], [], []
    for _ in range(120):
        axis = float(rng.uniform(0, 180))
        lattice = seen_lattice(tilt, axis, float(rng.uniform(0, 360)), 1.03, rng, reciprocal)
        found = df.layer_tilt(lattice, CELL, SIGMA, reciprocal=reciprocal)
        held.append(found.low_deg <= tilt <= found.high_deg)
        axes.append(abs((found.axis_deg - axis + 90) % 180 - 90))
        tilts.append(found.tilt_deg)
        assert found.informative or tilt < 20
    assert np.mean(held) > 0.85
    if tilt >= 20:
        assert np.median(axes) < 5
        assert np.median(tilts) == pytest.approx(tilt, abs=1)


@pytest.mark.parametrize("reciprocal", [False, True])
def test_a_flat_layer_is_not_said_to_be_tilted(rng, reciprocal):
    claims = [
        df.layer_tilt(
            seen_lattice(0, 0, 10, 1, rng, reciprocal), CELL, SIGMA, reciprocal=reciprocal
        ).informative
        for _ in range(200)
    ]
    assert np.mean(claims) < 0.1


def test_a_small_tilt_is_unknown_up_to_a_bound(rng):
    found = df.layer_tilt(seen_lattice(4, 30, 10, 1, rng, False), CELL, SIGMA)
    assert not found.informative
    assert found.low_deg == 0
    assert 4 < found.high_deg < 20


def test_any_two_shortest_vectors_will_do(rng):
    lattice = seen_lattice(25, 40, 10, 1, np.random.default_rng(1), False)
    first = df.layer_tilt(lattice, CELL, SIGMA)
    for change in ([[1, 1], [0, 1]], [[0, -1], [1, 1]], [[-1, 0], [0, -1]], [[0, 1], [1, 0]]):
        again = df.layer_tilt(np.array(change) @ lattice, CELL, SIGMA)
        assert again.tilt_deg == pytest.approx(first.tilt_deg, abs=1e-6)


@pytest.mark.parametrize(
    ("lattice", "sigma"),
    [
        ([[1, 0], [2, 0]], SIGMA),
        ([[1, 0], [math.nan, 1]], SIGMA),
        ([[3, 0], [0, 30]], SIGMA),
        ([[3, 0], [-1.5, 2.6]], 0.0),
        ([[3, 0, 0], [0, 3, 0]], SIGMA),
    ],
)
def test_lattices_that_make_no_sense(lattice, sigma):
    with pytest.raises(BadInput) as caught:
        df.layer_tilt(lattice, CELL, sigma)
    assert caught.value.remedy
