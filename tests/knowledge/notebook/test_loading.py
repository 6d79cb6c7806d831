"""Out and in again, turned over, in another microscope: what carries over does so as the specimen turns, no more."""

import math

import numpy as np
import pytest
from notebook_session import AT, CELLS, begun, calibration, oriented_for, reading_of, stage

from eucentric.core.errors import BadInput, Refused
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb

WORDS = {"grain": "grain1", "loading": "load1"}
FLIPS = {"none": (1, 1, 1), "about_alpha": (1, -1, -1), "about_beta": (-1, 1, -1), "about_beam": (-1, -1, 1)}


@pytest.fixture
def solved(path):
    """(file, crystal, true orientation) with grain A solved in load1."""
    numbers, group = CELLS["SrTiO3"]
    crystal = cr.crystal_of(numbers, group, "SrTiO3")
    true = oriented_for(crystal, (0, 0, 1))
    file = begun(path, crystal)
    file.add(
        *(reading_of(crystal, true, stage(), uvw, **WORDS) for uvw in ((0, 0, 1), (1, 1, 3), (1, -1, 3)))
    )
    file.add(nb.solved(file.read(), "grain1", "load1", "me"))
    yield file, crystal, true
    file.close()


def turned_over(true, flip, turn):
    angle = math.radians(turn)
    about = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    return about @ np.diag(FLIPS[flip]) @ true.array


@pytest.mark.parametrize("flip", FLIPS)
@pytest.mark.parametrize("turn", [0.0, 33.3, -151.0])
def test_orientations_turn_with_the_specimen(solved, flip, turn):
    file, crystal, true = solved
    file.add(nb.LoadingEntry(**AT, calibration="cal1", after="load1", flip=flip, turn_deg=turn))
    found = nb.carried(file.read(), "grain1", "load2")
    assert found.source == "readings r1, r2, r3 of load1"
    assert found.loadings == ("load1", "load2")
    now = found.candidates[0].orientation
    assert cr.equivalent(crystal, now.array, turned_over(true, flip, turn), 1e-4)
    before = file.read().get("sol1", nb.SolutionEntry).candidates[0].orientation
    grown = np.linalg.eigvalsh(now.covariance) - np.linalg.eigvalsh(before.covariance)
    assert (grown > 0).all()
    beam = np.array([0.0, 0.0, 1.0])
    added = beam @ now.covariance @ beam - beam @ before.covariance @ beam
    assert math.degrees(math.sqrt(added)) == pytest.approx(1.0, rel=1e-6)  # the turn's own error


def test_fiducials_say_the_turn_each_through_the_calibration_of_its_time(solved):
    """Three scratches, seen in two modes of two microscopes, one of them mirrored."""
    file, _, _ = solved
    flip, turn = "about_alpha", 47.5
    new = calibration(microscope="Grand ARM", alpha_sign=-1, screens=[
        nb.ScreenRow(screen=nb.ScreenMode(mode="image"), azimuth_deg=130.0, mirrored=True)])  # fmt: skip
    file.add(new)
    row = calibration().screens[0]
    marks = []
    for azimuth in (0.0, 70.0, 200.0):
        x, y, _ = np.diag(FLIPS[flip]) @ (
            math.cos(math.radians(azimuth)),
            math.sin(math.radians(azimuth)),
            0.0,
        )
        after = math.degrees(math.atan2(y, x)) + turn
        marks.append(nb.Fiducial(
            name=f"scratch {azimuth:g}",
            before=nb.ScreenAzimuth(azimuth_deg=azimuth - row.azimuth_deg, screen=row.screen),
            after=nb.ScreenAzimuth(azimuth_deg=130.0 - after, screen=nb.ScreenMode(mode="image")),
        ))  # fmt: skip
    file.add(nb.LoadingEntry(**AT, calibration="cal2", after="load1", flip=flip, fiducials=marks))
    assert nb.turn_of(file.read(), "load2").turn_deg == pytest.approx(turn, abs=1e-9)


def test_another_microscope_gets_its_own_readings_for_the_same_axis(solved):
    """Signs, limits and azimuth are of the microscope; the orientation is of the specimen."""
    file, crystal, true = solved
    file.add(calibration(microscope="Grand ARM", alpha_sign=-1, beta_sign=1))
    file.add(nb.LoadingEntry(**AT, calibration="cal2", after="load1", turn_deg=0.0))
    book = file.read()
    now = nb.carried(book, "grain1", "load2").candidates[0].orientation
    there = nb.stage_of(book.calibration_of("load2")[1])
    here = cr.tilts_to_family(crystal, true, (1, 1, 3), stage())
    then = cr.tilts_to_family(crystal, now, (1, 1, 3), there)
    first = sorted((round(t.alpha_deg, 5), round(t.beta_deg, 5)) for t in here)
    second = sorted((round(-t.alpha_deg, 5), round(-t.beta_deg, 5)) for t in then)
    assert first == second


def test_through_several_loadings_and_the_errors_add(solved):
    file, crystal, true = solved
    file.add(nb.LoadingEntry(**AT, calibration="cal1", after="load1", flip="about_alpha", turn_deg=20.0))
    file.add(
        nb.LoadingEntry(
            **AT, calibration="cal1", after="load2", flip="about_alpha", turn_deg=20.0, turn_sigma_deg=2.0
        )
    )
    found = nb.carried(file.read(), "grain1", "load3")
    assert found.loadings == ("load1", "load2", "load3")
    assert cr.equivalent(
        crystal, found.candidates[0].orientation.array, true.array, 1e-4
    )  # over and back: 20 − 20
    once = nb.carried(file.read(), "grain1", "load2").candidates[0].orientation.covariance
    assert np.trace(found.candidates[0].orientation.covariance) > np.trace(once)


def test_the_newest_solution_on_the_way_counts(solved):
    file, crystal, true = solved
    file.add(nb.LoadingEntry(**AT, calibration="cal1", after="load1", turn_deg=10.0))
    now = cr.orientation_of(turned_over(true, "none", 11.0))  # the turn was a degree off
    file.add(
        *(
            reading_of(crystal, now, stage(), uvw, grain="grain1", loading="load2")
            for uvw in ((0, 0, 1), (1, 1, 3), (1, -1, 3))
        )
    )
    file.add(nb.solved(file.read(), "grain1", "load2", "me"))
    file.add(nb.LoadingEntry(**AT, calibration="cal1", after="load2", turn_deg=0.0))
    found = nb.carried(file.read(), "grain1", "load3")
    assert (found.source, found.loadings) == ("readings r4, r5, r6 of load2", ("load2", "load3"))
    assert cr.equivalent(crystal, found.candidates[0].orientation.array, now.array, 1e-4)


@pytest.mark.parametrize(
    ("entry", "calibrated", "error", "match"),
    [
        ({}, {}, BadInput, "no orientation that carries over"),
        ({"after": "load1", "turn_deg": 0.0}, {"alpha_sign": None}, Refused, "which way its stage turns"),
        ({"after": "load1", "turn_deg": 0.0}, {"beta_sign": None}, Refused, "which way its stage turns"),
    ],
)
def test_what_is_not_known_does_not_carry_over(solved, entry, calibrated, error, match):
    file, _, _ = solved
    file.add(calibration(**calibrated))
    file.add(nb.LoadingEntry(**AT, calibration="cal2", **entry))
    with pytest.raises(error, match=match):
        nb.carried(file.read(), "grain1", "load2")


def test_an_orientation_that_later_readings_deny_does_not_carry_over(solved):
    file, crystal, true = solved
    wrong = reading_of(crystal, true, stage(), (1, 1, 3), **WORDS)
    file.add(wrong.model_copy(update={"written": "[001]"}))
    file.add(nb.LoadingEntry(**AT, calibration="cal1", after="load1", turn_deg=0.0))
    with pytest.raises(BadInput, match="were read") as caught:
        nb.carried(file.read(), "grain1", "load2")
    assert "r4" in caught.value.remedy
    assert "--replaces" in caught.value.remedy
