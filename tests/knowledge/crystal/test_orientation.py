"""Orientations from observations: all candidates, none lost, none twice; errors; what to visit next."""

import math
import re

import numpy as np
import pytest

from eucentric.core.errors import BadInput, Refused
from eucentric.knowledge import crystal as cr

SI = cr.crystal_of((5.431, 5.431, 5.431, 90, 90, 90), 227, "Si")
QUARTZ = cr.crystal_of((4.9134, 4.9134, 5.4052, 90, 90, 120), 154, "quartz")
ALBITE = cr.crystal_of((8.1372, 12.787, 7.1574, 94.245, 116.605, 87.809), 2, "albite")
ZRO2 = cr.crystal_of((5.1505, 5.2116, 5.3173, 90, 99.23, 90), 14, "ZrO2")
STAGE = cr.Stage(limits=cr.Box(alpha=(-40, 40), beta=(-40, 40)))


def near_up(crystal, rng):
    """An orientation with [001] within about 15 degrees of the beam."""
    turn = cr.axis_angle((rng.normal(), rng.normal(), 0), rng.uniform(0, 15))
    c = crystal.direction((0, 0, 1))
    to_z = cr.axis_angle(
        np.cross(c, (0, 0, 1)) + np.array([1e-9, 0, 0]), math.degrees(math.acos(min(1, c[2])))
    )
    return turn @ cr.axis_angle((0, 0, 1), rng.uniform(0, 360)) @ to_z


def observed(crystal, turn, uvw, stage=STAGE, noise=(0.0, 0.0), **more):
    tilt = cr.tilt_to_direction(cr.Stage(**stage.model_dump(include={"holder", "alpha_sign", "beta_sign"})),
                                turn @ crystal.direction(uvw), sense="as_given")  # fmt: skip
    reading = cr.Reading(alpha_deg=tilt.alpha_deg + noise[0], beta_deg=tilt.beta_deg + noise[1])
    return cr.Observation(uvw=tuple(uvw), reading=reading, **more)


def holds(crystal, candidates, turn, tolerance=1e-4):
    return sum(cr.equivalent(crystal, c.orientation.array, turn, tolerance) for c in candidates)


def test_the_truth_is_among_the_candidates_once(crystals, rng):
    for crystal in crystals:
        for family in (False, True):
            turn = near_up(crystal, rng)
            two = [observed(crystal, turn, uvw, family=family) for uvw in ((0, 0, 1), (1, 0, 2))]
            found = cr.solve_orientation(crystal, two, STAGE)
            assert holds(crystal, found, turn) == 1, crystal.name
            for k, one in enumerate(found):
                assert one.misfit_deg < 0.6
                assert not any(
                    cr.equivalent(crystal, one.orientation.array, other.orientation.array)
                    for other in found[:k]
                )


def test_each_candidate_explains_the_readings_with_its_own_indices(rng):
    turn = near_up(QUARTZ, rng)
    two = [observed(QUARTZ, turn, uvw, family=True) for uvw in ((0, 0, 1), (1, 0, 1))]
    for candidate in cr.solve_orientation(QUARTZ, two, STAGE):
        for observation, uvw in zip(two, candidate.indices, strict=True):
            predicted = candidate.orientation.array @ QUARTZ.direction(uvw)
            assert np.allclose(predicted, cr.beam(STAGE, observation.reading), atol=1e-6)
            assert list(uvw) in QUARTZ.direction_family(observation.uvw).tolist()


@pytest.mark.parametrize(
    ("crystal", "pair", "count"),
    [
        (SI, ((0, 0, 1), (1, 0, 2)), 1),
        (QUARTZ, ((0, 0, 1), (1, 0, 1)), 2),
        (ZRO2, ((0, 0, 1), (0, 1, 1)), 2),
        (ALBITE, ((0, 0, 1), (0, 1, 1)), 2),
    ],
)
def test_two_axes_leave_the_twin_unless_a_twofold_removes_it(rng, crystal, pair, count):
    turn = near_up(crystal, rng)
    two = [observed(crystal, turn, uvw) for uvw in pair]
    found = cr.solve_orientation(crystal, two, STAGE)
    assert len(found) == count
    seen = np.array([cr.beam(STAGE, o.reading) for o in two])
    assert cr.equivalent(crystal, turn, cr.twin_of(turn, seen)) == (count == 1)
    assert holds(crystal, found, cr.twin_of(turn, seen)) == 1
    given = [o.model_copy(update={"sense": "as_given"}) for o in two]
    assert len(cr.solve_orientation(crystal, given, STAGE)) == 1


def test_right_angles_leave_more():
    """At 90 degrees each sense may be reversed alone."""
    crystal = cr.crystal_of((5.1, 6.3, 7.9, 90, 90, 90), 1)
    turn = cr.axis_angle((1, 2, 3), 40)
    two = [observed(crystal, turn, uvw) for uvw in ((0, 0, 1), (1, 0, 0))]
    assert len(cr.solve_orientation(crystal, two, STAGE)) == 4


def test_a_third_axis_out_of_the_plane_decides(rng):
    for crystal in (QUARTZ, ALBITE, ZRO2):
        turn = near_up(crystal, rng)
        three = [observed(crystal, turn, uvw) for uvw in ((0, 0, 1), (0, 1, 1), (1, 0, 1))]
        assert len(cr.solve_orientation(crystal, three[:2], STAGE)) == 2
        found = cr.solve_orientation(crystal, three, STAGE)
        assert len(found) == 1
        assert holds(crystal, found, turn) == 1


def test_families_of_all_members_are_found_by_brute_force_too(rng):
    """Every pair of members at the measured angle, each tried as a definite pair, reduces to the same set."""
    for crystal in (QUARTZ, ZRO2, cr.crystal_of((4.7458,) * 3 + (57.23,) * 3, 166)):
        turn = near_up(crystal, rng)
        two = [observed(crystal, turn, uvw, family=True) for uvw in ((1, 0, 1), (1, 1, 2))]
        found = cr.solve_orientation(crystal, two, STAGE)
        distinct = []
        for a in crystal.direction_family((1, 0, 1)).tolist():
            for b in crystal.direction_family((1, 1, 2)).tolist():
                pair = [
                    two[0].model_copy(update={"uvw": tuple(a), "family": False, "sense": "as_given"}),
                    two[1].model_copy(update={"uvw": tuple(b), "family": False, "sense": "as_given"}),
                ]
                try:
                    one = cr.solve_orientation(crystal, pair, STAGE)[0].orientation.array
                except BadInput:
                    continue
                if not any(cr.equivalent(crystal, one, known, 1e-2) for known in distinct):
                    distinct.append(one)
        assert len(found) == len(distinct)
        assert all(holds(crystal, found, one, 1e-2) == 1 for one in distinct)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1)])
def test_one_zone_with_the_azimuth_of_a_g(rng, mirrored, signs):
    stage = cr.Stage(alpha_sign=signs[0], beta_sign=signs[1], screen_azimuth_deg=31, screen_mirrored=mirrored)
    for crystal in (SI, ALBITE):
        turn = near_up(crystal, rng)
        zone = observed(crystal, turn, (0, 0, 1), stage)
        normal = cr.rotation(stage, zone.reading) @ turn @ crystal.normal((1, 2, 0))
        azimuth = cr.screen_azimuth_deg(stage, math.degrees(math.atan2(normal[1], normal[0])))
        g = cr.Observation(hkl=(1, 2, 0), azimuth_deg=azimuth, reading=zone.reading, sigma_deg=0.5)
        found = cr.solve_orientation(crystal, [zone, g], stage)
        assert holds(crystal, found, turn) == 1
        # the two-fold about the zone axis always stays, unless the crystal has it
        beam = cr.beam(stage, zone.reading)
        assert holds(crystal, found, (2 * np.outer(beam, beam) - np.eye(3)) @ turn) == 1
        covariance = found[0].orientation.covariance
        assert math.degrees(math.sqrt(beam @ covariance @ beam)) == pytest.approx(0.5)
        assert np.degrees(np.sqrt(np.linalg.eigvalsh(covariance))) == pytest.approx((0.2, 0.2, 0.5))


def test_an_azimuth_pulls_only_about_the_beam(rng):
    """A g that leans out of the image by a Bragg angle, read a hundred times better than the zone axis."""
    stage = cr.Stage(screen_azimuth_deg=0.0)
    turn = near_up(SI, rng)
    zone = observed(SI, turn, (0, 0, 1), stage, sigma_deg=0.2)
    there = cr.rotation(stage, zone.reading) @ turn @ SI.normal((2, 2, 0))
    across = math.degrees(math.atan2(there[1], there[0])) + 90
    lean = cr.across_feature(stage, zone.reading, across, 1.2)
    away = cr.Reading(alpha_deg=lean.alpha_deg, beta_deg=lean.beta_deg)
    normal = cr.rotation(stage, away) @ turn @ SI.normal((2, 2, 0))
    assert abs(math.degrees(math.asin(normal[2]))) == pytest.approx(1.2, abs=1e-3)
    azimuth = math.degrees(math.atan2(normal[1], normal[0]))
    g = cr.Observation(hkl=(2, 2, 0), azimuth_deg=azimuth, reading=away, sigma_deg=0.005)
    found = cr.solve_orientation(SI, [zone, g], stage)
    best = min(
        found,
        key=lambda c: np.linalg.norm(
            c.orientation.array @ SI.direction((0, 0, 1)) - turn @ SI.direction((0, 0, 1))
        ),
    )
    off = np.degrees(
        np.linalg.norm(best.orientation.array @ SI.direction((0, 0, 1)) - turn @ SI.direction((0, 0, 1)))
    )
    assert off < 0.02
    assert best.worst_sigmas < 0.2


def test_an_azimuth_without_calibration_is_refused(rng):
    zone = observed(SI, near_up(SI, rng), (0, 0, 1))
    g = cr.Observation(hkl=(2, 0, 0), azimuth_deg=10, reading=zone.reading)
    with pytest.raises(Refused, match="alpha axis"):
        cr.solve_orientation(SI, [zone, g], STAGE)


@pytest.mark.parametrize("holder", ["double_tilt", "tilt_rotate"])
@pytest.mark.parametrize("signs", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_signs_and_holders_enter(rng, holder, signs):
    stage = cr.Stage(holder=holder, alpha_sign=signs[0], beta_sign=signs[1])
    turn = near_up(ALBITE, rng)
    three = [observed(ALBITE, turn, uvw, stage) for uvw in ((0, 0, 1), (0, 1, 1), (1, 0, 1))]
    assert holds(ALBITE, cr.solve_orientation(ALBITE, three, stage), turn) == 1


def test_covariance_matches_many_noisy_readings(rng):
    """First-order errors against 400 draws: within 12 %."""
    turn, sigma, target = near_up(ZRO2, rng), 0.2, (1, 0, 3)
    axes = [(0, 0, 1), (0, 1, 1)]
    n = turn @ ZRO2.direction(target)
    off = []
    for _ in range(400):
        two = []
        for uvw in axes:
            s = turn @ ZRO2.direction(uvw)
            x = np.cross(s, (1, 0, 0)) / np.linalg.norm(np.cross(s, (1, 0, 0)))
            dx, dy = np.radians(rng.normal(0, sigma, 2))
            tilt = cr.tilt_to_direction(cr.Stage(), cr.unit(s + dx * x + dy * np.cross(s, x)))
            reading = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
            two.append(cr.Observation(uvw=uvw, reading=reading, sense="as_given", sigma_deg=2 * sigma))
        best = cr.solve_orientation(ZRO2, two)[0].orientation.array
        off.append(np.degrees(np.linalg.norm(np.cross(best @ ZRO2.direction(target), n))))
    exact = [observed(ZRO2, turn, uvw, sense="as_given", sigma_deg=sigma) for uvw in axes]
    orientation = cr.solve_orientation(ZRO2, exact)[0].orientation
    tilt = cr.tilt_to_axis(ZRO2, orientation, target, STAGE)
    arrival = cr.predicted_arrival(ZRO2, orientation, tilt)
    assert math.sqrt(np.mean(np.square(off))) == pytest.approx(arrival.rms_deg, rel=0.12)
    assert np.quantile(off, 0.95) == pytest.approx(arrival.within_95_deg, rel=0.15)
    assert cr.pointing_rms_deg(orientation.covariance, n) == pytest.approx(arrival.rms_deg)


def test_tilt_errors_are_the_derivatives_of_the_tilts(rng, helpers):
    """alpha and beta of slightly turned directions, against the Jacobians; repeatability adds in squares."""
    n = cr.beam(cr.Stage(), cr.Reading(alpha_deg=35, beta_deg=-20))
    spread = rng.normal(size=(3, 3)) * 1e-4
    covariance = spread @ spread.T
    draws = rng.multivariate_normal(np.zeros(3), covariance, 4000)
    tilts = [cr.tilt_to_direction(cr.Stage(), cr.unit(n + np.cross(w, n))) for w in draws]
    arrival = cr.arrival_of(covariance, n)
    assert np.std([t.alpha_deg for t in tilts]) == pytest.approx(arrival.alpha_sigma_deg, rel=0.06)
    assert np.std([t.beta_deg for t in tilts]) == pytest.approx(arrival.beta_sigma_deg, rel=0.06)
    more = cr.arrival_of(covariance, n, 0.1)
    assert more.alpha_sigma_deg == pytest.approx(math.hypot(arrival.alpha_sigma_deg, 0.1))
    assert more.rms_deg == pytest.approx(math.sqrt(arrival.rms_deg**2 + 2 * 0.1**2))


def test_the_95_percent_circle_of_a_round_error_is_known():
    arrival = cr.arrival_of(np.zeros((3, 3)), np.array([0.0, 0, 1]), 1.0)
    assert arrival.within_95_deg == pytest.approx(math.sqrt(-2 * math.log(0.05)), rel=1e-3)


def test_the_next_axis_tells_the_candidates_apart(rng):
    """Go there, read what the truth shows, and one candidate is left; the truth is never the one dropped."""
    for crystal in (QUARTZ, ZRO2, ALBITE):
        turn = near_up(crystal, rng)
        two = [observed(crystal, turn, uvw) for uvw in ((0, 0, 1), (0, 1, 1))]
        found = cr.solve_orientation(crystal, two, STAGE)
        assert len(found) == 2
        advice = cr.next_axis(crystal, found, STAGE)
        assert advice.separation_deg > 1
        assert STAGE.limits.contains(advice.alpha_deg, advice.beta_deg)
        assert cr.spread_of_targets_deg(crystal, found, advice.uvw, STAGE) > 1
        third = observed(crystal, turn, advice.uvw)
        left = cr.solve_orientation(crystal, [*two, third], STAGE)
        assert len(left) == 1
        assert holds(crystal, left, turn) == 1


def test_the_next_axis_is_the_best_of_a_search_over_all(rng):
    """Separation to the nearest member of the family in the other candidate, by plain loops over the axes."""
    for crystal in (QUARTZ, ZRO2):
        turn = near_up(crystal, rng)
        found = cr.solve_orientation(
            crystal, [observed(crystal, turn, uvw) for uvw in ((0, 0, 1), (0, 1, 1))], STAGE
        )
        one, two = (c.orientation for c in found)
        gaps = {}
        for tilt in cr.reachable_axes(crystal, one, STAGE, 3):
            here = one.array @ crystal.direction(tilt.uvw)
            members = [two.array @ crystal.direction(m) for m in crystal.direction_family(tilt.uvw).tolist()]
            gaps[tilt.uvw] = math.degrees(math.acos(min(1, max(abs(float(here @ m)) for m in members))))
        advice = cr.next_axis(crystal, found, STAGE)
        assert advice.separation_deg == pytest.approx(max(gaps.values()), abs=1e-3)
        assert gaps[advice.uvw] == pytest.approx(advice.separation_deg, abs=1e-6)


def test_no_next_axis_for_one_candidate_or_without_reach(rng):
    turn = near_up(QUARTZ, rng)
    two = [observed(QUARTZ, turn, uvw) for uvw in ((0, 0, 1), (1, 0, 1))]
    found = cr.solve_orientation(QUARTZ, two, STAGE)
    assert cr.next_axis(QUARTZ, found[:1], STAGE) is None
    assert cr.next_axis(QUARTZ, found, cr.Stage(limits=cr.Box(alpha=(60, 60.1), beta=(60, 60.1)))) is None
    assert cr.spread_of_targets_deg(QUARTZ, found[:1], (1, 1, 2), STAGE) == 0


def test_a_wrong_index_is_named_with_what_would_fit():
    turn = np.eye(3)
    readings = [observed(SI, turn, uvw) for uvw in ((0, 0, 1), (1, 1, 2))]
    wrong = readings[1].model_copy(update={"uvw": (1, 0, 2)})
    with pytest.raises(BadInput) as caught:
        cr.solve_orientation(SI, [readings[0], wrong], STAGE)
    assert "35.26" in caught.value.what
    assert "26.57" in caught.value.what
    named = re.search(r"fits (\[[-\d ]+\])", caught.value.remedy).group(1)
    assert list(cr.parse_indices(named)[0]) in SI.direction_family((1, 1, 2)).tolist()


@pytest.mark.parametrize(("sigmas", "fits"), [(4.0, True), (5.0, False)])
def test_a_pair_is_checked_to_three_standard_deviations(sigmas, fits):
    """Of the difference of two readings, 3 sqrt(2) = 4.2 sigma; the fit alone would share it out and accept more."""
    two = [observed(SI, np.eye(3), uvw, sense="as_given", sigma_deg=0.2) for uvw in ((0, 0, 1), (1, 0, 2))]
    off = two[1].reading.model_copy(update={"beta_deg": two[1].reading.beta_deg + 0.2 * sigmas})
    two[1] = two[1].model_copy(update={"reading": off})
    if fits:
        assert len(cr.solve_orientation(SI, two, STAGE)) == 1
    else:
        with pytest.raises(BadInput, match="apart, the crystal has"):
            cr.solve_orientation(SI, two, STAGE)


def test_a_mirrored_triple_is_named():
    """Each pair agrees, but no right-handed crystal fits: a wrong sign of one tilt axis."""
    turn = cr.axis_angle((1, 2, 3), 25)
    axes = ((0, 0, 1), (0, 1, 1), (1, 0, 1))
    three = [observed(ALBITE, turn, uvw, sense="as_given") for uvw in axes]
    mirrored = cr.Stage(beta_sign=-1)
    with pytest.raises(BadInput, match="right-handed"):
        cr.solve_orientation(ALBITE, three, mirrored)


@pytest.mark.parametrize(
    ("second", "word"),
    [({"alpha_deg": 1.0, "beta_deg": 2.0}, "collinear"), ({"alpha_deg": 0.0, "beta_deg": 0.0}, "collinear")],
)
def test_collinear_readings(second, word):
    two = [
        cr.Observation(uvw=(0, 0, 1), reading=cr.Reading(alpha_deg=0.0)),
        cr.Observation(uvw=(0, 1, 1), reading=second),
    ]
    with pytest.raises(BadInput, match=word):
        cr.solve_orientation(SI, two, STAGE)


def test_one_observation_is_not_enough():
    with pytest.raises(BadInput, match="two are needed"):
        cr.solve_orientation(SI, [cr.Observation(uvw=(0, 0, 1), reading=cr.Reading(alpha_deg=0))], STAGE)


@pytest.mark.parametrize(
    "fields",
    [
        {"uvw": (0, 0, 0)},
        {"uvw": (1, 1, 1, 0)},
        {"uvw": (1, 0, 0), "hkl": (1, 0, 0), "azimuth_deg": 1.0},
        {},
        {"hkl": (1, 0, 0)},
        {"uvw": (1, 0, 0), "azimuth_deg": 1.0},
        {"uvw": (1, 0, 0), "reading": {"alpha_deg": math.nan, "beta_deg": 0.0}},
    ],
)
def test_observations_that_make_no_sense(fields):
    with pytest.raises(BadInput) as caught:
        cr.Observation(**({"reading": {"alpha_deg": 0.0}} | fields))
    assert caught.value.remedy


def test_weights_follow_the_errors(rng):
    """A reading a hundred times better pulls the orientation to itself."""
    turn = near_up(SI, rng)
    good = observed(SI, turn, (0, 0, 1), sense="as_given", sigma_deg=0.01)
    poor = observed(SI, turn, (1, 0, 2), sense="as_given", sigma_deg=1.0, noise=(0.6, 0.4))
    found = cr.solve_orientation(SI, [good, poor], STAGE)[0].orientation.array
    assert np.allclose(found @ SI.direction((0, 0, 1)), turn @ SI.direction((0, 0, 1)), atol=2e-6)
    assert not np.allclose(found @ SI.direction((1, 0, 2)), turn @ SI.direction((1, 0, 2)), atol=1e-3)


def test_a_printed_matrix_becomes_the_nearest_rotation(rng, helpers):
    for digits in (3, 4, 8):
        turn = helpers["rotation"](rng)
        u, _, vt = np.linalg.svd(np.round(turn, digits))
        found = cr.orientation_of(np.round(turn, digits)).array
        assert np.allclose(found, u @ vt, atol=1e-14)
        assert np.allclose(found @ found.T, np.eye(3), atol=1e-14)


def test_quaternions_come_back(rng, helpers):
    from eucentric.knowledge.crystal.rotation import angle_of, matrix_of, quaternion

    turns = [helpers["rotation"](rng) for _ in range(60)]
    turns += [cr.axis_angle(axis, angle) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (-1, 2, 0.5))
              for angle in (0, 1e-6, 90, 179.999999, 180, 120)]  # fmt: skip
    for turn in turns:
        q = quaternion(turn)
        assert q[0] >= 0
        assert np.allclose(matrix_of(q), turn, atol=1e-12)
    assert angle_of(quaternion(cr.axis_angle((1, 2, 3), 1e-5))) == pytest.approx(1e-5, rel=1e-6)
    assert angle_of(quaternion(cr.axis_angle((1, 2, 3), 179.99999))) == pytest.approx(179.99999, abs=1e-9)
