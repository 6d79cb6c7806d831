"""Orientations come from the raw readings, through the calibration of each mode, and come out again."""

import math

import numpy as np
import pytest
from notebook_session import AT, CELLS, begun, calibration, g_reading_of, oriented_for, reading_of, stage

from eucentric.core.errors import BadInput, Refused
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb

WORDS = {"grain": "grain1", "loading": "load1"}


def made(name):
    numbers, group = CELLS[name]
    return cr.crystal_of(numbers, group, name)


def test_the_true_orientation_is_among_the_candidates(filled, crystal):
    file, true = filled
    book = file.read()
    for key in ("sol1", "sol2"):
        found = book.get(key, nb.SolutionEntry).candidates
        assert any(cr.equivalent(crystal, true.array, one.orientation.array, 1e-4) for one in found)
    assert book.last_solution("grain1", "load1")[0] == "sol2"


def test_an_azimuth_in_another_mode_means_another_direction():
    """The same g read at two camera lengths, one mirrored: both rows lead to its direction in the lab."""
    crystal = made("quartz")
    true = oriented_for(crystal)
    at = cr.Reading(alpha_deg=0.0)
    zone = cr.tilt_to_axis(crystal, true, (1, 1, 2), stage())
    at = cr.Reading(alpha_deg=zone.alpha_deg, beta_deg=zone.beta_deg)
    for row in calibration().screens:
        reading = g_reading_of(crystal, true, stage(), (1, -1, 0), at, row)
        seen = nb.observation_of(reading, calibration())
        x, y, _ = cr.rotation(stage(), at) @ cr.plane_normal(crystal, true, (1, -1, 0))
        assert math.cos(math.radians(seen.azimuth_deg) - math.atan2(y, x)) == pytest.approx(1.0, abs=1e-12)
    band = reading.model_copy(update={"seen": "band"})
    assert nb.observation_of(band, calibration()).azimuth_deg == pytest.approx(seen.azimuth_deg + 90)


@pytest.mark.parametrize(
    ("words", "screen", "match"),
    [
        ({"alpha_sign": None}, {"camera_length_mm": 100.0}, "which way the stage turns"),
        ({"screens": []}, {"camera_length_mm": 100.0}, "calibrated in these modes: none"),
        ({}, {"camera_length_mm": 60.0}, "100 mm"),
        ({}, {"mode": "image"}, "calibrated in these modes"),
        ({}, {}, "2 calibrations fit and disagree"),
    ],
)
def test_a_direction_on_a_screen_nobody_calibrated_is_refused(words, screen, match):
    reading = nb.ReadingEntry(
        **AT, seen="g", written="(100)", alpha_deg=0,
        azimuths=[nb.ScreenAzimuth(azimuth_deg=3.0, screen=nb.ScreenMode(**screen))],
    )  # fmt: skip
    with pytest.raises(Refused, match=match):
        nb.observation_of(reading, calibration(**words))


def test_without_any_calibration_zone_axes_still_fix_the_tilts(path):
    crystal = made("Ti3AlC2")
    true = oriented_for(crystal, (0, 0, 1))
    file = nb.NotebookFile.new(path, nb.SpecimenEntry(**AT, name="x"))
    file.add(nb.PhaseEntry(**AT, crystal=crystal))
    near = cr.reachable_axes(crystal, true, stage(), 2)
    a, b, c = (
        near[0],
        *[t for t in near[1:] if cr.angle_between_readings_deg(stage(), _at(t), _at(near[0])) > 12][:2],
    )
    file.add(*(reading_of(crystal, true, stage(), t.uvw) for t in (a, b)))
    solution = nb.solved(file.read(), "", "", "me")
    tilts = [cr.tilts_to_family(crystal, one.orientation, c.uvw, cr.Stage()) for one in solution.candidates]
    best = min(abs(t.alpha_deg - c.alpha_deg) + abs(t.beta_deg - c.beta_deg) for some in tilts for t in some)
    assert best < 1e-6
    file.close()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_readings_are_said(path, count):
    crystal = made("SrTiO3")
    with begun(path, crystal) as file:
        for _ in range(count):
            file.add(reading_of(crystal, oriented_for(crystal), stage(), (1, 1, 2), **WORDS))
        file.add(nb.ReadingEntry(**AT, seen="unindexed", alpha_deg=3, **WORDS))
        with pytest.raises(BadInput, match=f"{count} indexed reading"):
            nb.solved(file.read(), "grain1", "load1", "me")


def test_a_corrected_calibration_counts_for_readings_made_before(path):
    """Azimuths are found later: raw readings are then read anew, and old solutions still come out as they were."""
    crystal = made("ZrO2")
    true = oriented_for(crystal)
    with begun(path, crystal, screens=[]) as file:
        zone = cr.tilt_to_axis(crystal, true, (1, 1, 2), stage())
        file.add(reading_of(crystal, true, stage(), (1, 1, 2), **WORDS))
        file.add(
            g_reading_of(crystal, true, stage(), (1, -1, 0), _at(zone), calibration().screens[0], **WORDS)
        )
        with pytest.raises(Refused):
            nb.solved(file.read(), "grain1", "load1", "me")
        file.add(calibration(replaces="cal1"))
        solution = nb.solved(file.read(), "grain1", "load1", "me")
        assert solution.calibration == "cal2"
        assert any(
            cr.equivalent(crystal, true.array, one.orientation.array, 1e-4) for one in solution.candidates
        )
        file.add(solution)
        file.add(calibration(replaces="cal2", alpha_sign=-1))
        assert nb.remade(file.read(), "sol1").identical
        assert nb.solved(file.read(), "grain1", "load1", "me").inputs_sha256 != solution.inputs_sha256


def test_a_number_that_was_derived_from_something_else_is_noticed(filled):
    file, _ = filled
    old = file.read().get("sol1", nb.SolutionEntry)
    turned = cr.reloaded(old.candidates[0].orientation, "none", 0.5)
    wrong = old.candidates[0].model_copy(update={"orientation": turned})
    file.add(old.model_copy(update={"candidates": (wrong, *old.candidates[1:])}))
    made_again = nb.remade(file.read(), "sol3")
    assert made_again.same_inputs
    assert not made_again.identical
    assert made_again.turned_deg == pytest.approx(0.5, abs=1e-6)


def test_a_solution_whose_calibration_is_useless_says_why(filled):
    file, _ = filled
    old = file.read().get("sol2", nb.SolutionEntry)
    file.add(old.model_copy(update={"calibration": ""}))
    again = nb.remade(file.read(), "sol3")
    assert not again.identical
    assert "can't be used" in again.problem


def test_an_unindexed_pattern_becomes_bands_in_the_lab_frame():
    reading = nb.ReadingEntry(
        **AT, seen="unindexed", alpha_deg=1.0, spacings_angstrom=[2.0],
        azimuths=[nb.ScreenAzimuth(azimuth_deg=20.0, screen=nb.ScreenMode(camera_length_mm=x)) for x in (100.0, 245.0)],
    )  # fmt: skip
    pattern = nb.pattern_of(reading, calibration())
    assert pattern.traces_deg == pytest.approx((20 - 18.3, 71.25 - 20))
    assert np.allclose(pattern.spacings_angstrom, [2.0])


def _at(tilt):
    return cr.Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)
