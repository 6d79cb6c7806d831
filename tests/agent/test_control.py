"""Pause, resume, abort, finish: rows that a run obeys between its acts, and nothing unblanks by itself meanwhile."""

import statistics
import threading
import time
from datetime import datetime

import pytest
from workbench import URI, Person, Planned, image, in_thread, step

from eucentric.agent.conduct import new_run, take_up
from eucentric.agent.consent import deciding
from eucentric.agent.custody.control import (
    ABORTED,
    Control,
    ask,
    only_alive,
    release,
    standing,
    told,
    waits_for_release,
)
from eucentric.agent.custody.lock import locked
from eucentric.agent.recovery import recover
from eucentric.agent.session import Observer
from eucentric.core.errors import BadInput, Busy, LedgerError
from eucentric.core.request import Request
from eucentric.core.store import Store

SERIES = {"frames": 4, "width_px": 16, "height_px": 16, "fov_nm": 50.0, "dwell_us": 1.0}
LONG_S = 20.0


def series(name="ser", **more):
    return step(name, "acquire_series", **{**SERIES, **more})


def wish(do, when="now", by="a person", reason="lunch"):
    return Control(do=do, when=when, by=by, reason=reason)


class Other:
    """What another process does to the run of a bench: it has a store of its own."""

    def __init__(self, bench):
        self.bench, self.store = bench, Store(bench.store.folder)
        self.seen = {}

    def ask(self, *args, **more):
        return ask(self.store, self.bench.run.id, wish(*args, **more))

    def wait_for(self, kind, after=0):
        end = time.monotonic() + LONG_S
        while time.monotonic() < end:
            run = self.bench.run  # none before it was made
            rows = self.store.ledger.events(run=run.id, kinds=(kind,), after=after) if run else []
            if rows:
                return rows[0]
            time.sleep(0.01)
        raise AssertionError(f"no row {kind!r}")


@pytest.fixture
def other(bench):
    made = Other(bench)
    late = threading.Timer(LONG_S, lambda: made.ask("abort", by="the test, which took too long"))
    late.start()
    yield made
    late.cancel()
    late.join()
    made.store.close()


def at_frame(bench, number, action):
    """Do it while the n-th frame is being taken."""
    count = iter(range(1, 1000))
    bench.spy.before["acquire"] = lambda *_: action() if next(count) == number else None


def meanwhile(other, action):
    """When the run is paused, do it and let the run go on; what `action` returned is kept."""

    def work():
        row = other.wait_for("paused")
        try:
            other.seen["found"] = action(row)
        finally:
            if standing(other.store.ledger, row.run_id):
                release(other.store, row.run_id, "somebody else")

    return in_thread(work)


def frames(bench):
    return bench.spy.names().count("acquire")


# --- pause and resume -------------------------------------------------------------------------------------


def test_a_pause_holds_a_series_between_two_frames_and_a_resume_lets_it_go_on(bench, other):
    def look(row):
        first = frames(bench)
        time.sleep(0.4)
        return first, frames(bench), bench.spy.driver.is_blanked(), bench.guard.owner, row

    at_frame(bench, 2, lambda: other.ask("pause"))
    thread = meanwhile(other, look)
    outcome = bench.carry(series())
    thread.join()
    first, later, blanked, owner, paused = other.seen["found"]
    assert (outcome.outcome, frames(bench)) == ("done", 4)
    assert (first, later, blanked) == (2, 2, True)
    assert owner == f"run {bench.run.id}", "the lease is kept"
    assert (paused.actor, paused.body["beam"], paused.body["before"]) == ("a person", "blanked", "acquire")
    (released,) = bench.rows("released")
    assert released.actor == "somebody else"
    assert released.body["seconds"] >= 0.4
    assert any(
        "Paused before acquire by a person" in line and "eucentric resume" in line for line in bench.note
    )


@pytest.mark.parametrize("leaks", [False, True])
def test_a_pause_blanks_a_beam_that_is_on(bench, other, monkeypatch, leaks):
    """A hand at the knobs between two acts; and a blanker that fails: then the instrument is held."""

    def unblank(session):
        obey = session.checkpoint.before_act

        def before(act):
            if frames(bench) == 1 and not other.seen.get("once"):
                other.seen["once"] = True
                bench.spy.driver.set_blank(False)
                if leaks:
                    monkeypatch.setattr(bench.spy.driver, "set_blank", lambda on: None)
                other.ask("pause")
            obey(act)

        session.run.checkpoint = before

    thread = None if leaks else meanwhile(other, lambda row: (row, bench.spy.driver.is_blanked()))
    outcome = bench.carry(series(), prepare=unblank)
    (row,) = bench.rows("paused")
    if leaks:
        assert (outcome.outcome, frames(bench)) == ("stopped", 1)
        assert row.body["beam"] == "NOT VERIFIED"
        assert "beam was on" in bench.guard.held()
        return
    thread.join()
    assert other.seen["found"][1] is True, "blanked while paused"
    assert row.body["beam"] == "blanked"
    assert (outcome.outcome, bench.guard.held()) == ("done", None), (
        "and not held: nobody has to approve again"
    )


@pytest.mark.parametrize(
    ("when", "asked_during", "paused_after"),
    [
        ("now", "set", 2),
        ("after_frame", "set", 3),
        ("after_frame", "acquire", 2),
        ("after_step", "acquire", 4),
    ],
)
def test_when_a_pause_begins(bench, other, when, asked_during, paused_after):
    """The plan's series stands between two changes of the optics; the pause is asked in its middle."""
    plan = (image("a"), step("o", "set_optics", defocus_nm=7.0), image("b"), image("c"))
    if when == "after_step" or asked_during == "acquire":
        plan = (series("a"), image("b"))
        at_frame(bench, 2, lambda: other.ask("pause", when))
    elif when == "now":
        plan = (image("a"), image("b"), step("o", "set_optics", defocus_nm=7.0), image("c"))
        bench.spy.before["set_optics"] = lambda *_: other.ask("pause", when)
    else:
        plan = (image("a"), image("b"), series("s", frames=2))
        bench.spy.before["acquire"] = lambda *_: None
    if (when, asked_during) == ("after_frame", "set"):
        plan = (image("a"), image("b"), step("f", "autofocus"))
        bench.spy.before["set_optics"] = lambda *_: None if other.seen.get("x") else (
            other.seen.update(x=1), other.ask("pause", when))  # fmt: skip
    thread = meanwhile(other, lambda row: frames(bench))
    outcome = bench.carry(*plan)
    thread.join()
    assert outcome.outcome in ("done", "failed", "partial")
    assert other.seen["found"] == paused_after
    assert len(bench.rows("paused")) == 1


def test_a_pause_that_was_taken_back_before_it_was_reached_holds_nothing(bench, other):
    def both():
        other.ask("pause", "after_step")
        assert waits_for_release(other.store, bench.run.id)
        assert release(other.store, bench.run.id, "me") is not None

    at_frame(bench, 1, both)
    assert bench.carry(series("a"), image("b")).outcome == "done"
    assert bench.rows("paused") == []


def test_the_time_of_a_pause_is_not_taken_off_the_approved_time(bench, other):
    at_frame(bench, 2, lambda: other.ask("pause"))
    thread = meanwhile(other, lambda row: bench.spy.driver.wait(5000.0, threading.Event()))
    outcome = bench.carry(series())
    thread.join()
    assert outcome.outcome == "done", outcome.error
    (row,) = bench.rows("released")
    assert row.body["instrument_s"] == pytest.approx(5000.0)


def test_waiting_burns_no_time_of_the_processor(bench, other):
    used = {}

    def look(row):
        used["before"] = time.process_time()
        time.sleep(1.5)
        used["after"] = time.process_time()

    at_frame(bench, 1, lambda: other.ask("pause"))
    thread = meanwhile(other, look)
    bench.carry(series())
    thread.join()
    assert used["after"] - used["before"] < 0.3


def test_hands_on_the_stage_during_a_pause_park_the_run(bench, other):
    at_frame(bench, 2, lambda: other.ask("pause"))
    thread = meanwhile(other, lambda row: bench.spy.override.update(reported={"x": 3e-6}))
    outcome = bench.carry(series())
    thread.join()
    assert (outcome.outcome, frames(bench)) == ("parked", 2)
    assert "x_um" in outcome.error["what"]


def test_an_approval_that_expires_during_a_pause_parks_the_run_and_frees_the_instrument(
    bench, other, monkeypatch
):
    monkeypatch.setattr(deciding, "APPROVAL_HOURS", 1.5 / 3600)
    at_frame(bench, 2, lambda: other.ask("pause"))
    outcome = bench.carry(series())
    assert (outcome.outcome, outcome.exit_code, frames(bench)) == ("parked", 6, 2)
    assert "expired" in outcome.error["what"]
    assert (bench.guard.owner, bench.guard.held()) == (None, None)
    monkeypatch.setattr(deciding, "APPROVAL_HOURS", 8.0)
    person = Person()
    again = take_up(
        bench.store, bench.run.id, bench.guard, person, Observer(), by="me", settle=lambda *_: "give-up"
    )
    assert (again.outcome, len(person.cards), frames(bench)) == ("done", 1, 4), again.error


def test_stop_works_while_paused(bench, other):
    at_frame(bench, 2, lambda: other.ask("pause"))
    bench.on = None
    thread = in_thread(lambda: (other.wait_for("paused"), bench.guard.stop("stop by somebody")))
    outcome = bench.carry(series())
    thread.join()
    assert (outcome.outcome, outcome.exit_code, frames(bench)) == ("stopped", 5, 2)
    assert bench.guard.held() == "stop by somebody"
    assert "stop by somebody" in outcome.error["why"]


def test_ctrl_c_while_paused_is_a_stop(bench, other):
    at_frame(bench, 2, lambda: other.ask("pause"))
    thread = in_thread(lambda: (other.wait_for("paused"), bench.run.stopping.set()))
    outcome = bench.carry(series())
    thread.join()
    assert (outcome.outcome, outcome.exit_code, frames(bench)) == ("stopped", 5, 2)


def test_a_request_of_another_version_pauses(bench, other):
    def strange():
        other.store.ledger.append(
            bench.run.id, "control", "newer", "slow down", {"do": "slow", "by": "newer"}
        )

    at_frame(bench, 1, strange)
    thread = meanwhile(other, lambda row: row.body["reason"])
    assert bench.carry(series()).outcome == "done"
    thread.join()
    assert "can't be read" in other.seen["found"]


# --- abort and finish -------------------------------------------------------------------------------------


def test_abort_ends_before_the_next_act_and_is_not_taken_up_again(bench, other):
    at_frame(bench, 2, lambda: other.ask("abort"))
    outcome = bench.carry(series(), image("never"))
    assert (outcome.outcome, outcome.exit_code, frames(bench)) == ("aborted", 5, 2)
    assert (outcome.error["code"], outcome.error["what"]) == (ABORTED, "aborted by a person")
    assert bench.rows("finished")[-1].body["beam"] == "blanked"
    assert (bench.guard.owner, bench.guard.held()) == (None, None)
    assert not recover(bench.store, bench.run.id).resumable


def test_abort_while_paused(bench, other):
    at_frame(bench, 2, lambda: other.ask("pause"))
    thread = in_thread(lambda: (other.wait_for("paused"), other.ask("abort")))
    outcome = bench.carry(series())
    thread.join()
    assert (outcome.outcome, frames(bench), bench.rows("released")) == ("aborted", 2, [])


@pytest.mark.parametrize("do", ["abort", "finish"])
def test_an_end_that_is_asked_for_at_the_gate(bench, other, do):
    person = Person(lambda asked: other.ask(do) and None, None)
    outcome = bench.carry(series(), person=person)
    assert (outcome.outcome, outcome.exit_code, bench.spy.sent) == ("aborted", 5, [])


def test_a_sentence_that_stops_waits_for_no_request(bench, other):
    planner = Planned(step("halt", "abort"), outcome="safety")
    bench.carry(planner=planner, prepare=lambda session: other.ask("pause"))
    assert bench.guard.held()


def test_finish_completes_the_step_and_counts_what_is_done(bench, other):
    at_frame(bench, 2, lambda: other.ask("finish"))
    outcome = bench.carry(series("first"), image("second"))
    assert (outcome.outcome, outcome.exit_code, frames(bench)) == ("partial", 0, 4)
    assert [answer["step"] for answer in outcome.answers] == ["first"]
    assert outcome.skipped == ("finished early by a person; left out: second",)
    assert bench.rows("excluded")[-1].body["left_out"] == ["second"]


def test_finish_in_the_last_step_leaves_nothing_out(bench, other):
    at_frame(bench, 2, lambda: other.ask("finish"))
    outcome = bench.carry(series("only"))
    assert (outcome.outcome, outcome.skipped, frames(bench)) == ("done", (), 4)


def test_finish_while_paused_sends_nothing_more(bench, other):
    at_frame(bench, 2, lambda: other.ask("pause"))
    thread = in_thread(lambda: (other.wait_for("paused"), other.ask("finish")))
    outcome = bench.carry(image("zero"), series("first"), image("second"))
    thread.join()
    assert (outcome.outcome, frames(bench)) == ("partial", 2)
    assert outcome.skipped == ("finished early by a person; left out: first (cut short), second",)


@pytest.mark.parametrize(("do", "ending"), [("finish", "partial"), ("abort", "aborted"), ("stop", "stopped")])
def test_a_tool_that_cleans_up_on_its_way_out_sends_nothing_more(bench, other, do, ending):
    """Autofocus shifts the beam back whatever happens; that act stands behind the same pause."""
    acts = []
    at_frame(bench, 26, lambda: other.ask("pause"))

    def end():
        other.wait_for("paused")
        acts.append(len(bench.spy.sent))
        bench.guard.stop("by hand") if do == "stop" else other.ask(do)

    thread = in_thread(end)
    outcome = bench.carry(step("f", "autofocus", beside_nm=50.0), image("never"))
    thread.join()
    assert (outcome.outcome, len(bench.rows("paused"))) == (ending, 1)
    assert frames(bench) == 26
    sent = [row for row in bench.rows("intended") if "restore" not in row.action_id]
    assert len(sent) == acts[0]


def test_nothing_replaces_an_abort(bench, other):
    def both():
        for do in ("finish", "abort", "finish", "resume"):
            other.ask(do)

    at_frame(bench, 1, both)
    assert bench.carry(series()).outcome == "aborted"


# --- the ledger -------------------------------------------------------------------------------------------


def test_a_ledger_that_cannot_be_read_at_a_checkpoint_sends_nothing_and_blanks(bench, monkeypatch):
    def broken(*args, **more):
        raise LedgerError("the disk is gone")

    at_frame(bench, 2, lambda: monkeypatch.setattr(bench.store.ledger, "head", broken))
    with pytest.raises(LedgerError, match="the disk is gone"):
        bench.carry(series())
    assert frames(bench) == 2
    assert bench.guard.held()


def test_requests_to_an_earlier_process_are_not_obeyed_by_the_next(bench, other):
    at_frame(bench, 2, lambda: (other.ask("pause", "after_step"), bench.run.stopping.set()))
    assert bench.carry(series()).outcome == "stopped"
    again = take_up(
        bench.store, bench.run.id, bench.guard, Person(), Observer(), by="me", settle=lambda *_: "give-up"
    )
    assert (again.outcome, bench.rows("paused")) == ("done", [])


def test_looking_costs_less_than_a_third_of_a_millisecond(bench, other):
    took = []

    def timed(session):
        ledger = session.run.store.ledger
        with ledger.transaction():
            for number in range(5000):
                ledger.append_in_transaction(
                    session.run.id, "judged", "x", f"row {number}", {"n": [number] * 20}
                )

        def before(act):
            session.run.log("judged", "something new", {})
            start = time.perf_counter()
            session.checkpoint.before_act(act)
            took.append(time.perf_counter() - start)

        session.run.checkpoint = before

    assert bench.carry(series(frames=40), prepare=timed).outcome == "done"
    assert len(took) >= 40
    assert statistics.median(took) < 0.3e-3


# --- asking -----------------------------------------------------------------------------------------------


def requested(bench):
    request = Request(text="t", who="t", instrument=URI)
    return new_run(bench.store, bench.guard, bench.card, request, Observer()).id


def test_a_request_to_a_run_that_nobody_works_on_is_refused_and_not_written(bench):
    run = requested(bench)
    for name, text in (
        (run, "no process works on"),
        ("r-9999", "there is no run"),
        ("../x", "there is no run"),
    ):
        with pytest.raises(BadInput, match=text):
            ask(bench.store, name, wish("pause"))
    assert bench.rows("control", run=run) == []
    assert release(bench.store, run, "me") is None


def test_the_run_may_be_left_out_when_one_is_alive(bench):
    first, second = requested(bench), requested(bench)
    with pytest.raises(BadInput, match="no run of this store is alive"):
        only_alive(bench.store)
    with locked(bench.store, first):
        assert only_alive(bench.store) == first
        with locked(bench.store, second), pytest.raises(BadInput, match="2 runs are alive"):
            only_alive(bench.store)
        with pytest.raises(BadInput, match="no process works on"):
            only_alive(bench.store, second)


@pytest.mark.parametrize(
    ("kinds", "stands"),
    [
        ((), None),
        (("paused",), "paused"),
        (("suspended",), "suspended"),
        (("paused", "released"), None),
        (("paused", "released", "suspended"), "suspended"),
        (("paused", "finished"), None),
        (("paused", "resumed"), None),
        (("paused", "control", "called"), "paused"),
    ],
)
def test_what_a_run_waits_for_is_told_by_its_rows(bench, kinds, stands):
    run = requested(bench)
    for kind in kinds:
        bench.store.ledger.append(run, kind, "j.doe", "x", {"reason": "lunch\x1b[2J"})
    row = standing(bench.store.ledger, run)
    assert (row and row.kind) == stands
    if row is not None:
        text = told(row)
        assert text.startswith(f"{stands} by j.doe since ")
        assert datetime.strptime(text.split("since ")[1][:8], "%H:%M:%S")
        assert "lunch" in text
        assert "\x1b" not in text


def test_nobody_hurries_a_rule(bench):
    run = requested(bench)
    bench.store.ledger.append(run, "suspended", "rule", "x", {"reason": "vacuum"})
    with locked(bench.store, run), pytest.raises(Busy, match="suspended by rule"):
        release(bench.store, run, "me")
    assert bench.rows("control", run=run) == []
