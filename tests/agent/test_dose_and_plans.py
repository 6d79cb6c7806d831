"""Dose is a ledger; a preview is its worst case; loops leave out what can't be used and say so."""

import itertools

import pytest
from workbench import IMAGE, Person, image, step

from eucentric.agent.agenda import Agenda
from eucentric.agent.consent.asked import Answer
from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.charge import Charge
from eucentric.agent.dose.stage_errors import Errors
from eucentric.agent.judge import judge, judge_error
from eucentric.agent.preview.preview import preview
from eucentric.agent.readback import named_state
from eucentric.agent.run import Run
from eucentric.core.calls import ToolCall, ToolResult
from eucentric.core.errors import (
    ApprovalRefused,
    BadInput,
    CommandTimeout,
    DoseRefused,
    LimitRefused,
    MoveNotReached,
    NotAvailable,
    Stopped,
    Unsupported,
)  # fmt: skip
from eucentric.core.plan import Plan, Step
from eucentric.instruments.capabilities import PositionErrors
from eucentric.tools.base import Setting


def field(x=0.0, y=0.0, width=1.0, dose=1.0, stay="s"):
    return Charge(x_um=x, y_um=y, width_um=width, height_um=width, dose_e_per_a2=dose, stay=stay)


@pytest.mark.parametrize(
    ("charges", "here", "wanted"),
    [
        ([field()], field(), 1.0),
        ([field(), field(x=0.5)], field(), 2.0),
        ([field(x=1.02)], field(), 0.0),
        ([field(x=1.02, stay="other")], field(), 1.0),
        ([field(x=2.0, stay="other")], field(), 0.0),
        ([field(y=1.1)], field(), 0.0),
        ([field(x=-0.6), field(x=0.6)], field(), 1.0),
        ([field(x=-0.6, stay="a"), field(x=0.6, stay="b")], field(), 2.0),
        ([field(width=0.01)] * 50, field(), 50.0),
        ([], field(), 0.0),
    ],
)
def test_what_a_field_had_before(charges, here, wanted):
    exact = PositionErrors(move_m=0, scale=0, cross=0, creep_m=0, drift_m_per_s=0)
    book = DoseBook(Errors.of(exact, (0.5, 0.5)))
    for number, charge in enumerate(charges):
        book.charge(str(number), charge)
    assert book.before(here) == pytest.approx(wanted)


def budget(bench, frames):
    """A card whose budget holds that many frames of the usual kind."""
    charge = probe_charge(bench)
    bench.card = bench.card.model_copy(update={"dose_budget_e_per_a2": charge * (frames + 0.5)})


def probe_charge(bench):
    from workbench import Bench

    other = Bench(bench.folder / "probe")
    other.carry(image())
    dose = other.rows("intended")[0].body["charge"]["dose_e_per_a2"]
    other.store.close()
    return dose


def test_many_small_frames_pass_no_budget(bench):
    budget(bench, 3)
    outcomes = [bench.carry(image()) for _ in range(6)]
    assert bench.spy.names().count("acquire") == 3
    assert [one.exit_code for one in outcomes] == [0, 0, 0, 3, 3, 3]


def test_the_executor_holds_the_budget_where_the_preview_could_not(bench):
    """Two moves that end at places which overlap: the place is known to the book, not to the plan."""
    budget(bench, 1)
    bench.carry(image())
    outcome = bench.carry(step("m", "move_stage", x_um=1.0), step("b", "move_stage", x_um=0.0), image())
    assert outcome.exit_code == 3
    assert bench.spy.names().count("acquire") == 1


def test_another_loading_starts_from_nothing(bench):
    budget(bench, 1)
    bench.carry(image())
    bench.spy.override = {"loading": "twin-2"}
    assert bench.carry(image()).outcome == "done"


def test_charged_when_intended_and_kept_in_doubt(bench):
    seen = []

    def fail(*_):
        seen.append(dict(bench.run.book.charges))
        raise CommandTimeout("late")

    bench.spy.before["acquire"] = fail
    bench.carry(image())
    again = Run(bench.store, "r-0009", bench.guard, bench.card)
    assert len(seen[0]) == len(again.book.charges) == 1
    assert again.dose_at(None) > 0


def test_nothing_charged_when_provably_nothing_was_sent(bench):
    outcome = bench.carry(image(detectors=["haadf", "haadf"]))
    assert bench.spy.sent == []
    assert bench.run.dose_at(None) == 0
    assert Run(bench.store, "r-0009", bench.guard, bench.card).dose_at(None) == 0
    assert outcome.outcome == "failed"
    assert not bench.rows("in_doubt")


def test_a_scan_that_took_longer_is_charged_for_it(bench):
    driver = bench.spy.driver
    acquire = driver.acquire

    def slow(scan, stop):
        raw, pixels = acquire(scan, stop)
        return raw.model_copy(update={"beam_s": raw.beam_s * 3}), pixels

    driver.acquire = slow
    bench.carry(image())
    before, after = (bench.rows(kind)[0].body["charge"]["dose_e_per_a2"] for kind in ("intended", "returned"))
    assert after == pytest.approx(3 * before, rel=0.01)
    assert bench.run.dose_at(None) == pytest.approx(after)


# --- preview ------------------------------------------------------------------------------------------


def loop(*do, name="l", **more):
    return Step(id=name, do=do, **more)


GRID = step("g", "grid_positions", nx=3, ny=2, pitch_um=0.05)
TO_ITEM = Step(id="to", tool="move_stage", inputs={"x_um": "item.x_um", "y_um": "item.y_um"})
OVERVIEW = {"tiles_x": 2, "tiles_y": 2, "width_px": 64, "fov_um": 2.0, "dwell_us": 1.0}
PLANS = {
    "one image": [image()],
    "twice here": [image("a"), image("b")],
    "there and back": [step("m", "move_stage", x_um=9.0), image("a"), step("n", "move_stage", x_um=0.0), image("b"),
                       step("o", "move_stage", x_um=9.0), image("c")],
    "series": [step("s", "acquire_series", **IMAGE, frames=5)],
    "survey": [step("s", "survey", **OVERVIEW)],
    "survey and image": [image("a"), step("s", "survey", **OVERVIEW), image("b")],
    "time series": [loop(image("a"), times=4, every_s=30.0)],
    "time series of surveys": [loop(step("s", "survey", **OVERVIEW), times=3)],
    "time series of moves": [loop(step("m", "move_stage", x_um=4.0), image("a"), step("n", "move_stage", x_um=0.0),
                                  image("b"), times=3)],
    "steps that overlap": [loop(step("m", "move_stage", mode="relative", dx_um=0.02), image("a"), times=5)],
    "steps apart": [loop(step("m", "move_stage", mode="relative", dx_um=5.0), image("a"), times=4)],
    "narrow grid": [GRID, loop(TO_ITEM, image("a"), for_each="g.positions", at_most=6)],
    "more current": [step("o", "set_optics", probe_current_pa=60.0), image("a")],
    "nested": [loop(loop(image("a"), times=2, name="i"), step("m", "move_stage", x_um=3.0), image("b"), times=2)],
    "detectors": [image("a", detectors=["haadf", "bf"])],
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_preview_is_the_worst_case(bench, name):
    outcome = bench.carry(*PLANS[name])
    assert outcome.outcome == "done", outcome.error
    shown, book = outcome.preview, bench.run.book
    # the last frame of a place has had everything: its charge is in the book, too
    actual = max(book.before(charge) for charge in book.charges.values())
    assert actual <= max(shown["dose_e_per_a2"], shown["elsewhere_e_per_a2"]) * (1 + 1e-6)
    assert shown["frames"] >= sum(
        len(row.body["frames"]) for row in bench.rows("returned") if row.body["act"] == "acquire"
    )
    for key in ("x_um", "y_um"):
        places = [
            row.body["state"]["stage"][key]["reported"]
            for row in bench.rows("returned")
            if "state" in row.body
        ]
        assert all(shown[key][0] - 0.01 <= place <= shown[key][1] + 0.01 for place in places)


@pytest.mark.parametrize("name", ["time series", "series", "survey", "there and back", "steps apart"])
def test_predicted_time_is_near_the_real_one(bench, name):
    outcome = bench.carry(*PLANS[name])
    assert outcome.preview["seconds"] == pytest.approx(bench.guard.state().time_s, rel=0.2, abs=1.0)


def test_steps_apart_are_not_multiplied(bench):
    shown = bench.carry(*PLANS["steps apart"]).preview
    assert shown["dose_e_per_a2"] == pytest.approx(shown["rows"][-1]["each"]["dose_e_per_a2"])


def test_an_instrument_without_what_a_dose_needs_is_refused_in_words(bench):
    bench.spy.override = {"optics": {}}
    driver = bench.spy.driver
    read = driver.read
    driver.read = lambda: read().model_copy(
        update={"optics": {k: v for k, v in read().optics.items() if k != "convergence"}}
    )
    outcome = bench.carry(image())
    assert outcome.exit_code in (1, 3)
    assert bench.spy.sent == []


# --- loops --------------------------------------------------------------------------------------------


def test_a_target_that_fails_is_left_out_and_the_others_go_on(bench):
    moves = []

    def miss(targets, stop):
        moves.append(targets)
        bench.spy.override = {"reported": {"x": 9e-5}} if len(moves) == 2 else {}

    bench.spy.before["move"] = miss
    grid = step("g", "grid_positions", nx=3, ny=1, pitch_um=4.0)
    outcome = bench.carry(grid, loop(TO_ITEM, image("a"), for_each="g.positions", at_most=3))
    assert outcome.outcome == "partial"
    assert bench.spy.names() == ["move", "acquire", "move", "move", "acquire"]
    assert [row.body["step"] for row in bench.rows("excluded")] == ["to.2"]


def test_what_a_loop_leaves_out_is_said(bench):
    grid = step("g", "grid_positions", nx=5, ny=1, pitch_um=4.0)
    outcome = bench.carry(grid, loop(TO_ITEM, for_each="g.positions", at_most=2))
    assert outcome.outcome == "partial"
    assert "3 of 5 left out" in bench.rows("excluded")[0].summary


def test_repeats_keep_their_interval(bench):
    starts = []
    bench.spy.before["acquire"] = lambda *_: starts.append(bench.spy.driver.read().time_s)
    one = loop(image("a"), times=3, every_s=20.0, name="l1")
    two = loop(loop(image("b"), times=1, name="i"), times=3, every_s=10.0, name="l2")
    assert bench.carry(one, two).outcome == "done"
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert gaps[:2] == [pytest.approx(20.0, abs=0.1)] * 2
    assert gaps[3:] == [pytest.approx(10.0, abs=0.1)] * 2


@pytest.mark.parametrize(
    ("steps", "results", "match"),
    [
        ([Step(id="a", tool="t", inputs={"x": "gone.field"})], {}, "gone.field"),
        ([Step(id="a", tool="t", inputs={"x": "b.none"})], {"b": {"some": 1}}, "b.none"),
        ([Step(id="a", tool="t", inputs={"x": "item.x"})], {}, "item.x"),
        (
            [Step(id="l", for_each="b.text", do=(Step(id="a", tool="t"),))],
            {"b": {"text": "abc"}},
            "not a list",
        ),
    ],
)
def test_references_to_nothing(steps, results, match):
    agenda = Agenda("r", Plan(title="t", steps=steps))
    agenda.results.update(results)
    with pytest.raises(BadInput, match=match):
        agenda.next()


def test_loops_are_unrolled_in_order():
    inner = Step(id="i", for_each="p.list", at_most=2, do=(Step(id="x", tool="t", inputs={"v": "item"}),))
    agenda = Agenda("r", Plan(title="t", steps=(Step(id="o", times=2, do=(inner, Step(id="y", tool="t"))),)))
    agenda.results["p"] = {"list": [7, 8, 9]}
    calls = []
    while (following := agenda.next()) is not None:
        item, call = following
        calls.append((call.id, call.args))
        if call.id == "r/x.1.1":
            assert agenda.drop_round(item) == 0
    assert calls == [
        ("r/x.1.1", {"v": 7}), ("r/x.1.2", {"v": 8}), ("r/y.1", {}),
        ("r/x.2.1", {"v": 7}), ("r/x.2.2", {"v": 8}), ("r/y.2", {}),
    ]  # fmt: skip
    assert agenda.left_out == [("i.1", 3, 2), ("i.2", 3, 2)]


# --- judging ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "value", "verdict"),
    [
        ("autofocus", {"found": True}, "go on"),
        ("autofocus", {"found": False, "note": "dark"}, "skip"),
        ("select_targets", {"targets": [1]}, "go on"),
        ("select_targets", {"targets": [], "candidates": 4}, "stop"),
        ("acquire_image", {}, "go on"),
    ],
)
def test_verdicts_on_results(tool, value, verdict):
    result = ToolResult(call_id="c", ok=True, value=value)
    assert judge(ToolCall(id="c", step="s", tool=tool), result).verdict == verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MoveNotReached("x"), "skip"), (DoseRefused("x"), "skip"), (LimitRefused("x"), "skip"), (BadInput("x"), "skip"),
        (Unsupported("x"), "skip"), (ApprovalRefused("x"), "stop"), (NotAvailable("x"), "stop"), (Stopped("x"), "stop"),
        (CommandTimeout("x"), "stop"),
    ],
)  # fmt: skip
def test_verdicts_on_errors(error, verdict):
    assert judge_error(error, in_loop=True).verdict == verdict
    assert judge_error(error, in_loop=False).verdict == "stop"


def test_no_focus_outside_a_loop_ends_the_run_before_it_exposes_more(bench, monkeypatch):
    from eucentric.agent import course
    from eucentric.agent.judge import Judgement

    monkeypatch.setattr(course, "judge", lambda *_: Judgement(verdict="skip", why="no focus", rule="r"))
    outcome = bench.carry(image("a"), image("b"), person=Person(Answer("approved", "t")))
    assert (outcome.outcome, bench.spy.names()) == ("failed", ["acquire"])


@pytest.mark.parametrize(("fov_nm", "coarse"), [(8.0, False), (20.0, False), (21.0, True), (2e4, True)])
@pytest.mark.parametrize("tool", ["detect_defects", "measure_lattice"])
def test_a_frame_that_shows_no_columns_is_told_before_it_is_taken(bench, fov_nm, coarse, tool):
    state = named_state("twin", True, bench.guard.state(), None)
    taken = image("i", fov_nm=fov_nm, width_px=512, height_px=512)
    read = Step(id="d", tool=tool, inputs={"frame": "i.frame"})
    setting = Setting(bench.guard.capabilities(), state, bench.card)
    notes = preview(Plan(title="t", steps=(taken, read)), setting, 1e9).notes
    assert bool(notes) == coarse
    assert all("columns of Ti3C2 are seen in 39 pm or less, 20 nm at 512 px" in text for text in notes)
