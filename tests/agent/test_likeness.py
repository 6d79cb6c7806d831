"""The plan of an earlier run again: changed as a person said, or refused with what would work; never unasked."""

import pytest

from eucentric.agent.auditing.replay import replay
from eucentric.agent.channels import Nobody
from eucentric.agent.consent.asked import Answer
from eucentric.agent.likeness import Again, like_notes
from eucentric.bench.audited.desk import YES, Desk, Watcher, image, plan, series, step
from eucentric.core.errors import BadInput
from eucentric.core.plan import Step

LOOP = Step(
    id="each", for_each="grid.positions", at_most=2,
    do=(step("go", "move_stage", {"x_um": "item.x_um", "y_um": "item.y_um"}), image("look")),
)  # fmt: skip
STEPS = (
    image("a"), series("s", 3), step("grid", "grid_positions", nx=2, ny=1, pitch_um=2.0), LOOP,
    step("d", "detect_defects", {"frame": "a.frame"}),
)  # fmt: skip


@pytest.fixture
def desk(own_places):
    made = Desk(own_places / "store", "twin://mxene?seed=7&stage=ideal")
    made.carry(plan(*STEPS), answers=(Answer("rejected", "a person", "not yet"),))
    yield made
    made.close()


def steps(again):
    return [step.id for step in again.plan.steps]


def test_nothing_changed(desk):
    again = Again(desk.store, "r-0001")
    assert again.plan.steps == plan(*STEPS).model_copy().steps or steps(again) == [
        "a",
        "s",
        "grid",
        "each",
        "d",
    ]
    assert again.like.changed == ()
    assert again.text == "the plan of r-0001 again"
    assert like_notes(again.like) == [("Like", "r-0001, nothing changed")]
    assert again.instrument == desk.uri


def test_dropped_and_changed_steps_are_told_line_by_line(desk):
    again = Again(
        desk.store, "r-0001", ("s", "d"), ("look.dwell_us=2 us", "a.fov_nm=6 nm", 'a.detectors=["bf"]')
    )
    assert steps(again) == ["a", "grid", "each"]
    assert again.plan.steps[0].args["fov_nm"] == 6.0, "read by code, not kept as a text"
    assert again.plan.steps[2].do[1].args["dwell_us"] == 2.0
    assert set(again.like.changed) == {
        "a.fov_nm 60 → 6", "a.detectors (default) → bf", "look.dwell_us 1 → 2", "- s acquire_series dropped",
        "- d detect_defects dropped",
    }  # fmt: skip
    assert like_notes(again.like)[0] == ("Changed", f"since r-0001  {again.like.changed[0]}")
    assert again.plan.planner == "scripted", "rules about who planned it still hold"


@pytest.mark.parametrize(
    ("drop", "change", "why"),
    [
        (("x",), (), "the plan has no step 'x'"),
        (("grid",), (), "step grid can't be dropped: each takes its loop from grid.positions"),
        (("a",), (), "step a can't be dropped: d takes its frame from a.frame"),
        (("a", "s", "grid", "each", "d"), (), "every step is dropped"),
        ((), ("y.fov_nm=3",), "the plan has no step 'y'"),
        ((), ("a.colour=3",), "step a has no argument 'colour'"),
        ((), ("a.fov_nm",), "can't read 'a.fov_nm'"),
        ((), ("a.fov_nm=wide",), "a.fov_nm: "),
        ((), ("a.fov_nm=-1",), "a.fov_nm: "),
        ((), ("a.fov_nm=NaN",), "NaN is not a finite number"),
        ((), ("a.width_px=12.5",), "a.width_px: "),
        ((), ("d.frame=f-00001",), "d.frame is not set: it is taken from a.frame"),
        ((), ("each.times=3",), "step each has no argument 'times'"),
        (("s",), ("s.frames=2",), "step s is dropped"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_begins(desk, drop, change, why):
    rows = desk.store.ledger.head()
    with pytest.raises(BadInput) as error:
        Again(desk.store, "r-0001", drop, change)
    assert why in str(error.value)
    assert desk.store.ledger.head() == rows


def test_a_loop_goes_with_its_steps_and_needs_go_together(desk):
    assert steps(Again(desk.store, "r-0001", ("go", "look"))) == ["a", "s", "grid", "d"]
    assert steps(Again(desk.store, "r-0001", ("a", "d"))) == ["s", "grid", "each"]


@pytest.mark.parametrize("run", ["r-0042", "r-0002"])
def test_a_run_that_is_not_there_or_had_no_plan(desk, run):
    desk.say("open the column valve")
    with pytest.raises(BadInput, match=f"no run '{run}'|run {run} had no plan"):
        Again(desk.store, run)


def test_it_is_asked_carried_out_recorded_and_replayed_as_any_other(desk):
    desk.carry(plan(*STEPS), answers=(YES,))
    outcome = desk.again(drop=("each", "d"), change=("s.frames=2",))
    assert outcome.outcome == "done"
    ledger, run = desk.store.ledger, desk.run
    (asked,) = ledger.events(run=run, kinds=("asked",))
    assert "Changed      since r-0002  s.frames 3 → 2\n             - each loop dropped" in asked.body["card"]
    (requested,) = ledger.events(run=run, kinds=("requested",))
    assert requested.body["request"]["like"]["run"] == "r-0002"
    assert requested.summary.startswith("the plan of r-0002 again: s.frames 3 → 2; - each loop dropped")
    (planned,) = ledger.events(run=run, kinds=("planned",))
    assert planned.actor == "like r-0002"
    assert replay(desk.folder, run).verdict == "identical"


def test_the_last_revision_counts(desk):
    desk.carry(plan(*STEPS), answers=(Answer("edited", "a person", edit="s.frames=5"), YES))
    assert Again(desk.store, "r-0002").plan.steps[1].args["frames"] == 5


def test_a_plan_that_was_rejected_is_not_done_behind_a_persons_back(desk):
    """Without a person at the gate, the earlier no stands."""
    planner = Again(desk.store, "r-0001")
    outcome = desk._carry(planner.text, planner, Nobody(), Watcher(lambda: None), planner.like)
    assert outcome.outcome == "refused"
    assert "rejected" in outcome.say.lower()
