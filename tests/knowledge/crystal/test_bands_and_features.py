"""Planes, bands, traces and interfaces, against forward models with rotation matrices."""

import itertools
import math

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr

LIMITS = cr.Box(alpha=(-30, 30), beta=(-30, 30))
SIGNS = tuple(itertools.product((-1, 1), repeat=2))


@pytest.mark.parametrize("holder", ["double_tilt", "tilt_rotate"])
@pytest.mark.parametrize("signs", SIGNS)
def test_the_plane_is_edge_on_at_every_waypoint(crystals, rng, helpers, holder, signs):
    stage = cr.Stage(holder=holder, alpha_sign=signs[0], beta_sign=signs[1], limits=LIMITS)
    for crystal in crystals[::4]:
        orientation = cr.orientation_of(helpers["rotation"](rng))
        normal = cr.plane_normal(crystal, orientation, (1, -1, 2))
        for point in cr.along_band(stage, normal, (-25, -10, 3, 21, 170)):
            reading = cr.Reading(alpha_deg=point.alpha_deg, beta_deg=point.beta_deg)
            seen = cr.rotation(stage, reading) @ normal
            assert seen[2] == pytest.approx(0, abs=1e-12)
            line = (math.cos(math.radians(point.trace_deg)), math.sin(math.radians(point.trace_deg)))
            assert line[0] * seen[0] + line[1] * seen[1] == pytest.approx(0, abs=1e-9)
            assert 0 <= point.trace_deg < 180
            assert point.within_limits == LIMITS.contains(point.alpha_deg, point.beta_deg)


def test_a_path_along_a_band_has_even_steps_and_ends_where_asked(crystals, rng, helpers):
    stage = cr.Stage(limits=LIMITS)
    normal = cr.unit((0.2, 1.0, -0.1))
    start, end = (
        cr.Reading(alpha_deg=p.alpha_deg, beta_deg=p.beta_deg)
        for p in cr.along_band(stage, normal, (-28, 25))
    )
    path = cr.path_along_band(stage, normal, start, end, 2.0)
    beams = np.array([cr.beam(stage, cr.Reading(alpha_deg=p.alpha_deg, beta_deg=p.beta_deg)) for p in path])
    assert np.allclose(beams @ normal, 0, atol=1e-12)
    steps = np.degrees(np.arccos((beams[1:] * beams[:-1]).sum(axis=1)))
    assert np.allclose(steps, steps[0], atol=1e-6)
    assert 1.0 < steps[0] <= 2.0
    assert (path[0].alpha_deg, path[-1].alpha_deg) == pytest.approx((start.alpha_deg, end.alpha_deg))
    assert (path[0].beta_deg, path[-1].beta_deg) == pytest.approx((-28, 25))


def test_bands_that_alpha_cannot_follow():
    with pytest.raises(BadInput, match="no alpha below 90"):
        cr.along_band(cr.Stage(), np.array([0.0, 0.0, 1.0]), (10,))
    with pytest.raises(BadInput, match="any alpha"):
        cr.along_band(cr.Stage(), np.array([1.0, 0.0, 0.0]), (0,))
    with pytest.raises(BadInput, match="face-on"):
        cr.trace_deg(cr.Stage(), cr.Reading(alpha_deg=0), np.array([0.0, 0.0, 1.0]))
    with pytest.raises(BadInput, match="step"):
        cr.path_along_band(
            cr.Stage(), cr.unit((1, 1, 0)), cr.Reading(alpha_deg=0), cr.Reading(alpha_deg=5), 0
        )


def test_edge_on_is_the_smallest_move(rng):
    """No reading at which the plane is edge-on is nearer than the one given."""
    stage = cr.Stage(limits=cr.Box(alpha=(-70, 70), beta=(-70, 70)))
    for normal in rng.normal(size=(25, 3)):
        normal = cr.unit(normal)
        now = cr.Reading(alpha_deg=rng.uniform(-10, 10), beta_deg=rng.uniform(-10, 10))
        tilt = cr.edge_on_tilt(stage, normal, now)
        if not tilt.reachable:
            continue
        there = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
        assert cr.beam(stage, there) @ normal == pytest.approx(0, abs=1e-9)
        lean = math.degrees(math.asin(abs(float(cr.beam(stage, now) @ normal))))
        moved = cr.angle_between_readings_deg(stage, now, there)
        if tilt.residual_deg == 0 and moved <= lean + 1e-6:
            assert moved == pytest.approx(lean, abs=1e-6)


def test_edge_on_within_limits_where_the_smallest_move_is_not():
    """The shortest way leaves the box, but the band still runs through it."""
    stage = cr.Stage(limits=cr.Box(alpha=(-30, 30), beta=(-6, 30)))
    normal = cr.rotation(cr.Stage(), cr.Reading(alpha_deg=10, beta_deg=-12)).T @ cr.unit((1, 0.8, 0))
    now = cr.Reading(alpha_deg=0, beta_deg=0)
    tilt = cr.edge_on_tilt(stage, normal, now)
    assert tilt.reachable
    assert LIMITS.contains(tilt.alpha_deg, tilt.beta_deg)
    assert stage.limits.contains(tilt.alpha_deg, tilt.beta_deg)
    assert cr.beam(
        stage, cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    ) @ normal == pytest.approx(0, abs=1e-9)
    # it lies on the edge of the limits, where the band enters them
    edge = cr.along_band(stage, normal, (-6,))[0]
    assert (tilt.alpha_deg, tilt.beta_deg) == pytest.approx((edge.alpha_deg, -6), abs=1e-3)
    shortest = cr.edge_on_tilt(cr.Stage(), normal, now)
    assert not stage.limits.contains(shortest.alpha_deg, shortest.beta_deg)


def test_edge_on_out_of_reach_says_how_far_it_stays():
    stage = cr.Stage(limits=LIMITS)
    normal = cr.unit((0.1, 0.0, 1.0))
    tilt = cr.edge_on_tilt(stage, normal, cr.Reading(alpha_deg=0))
    assert not tilt.reachable
    grid = np.arange(-30, 30.1, 1)
    best = min(
        abs(float(cr.beam(stage, cr.Reading(alpha_deg=a, beta_deg=b)) @ normal)) for a in grid for b in grid
    )
    assert tilt.residual_deg == pytest.approx(math.degrees(math.asin(best)), abs=0.02)
    with pytest.raises(BadInput, match="face-on"):
        cr.edge_on_tilt(stage, np.array([0.0, 0.0, 1.0]), cr.Reading(alpha_deg=0))


def test_a_single_tilt_brings_a_plane_edge_on_where_it_can():
    stage = cr.Stage(holder="single_tilt", limits=cr.Box(alpha=(-60, 60), beta=(0, 0)))
    normal = cr.unit((0.5, 1.0, -0.3))
    tilt = cr.edge_on_tilt(stage, normal, cr.Reading(alpha_deg=0))
    assert tilt.reachable
    assert cr.beam(stage, cr.Reading(alpha_deg=tilt.alpha_deg)) @ normal == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("order", [1, -1, 3])
def test_two_beam_is_on_the_ewald_sphere(crystals, rng, helpers, order):
    wavelength = 0.0251
    stage = cr.Stage()
    for crystal in crystals[::5]:
        orientation = cr.orientation_of(helpers["rotation"](rng))
        tilt = cr.two_beam_tilt(
            crystal, orientation, (1, 1, 0), wavelength, stage, cr.Reading(alpha_deg=0), order
        )
        turn = cr.rotation(stage, cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg))
        g = (
            order
            * turn
            @ cr.plane_normal(crystal, orientation, (1, 1, 0))
            / crystal.spacing_angstrom((1, 1, 0))
        )
        k = np.array([0, 0, -1 / wavelength])
        sign = -1 if tilt.sign_reversed else 1
        assert np.linalg.norm(k + sign * g) == pytest.approx(1 / wavelength, rel=1e-9)


def test_an_impossible_reflection_is_refused(crystals):
    with pytest.raises(BadInput, match="order 0"):
        cr.two_beam_tilt(
            crystals[0],
            cr.orientation_of(np.eye(3)),
            (1, 0, 0),
            0.025,
            cr.Stage(),
            cr.Reading(alpha_deg=0),
            0,
        )


def strip_width(stage, reading, normal, foil, thickness, trace):
    """Projected width of an interface between two foil surfaces, across its trace: the forward model."""
    down = np.cross(normal, trace)
    down = down * thickness / abs(down @ foil)
    seen = cr.rotation(stage, reading) @ down
    line = cr.rotation(stage, reading) @ trace
    across = np.cross(line, (0, 0, 1)) / np.linalg.norm(line[:2])
    return abs(float(seen @ across))


@pytest.mark.parametrize("start", [(0.0, 0.0), (12.0, -7.0)])
@pytest.mark.parametrize(
    ("inclination", "turn"), [(35.4, 25.0), (-35.4, -25.0), (20.0, 15.0), (50.0, -20.0), (-15, 8)]
)
def test_two_widths_give_inclination_thickness_and_the_edge_on_tilt(start, inclination, turn):
    stage, azimuth, thickness = cr.Stage(), 37.0, 56.0
    first = cr.Reading(alpha_deg=start[0], beta_deg=start[1])
    theta = math.radians(azimuth)
    line = np.array([math.cos(theta), math.sin(theta), 0.0])
    trace = cr.rotation(stage, first).T @ line
    across = np.array([-math.sin(theta), math.cos(theta), 0])
    normal = cr.rotation(stage, first).T @ cr.axis_angle(line, inclination) @ across
    second = cr.across_feature(stage, first, azimuth, turn)
    widths = [
        strip_width(stage, reading, normal, np.array([0, 0, 1.0]), thickness, trace)
        for reading in (first, cr.Reading(alpha_deg=second.alpha_deg, beta_deg=second.beta_deg))
    ]
    found = cr.edge_on_from_widths(stage, first, azimuth, widths, (turn,))
    assert found.inclination_deg == pytest.approx(abs(inclination))
    assert found.turn_deg == pytest.approx(-inclination)
    assert found.thickness_nm == pytest.approx(thickness)
    edge = cr.Reading(alpha_deg=found.tilt.alpha_deg, beta_deg=found.tilt.beta_deg)
    assert cr.beam(stage, edge) @ normal == pytest.approx(0, abs=1e-9)
    assert not found.crossed
    assert found.other.crossed


def test_a_third_width_tells_whether_edge_on_was_crossed():
    """Turned from -10 through edge-on to +15 degrees: two widths alone give the wrong answer first."""

    def width(i):
        return 100 * abs(math.sin(math.radians(i)))

    first = cr.Reading(alpha_deg=0)
    two = cr.edge_on_from_widths(cr.Stage(), first, 20, (width(-10), width(15)), (25,))
    assert two.turn_deg != pytest.approx(10)
    assert two.other.turn_deg == pytest.approx(10)
    three = cr.edge_on_from_widths(cr.Stage(), first, 20, (width(-10), width(15), width(30)), (25, 40))
    assert (three.turn_deg, three.crossed, three.other) == (pytest.approx(10), True, None)
    straight = cr.edge_on_from_widths(cr.Stage(), first, 20, (width(10), width(35), width(25)), (25, 15))
    assert (straight.turn_deg, straight.crossed) == (pytest.approx(-10), False)
    with pytest.raises(BadInput, match="third width"):
        cr.edge_on_from_widths(cr.Stage(), first, 20, (width(-10), width(15), 500), (25, 40))


@pytest.mark.parametrize(
    ("widths", "turns"),
    [((40,), ()), ((40, 60), ()), ((40, -60), (25,)), ((40, math.nan), (25,)), ((40, 60), (0,)), ((0, 60), (25,)),
     ((40, 60), (math.nan,)), ((40, 60), (120,))],
)  # fmt: skip
def test_widths_that_say_nothing(widths, turns):
    with pytest.raises(BadInput) as caught:
        cr.edge_on_from_widths(cr.Stage(), cr.Reading(alpha_deg=0), 10, widths, turns)
    assert caught.value.remedy


@pytest.mark.parametrize("signs", SIGNS)
def test_turning_about_a_feature_keeps_it_in_the_image_and_at_its_azimuth_at_zero_turn(rng, signs):
    stage = cr.Stage(alpha_sign=signs[0], beta_sign=signs[1])
    for _ in range(20):
        now = cr.Reading(alpha_deg=rng.uniform(-25, 25), beta_deg=rng.uniform(-25, 25))
        azimuth, turn = rng.uniform(0, 180), rng.uniform(-30, 30)
        tilt = cr.across_feature(stage, now, azimuth, turn)
        line = (math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth)), 0.0)
        in_sample = cr.rotation(stage, now).T @ line
        there = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
        assert cr.beam(stage, there) @ in_sample == pytest.approx(0, abs=1e-9)
        assert tilt.move_deg == pytest.approx(abs(turn), abs=1e-6)
        # right-handed about the line: what was under the beam turns with the specimen
        expected = cr.rotation(stage, now).T @ cr.axis_angle(line, -turn) @ (0, 0, 1)
        assert np.allclose(cr.beam(stage, there), expected, atol=1e-9)


@pytest.mark.parametrize("count", [2, 5])
def test_traces_at_several_tilts_give_the_line(rng, count):
    stage = cr.Stage()
    for _ in range(10):
        line = cr.unit(rng.normal(size=3))
        readings = [
            cr.Reading(alpha_deg=a, beta_deg=b)
            for a, b in ((-25, 20), (20, -15), (5, 25), (-10, -20), (30, 5))
        ][:count]
        azimuths = []
        for reading in readings:
            seen = cr.rotation(stage, reading) @ line
            azimuths.append(math.degrees(math.atan2(seen[1], seen[0])))
        found = cr.line_direction(stage, readings, azimuths)
        assert abs(float(found @ line)) == pytest.approx(1, abs=1e-9)
    other = cr.unit(np.cross(line, (0.3, 0.1, 1)))
    normal = cr.plane_through_lines(np.array([line, other]))
    assert abs(normal @ line) + abs(normal @ other) < 1e-9


def test_traces_too_much_alike():
    stage, readings = cr.Stage(), [cr.Reading(alpha_deg=0), cr.Reading(alpha_deg=0.1)]
    with pytest.raises(BadInput, match="alike"):
        cr.line_direction(stage, readings, (30, 30))
    with pytest.raises(BadInput, match="two readings"):
        cr.line_direction(stage, readings[:1], (30,))
    with pytest.raises(BadInput, match="parallel"):
        cr.plane_through_lines(np.array([[1.0, 0, 0], [-1.0, 0, 0]]))


def test_the_normal_of_an_edge_on_interface_comes_from_its_trace():
    stage, reading = cr.Stage(), cr.Reading(alpha_deg=14, beta_deg=-9)
    normal = cr.trace_plane_normals(stage, [reading], [33])[0]
    assert cr.beam(stage, reading) @ normal == pytest.approx(0, abs=1e-12)
    assert cr.trace_deg(stage, reading, normal) == pytest.approx(33)
