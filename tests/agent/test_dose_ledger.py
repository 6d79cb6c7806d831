"""The dose book between stays, over time and with missed moves; the map; what a spot has had; totals of a run."""

import time

import numpy as np
import pytest
from workbench import IMAGE, Person, image, step

from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.charge import Charge
from eucentric.agent.dose.history import KINDS, history
from eucentric.agent.dose.map import grid, place_dose, places, tiles
from eucentric.agent.dose.stage_errors import Errors
from eucentric.core.errors import BadInput
from eucentric.core.instrument import Located
from eucentric.core.plan import Step
from eucentric.instruments.capabilities import PositionErrors
from eucentric.instruments.twin.declaration import position_errors
from eucentric.instruments.twin.presets import PRESETS

EXACT = {"move_m": 0, "scale": 0, "cross": 0, "creep_m": 0, "drift_m_per_s": 0}


def book(dead_band_um=0.0, **errors):
    return DoseBook(Errors.of(PositionErrors(**{**EXACT, **errors}), (dead_band_um, dead_band_um)))


def field(x=0.0, y=0.0, dose=1.0, stay="a", width=0.01, **more):
    return Charge(x_um=x, y_um=y, width_um=width, height_um=width, dose_e_per_a2=dose, stay=stay, **more)


def walk(made, *stops, dose=1.0):
    """One charge at each stop (x, y), reached by a move from the one before; returns the name of the last stay."""
    at = (0.0, 0.0)
    for number, (x, y) in enumerate(stops):
        if number:
            made.moved(f"m{number}", x - at[0], y - at[1])
        at = (x, y)
        made.charge(f"c{number}", field(x, y, dose, f"s{number}"))
    return f"s{len(stops) - 1}"


# --- errors between stays ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "moves", "off_um", "touches"),
    [
        ({"move_m": 1e-6}, 1, 0.99, True), ({"move_m": 1e-6}, 1, 1.10, False),
        ({"move_m": 1e-6}, 4, 1.99, True), ({"move_m": 1e-6}, 4, 2.20, False),  # in squares
        ({"one_way_m": 1e-7}, 4, 0.39, True), ({"one_way_m": 1e-7}, 4, 0.45, False),  # one after the other
        ({"fixed_m": 5e-7}, 4, 0.50, True), ({"fixed_m": 5e-7}, 4, 0.60, False),  # once
        ({"creep_m": 2e-7, "creep_s": 10}, 1, 0.39, True), ({"creep_m": 2e-7, "creep_s": 10}, 1, 0.45, False),
    ],
)  # fmt: skip
def test_errors_grow_with_the_moves_between(errors, moves, off_um, touches):
    made = book(**errors)
    made.charge("c", field(settled_s=0.0))
    for number in range(moves):
        made.moved(f"m{number}", 5.0, 5.0)
    before = made.before(field(off_um, stay="later", settled_s=0.0))
    assert (before > 0) == touches


def test_scale_error_is_of_the_distance_that_is_left():
    made = book(scale=0.02, cross=0.1)
    made.charge("c", field(width=20.0))
    made.moved("m", 18.0, 0.0)
    assert made.before(field(10.15, stay="b")) == 1.0  # 0.02 x 10 µm beyond the edge
    assert made.before(field(10.40, stay="b")) == 0.0


@pytest.mark.parametrize(
    ("wait_s", "off_um", "touches"), [(0, 0.02, False), (600, 0.5, True), (600, 0.75, False)]
)
def test_drift_within_a_stay_grows_with_time(wait_s, off_um, touches):
    made = book(drift_m_per_s=1e-9)
    made.charge("c", field(time_s=10.0, seconds=1.0))
    assert (made.before(field(off_um, time_s=11.0 + wait_s, seconds=1.0)) > 0) == touches


def test_creep_within_a_stay_dies_away():
    made = book(creep_m=1e-7, creep_s=10)
    made.charge("fresh", field(settled_s=0.0))
    assert made.before(field(0.10, settled_s=60.0)) == 1.0
    old = book(creep_m=1e-7, creep_s=10)
    old.charge("settled", field(settled_s=60.0))
    assert old.before(field(0.10, settled_s=61.0)) == 0.0


def test_a_clock_that_was_set_back_is_taken_for_a_day():
    made = book(drift_m_per_s=1e-9)
    made.charge("c", field(time_s=5000.0))
    assert made.before(field(50.0, time_s=1.0)) == 1.0
    assert made.before(field(100.0, time_s=1.0)) == 0.0


# --- missed moves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("missed", "wanted"), [(0, 0.0), (1, 1.0), (2, 2.0)])
def test_the_last_places_count_where_moves_may_be_missed(missed, wanted):
    made = book(missed_moves=missed)
    walk(made, (0, 0), (30, 0))
    made.moved("last", 0, 40)
    assert made.before(field(30, 40, stay="now")) == wanted


def test_a_story_is_the_same_for_every_stay():
    """Three places in a row, 10 µm apart: missing one move can't bring all of them under the fourth."""
    made = book(missed_moves=1)
    walk(made, (0, 0), (10, 0), (20, 0))
    made.moved("last", 10, 0)
    assert made.before(field(30, 0, stay="now")) == 1.0


def test_a_missed_move_shifts_what_comes_after_it():
    """There and back: if the way out was missed, both were exposed at one place, which is 30 µm off by now."""
    made = book(missed_moves=1)
    walk(made, (0, 0), (30, 0))
    made.moved("back", -30, 0)
    assert made.before(field(0, 0, stay="now")) == 1.0  # either the first or the second, never both
    assert made.before(field(30, 0, stay="now")) == 2.0
    assert made.before(field(60, 0, stay="now")) == 0.0


def test_planning_takes_moves_to_happen():
    made = book(missed_moves=2)
    walk(made, (0, 0), (30, 0))
    assert made.before(field(60, 0, stay="later"), missed=False) == 0.0


def seen(frame, tile, x_um=30.0, uncertainty=0.01):
    return Located(
        frame=frame, in_frame=tile, x_um=x_um, y_um=0.0, uncertainty_um=uncertainty, confidence=1.0
    )


def test_a_place_found_again_by_image_is_no_longer_in_doubt():
    made = book(missed_moves=1, move_m=1e-6)
    made.charge("tile", field(30, 0, width=20.0))
    made.keep_frames("tile", ["f-1"])
    made.moved("m0", -20, 15)
    made.moved("m1", -10, -15)
    made.charge("image", field(0, 0, dose=100.0, stay="b"))
    made.moved("m2", 30, 0)
    made.charge("look", field(30, 0, stay="c"))
    made.keep_frames("look", ["f-2"])
    here = field(30, 0, stay="c")
    assert made.before(here) == pytest.approx(101.0)  # it may still be where the image was taken
    made.located("l", seen("f-2", "f-1"))
    assert made.before(here) == pytest.approx(2.0)


def test_what_was_measured_moves_the_charges():
    made = book()
    made.charge("tile", field(30, 0, width=20.0))
    made.keep_frames("tile", ["f-1"])
    made.moved("m", 5, 0)
    made.charge("look", field(30, 0, stay="c", dose=7.0))
    made.keep_frames("look", ["f-2"])
    made.located("l", seen("f-2", "f-1", 30.4))
    made.moved("n", -5, 0)
    assert made.before(field(30.4, 0, stay="a")) == pytest.approx(8.0)
    assert made.before(field(30.0, 0, stay="a")) == pytest.approx(1.0)


@pytest.mark.parametrize("frames", [("x", "y"), ("f-0", "y"), ("x", "f-1")])
def test_frames_that_are_not_of_this_loading_tell_nothing(frames):
    made = book()
    walk(made, (0, 0), (30, 0))
    made.keep_frames("c0", ["f-0"])
    made.keep_frames("c1", ["f-1"])
    made.located("l", seen(*frames))
    assert made.before(field(0, 0, stay="s1")) == 1.0
    assert made.reading("x", 3.0, 4.0) == (3.0, 4.0)


def test_a_place_reads_differently_after_a_missed_move():
    """The tile of s1 shows the place of s0 again: from s1 on, 30 µm more are read for the same place."""
    made = book(missed_moves=1)
    walk(made, (0, 0), (30, 0))
    made.keep_frames("c0", ["f-0"])
    made.keep_frames("c1", ["f-1"])
    assert made.reading("f-0", 2.0, 0.0) == (2.0, 0.0)
    made.located("l", seen("f-1", "f-0", x_um=0.0))
    assert made.reading("f-0", 2.0, 0.0) == (32.0, 0.0)
    assert made.reading("f-1", 30.0, 0.0) == (30.0, 0.0)
    assert made.before(field(30.0, 0, stay="s1")) == 2.0
    made.moved("m", 10.0, 0.0)
    made.charge("c2", field(40.0, 0, stay="s2"))
    assert made.reading("f-0", 2.0, 0.0) == (32.0, 0.0)  # what comes after stands off by as much


def test_stays_that_images_tie_together_are_one_body():
    """Two imaged places 10 µm apart, both known by image: a missed move can't bring both under one field."""
    made = book(dead_band_um=6.0, missed_moves=1)
    made.charge("tile", field(0, 0, dose=1.0, width=40.0))
    made.keep_frames("tile", ["f-t"])
    for number, x in enumerate((5.0, 15.0)):
        made.moved(f"m{number}", x if not number else 10.0, 0.0)
        made.charge(f"c{number}", field(x, 0, dose=100.0, stay=f"s{number}"))
        made.keep_frames(f"c{number}", [f"f-{number}"])
    made.moved("m", -40.0, 0.0)
    wide = field(-25.0, 0, stay="later", width=20.0)
    assert made.before(wide) == pytest.approx(201.0)
    for number, x in enumerate((5.0, 15.0)):
        made.located(f"l{number}", seen(f"f-{number}", "f-t", x))
    assert made.before(wide) == pytest.approx(101.0)


def test_fields_of_one_stay_stay_apart_wherever_it_was():
    """Two fields 100 nm apart, seen from a stay that knows them to 1 µm: a place has had one of them."""
    made = book(move_m=1e-6)
    made.charge("a", field(0.0, dose=10.0))
    made.charge("b", field(0.1, dose=7.0))
    made.moved("m", 3.0, 0.0)
    assert made.before(field(0.0, stay="b")) == pytest.approx(10.0)


def test_two_thousand_charges_are_looked_up_in_5_ms():
    made = DoseBook(Errors.of(position_errors(PRESETS["worn"]), (1.5, 1.5)))
    rng, at = np.random.default_rng(0), np.zeros(2)
    for stay in range(100):
        step_um = rng.uniform(-30, 30, 2)
        made.moved(f"m{stay}", *step_um)
        at = at + step_um
        for n in range(20):
            when = {"time_s": 100.0 * stay + n, "seconds": 1.0}
            made.charge(f"{stay}.{n}", field(*at, stay=f"s{stay}", width=(0.01, 2.0)[n % 2], **when))
    spent = []
    for n in range(30):
        begin = time.process_time()
        made.before(field(*at, stay="s99", time_s=10_000.0 + n))
        spent.append(time.process_time() - begin)
    assert sorted(spent)[15] < 5e-3


# --- the map ----------------------------------------------------------------------------------------------


def test_tiles_of_exact_rectangles():
    made = book()
    made.charge("a", field(0.0, 0.0, 10.0, width=0.004, estimate_e_per_a2=8.0))
    made.charge("b", field(0.003, 0.0, 1.0, width=0.004, estimate_e_per_a2=1.0))
    edges = np.arange(-4, 7) * 1e-3
    shown = tiles(made, field(), edges, edges)
    assert shown.bound[4].tolist() == [0, 10, 10, 10, 11, 11, 11, 1, 1, 1]  # the probe's reach counts
    assert shown.estimate[4].tolist() == pytest.approx([0, 0, 8, 8, 8, 9, 1, 1, 1, 0])
    assert shown.bound[0].tolist() == [0] * 10
    assert made.before(field(width=0.5)) == shown.bound.max()


def test_an_estimate_shares_a_tile():
    made = book()
    made.charge("a", field(0.0, 0.0, 10.0, width=0.004, estimate_e_per_a2=8.0))
    edges = grid(-0.016, 0.016, 0.016)
    assert tiles(made, field(), edges, edges).estimate[0, 0] == pytest.approx(8.0 * (2 / 16) ** 2)
    with pytest.raises(BadInput):
        grid(0.0, 1e6, 1e-3)


def test_places_are_apart_and_an_overview_is_its_own():
    made = book()
    walk(made, (0, 0), (0.005, 0), (5, 5))
    made.charge("wide", field(0, 0, 0.5, "s2", width=50.0))
    found = places(made)
    assert sorted(len(place.keys) for place in found) == [1, 1, 2]
    assert found[0].bound_e_per_a2 == pytest.approx(2.5)


def test_a_spot_tells_which_exposures_touched_it():
    made = book(move_m=1e-6)
    walk(made, (0, 0), (0.5, 0), (20, 0))
    spot = place_dose(made, field(0, 0, stay="s2"), 3.0)
    assert [(one.run, one.by_readings) for one in spot.exposures] == [("c0", True), ("c1", False)]
    assert (spot.bound_e_per_a2, spot.left_e_per_a2) == (2.0, 1.0)


# --- through the door ---------------------------------------------------------------------------------------


def test_a_spot_is_told_with_frames_event_and_what_is_left(bench):
    bench.carry(image())
    bench.carry(
        step("m", "move_stage", x_um=40.0),
        step("q", "query_dose", x_um=0.0, y_um=0.0),
        step("h", "query_dose"),
    )
    first, here = (row.body["value"] for row in bench.rows("concluded")[1:])
    (one,) = first["dose"]["exposures"]
    intent = bench.rows("intended", run="r-0001")[0]
    assert (one["run"], one["event"], one["frames"]) == ("r-0001", intent.seq, [f"f-{intent.seq:05d}"])
    assert first["dose"]["bound_e_per_a2"] == pytest.approx(intent.body["charge"]["dose_e_per_a2"])
    assert first["left_e_per_a2"] == pytest.approx(1e6 - first["dose"]["bound_e_per_a2"])
    assert 0 < first["dose"]["estimate_e_per_a2"] < first["dose"]["bound_e_per_a2"]
    assert here["dose"]["bound_e_per_a2"] == 0.0


def test_the_history_of_a_loading_is_read_from_rows_alone(bench):
    bench.carry(image())
    bench.carry(step("m", "move_stage", x_um=40.0), image("b"))
    found = history(bench.store.ledger.events(kinds=KINDS))
    assert (found.loading, found.errors_declared, found.budget_e_per_a2) == ("twin-1", True, 1e6)
    assert found.at(0.0, 0.0).bound_e_per_a2 == pytest.approx(
        bench.run.book.before(field(0, 0, stay="x"), missed=False)
    )
    with pytest.raises(BadInput, match="twin-9"):
        history(bench.store.ledger.events(kinds=KINDS), "twin-9")


def test_moves_are_read_back_from_rows(bench):
    """A new process must know that a move may have been missed."""
    bench.spy.declared = {"position_errors": PositionErrors(**EXACT, missed_moves=1)}
    bench.carry(image("a"), step("m", "move_stage", x_um=40.0), image("b"))
    found = history(bench.store.ledger.events(kinds=KINDS))
    again = DoseBook(Errors.of(PositionErrors(**EXACT, missed_moves=1), (0.0, 0.0)))
    again.load(bench.store.ledger.events(kinds=KINDS), found.instrument, found.loading)
    second = list(again.charges.values())[1]
    both = sum(charge.dose_e_per_a2 for charge in again.charges.values())
    assert again.before(second, past=True) == pytest.approx(both)


def test_a_run_has_a_total_that_can_not_be_split_around(bench):
    first = bench.carry(image())
    envelope = bench.rows("asked")[-1].body["envelope"]
    assert envelope["max_electrons"] == pytest.approx(1.1 * first.preview["electrons"])
    from eucentric.agent.consent.permit import Permit

    used = []
    check = Permit.check_scan

    def tight(self, *args):
        self.envelope = self.envelope.model_copy(update={"max_electrons": 2.5 * first.preview["electrons"]})
        used.append(self.electrons_used)
        return check(self, *args)

    Permit.check_scan = tight
    try:
        outcome = bench.carry(Step(id="l", do=(image("a"),), times=5))
    finally:
        Permit.check_scan = check
    assert bench.spy.names().count("acquire") == 1 + 2
    assert outcome.exit_code == 3
    assert "electrons in this run" in outcome.error["what"]


def test_what_a_frame_is_charged_with(bench):
    bench.carry(image(width_px=32, height_px=16, fov_nm=2.0, dwell_us=3.0))
    charge = Charge.model_validate(bench.rows("intended")[0].body["charge"])
    per_pixel = 30e-12 * 3e-6 / 1.602176634e-19
    total = 16 * (32 * per_pixel + 30e-12 * 20e-6 / 1.602176634e-19)
    assert charge.electrons == pytest.approx(1.03 * total)
    assert charge.estimate_e_per_a2 == pytest.approx(total / 200.0)  # 2 nm x 1 nm
    assert charge.height_um == pytest.approx(0.5 * charge.width_um)
    assert charge.dose_e_per_a2 > 1.03 * charge.estimate_e_per_a2 * 0.99


def test_a_default_budget_is_used_and_disclosed(bench):
    from eucentric.core.request import SpecimenCard

    bench.card = SpecimenCard(name="what", material="Unobtainium", holder="double-tilt A", loading="twin-1")
    person = Person()
    outcome = bench.carry(image(**{**IMAGE, "fov_nm": 2000.0, "dwell_us": 0.1}), person=person)
    assert outcome.preview["budget_e_per_a2"] == 1e3
    assert "not stated on the card" in person.cards[0]
    assert "careful" in person.cards[0]
    assert bench.rows("requested")[0].body["specimen"]["dose_budget_e_per_a2"] == 1e3
