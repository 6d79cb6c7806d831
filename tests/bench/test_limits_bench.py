"""The brute force beside the clearance check: right by itself, and able to find a check that is wrong."""

import json
import math

import numpy as np
import pytest

from eucentric.bench import limits
from eucentric.bench.stages.moves import random_world, true_boxes
from eucentric.bench.stages.swept_volume import (
    Body,
    Solid,
    all_inside,
    distance,
    least_gap,
    random_ways,
    turns,
)

PLATE = Body((1500.0, 3500.0, 1000.0), 0.0)
FACES = (Solid(1, 2700.0), Solid(-1, -2700.0))
STRIP = Solid(1, 1500.0, 1, 1, 3800.0)


def box(x=(0, 0), y=(0, 0), z=(0, 0), alpha=(0, 0), beta=(0, 0)):
    return tuple((float(low), float(high)) for low, high in (x, y, z, alpha, beta))


def test_turns_are_rotations_about_x_after_y():
    a, b = math.radians(17), math.radians(-23)
    about_x = [[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]]
    about_y = [[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]]
    turned = turns(np.array([17.0, 0.0]), np.array([-23.0, 0.0]))
    assert turned[0] == pytest.approx(np.array(about_x) @ np.array(about_y))
    assert turned[1] == pytest.approx(np.eye(3))


@pytest.mark.parametrize(
    ("y", "z", "expected"),
    [(3800, 1600, 0), (3900, 1700, -100), (3700, 1600, 100), (3900, 1400, 100), (3770, 1460, 50)],
)
def test_distance_from_a_device_beyond_an_edge(y, z, expected):
    assert distance(STRIP, np.array([0.0]), np.array([float(y)]), np.array([float(z)])) == pytest.approx(
        [expected]
    )


@pytest.mark.parametrize(
    ("solids", "moved", "expected"),
    [
        (FACES, box(), 1700.0),
        (FACES, box(z=(0, 300)), 1400.0),
        (FACES, box(y=(0, 500), alpha=(0, 30)), 2700 - 4000 * 0.5 - 1000 * math.sqrt(0.75)),
        (FACES, box(alpha=(0, 90)), 2700 - math.hypot(3500, 1000)),  # highest at 74 degrees
        ((STRIP,), box(), math.hypot(300, 500)),
        ((STRIP,), box(y=(-400, 400), z=(0, 600)), -100.0),
    ],
)
def test_brute_force_finds_the_least_distance(solids, moved, expected):
    assert least_gap(solids, PLATE, moved, np.random.default_rng(0)) == pytest.approx(expected, abs=0.5)


def test_random_ways_begin_and_end_where_they_should():
    ways = random_ways([0.0] * 5, [1.0, 2.0, -3.0, 4.0, 5.0], 7, 9, np.random.default_rng(1)).reshape(7, 9, 5)
    assert np.all(ways[:, 0] == 0)
    assert ways[:, -1] == pytest.approx(np.tile([1, 2, -3, 4, 5], (7, 1)))
    assert (np.diff(np.abs(ways), axis=1) >= 0).all()


def test_blocks_that_leave_a_hole_do_not_hold_a_box():
    blocks = np.array([[[0, 1]] * 5, [[1, 2]] + [[0, 1]] * 4], float)
    assert all_inside(((0.2, 1.8),) + ((0.0, 1.0),) * 4, blocks)
    assert not all_inside(((0.2, 2.1),) + ((0.0, 1.0),) * 4, blocks)
    assert not all_inside(((0.2, 1.8),) + ((0.0, 1.1),) * 4, blocks)


def test_worlds_mirror_readings_as_their_signs_say():
    rng = np.random.default_rng(5)
    worlds = [random_world(rng) for _ in range(60)]
    assert {len(world.signs) for world in worlds} >= {1, 2}
    assert any(world.holder.table for world in worlds)
    assert any(solid.axis is not None for world in worlds for solid in world.solids)
    world = next(world for world in worlds if world.signs == ((-1, 1, -1),))
    start = {"x_um": 1.0, "y_um": 2.0, "z_um": 3.0, "alpha_deg": 4.0, "beta_deg": 5.0}
    assert list(true_boxes(world, start, start)) == [box((1, 1), (2, 2), (-3, -3), (-4, -4), (5, 5))]


@pytest.fixture(scope="module")
def few():
    return list(limits.random_paths(200, np.random.default_rng(11)))


def test_no_collision_is_allowed_and_hardly_a_safe_move_refused(few):
    figures = limits._figures([limits._judged(path, n) for n, path in enumerate(few)])
    assert figures["with_collision"] > 20
    assert figures["collisions_allowed"] == 0
    assert figures["collisions_allowed_if_only_ends_were_checked"] > 0
    assert figures["safe_near"] > 20
    assert figures["safe_refused"] <= 2


def test_a_check_that_looks_at_the_ends_only_is_found_out(few, monkeypatch):
    real = limits.check_path

    def ends(clearance, holder, start, target, inserted=None):
        return real(clearance, holder, start, start, inserted) or real(
            clearance, holder, target, target, inserted
        )

    monkeypatch.setattr(limits, "check_path", ends)
    cases = [limits._judged(path, n) for n, path in enumerate(few)]
    assert limits._figures(cases)["collisions_allowed"] > 0
    assert not all(case["pass"] for case in cases)


def test_the_answer_follows_the_contract(monkeypatch):
    monkeypatch.setattr(limits, "_QUICK", 40)
    answer = json.loads(json.dumps(limits.run(quick=True, seed=3), allow_nan=False))
    assert [bar["holds"] for bar in answer["bars"]] == [None, None, True, None]
    assert len(answer["cases"]) == answer["figures"]["paths"] == 40
