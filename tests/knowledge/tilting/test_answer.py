"""The tilt brings the target onto the beam; what is out of reach, unsure or near is said, and is true."""

import math
from itertools import pairwise

import numpy as np
import pytest
from tilting_cases import CELLS, STAGES, known, made, oriented, random_rotation, read

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import tilting

CASES = [(name, stage) for name in CELLS for stage in STAGES]


def at(alpha, beta):
    return cr.Reading(alpha_deg=alpha, beta_deg=beta)


def off_deg(situation, tilt, vector):
    """Angle of the beam at a tilt's nearest reading to a line in the sample."""
    beam = cr.beam(situation.stage, at(tilt.nearest_alpha_deg, tilt.nearest_beta_deg))
    return math.degrees(math.acos(min(1.0, abs(float(beam @ vector)))))


@pytest.mark.parametrize(("name", "stage"), CASES)
def test_what_is_reachable_comes_onto_the_beam_and_what_is_not_misses_by_what_is_said(name, stage):
    rng = np.random.default_rng(len(name) + 7)
    crystal = made(name)
    for _ in range(4):
        situation = known(crystal, random_rotation(rng), STAGES[stage], (3.0, -2.0))
        for text in ("[111]", "<210>"):
            best = tilting.answered(situation, tilting.target_of(text)).best
            vector = situation.candidates[0].orientation.array @ crystal.direction(best.indices)
            assert off_deg(situation, best.tilt, vector) == pytest.approx(best.tilt.residual_deg, abs=1e-4)
            assert best.tilt.reachable == (best.tilt.residual_deg < 1e-6)
            limits = situation.stage.limits
            assert limits is None or limits.contains(best.tilt.nearest_alpha_deg, best.tilt.nearest_beta_deg)


@pytest.mark.parametrize(("name", "stage"), [case for case in CASES if case[1] != "rotate"])
def test_a_plane_is_edge_on_after_the_tilt_and_no_smaller_one_does(name, stage):
    rng = np.random.default_rng(len(stage))
    crystal = made(name)
    for _ in range(3):
        situation = known(crystal, random_rotation(rng), STAGES[stage], (2.0, 1.0))
        answer = tilting.answered(situation, tilting.target_of("{101}"))
        here = cr.beam(situation.stage, situation.now)
        for option in answer.ways[0].options:
            normal = cr.plane_normal(crystal, situation.candidates[0].orientation, option.indices)
            if option.tilt.reachable:
                assert off_deg(situation, option.tilt, normal) == pytest.approx(90.0, abs=1e-4)
                least = 90 - math.degrees(math.acos(min(1.0, abs(float(here @ normal)))))
                assert option.tilt.move_deg >= least - 1e-6
        moves = [o.tilt.move_deg for o in answer.ways[0].options if o.tilt.reachable]
        assert moves == sorted(moves)


def test_a_twin_is_not_answered_but_told_with_what_decides_and_that_decides():
    """Quartz from [100] and [210]: two orientations. Whichever is the true one, the axis to look at tells."""
    crystal, stage = made("quartz"), STAGES["box"]
    true = oriented(crystal, (1, 0, 0))
    seen = read(crystal, true, stage, (1, 0, 0), (2, 1, 0))
    situation = tilting.from_readings(crystal, seen, stage)
    answer = tilting.answered(situation, tilting.target_of("[111]"))
    assert (answer.ambiguous, answer.candidates, len(answer.ways)) == (True, 2, 2)
    assert answer.spread_deg > 10
    look = answer.next_axis
    there = cr.beam(stage, at(look.alpha_deg, look.beta_deg))
    for k, candidate in enumerate(situation.candidates):
        family = crystal.direction_family(look.uvw)
        gaps = [
            math.degrees(
                math.acos(min(1.0, abs(float(there @ candidate.orientation.array @ crystal.direction(m)))))
            )
            for m in family.tolist()
        ]
        assert (min(gaps) < 0.01) == (k == 0)
    third = cr.tilt_to_axis(crystal, cr.orientation_of(true), (2, 1, 1), stage)
    more = cr.Observation(reading=at(third.alpha_deg, third.beta_deg), uvw=third.uvw, sigma_deg=0.1)
    decided = tilting.answered(
        tilting.from_readings(crystal, [*seen, more], stage), tilting.target_of("[111]")
    )
    assert (decided.ambiguous, decided.candidates, decided.next_axis) == (False, 1, None)
    exact = cr.tilt_to_axis(crystal, cr.orientation_of(true), (1, 1, 1), stage)
    assert decided.best.tilt.alpha_deg == pytest.approx(exact.alpha_deg, abs=1e-4)


def test_what_all_candidates_agree_on_is_an_answer():
    crystal, stage = made("quartz"), STAGES["box"]
    seen = read(crystal, oriented(crystal, (1, 0, 0)), stage, (1, 0, 0), (2, 1, 0))
    answer = tilting.answered(tilting.from_readings(crystal, seen, stage), tilting.target_of("[310]"))
    assert answer.candidates == 2
    assert not answer.ambiguous
    assert answer.spread_deg < 0.1


@pytest.mark.parametrize("text", ["[113]", "(110)"])
def test_the_error_is_that_of_many_readings(text):
    """Monte Carlo over readings with the stated error: 95 % land within what was said (700 draws, ± 3.6 sigma)."""
    rng = np.random.default_rng(5)
    crystal, stage, sigma = made("ZrO2"), STAGES["none"], 0.3
    true = oriented(crystal, (0, 0, 1))
    seen = read(crystal, true, stage, (0, 0, 1), (1, 1, 2), (1, -1, 3), sigma=sigma)
    target = tilting.target_of(text)
    answer = tilting.answered(tilting.from_readings(crystal, seen, stage), target)
    vector = (
        cr.plane_normal(crystal, cr.orientation_of(true), target.indices)
        if target.is_plane
        else true @ crystal.direction(answer.best.indices)
    )
    here = (seen[-1].reading.alpha_deg, seen[-1].reading.beta_deg)
    misses = []
    for _ in range(700):
        noisy = [one.model_copy(update={"reading": _shaken(rng, stage, one, sigma)}) for one in seen]
        found = cr.solve_orientation(
            crystal, [n.model_copy(update={"sigma_deg": 5.0}) for n in noisy], stage
        )[0]
        option = tilting.answered(known(crystal, found.orientation.array, stage, here), target).best
        off = off_deg(known(crystal, true, stage), option.tilt, vector)
        misses.append(abs(90 - off) if target.is_plane else off)
    inside = np.mean(np.array(misses) <= answer.best.arrival.within_95_deg)
    assert inside == pytest.approx(0.95, abs=0.03)


def _shaken(rng, stage, observation, sigma):
    """The reading of an axis seen through an error of sigma in each direction across it."""
    m = cr.beam(stage, observation.reading)
    moved = cr.unit(m + np.cross(rng.normal(scale=math.radians(sigma), size=3), m))
    tilt = cr.tilt_to_direction(stage, moved)
    return at(tilt.alpha_deg, tilt.beta_deg)


@pytest.mark.parametrize(("name", "stage"), CASES)
def test_neighbours_are_where_they_are_said_to_be_nearest_first(name, stage):
    crystal = made(name)
    situation = known(crystal, oriented(crystal, (1, 1, 2)), STAGES[stage])
    place = at(5.0, 4.0)
    found = tilting.neighbours(situation, place, 3, 5)
    assert [one.away_deg for one in found] == sorted(one.away_deg for one in found)
    for one in found:
        axis = situation.candidates[0].orientation.array @ crystal.direction(one.uvw)
        there = cr.beam(situation.stage, at(one.alpha_deg, one.beta_deg))
        assert float(there @ axis) == pytest.approx(1.0, abs=1e-9)
        angle = math.degrees(math.acos(min(1.0, float(cr.beam(situation.stage, place) @ axis))))
        assert one.away_deg == pytest.approx(angle, abs=1e-4)


def test_the_shift_is_that_of_the_feature():
    crystal, stage = made("SrTiO3"), STAGES["signs"]
    situation = known(crystal, oriented(crystal, (0, 0, 1)), stage, (1.0, 2.0))
    point = (3.0, -2.0, 0.5)
    answer = tilting.answered(situation, tilting.target_of("[113]"), feature_um=point)
    tilt = answer.best.tilt
    turned = cr.rotation(stage, at(tilt.nearest_alpha_deg, tilt.nearest_beta_deg)) - cr.rotation(
        stage, at(1.0, 2.0)
    )
    assert answer.shift_um == pytest.approx(tuple(turned @ point), abs=1e-12)


@pytest.mark.parametrize("stage", ["box", "signs", "ellipse", "outline", "none"])
def test_along_a_band_the_plane_stays_edge_on_to_the_axis_or_to_the_limits(stage):
    crystal = made("ZrO2")
    situation = known(crystal, oriented(crystal, (0, 0, 1), (2, 1)), STAGES[stage], (2.3, 0.8))
    normal = cr.plane_normal(crystal, situation.candidates[0].orientation, (1, 0, 0))
    for to in (None, (0, 1, 3)):
        band = tilting.along(situation, (1, 0, 0), to)
        beams = [cr.beam(situation.stage, at(p.alpha_deg, p.beta_deg)) for p in band.waypoints]
        assert max(abs(float(beam @ normal)) for beam in beams) < 1e-9
        steps = [math.degrees(math.acos(min(1.0, float(a @ b)))) for a, b in pairwise(beams)]
        assert max(steps) == pytest.approx(min(steps), abs=1e-6)
        assert max(steps) <= 2.0 + 1e-6
    end = situation.candidates[0].orientation.array @ crystal.direction((0, 1, 3))
    assert float(beams[-1] @ end) == pytest.approx(1.0, abs=1e-9)
    everything = tilting.along(situation, (1, 0, 0)).waypoints
    assert all(point.within_limits for point in everything)
    assert {(0, 0, 1), (0, 1, 3)} <= {one.uvw for one in band.axes}


@pytest.mark.parametrize(
    ("hkl", "to", "match"),
    [
        ((1, 0, 0), (1, 1, 2), "does not lie in"),
        ((0, 1, 1), None, "no reading on the band"),
        ((0, 0, 1), None, "face-on"),
    ],
)
def test_a_path_that_is_none_is_said(hkl, to, match):
    crystal = made("SrTiO3")
    stage = cr.Stage(limits=cr.Box(alpha=(-10, 10), beta=(-10, 10)))
    with pytest.raises(BadInput, match=match):
        tilting.along(known(crystal, np.eye(3), stage), hkl, to)


def test_nothing_is_known_from_nothing():
    with pytest.raises(BadInput, match="no reading"):
        tilting.from_readings(made("SrTiO3"), [], STAGES["box"])
