"""Crystals nobody has indexed: predicted axes and ranking of lattices, from a hidden known crystal."""

import math

import numpy as np
import pytest

from eucentric.core.errors import BadInput, Refused
from eucentric.knowledge import crystal as cr

STAGE = cr.Stage(screen_azimuth_deg=12.0, limits=cr.Box(alpha=(-45, 45), beta=(-45, 45)))
HIDDEN = cr.crystal_of((4.7, 5.6, 7.3, 90, 104, 90), "P 1 2/m 1", "hidden")
OTHERS = [
    cr.crystal_of((4.05, 4.05, 4.05, 90, 90, 90), 225, "Al"),
    cr.crystal_of((3.2, 3.2, 5.2, 90, 90, 120), 194, "Mg"),
]


def pattern(turn, uvw, planes=()):
    tilt = cr.tilt_to_direction(cr.Stage(), turn @ HIDDEN.direction(uvw))
    reading = cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
    traces = [
        cr.screen_azimuth_deg(STAGE, cr.trace_deg(STAGE, reading, turn @ HIDDEN.normal(hkl)))
        for hkl in planes
    ]
    spacings = tuple(HIDDEN.spacing_angstrom(hkl) for hkl in planes)
    return cr.Pattern(reading=reading, traces_deg=tuple(traces), spacings_angstrom=spacings)


def base():
    c = HIDDEN.direction((0, 0, 1))
    return cr.axis_angle((1, 2, 0), 8) @ cr.axis_angle(
        np.cross(c, (0, 0, 1)) + np.array([0, 0, 1e-12]), math.degrees(math.acos(min(1, c[2])))
    )


def test_bands_of_two_patterns_meet_in_axes_not_yet_visited():
    """(1 0 0) is in [0 0 1] and [0 1 1]; (0 1 0) and (1 1 -1) with (1 0 0) predict zones of the hidden crystal."""
    turn = base()
    seen = [
        pattern(turn, (0, 0, 1), [(1, 0, 0), (0, 1, 0), (1, 1, 0)]),
        pattern(turn, (0, 1, 1), [(1, 0, 0), (0, 1, -1), (1, 1, -1)]),
    ]
    found = cr.unknown_map(STAGE, seen)
    assert len(found.band_normals) == 5  # the band of (1 0 0) is in both
    assert found.angles[0].angle_deg == pytest.approx(HIDDEN.directions_angle_deg((0, 0, 1), (0, 1, 1)))
    expected = [
        cr.zone_axis(p, q)
        for p, q in (((0, 1, 0), (1, 1, -1)), ((1, 1, 0), (0, 1, -1)), ((1, 1, 0), (1, 1, -1)))
    ]
    predicted = [
        cr.beam(STAGE, cr.Reading(alpha_deg=p.tilt.alpha_deg, beta_deg=p.tilt.beta_deg))
        for p in found.predicted
    ]
    for uvw in expected:
        line = turn @ HIDDEN.direction(uvw)
        assert any(abs(float(line @ axis)) > 1 - 1e-9 for axis in predicted), uvw
    assert not any(abs(float(axis @ turn @ HIDDEN.direction((0, 0, 1)))) > 0.9999 for axis in predicted)


def test_bands_of_one_pattern_predict_nothing_but_its_own_axis():
    """A band seen in both patterns, 0.8 degrees different: with a neighbour it would meet 4.6 degrees away."""
    stage = cr.Stage(screen_azimuth_deg=0)
    seen = [
        cr.Pattern(reading=cr.Reading(alpha_deg=0), traces_deg=(0,)),
        cr.Pattern(reading=cr.Reading(alpha_deg=0.8, beta_deg=20), traces_deg=(0, 10)),
    ]
    found = cr.unknown_map(stage, seen)
    assert len(found.band_normals) == 2
    assert found.predicted == ()


def test_the_hidden_lattice_is_ranked_first():
    turn = base()
    seen = [pattern(turn, uvw) for uvw in ((0, 0, 1), (0, 1, 1), (1, 1, 1))]
    ranked = cr.rank_lattices(STAGE, seen, [*OTHERS, HIDDEN])
    assert ranked[0].name == "hidden"
    assert ranked[0].misfit_deg < 1e-4
    near = cr.crystal_of((4.7 * 1.1, 5.6 * 1.1, 7.3 * 1.1, 90, 104, 90), "P 1 2/m 1", "scaled")
    with_spacings = [pattern(turn, (0, 0, 1), [(1, 0, 0), (0, 1, 0)]), *seen[1:]]
    ranked = cr.rank_lattices(STAGE, with_spacings, [near, HIDDEN])
    assert [m.name for m in ranked] == ["hidden", "scaled"]
    assert ranked[1].spacing_misfit > 0.01 > ranked[0].spacing_misfit


def test_a_lattice_that_explains_nothing_is_left_out():
    turn = base()
    odd = [
        pattern(turn, uvw).model_copy(update={"sigma_deg": 0.02})
        for uvw in ((0, 0, 1), (1, 2, 5), (-2, 1, 7))
    ]
    assert cr.rank_lattices(STAGE, odd, OTHERS[:1]) == ()


def test_a_third_pattern_that_does_not_fit_rules_a_lattice_out():
    turn = base()
    two = [pattern(turn, uvw) for uvw in ((0, 0, 1), (0, 1, 1))]
    assert cr.rank_lattices(STAGE, two, [HIDDEN])
    odd = cr.Pattern(
        reading=cr.Reading(alpha_deg=two[0].reading.alpha_deg - 6.3, beta_deg=two[0].reading.beta_deg + 4.1)
    )
    assert cr.rank_lattices(STAGE, [*two, odd], [HIDDEN]) == ()


def test_what_is_needed():
    with pytest.raises(BadInput):
        cr.unknown_map(STAGE, [])
    with pytest.raises(BadInput):
        cr.rank_lattices(STAGE, [pattern(base(), (0, 0, 1))], OTHERS)
    with pytest.raises(Refused):
        cr.unknown_map(cr.Stage(), [pattern(base(), (0, 0, 1), [(1, 0, 0)])])
    assert cr.unknown_map(cr.Stage(), [pattern(base(), (0, 0, 1))]).predicted == ()
