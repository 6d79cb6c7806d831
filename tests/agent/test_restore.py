"""Orderly ends put settings back, disorderly ones leave them; the stage is told and never driven."""

import pytest
from workbench import Person, image, step

from eucentric.agent.conduct import take_up
from eucentric.agent.consent.asked import Answer
from eucentric.agent.custody.control import Control, ask
from eucentric.agent.custody.restore import Snapshot, restored_words
from eucentric.agent.session import Observer
from eucentric.core.errors import InstrumentFault, MoveNotReached
from eucentric.core.instrument import MicroscopeState, OpticsChange
from eucentric.core.plan import Plan, Step
from eucentric.tools import go_to_target

CHANGE = {"defocus_nm": 12.0, "fov_nm": 5000.0}


def optics(bench):
    return bench.spy.driver.read().optics


def set_acts(bench):
    return [sent for name, sent in bench.spy.sent if name == "set_optics"]


@pytest.fixture
def passing(monkeypatch):
    """A composite verb that changes optics in passing: an acquisition that shifts the beam and defocuses."""
    from eucentric.tools.catalogue import tool_named

    tool = tool_named("acquire_image")

    def run(args, context):
        context.microscope.set_optics(OpticsChange(beam_shift_x_nm=100.0, defocus_nm=40.0))
        return tool.run(args, context)

    changed = type(tool)(
        tool.name, tool.description, tool.risk, tool.args, tool.result, run, tool.cost, tool.summary
    )
    monkeypatch.setattr(
        "eucentric.agent.executor.tool_named", lambda n: changed if n == tool.name else tool_named(n)
    )


def abort(bench):
    bench.spy.before["acquire"] = lambda *_: ask(
        bench.store, bench.run.id, Control(do="abort", by="a person")
    )


def test_what_changed_in_passing_is_put_back_when_it_is_done(bench, passing):
    before = optics(bench)
    outcome = bench.carry(image())
    assert (outcome.outcome, optics(bench)) == ("done", before)
    assert outcome.restored == "put back: beam shift x 0 nm, defocus 0 nm"
    assert any(line.endswith(outcome.restored) for line in bench.note)
    finished = bench.rows("finished")[-1].body["restored"]
    assert finished["put_back"] == {"beam_shift_x_nm": 0.0, "defocus_nm": 0.0}
    assert finished["before"]["optics"]["fov_nm"] == pytest.approx(before["fov"] * 1e9)
    acts = [
        row
        for row in bench.rows("intended", "returned")
        if row.action_id.startswith(f"{bench.run.id}/restore")
    ]
    assert [row.kind for row in acts] == ["intended", "returned"], "through the one door"
    assert bench.rows("restored")[0].seq < bench.rows("finished")[0].seq


def test_what_a_step_asked_for_stays(bench, passing):
    outcome = bench.carry(image(), step("o", "set_optics", **CHANGE))
    assert outcome.outcome == "done"
    assert optics(bench)["defocus"] == pytest.approx(12e-9)
    assert optics(bench)["fov"] == pytest.approx(5e-6)
    assert optics(bench)["beam_shift_x"] == 0.0
    assert outcome.restored == "put back: beam shift x 0 nm; stays as asked for: defocus 12 nm, fov 5000 nm"


def test_the_newest_value_that_was_asked_for_stays(bench, passing):
    """The composite verb came last and left its own defocus: it goes back to what the step had asked for."""
    outcome = bench.carry(step("o", "set_optics", **CHANGE), image())
    assert outcome.outcome == "done"
    assert optics(bench)["defocus"] == pytest.approx(12e-9)


def test_the_focus_that_autofocus_found_stays(bench):
    row = _concluded("autofocus", {"found": True, "defocus_nm": 38.0, "change_nm": 38.0})
    assert _asked(row) == {"defocus_nm": 38.0}
    assert _asked(_concluded("autofocus", {"found": False, "defocus_nm": 38.0})) == {}
    assert _asked(_concluded("autofocus", {"found": True, "defocus_nm": 38.0}, ok=False)) == {}


@pytest.mark.parametrize(("where", "stays"), [("go", True), ("go.1", False)])
def test_the_shift_onto_a_target_stays_only_if_the_plan_itself_goes_there(where, stays):
    value = {"beam_shift_x_nm": 250.0, "beam_shift_y_nm": -80.0}
    assert set(value) <= set(go_to_target.Result.model_fields)
    row = _concluded("go_to_target", value, step=where)
    assert _asked(row, {"go"}) == (value if stays else {})


def _concluded(tool, value, ok=True, step="s"):
    from eucentric.core.event import Event

    body = {"ok": ok, "value": value, "step": step}
    return Event(
        seq=1,
        ts="t",
        run_id="r",
        kind="concluded",
        actor="x",
        tool=tool,
        summary="",
        body=body,
        prev="",
        hash="",
    )


def _asked(row, places=frozenset()):
    from eucentric.agent.custody.restore import _asked_for

    return _asked_for(row, set(places))


def test_an_abort_puts_everything_back(bench, passing):
    before = optics(bench)
    abort(bench)
    outcome = bench.carry(step("o", "set_optics", **CHANGE), image("a"), image("b"))
    assert (outcome.outcome, optics(bench)) == ("aborted", before)
    assert "defocus 0 nm" in outcome.restored
    assert "fov 20 um" in outcome.restored or "fov 20 µm" in outcome.restored


def test_a_refusal_on_the_way_puts_everything_back(bench):
    """The specimen's budget is lowered while the run goes on: its second frame is refused."""
    before = optics(bench)
    small = bench.card.model_copy(update={"dose_budget_e_per_a2": 1e-3})
    bench.spy.after["acquire"] = lambda *_: setattr(bench.run, "specimen", small)
    outcome = bench.carry(step("o", "set_optics", **CHANGE), image("a"), image("b"))
    assert (outcome.outcome, bench.spy.names().count("acquire")) == ("refused", 1), outcome.error
    assert optics(bench) == before
    assert outcome.restored.startswith("put back: defocus 0 nm, fov")


ENDS = {"stop": "stopped", "ctrl-c": "stopped", "fault": "parked", "missed move": "failed"}


@pytest.mark.parametrize("how", ["stop", "ctrl-c", "fault", "missed move"])
def test_a_disorderly_end_leaves_everything(bench, how):
    def end(*_):
        if how == "stop":
            bench.guard.stop("by hand")
        elif how == "ctrl-c":
            bench.run.stopping.set()
        else:
            raise InstrumentFault("smoke") if how == "fault" else MoveNotReached("x")

    bench.spy.before["move" if how == "missed move" else "acquire"] = end
    second = step("a", "move_stage", x_um=3.0) if how == "missed move" else image("a")
    outcome = bench.carry(step("o", "set_optics", **CHANGE), second, image("b"))
    assert outcome.outcome == ENDS[how]
    assert optics(bench)["defocus"] == pytest.approx(12e-9)
    assert len(set_acts(bench)) == 1
    assert f"not put back ({ENDS[how]}: the run can be taken up again" in outcome.restored
    assert "fov 5000 nm" in outcome.restored
    assert bench.rows("finished")[-1].body["restored"]["left"]["defocus_nm"] == 12.0


def test_a_stopped_run_that_was_taken_up_again_goes_back_to_its_own_beginning(bench):
    before = optics(bench)
    bench.spy.before["acquire"] = lambda *_: bench.run.stopping.set()
    bench.carry(step("o", "set_optics", **CHANGE), image("a"), image("b"), image("c"))
    abort(bench)
    again = take_up(
        bench.store, bench.run.id, bench.guard, Person(), Observer(), by="me", settle=lambda *_: "give-up"
    )
    assert (again.outcome, optics(bench)) == ("aborted", before), again.error
    first, second = bench.rows("leased")  # each taking has a row; the first is where the run began
    assert (first.body["optics"]["defocus_nm"], second.body["optics"]["defocus_nm"]) == (0.0, 12.0)


def test_a_held_beam_is_sent_nothing(bench, passing):
    """Blanked from elsewhere after the last frame: the run is done, and its settings stay where they are."""
    bench.spy.after["acquire"] = lambda *_: None
    outcome = bench.carry(
        image(), prepare=lambda session: _after_last_call(session, lambda: bench.guard.blank("by hand"))
    )
    assert outcome.outcome == "done", outcome.error
    assert "not put back (held)" in outcome.restored
    assert len(set_acts(bench)) == 1


def _after_last_call(session, action):
    ending = session._ending

    def wrapped(outcome):
        action()
        return ending(outcome)

    session._ending = wrapped


def test_what_the_approval_does_not_cover_is_not_put_back(bench, passing):
    """A hand on the knobs voids the approval; a row says what stayed, and the lease is given back."""
    outcome = bench.carry(
        image(), prepare=lambda session: _after_last_call(session, lambda: bench.spy.override.update(epoch=5))
    )
    assert "not put back (Refused: this act is outside the approved envelope)" in outcome.restored
    assert len(set_acts(bench)) == 1
    assert bench.guard.owner is None


def test_an_instrument_that_does_not_answer_is_no_reason_to_break(bench, passing, monkeypatch):
    def gone():
        monkeypatch.setattr(bench.guard, "held", lambda: (_ for _ in ()).throw(InstrumentFault("gone")))

    outcome = bench.carry(image(), prepare=lambda session: _after_last_call(session, gone))
    assert "can't be read: gone" in outcome.restored
    assert bench.guard.owner is None


def test_the_stage_is_told_and_not_driven(bench):
    outcome = bench.carry(step("m", "move_stage", x_um=4.0, y_um=-2.5))
    assert bench.spy.names() == ["move"]
    assert "the stage stays at x +4.00 µm, y -2.50 µm; it began at x +0.00 µm, y +0.00 µm" in outcome.restored


def test_the_way_back_that_is_offered_is_one_the_grammar_reads(bench):
    from eucentric.agent.grammar import GrammarPlanner

    outcome = bench.carry(step("m", "move_stage", x_um=4.0, y_um=-2.5))
    sentence = outcome.restored.split('eucentric run "')[1].split('"')[0]
    back = bench.carry(planner=GrammarPlanner(), text=sentence)
    assert back.outcome == "done", (sentence, back.say)
    assert bench.spy.sent[-1] == ("move", {"x": 0.0, "y": 0.0})


def test_nothing_is_said_where_nothing_changed(bench):
    outcome = bench.carry(image())
    assert outcome.restored == ""
    assert bench.rows("restored")[0].summary == "every setting stands as before the run"
    rejected = bench.carry(image(), person=Person(Answer("rejected", "me", "no")))
    assert (rejected.restored, bench.rows("restored", "leased")) == ("", [])


# --- the words on the card --------------------------------------------------------------------------------

STATE = MicroscopeState(
    instrument="x", simulated=True, stage={}, blanked=True,
    optics={"defocus_nm": -3.0, "beam_shift_x_nm": 10.0, "beam_shift_y_nm": 0.0, "fov_nm": 20_000.0,
            "voltage_kv": 60.0},
)  # fmt: skip


def loop(*inner):
    return Step(id="loop", for_each="pick.targets", do=inner)


@pytest.mark.parametrize(
    ("steps", "said", "unsaid"),
    [
        ((image(),), ["no setting of the optics is changed", "the stage stays"], ["put back", "aborted"]),
        (
            (step("o", "set_optics", defocus_nm=5.0),),
            ["stays: what set_optics asks for", "if aborted or refused all goes back: ", "defocus -3 nm"],
            ["put back", "voltage"],
        ),
        (
            (loop(step("g", "go_to_target"), step("f", "autofocus")),),
            [
                "put back: beam shift x 10 nm, beam shift y 0 nm",
                "stays: the focus found",
                "if stopped nothing does",
            ],
            ["onto the target"],
        ),
        ((step("g", "go_to_target"),), ["stays: the shift onto the target"], ["put back:"]),
    ],
)
def test_the_card_says_what_will_be_put_back(steps, said, unsaid):
    text = restored_words(Plan(title="t", steps=steps), STATE)
    assert [part for part in said if part not in text] == []
    assert [part for part in unsaid if part in text] == []


def test_a_snapshot_says_what_may_be_set_and_where_the_stage_stands():
    assert Snapshot.of(STATE).words.startswith("defocus -3 nm, beam shift x 10 nm")
    assert "voltage" not in Snapshot.of(STATE).words
