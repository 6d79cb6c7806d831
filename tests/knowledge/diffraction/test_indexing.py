"""Lists of spots whose truth is known: indexed, or refused for the right reason. Pictures are read in tests/vision."""

import math

import numpy as np
import pytest

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import diffraction as df

PER_PIXEL = 0.012
NAMES = ("Si", "TiO2", "quartz", "MoO3", "ZrO2")


def measured(name, to_lab, rng, *, false=0, scale=1.0, light, shift=(0.0, 0.0), most=40, faintest=3e-4):
    """The spots of a pattern, displaced by half a pixel at most, with false ones among them."""
    seen = df.spots(df.reflections(df.structure_named(name), 1.7), to_lab, light, 45, faintest)
    at = (seen.at + shift) * scale + rng.normal(0, 0.25 * PER_PIXEL, (len(seen), 2))
    counts = 1e5 * seen.intensity * np.exp(0.3 * rng.normal(size=len(seen)))
    far = np.hypot(*at.T)
    keep = np.flatnonzero((far > 0.1) & (far < 1.5))[:most]
    at, counts = at[keep], counts[keep]
    if false:
        at = np.concatenate([at, rng.uniform(-1.0, 1.0, (false, 2))])
        counts = np.concatenate([counts, np.full(false, np.median(counts))])
    return df.Seen(at, counts, 0.5 * PER_PIXEL, 0.08, 1.52)


def known(name):
    return df.reflections(df.structure_named(name), 1.7)


def family_holds(crystal, axis, uvw):
    return list(axis) in crystal.direction_family(uvw).tolist()


def beam_off_deg(crystal, truth, answer):
    images = crystal.cartesian @ truth[2]
    return math.degrees(math.acos(min(1.0, float(np.abs(images @ np.array(answer)[2]).max()))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("uvw", [(0, 0, 1), (1, 1, 1)])
def test_zone_axes_are_found_with_their_orientation(helpers, light, rng, name, uvw):
    crystal = df.structure_named(name).crystal
    to_lab = helpers["on_beam"](crystal, uvw, (0.6, -0.4), float(rng.uniform(0, 360)))
    seen = measured(name, to_lab, rng, light=light, false=3)
    found = df.index_spots(seen, [known(name)], light, PER_PIXEL)
    assert found.verdict == "indexed", found.why
    answers = [found.best, *([found.turned] if found.turned else [])]
    assert min(beam_off_deg(crystal, to_lab, a.to_lab) for a in answers) < 1.5
    assert found.best.rms_px < 0.5
    assert found.best.scale == pytest.approx(1, abs=0.01)


def test_a_rough_camera_constant_and_a_shifted_centre_come_out(helpers, light, rng):
    crystal = df.structure_named("quartz").crystal
    to_lab = helpers["on_beam"](crystal, (1, 1, 1), (0.3, 0.5), 77)
    seen = measured("quartz", to_lab, rng, light=light, scale=1.06, shift=(0.01, -0.006))
    found = df.index_spots(seen, [known("quartz")], light, PER_PIXEL, 0.05)
    assert found.verdict == "indexed"
    assert found.best.scale == pytest.approx(1 / 1.06, abs=4e-3)
    rows, columns = found.best.shift_px
    assert (columns, rows) == pytest.approx((0.0106 / PER_PIXEL, -0.00636 / PER_PIXEL), abs=0.5)
    assert df.index_spots(seen, [known("quartz")], light, PER_PIXEL, 0.01).verdict == "no_phase_fits"


def test_the_right_one_of_several_phases_is_told(helpers, light, rng):
    phases = [known(name) for name in ("Si", "quartz", "TiO2")]
    for name, uvw in (("Si", (0, 1, 1)), ("quartz", (1, 0, 1)), ("TiO2", (1, 1, 1))):
        to_lab = helpers["on_beam"](df.structure_named(name).crystal, uvw, (0.4, 0.7), 33)
        found = df.index_spots(measured(name, to_lab, rng, light=light), phases, light, PER_PIXEL)
        assert (found.verdict, found.best.phase) == ("indexed", name)
        assert found.lead_nat is None or found.lead_nat > 6


def test_a_wrong_phase_is_not_taken(helpers, light, rng):
    to_lab = helpers["on_beam"](df.structure_named("ZrO2").crystal, (1, 1, 0), (0.2, 0.2), 10)
    found = df.index_spots(measured("ZrO2", to_lab, rng, light=light), [known("Si")], light, PER_PIXEL)
    assert found.verdict == "no_phase_fits"
    assert found.why


@pytest.mark.parametrize(
    "at",
    [
        [(0.3, 0.0), (0.0, 0.3), (-0.3, 0.0)],
        [(0.3, 0.0), (0.6, 0.0), (0.9, 0.0), (-0.3, 0.0), (1.2, 0.0)],
        [(0.3, 0.0), (-0.3, 0.0), (0.0, 0.3), (0.0, -0.3), (0.31, 0.33)],
        [],
    ],
)
def test_too_few_spots_are_said_to_be_too_few(light, at):
    """Three; a row; opposite ones that count once; none."""
    places = np.array(at, dtype=float).reshape(-1, 2)
    seen = df.Seen(places, np.ones(len(places)), 0.006, 0.08, 1.5)
    found = df.index_spots(seen, [known("Si")], light, PER_PIXEL)
    assert found.verdict == "too_few_spots"
    assert found.best is None


def test_random_spots_are_no_crystal(light, rng):
    for _ in range(3):
        seen = df.Seen(rng.uniform(-1, 1, (20, 2)), np.exp(rng.normal(size=20)), 0.006, 0.08, 1.5)
        for name in ("Si", "TiO2"):
            assert df.index_spots(seen, [known(name)], light, PER_PIXEL).verdict != "indexed"


def test_a_pseudo_cubic_crystal_is_not_guessed(helpers, light, rng):
    """BaTiO3 along a or along c: c/a is 1.0086, a twentieth of what a camera constant of 2 % and half a pixel tell."""
    to_lab = helpers["on_beam"](df.structure_named("BaTiO3").crystal, (1, 0, 0), (0.1, 0.2), 20)
    seen = measured("BaTiO3", to_lab, rng, light=light, most=16)
    found = df.index_spots(seen, [known("BaTiO3")], light, PER_PIXEL)
    truth = family_holds(df.structure_named("BaTiO3").crystal, found.best.zone_axis, (1, 0, 0))
    assert found.verdict == "ambiguous" or truth


def test_half_a_turn_that_spots_cannot_tell_is_said(helpers, light, rng):
    """One zone of a crystal without a two-fold along it: two orientations, one zone axis."""
    crystal = df.structure_named("ZrO2").crystal
    to_lab = helpers["on_beam"](crystal, (1, 0, 0), (0.0, 0.0), 20)
    found = df.index_spots(measured("ZrO2", to_lab, rng, light=light), [known("ZrO2")], light, PER_PIXEL)
    assert found.verdict == "indexed"
    assert found.turned is not None
    assert not found.orientation_is_unique
    one, two = (np.array(a.to_lab) for a in (found.best, found.turned))
    turn = math.degrees(math.acos(max(-1.0, min(1.0, (np.trace(one @ two.T) - 1) / 2))))
    assert turn == pytest.approx(180, abs=3)


@pytest.mark.parametrize("name", NAMES)
def test_the_offset_of_the_zone_axis_by_the_brightness_of_spots(helpers, light, rng, name):
    crystal = df.structure_named(name).crystal
    off = []
    for _ in range(4):
        tilt = tuple(rng.normal(0, 0.7, 2).tolist())
        to_lab = helpers["on_beam"](crystal, (0, 0, 1), tilt, float(rng.uniform(0, 360)))
        seen = measured(name, to_lab, rng, light=light, most=60, faintest=1e-5)
        start = cr.axis_angle((1.0, 0.7, 0), 0.9) @ to_lab
        found = df.offset_by_spots(seen, known(name), start, light)
        assert found is not None
        said = np.array(found.to_lab) @ crystal.direction((0, 0, 1))
        off.append(math.degrees(math.acos(min(1.0, float(said @ to_lab @ crystal.direction((0, 0, 1)))))))
        assert found.sigma_deg < 0.5
        assert found.off_deg == pytest.approx(math.hypot(*tilt), abs=max(0.1, 4 * found.sigma_deg))
    assert np.median(off) < 0.1


def test_too_few_spots_do_not_tell_the_offset(helpers, light, rng):
    to_lab = helpers["on_beam"](df.structure_named("Si").crystal, (0, 0, 1))
    seen = measured("Si", to_lab, rng, light=light, most=4)
    assert df.offset_by_spots(seen, known("Si"), to_lab, light) is None


def test_what_can_not_be_indexed_with(light, rng):
    seen = df.Seen(rng.uniform(-1, 1, (8, 2)), np.ones(8), 0.006, 0.08, 1.5)
    with pytest.raises(BadInput, match="crystal"):
        df.index_spots(seen, [], light, PER_PIXEL)
    with pytest.raises(BadInput, match="10 %"):
        df.index_spots(seen, [known("Si")], light, PER_PIXEL, 0.5)
