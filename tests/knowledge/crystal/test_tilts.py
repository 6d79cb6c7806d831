"""Tilts: closed forms against rotation matrices and brute force, limits, families, published numbers."""

import itertools
import math

import numpy as np
import pytest
from pydantic import ValidationError

from eucentric.core.errors import BadInput, Refused
from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.closed_form import double_tilt_beam, tilt_rotate_beam, wrapped

CUBIC = cr.crystal_of((4.0, 4.0, 4.0, 90, 90, 90), 225)
HOLDERS = ("double_tilt", "tilt_rotate", "single_tilt")
SIGNS = tuple(itertools.product((-1, 1), repeat=2))


def test_the_rotation_is_alpha_outside_beta_inside():
    """The order swapped would be off by 2.85 degrees at (30, 20)."""
    turn = cr.rotation(cr.Stage(), cr.Reading(alpha_deg=30, beta_deg=20))
    assert np.allclose(turn, cr.axis_angle((1, 0, 0), 30) @ cr.axis_angle((0, 1, 0), 20))
    rotate = cr.rotation(cr.Stage(holder="tilt_rotate"), cr.Reading(alpha_deg=30, beta_deg=20))
    assert np.allclose(rotate, cr.axis_angle((1, 0, 0), 30) @ cr.axis_angle((0, 0, 1), 20))


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("signs", SIGNS)
def test_every_solution_points_at_the_gun(rng, holder, signs):
    stage = cr.Stage(holder=holder, alpha_sign=signs[0], beta_sign=signs[1])
    for direction in rng.normal(size=(60, 3)):
        direction = direction / np.linalg.norm(direction)
        if holder == "single_tilt":
            direction = np.array([0.0, *direction[1:]]) / np.linalg.norm(direction[1:])
        tilt = cr.tilt_to_direction(stage, direction, sense="as_given")
        readings = [(tilt.alpha_deg, tilt.beta_deg), *((o.alpha_deg, o.beta_deg) for o in tilt.others)]
        assert len(readings) == (2 if holder == "tilt_rotate" else 1)
        for alpha, beta in readings:
            seen = cr.beam(stage, cr.Reading(alpha_deg=alpha, beta_deg=beta))
            assert np.allclose(seen, direction, atol=1e-9)


@pytest.mark.parametrize("holder", HOLDERS[:2])
def test_a_reading_comes_back(rng, holder):
    stage = cr.Stage(holder=holder)
    for alpha, beta in rng.uniform((-80, -80), (80, 80), (60, 2)):
        tilt = cr.tilt_to_direction(stage, cr.beam(stage, cr.Reading(alpha_deg=alpha, beta_deg=beta)))
        found = [(tilt.alpha_deg, tilt.beta_deg), *((o.alpha_deg, o.beta_deg) for o in tilt.others)]
        assert any(abs(a - alpha) < 1e-8 and abs(wrapped(b - beta)) < 1e-7 for a, b in found)


def test_one_axis_and_many_axes_agree(crystals, rng, helpers):
    for crystal, holder in itertools.product(crystals[::3], HOLDERS[:2]):
        orientation = cr.orientation_of(helpers["rotation"](rng))
        stage = cr.Stage(holder=holder, alpha_sign=-1, limits=cr.Box(alpha=(-35, 20), beta=(-120, 30)))
        listed = {t.uvw: (t.alpha_deg, t.beta_deg) for t in cr.reachable_axes(crystal, orientation, stage, 2)}
        single = {}
        for uvw in cr.low_indices(2).tolist():
            tilt = cr.tilt_to_axis(crystal, orientation, uvw, stage)
            if tilt.reachable and not tilt.sign_reversed:
                single[tilt.uvw] = (tilt.alpha_deg, tilt.beta_deg)
        assert set(listed) == set(single)
        for uvw, reading in listed.items():
            assert reading == pytest.approx(single[uvw], abs=1e-9)


def test_symmetry_does_not_change_where_a_family_is(crystals, rng, helpers):
    """Renaming the axes by a Laue operator: other indices, the same tilts."""
    stage = cr.Stage(limits=cr.Superellipse(a=36, b=32, r=3.3))
    for crystal in crystals:
        turn = helpers["rotation"](rng)
        operator = crystal.cartesian[-1]
        first, second = (cr.orientation_of(g) for g in (turn, turn @ operator.T))
        one = sorted((t.alpha_deg, t.beta_deg) for t in cr.tilts_to_family(crystal, first, (1, 1, 2), stage))
        two = sorted((t.alpha_deg, t.beta_deg) for t in cr.tilts_to_family(crystal, second, (1, 1, 2), stage))
        assert np.allclose(one, two, atol=1e-6)


def regions():
    rough = tuple(
        (30 * math.cos(t) - 3, 24 * math.sin(t) + (4 if k % 2 else 0))
        for k, t in enumerate(np.arange(9) * 0.7)
    )
    return [
        cr.Box(alpha=(-30, 30), beta=(-20, 20)),
        cr.Box(alpha=(-10, 55), beta=(-5, 35)),
        cr.Box(alpha=(-40, -5), beta=(-60, 70)),
        cr.Superellipse(a=36, b=32, r=3.3),
        cr.Superellipse(a=70, b=20, r=2.0),
        cr.Polygon(vertices=((-30, -10), (0, -25), (28, -12), (30, 20), (-5, 12), (-28, 22))),
        cr.Polygon(vertices=rough),
    ]


@pytest.mark.parametrize("limits", regions(), ids=lambda r: r.type)
@pytest.mark.parametrize("holder", HOLDERS[:2])
def test_the_nearest_tilt_is_no_farther_than_any_on_a_grid(rng, limits, holder):
    grid = np.stack(
        np.meshgrid(np.arange(-80, 80.1, 0.5), np.arange(-80, 80.1, 0.5), indexing="ij"), -1
    ).reshape(-1, 2)
    grid = grid[limits.contains_many(grid)]
    beam = double_tilt_beam if holder == "double_tilt" else tilt_rotate_beam
    beams = beam(grid[:, 0], grid[:, 1])
    stage = cr.Stage(holder=holder, limits=limits)
    for direction in rng.normal(size=(25, 3)):
        direction = direction / np.linalg.norm(direction)
        tilt = cr.tilt_to_direction(stage, direction)
        lines = np.abs(beams @ direction)
        coarse = math.degrees(math.acos(min(1, lines.max())))
        assert tilt.residual_deg <= coarse + 1e-6
        assert tilt.residual_deg >= coarse - 0.75
        assert limits.contains(round(tilt.nearest_alpha_deg, 7), round(tilt.nearest_beta_deg, 7)) or (
            limits.contains(tilt.nearest_alpha_deg * (1 - 1e-7), tilt.nearest_beta_deg * (1 - 1e-7))
        )
        there = cr.beam(stage, cr.Reading(alpha_deg=tilt.nearest_alpha_deg, beta_deg=tilt.nearest_beta_deg))
        off = math.degrees(math.acos(min(1, abs(float(there @ direction)))))
        assert off == pytest.approx(tilt.residual_deg, abs=1e-4)


def test_clamping_each_axis_alone_is_not_the_nearest(rng):
    """At the edge of beta the best alpha moves (reference: 13.546 becomes 13.737)."""
    stage = cr.Stage(limits=cr.Box(alpha=(-30, 30), beta=(-20, 20)))
    direction = cr.beam(cr.Stage(), cr.Reading(alpha_deg=13.545944, beta_deg=-29.754626))
    tilt = cr.tilt_to_direction(stage, direction)
    assert (tilt.nearest_alpha_deg, tilt.nearest_beta_deg) == pytest.approx((13.737, -20), abs=1e-3)
    assert tilt.residual_deg == pytest.approx(9.4807, abs=1e-3)


def test_the_nearest_tilt_on_a_superellipse_is_exact():
    """Where the angle is least its slope along the edge is zero: the reference has (-18.734, 30.828)."""
    limits = cr.Superellipse(a=36, b=32, r=3.3)
    direction = cr.beam(cr.Stage(), cr.Reading(alpha_deg=-19.604917, beta_deg=35.681709))
    tilt = cr.tilt_to_direction(cr.Stage(limits=limits), direction)
    assert (tilt.nearest_alpha_deg, tilt.nearest_beta_deg) == pytest.approx((-18.7335, 30.8276), abs=2e-3)
    assert tilt.residual_deg == pytest.approx(4.6663, abs=1e-4)
    u, v = abs(tilt.nearest_alpha_deg) / 36, abs(tilt.nearest_beta_deg) / 32
    along = np.array([v**2.3 / 32, u**2.3 / 36])  # tangent of the edge in this quadrant
    step = 1e-4 * along / np.linalg.norm(along)
    here = [
        float(cr.beam(cr.Stage(), cr.Reading(alpha_deg=tilt.nearest_alpha_deg + s * step[0],
                                             beta_deg=tilt.nearest_beta_deg + s * step[1])) @ direction)
        for s in (-1, 1)
    ]  # fmt: skip
    assert abs(here[1] - here[0]) < 1e-11


def test_the_opposite_end_may_be_nearer():
    """Limits far to one side: an axis nearly across the beam is reached from its other end."""
    stage = cr.Stage(limits=cr.Box(alpha=(-30, 30), beta=(-60, 10)))
    direction = cr.beam(cr.Stage(), cr.Reading(alpha_deg=0, beta_deg=88))
    tilt = cr.tilt_to_direction(stage, direction, uvw=(1, 1, 0))
    assert (tilt.uvw, tilt.nearest_beta_deg, tilt.sign_reversed) == ((-1, -1, 0), pytest.approx(-60), True)
    assert tilt.residual_deg == pytest.approx(32)
    assert cr.tilt_to_direction(stage, direction, sense="as_given").residual_deg == pytest.approx(78)


def test_an_axis_that_points_down_is_reached_by_its_opposite():
    orientation = cr.orientation_of(np.eye(3))
    tilt = cr.tilt_to_axis(CUBIC, orientation, (-1, -1, -2), cr.Stage())
    assert (tilt.uvw, tilt.sign_reversed) == ((1, 1, 2), True)
    assert (tilt.alpha_deg, tilt.beta_deg) == pytest.approx((24.0948, -26.5651), abs=1e-4)


def test_on_the_gimbal_pole_the_second_axis_stays():
    now = cr.Reading(alpha_deg=0, beta_deg=17)
    tilt = cr.tilt_to_direction(cr.Stage(), np.array([0.0, 1.0, 0.0]), now=now)
    assert (tilt.alpha_deg, tilt.beta_deg) == pytest.approx((90, 17))
    rotate = cr.tilt_to_direction(cr.Stage(holder="tilt_rotate"), np.array([0.0, 0.0, 1.0]), now=now)
    assert (rotate.alpha_deg, rotate.beta_deg) == pytest.approx((0, 17))


def test_tilt_rotate_takes_the_solution_within_reach():
    stage = cr.Stage(holder="tilt_rotate", limits=cr.Box(alpha=(-70, 5), beta=(-180, 180)))
    direction = cr.beam(stage, cr.Reading(alpha_deg=-40, beta_deg=25))
    tilt = cr.tilt_to_direction(stage, direction)
    assert tilt.reachable
    assert (tilt.alpha_deg, tilt.beta_deg) == pytest.approx((-40, 25))


def test_single_tilt_says_how_far_it_stays_away():
    stage = cr.Stage(holder="single_tilt", limits=cr.Box(alpha=(-60, 60), beta=(0, 0)))
    direction = np.array([math.sin(0.1), 0.0, math.cos(0.1)])
    turned = cr.axis_angle((1, 0, 0), -30) @ direction
    tilt = cr.tilt_to_direction(stage, turned)
    assert not tilt.reachable
    assert (tilt.alpha_deg, tilt.residual_deg) == pytest.approx((30, math.degrees(0.1)))
    far = cr.tilt_to_direction(stage, cr.axis_angle((1, 0, 0), -80) @ np.array([0.0, 0, 1]))
    assert (far.nearest_alpha_deg, far.residual_deg) == pytest.approx((60, 20))
    assert cr.tilt_to_direction(stage, cr.axis_angle((1, 0, 0), -50) @ np.array([0.0, 0, 1])).reachable
    outside = cr.Stage(holder="single_tilt", limits=cr.Box(alpha=(-60, 60), beta=(5, 10)))
    with pytest.raises(BadInput, match="beta = 0"):
        cr.tilt_to_direction(outside, turned)


def test_family_members_are_ranked_by_reach_then_move_then_backlash():
    stage = cr.Stage(limits=cr.Box(alpha=(-30, 30), beta=(-30, 30)))
    orientation = cr.orientation_of(np.eye(3))
    now = cr.Reading(alpha_deg=3, beta_deg=-1)
    tilts = cr.tilts_to_family(CUBIC, orientation, (1, 1, 2), stage, now)
    assert len(tilts) == 12
    reach = [t.reachable for t in tilts]
    assert reach == sorted(reach, reverse=True)
    assert sum(reach) == 4
    moves = [t.move_deg for t in tilts if t.reachable]
    assert moves == sorted(moves)
    centred = cr.tilts_to_family(CUBIC, orientation, (1, 1, 2), stage, approach=(1, 1))[0]
    other = cr.tilts_to_family(CUBIC, orientation, (1, 1, 2), stage, approach=(-1, -1))[0]
    assert centred.alpha_deg > 0 < centred.beta_deg
    assert other.alpha_deg < 0 > other.beta_deg


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (cr.Box(alpha=(-30, 30), beta=(-20, 20)), [(30, 20), (0, 0), (-30, 0)], [(30.001, 0), (0, -20.001)]),
        (
            cr.Superellipse(a=36, b=32, r=3.3),
            [(36, 0), (0, -32), (27, 24)],
            [(36.001, 0), (32, 29), (1e9, 0)],
        ),
        (cr.Superellipse(a=36, b=32, r=200), [(36, 0), (35.5, 31.5)], [(36.5, 0), (1e9, 0)]),
        (
            cr.Polygon(vertices=((0, 0), (10, 0), (10, 10), (5, 2), (0, 10))),
            [(0, 0), (10, 5), (5, 2), (5, 1), (1, 3)],
            [(5, 5), (10.001, 5), (5, -0.001), (-5, 0), (15, 10)],
        ),
    ],
)
def test_limits_are_inclusive(limits, inside, outside):
    assert all(limits.contains(*reading) for reading in inside)
    assert not any(limits.contains(*reading) for reading in outside)
    both = np.array([*inside, *outside], dtype=float)
    assert limits.contains_many(both).tolist() == [True] * len(inside) + [False] * len(outside)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: cr.Box(alpha=(30, -30), beta=(-20, 20)),
        lambda: cr.Box(alpha=(-30, 3000), beta=(-20, 20)),
        lambda: cr.Polygon(vertices=((0, 0), (1, 1), (2, 2))),
        lambda: cr.Reading(alpha_deg=math.nan),
        lambda: cr.Reading(alpha_deg=0.0, beta_deg="ten"),
        lambda: cr.orientation_of(np.full((3, 3), math.nan)),
        lambda: cr.orientation_of(np.diag([1.0, 1.0, -1.0])),
        lambda: cr.orientation_of(np.eye(3) * 1.01),
        lambda: cr.orientation_of(np.eye(2)),
        lambda: cr.tilt_to_axis(CUBIC, cr.orientation_of(np.eye(3)), (0, 0, 0), cr.Stage()),
        lambda: cr.reachable_axes(CUBIC, cr.orientation_of(np.eye(3)), cr.Stage(), 1000),
        lambda: cr.axis_angle((0, 0, 0), 10),
    ],
)
def test_bad_input_names_a_remedy(bad):
    with pytest.raises(BadInput) as caught:
        bad()
    assert caught.value.what
    assert caught.value.remedy


def test_a_misspelt_limit_is_an_error():
    with pytest.raises(ValidationError):
        cr.Stage.model_validate({"limits": {"type": "ellipse", "a": 1, "b": 1}})


def test_the_angle_of_two_readings_follows_the_cosine_formula(rng):
    for a1, b1, a2, b2 in np.radians(rng.uniform(-60, 60, (40, 4))):
        cosine = math.sin(a1) * math.sin(a2) + math.cos(a1) * math.cos(a2) * math.cos(b1 - b2)
        readings = [
            cr.Reading(alpha_deg=math.degrees(a), beta_deg=math.degrees(b)) for a, b in ((a1, b1), (a2, b2))
        ]
        found = cr.angle_between_readings_deg(cr.Stage(), *readings)
        assert found == pytest.approx(math.degrees(math.acos(cosine)), abs=1e-6)


def test_a_feature_moves_as_the_rotation_says():
    stage = cr.Stage()
    zero, tilted = cr.Reading(alpha_deg=0), cr.Reading(alpha_deg=30)
    assert np.allclose(cr.shift_um(stage, (0, 100, 0), zero, tilted), (0, -13.397, 50), atol=1e-3)
    assert np.allclose(cr.shift_um(stage, (50, 0, 0), zero, tilted), 0)
    away = cr.Stage(alpha_sign=-1)
    assert np.allclose(cr.shift_um(away, (0, 100, 0), zero, tilted), (0, -13.397, -50), atol=1e-3)


def test_screen_azimuths_need_a_calibration():
    with pytest.raises(Refused) as caught:
        cr.lab_azimuth_deg(cr.Stage(), 10)
    assert "tilt alpha" in caught.value.remedy
    for mirrored in (False, True):
        stage = cr.Stage(screen_azimuth_deg=37, screen_mirrored=mirrored)
        assert cr.lab_azimuth_deg(stage, 10) == (27 if mirrored else 47)
        assert cr.screen_azimuth_deg(stage, cr.lab_azimuth_deg(stage, 10)) == pytest.approx(10)


@pytest.mark.parametrize("flip", ["none", "about_alpha", "about_beta", "about_beam"])
def test_reloading(rng, helpers, flip):
    """A fiducial gives the turn back, and the crystal is where the loading put it."""
    turn = helpers["rotation"](rng)
    before = cr.orientation_of(turn, np.diag([1e-6, 4e-6, 9e-6]))
    after = cr.reloaded(before, flip, 23.0)
    loading = after.array @ turn.T
    assert np.allclose(loading @ loading.T, np.eye(3))
    azimuths = np.array([10.0, 130.0])
    marks = np.stack([np.cos(np.radians(azimuths)), np.sin(np.radians(azimuths)), [0, 0]])
    seen = loading @ marks
    found = cr.turn_between_deg(azimuths, np.degrees(np.arctan2(seen[1], seen[0])), flip)
    assert found == pytest.approx(23)
    assert np.allclose(loading @ before.covariance @ loading.T, after.covariance)
    along_alpha, along_beta = loading @ (1, 0, 0), loading @ (0, 1, 0)
    expected = {"none": (1, 1), "about_alpha": (1, -1), "about_beta": (-1, 1), "about_beam": (-1, -1)}[flip]
    back = cr.axis_angle((0, 0, 1), -23.0)
    assert np.allclose(back @ along_alpha, (expected[0], 0, 0))
    assert np.allclose(back @ along_beta, (0, expected[1], 0))
    assert (loading[2, 2] < 0) == (flip in ("about_alpha", "about_beta"))
    again = cr.reloaded(cr.reloaded(before, "about_alpha"), "about_alpha")
    assert np.allclose(again.array, before.array)


def test_a_corner_a_rounding_error_above_zero_lets_nobody_out():
    """Corners from sines and cosines: 7e-16 instead of 0 once made (-65, 0) count as inside."""
    turns = np.arange(8) * math.tau / 8
    radii = (6, 6, 6, 12, 6, 6, 6, 6)
    corners = tuple((r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, turns, strict=True))
    region = cr.Polygon(vertices=corners)
    for reading in ((-65.0, 0.0), (65.0, 0.0), (0.0, 65.0), (-7.0, 0.0)):
        assert not region.contains(*reading)
    assert region.contains(-5.0, 0.0)
