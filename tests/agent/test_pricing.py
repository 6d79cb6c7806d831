"""What a plan is held against besides its own cost: the booking, maintenance, the stage's way, what was done before."""

from datetime import UTC, datetime, timedelta

import pytest
from workbench import IMAGE, Bench, Person, image, step

from eucentric.agent.consent.asked import Answer
from eucentric.agent.consent.permit import Permit, Terms, expiry
from eucentric.core.calls import Approval
from eucentric.core.errors import ApprovalRefused
from eucentric.core.plan import Plan
from eucentric.instruments.guard import Guard
from eucentric.instruments.limits import Window

MINUTE = timedelta(minutes=1)


def _closing(bench, *, booking=None, maintenance=()):
    """The same instrument with times in its limits, counted from now."""
    now = datetime.now(UTC)
    windows = tuple(Window(what=w, begins=now + b * MINUTE, ends=now + e * MINUTE) for w, b, e in maintenance)
    end = None if booking is None else now + booking * MINUTE
    limits = bench.guard.limits().model_copy(update={"booking_end": end, "maintenance": windows})
    bench.guard = Guard(bench.spy, limits=limits)


@pytest.mark.parametrize(
    ("times", "runs"),
    [
        ({}, True),
        ({"booking": 30}, True),
        ({"booking": 1.05}, True),
        ({"booking": 0.9}, False),
        ({"booking": -5}, False),
        ({"maintenance": [("cold trap", 10, 20)]}, True),
        ({"maintenance": [("cold trap", 0.9, 20)]}, False),
        ({"maintenance": [("cold trap", -10, 20)]}, False),
        ({"maintenance": [("cold trap", -10, -1)]}, True),
        ({"booking": 60, "maintenance": [("emitter", 0.5, 20)]}, False),
    ],
)
def test_nothing_is_sent_that_could_outlast_the_booking(bench, times, runs):
    _closing(bench, **times)
    out = bench.carry(image())
    assert (out.outcome == "done") == runs
    assert bool(bench.rows("intended")) == runs
    if not runs:
        assert out.exit_code == 3
        assert "until" in out.say


def test_what_only_reads_needs_no_time(bench):
    _closing(bench, booking=-5)
    assert bench.carry(step("s", "get_state"), outcome="answer").exit_code == 0


def test_the_envelope_and_the_approval_end_with_the_booking(bench):
    _closing(bench, booking=5)
    person = Person()
    bench.carry(image(), person=person)
    decided = bench.rows("decided")[0].body
    end = bench.guard.limits().booking_end
    assert decided["expires_utc"][:19] == f"{end:%Y-%m-%dT%H:%M:%S}"
    assert decided["envelope"]["max_seconds"] <= 4 * 60
    assert f"the booking ends at {end:%Y-%m-%d %H:%M} UTC" in person.cards[0]


def test_the_person_who_asks_may_set_an_earlier_end(bench):
    def early(session):
        session.run.until = datetime.now(UTC) + 0.5 * MINUTE

    out = bench.carry(image(), prepare=early)
    assert out.exit_code == 3
    assert not bench.rows("intended")


@pytest.mark.parametrize(("seconds", "begun"), [(30.0, True), (200.0, False)])
def test_an_act_that_would_end_after_the_approval_is_not_begun(bench, seconds, begun):
    out = bench.carry(image())
    approval = Approval.model_validate(bench.rows("decided")[0].body)
    soon = approval.model_copy(
        update={"expires_utc": expiry(100 / 3600), "envelope": roomy(approval.envelope)}
    )
    terms = Terms.of(out_plan(out).sha256, bench.guard.capabilities())
    permit = Permit(soon, terms, bench.run.now().time_s)
    if begun:
        permit.check_state(bench.run.now(), seconds)
        return
    with pytest.raises(ApprovalRefused, match="expired"):
        permit.check_state(bench.run.now(), seconds)


def roomy(envelope):
    return envelope.model_copy(update={"max_seconds": 1e6})


def out_plan(out):
    return Plan.model_validate(out.plan)


def test_the_card_tells_what_was_done_before_and_what_is_put_back(bench):
    bench.carry(image())
    person = Person()
    bench.carry(image(), person=person)
    assert "Done before" in person.cards[0]
    assert "r-0001" in person.cards[0]
    assert "Put back" in person.cards[0]


def test_a_step_beyond_the_largest_is_told_before_anybody_is_asked(bench):
    person = Person()
    out = bench.carry(step("go", "move_stage", x_um=600.0), person=person)
    assert out.exit_code == 3
    assert "largest step 500 µm" in out.say
    assert not person.cards


def test_two_steps_that_make_up_a_refused_one_are_refused_too(bench):
    out = bench.carry(step("a", "move_stage", x_um=400.0), step("b", "move_stage", x_um=800.0))
    assert out.exit_code == 3
    assert "from where the run begins" in out.say
    assert not bench.spy.sent


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ((image(),), ""),
        ((step("m", "move_stage", x_um=-250.0),), "stage 25% of its travel"),
        (
            (step("t", "move_stage", alpha_deg=14.0), step("u", "move_stage", x_um=150.0)),
            "stage 40% of its travel",
        ),
        ((step("s", "acquire_series", **{**IMAGE, "frames": 20}),), "dose 50% of the budget at a target"),
    ],
)
def test_the_card_says_how_near_a_limit_the_plan_comes(bench, plan, words):
    probe = Bench(bench.folder / "p")
    probe.carry(image())
    dose = probe.rows("intended")[0].body["charge"]["dose_e_per_a2"]
    probe.store.close()
    bench.card = bench.card.model_copy(update={"dose_budget_e_per_a2": 40 * dose})
    person = Person(Answer("rejected", "j", "no"))
    bench.carry(*plan, person=person)
    near = [line for line in person.cards[0].split("\n") if line.startswith("Near")]
    assert near == ([f"{'Near':<12} {words}"] if words else [])
