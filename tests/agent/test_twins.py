"""What was done already is shown before it is done again, whatever its id."""

import pytest
from test_recovery import dead, kill_at, resume
from workbench import URI, Person, image, step

from eucentric.agent.channels import Nobody
from eucentric.agent.conduct import new_run
from eucentric.agent.consent.asked import Answer
from eucentric.agent.consent.deciding import decide
from eucentric.agent.gate import question
from eucentric.agent.observer import Observer
from eucentric.agent.run import Run
from eucentric.agent.twins import find_twins, repeats_itself, twins
from eucentric.core.plan import Plan, Step
from eucentric.core.request import Request


def plan(*steps):
    return Plan(title="t", steps=steps)


def later(bench, *steps):
    """Lines for a plan of a new run."""
    run = new_run(
        bench.store, bench.guard, bench.card, Request(text="t", who="t", instrument=URI), Observer()
    )
    return twins(bench.store, run, plan(*steps))


def test_the_same_image_at_the_same_place_is_shown(bench):
    bench.carry(image("a"))
    frame = bench.rows("returned")[0].body["frames"][0]
    (line,) = later(bench, image("b"))
    assert line.startswith("acquire_image haadf 16×16 50 nm 1 µs was done at this place at ")
    assert f"(r-0001, {frame['id']}, {frame['dose_e_per_a2']:.2g} e/Å²)" in line


@pytest.mark.parametrize(
    "steps",
    [
        (image("b", dwell_us=2.0),),
        (step("m", "move_stage", x_um=30.0), image("b")),
        (step("g", "get_state"),),
        (step("s", "survey", tiles_x=1, tiles_y=1, width_px=16, fov_um=1.0), image("b")),
        (Step(id="b", tool="acquire_image", inputs={"fov_nm": "a.fov"}),),
    ],
)
def test_what_differs_or_lies_elsewhere_is_not(bench, steps):
    bench.carry(image("a"))
    assert later(bench, *steps) == []


def test_a_plan_that_comes_back_is_found(bench):
    bench.carry(
        step("m", "move_stage", x_um=30.0, y_um=0.0), image("a"), step("n", "move_stage", x_um=0.0, y_um=0.0)
    )
    assert later(bench, image("b")) == []
    assert len(later(bench, step("m", "move_stage", x_um=30.0, y_um=0.0), image("b"))) == 1


def test_another_specimen_has_no_twins(bench):
    bench.carry(image("a"))
    bench.spy.override = {"loading": "twin-2"}
    assert later(bench, image("b")) == []


def test_units_and_defaults_make_no_difference(bench):
    bench.carry(image("a"))
    assert len(later(bench, image("b", fov_nm="0.05 um", detectors=["haadf"]))) == 1


def test_a_series_that_broke_off_counts_what_it_exposed(bench):
    series = step("s", "acquire_series", width_px=16, height_px=16, fov_nm=10.0, dwell_us=1.0, frames=6)
    kill_at(bench, "acquire", 4)
    dead(bench, series)
    (line,) = later(bench, series)
    assert "3 frames from f-" in line


def test_many_are_counted(bench):
    images = [image(f"i{n}", dwell_us=float(n)) for n in range(1, 6)]
    bench.carry(*images)
    lines = later(bench, *images)
    assert len(lines) == 3
    assert lines[-1] == "… and 3 more that were done before"


def test_a_resumed_plan_is_no_twin_of_itself_but_a_new_id_is(bench):
    bench.carry(image("a"), Step(id="l", do=(image("k", dwell_us=2.0),), times=2))
    run = Run(bench.store, "r-0001", bench.guard, bench.card)
    own = plan(image("a"), Step(id="l", do=(image("k", dwell_us=2.0),), times=2))
    assert find_twins(bench.store, run, own) == ()
    again = plan(image("a"), image("z"))
    assert [one.step for one in find_twins(bench.store, run, again)] == ["z"]
    replanned = plan(image("z"))
    (twin,) = find_twins(bench.store, run, replanned)
    assert twin.same_run
    assert repeats_itself(bench.store, run, replanned)
    assert not repeats_itself(bench.store, run, own)
    assert "was done in this run at" in twins(bench.store, run, replanned)[0]


def test_an_approval_given_while_parked_does_not_cover_a_twin_in_the_run(bench, monkeypatch):
    """Ids don't stop a planner that asks for the same act again: what was exposed before takes a new answer."""
    bench.carry(image("a"), person=Nobody())
    decide(bench.store, "r-0001", question(bench.store, "r-0001"), Answer("approved", "operator"))
    monkeypatch.setattr("eucentric.agent.session.repeats_itself", lambda *_: True)
    person = Person(Answer("rejected", "t", "no"))
    assert resume(bench, person).exit_code == 3
    assert len(person.cards) == 1
    assert bench.spy.sent == []
