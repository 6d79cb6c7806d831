"""Acts whose process died: what instrument and disk prove is taken over, what they leave open is asked once."""

import contextlib
import threading
import time

import pytest
from test_recovery import Killed, dead, nobody, resume
from workbench import Person, image, in_thread, step

from eucentric.agent.conduct import take_up
from eucentric.agent.consent.asked import Answer
from eucentric.agent.lastseen import LastSeen
from eucentric.agent.recovery import explain, recover
from eucentric.agent.session import Observer
from eucentric.core.errors import BadInput, Busy, CommandTimeout, EucentricError, MoveNotReached, Parked
from eucentric.instruments.guard import Guard
from eucentric.instruments.journal import KEPT

MOVE = step("m", "move_stage", x_um=1.0)
OPTICS = step("o", "set_optics", defocus_nm=5.0)
BOTH = image("a", detectors=("haadf", "bf"))


def die(bench):
    bench.store.ledger._connection.close()
    raise Killed


def kill_before(bench, command):
    """Between the intent row and the instrument."""
    setattr(bench.guard, command, lambda *_, **__: die(bench))


def kill_after(bench, command, count=1):
    """The instrument has done it; its answer is never recorded."""
    sent, seen = getattr(bench.guard, command), []

    def lost(*args, **more):
        seen.append(sent(*args, **more))
        return seen[-1] if len(seen) < count else die(bench)

    setattr(bench.guard, command, lost)


def kill_before_row(bench, kind):
    """With the frames on disk, but without the row that says so."""
    append = bench.store.ledger.append

    def written(run_id, row_kind, *args, **more):
        return die(bench) if row_kind == kind else append(run_id, row_kind, *args, **more)

    bench.store.ledger.append = written


def new_process(bench):
    """The host died as well: nothing is known of what it was sent. The microscope stays as it is."""
    bench.guard = Guard(bench.spy)


def quietly(work, *args, **more):
    with contextlib.suppress(EucentricError):
        work(*args, **more)


def died(bench, *steps):
    """Carry a plan until its process dies; its instrument lives on, unless a test says otherwise."""
    story = dead(bench, *steps)
    for name in ("move", "set_optics", "acquire"):
        bench.guard.__dict__.pop(name, None)
    return story


def kinds(bench, action_id=None):
    rows = bench.store.ledger.events(run="r-0001", action_id=action_id)
    return [
        row.kind for row in rows if row.kind in ("in_doubt", "resolved", "returned", "failed", "intended")
    ]


def decisions(bench):
    rows = bench.rows("resolved", run="r-0001")
    return [(row.body["decision"], row.actor) for row in rows]


class Asked:
    """A person who says always the same, and remembers what was asked."""

    def __init__(self, answer="repeat"):
        self.answer, self.doubts = answer, []

    def __call__(self, recovery, doubt):
        self.doubts.append(doubt)
        return self.answer


# --- proven: nobody is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "steps"), [("acquire", (BOTH,)), ("move", (MOVE,)), ("set_optics", (OPTICS,))]
)
def test_what_never_reached_the_instrument_is_sent_once_and_nobody_is_asked(bench, command, steps):
    kill_before(bench, command)
    died(bench, *steps)
    assert bench.spy.sent == []
    assert resume(bench, settle=nobody).outcome == "done"
    assert bench.spy.names() == [command]
    assert decisions(bench) == [("not-sent", "reconciliation")]


def test_what_was_never_sent_is_not_charged(bench):
    kill_before(bench, "acquire")
    died(bench, image("a"))
    resume(bench, settle=nobody)
    bench.carry(step("g", "get_state"))
    once = bench.rows("returned", run="r-0001")[0].body["charge"]["dose_e_per_a2"]
    assert bench.run.dose_at(None) == pytest.approx(once)
    assert once > 0


@pytest.mark.parametrize(
    ("command", "steps"), [("acquire", (BOTH,)), ("move", (MOVE,)), ("set_optics", (OPTICS,))]
)
def test_what_was_done_is_taken_over_and_not_repeated(bench, command, steps):
    kill_after(bench, command)
    died(bench, *steps)
    outcome = resume(bench, settle=nobody)
    assert outcome.outcome == "done"
    assert outcome.verified
    assert bench.spy.names() == [command]
    assert decisions(bench) == [("adopt", "reconciliation")]


def test_an_adopted_scan_has_the_row_it_would_have_had(bench):
    bench.carry(BOTH)
    plain = bench.rows("returned")[0].body
    bench.store.ledger.close()
    fresh = type(bench)(bench.folder / "again")
    kill_after(fresh, "acquire")
    died(fresh, BOTH)
    resume(fresh, settle=nobody)
    body = fresh.rows("returned", run="r-0001")[0].body
    assert body == plain
    assert [frame["detector"] for frame in body["frames"]] == ["haadf", "bf"]
    for frame in body["frames"]:
        assert fresh.store.get_array(frame["sha256"]).shape == (16, 16)
    fresh.store.close()


def test_the_dose_of_an_adopted_scan_stays_charged(bench):
    kill_after(bench, "acquire")
    died(bench, image("a"))
    resume(bench, settle=nobody)
    intended = bench.rows("intended", run="r-0001")[0].body["charge"]["dose_e_per_a2"]
    bench.carry(step("g", "get_state"))
    assert bench.run.dose_at(None) >= intended > 0


def test_frames_on_disk_are_taken_over_though_the_host_died_too(bench):
    kill_before_row(bench, "returned")
    died(bench, BOTH)
    new_process(bench)
    assert resume(bench, settle=nobody).outcome == "done"
    assert bench.spy.names() == ["acquire"]
    assert decisions(bench) == [("adopt", "reconciliation")]
    body = bench.rows("returned", run="r-0001")[0].body
    assert len(body["frames"]) == 2
    assert body["charge"]["dose_e_per_a2"] > 0


@pytest.mark.parametrize("damage", ["sidecar", "pixels"])
def test_half_a_frame_on_disk_is_no_proof(bench, damage):
    kill_before_row(bench, "returned")
    died(bench, BOTH)
    new_process(bench)
    names = sorted((bench.folder / "store" / "runs" / "r-0001" / "frames").glob("*.json"))
    if damage == "sidecar":
        names[-1].unlink()
    else:
        blob = next(path for path in (bench.folder / "store" / "blobs").rglob("*") if path.is_file())
        blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    asked = Asked()
    assert resume(bench, settle=asked).outcome == "done"
    assert len(asked.doubts) == 1
    assert bench.spy.names() == ["acquire"] * 2


def test_a_move_that_missed_stays_failed(bench):
    def missed(*_):
        bench.spy.override["reported"] = {"x": 9e-6}

    bench.spy.after["move"] = missed
    move = bench.guard.move

    def lost(*args, **more):
        with pytest.raises(MoveNotReached):
            move(*args, **more)
        die(bench)

    bench.guard.move = lost
    died(bench, MOVE, image())
    outcome = resume(bench, settle=nobody)
    assert outcome.error["type"] == "MoveNotReached"
    assert bench.spy.names() == ["move"]
    assert decisions(bench) == [("failed", "reconciliation")]


# --- open: a person is asked, once, with the evidence -----------------------------------------------------


def test_a_scan_that_the_watchdog_stopped_is_asked_with_its_lines(bench):
    """Part of the specimen was exposed: whether it is done again is not for a program to say."""
    acquire = bench.spy.driver.acquire

    def half(scan, stop):
        bench.guard.stop("watchdog")
        raw, pixels = acquire(scan, stop)
        return raw.model_copy(update={"lines_done": 7, "aborted": True, "beam_s": 1e-4}), pixels

    bench.spy.driver.acquire = half
    send = bench.guard.acquire

    def lost(*args, **more):
        try:
            send(*args, **more)
        finally:
            die(bench)

    bench.guard.acquire = lost
    died(bench, image("a"))
    del bench.spy.driver.acquire
    asked = Asked()
    assert resume(bench, settle=asked).outcome == "done"
    assert [doubt.choices for doubt in asked.doubts] == [("repeat", "give-up")]
    assert "7 of 16 lines" in " ".join(asked.doubts[0].evidence)
    charged = {
        row.action_id: row.body["charge"]["dose_e_per_a2"] for row in bench.rows("in_doubt", run="r-0001")
    }
    assert all(dose > 0 for dose in charged.values())


@pytest.mark.parametrize("kill", [kill_before, kill_after])
def test_without_its_process_nothing_is_proven(bench, kill):
    kill(bench, "acquire")
    died(bench, image("a"))
    new_process(bench)
    asked = Asked()
    assert resume(bench, settle=asked).outcome == "done"
    assert len(asked.doubts) == 1
    assert "the process that was told is gone" in asked.doubts[0].evidence[0]
    assert decisions(bench) == [("repeat", "t")]


def test_a_move_that_reads_back_may_be_taken_for_done(bench):
    kill_after(bench, "move")
    died(bench, MOVE)
    new_process(bench)
    asked = Asked("adopt")
    assert resume(bench, settle=asked).outcome == "done"
    assert asked.doubts[0].choices == ("adopt", "repeat", "give-up")
    assert any(line.startswith("x_um: sent to 1, reads 1") for line in asked.doubts[0].evidence)
    assert bench.spy.names() == ["move"]


def test_a_move_that_does_not_read_back_may_not(bench):
    kill_before(bench, "move")
    died(bench, MOVE)
    new_process(bench)
    with pytest.raises(BadInput, match="nothing shows that it was done"):
        resume(bench, settle=Asked("adopt"))
    assert bench.spy.sent == []
    assert kinds(bench) == ["intended", "in_doubt"]


def test_nobody_is_asked_twice(bench):
    kill_after(bench, "acquire")
    died(bench, image("a"))
    new_process(bench)
    asked = Asked()
    bench.spy.before["acquire"] = lambda *_: die(bench)
    with pytest.raises((Killed, EucentricError)):
        resume(bench, settle=asked)
    bench.spy.before.clear()
    bench.guard.revoke(bench.guard.epoch, "died again")
    bench.store = type(bench.store)(bench.folder / "store")
    resume(bench, settle=asked)
    first = [row for row in bench.rows("resolved", run="r-0001") if "~" not in row.action_id]
    assert len(first) == 1
    assert len({doubt.action_id for doubt in asked.doubts}) == len(asked.doubts) == 2


def test_what_a_journal_may_have_forgotten_is_no_proof(bench):
    kill_before(bench, "acquire")
    died(bench, image("a"))
    bench.spy.driver._commands += KEPT
    asked = Asked()
    resume(bench, settle=asked)
    assert "has forgotten it since" in asked.doubts[0].evidence[0]


def test_an_unknown_end_is_asked_though_the_process_lives(bench):
    def late(*_):
        raise CommandTimeout("late")

    bench.spy.before["move"] = late
    assert bench.carry(MOVE).exit_code == 6
    bench.spy.before.clear()
    asked = Asked()
    resume(bench, settle=asked)
    assert "CommandTimeout" in asked.doubts[0].evidence[0]
    assert kinds(bench, "r-0001/m#1") == ["intended", "in_doubt", "resolved"]


# --- the fences -------------------------------------------------------------------------------------------


def test_nothing_is_proven_while_somebody_holds_the_lease(bench, monkeypatch):
    """A command of the dead process may still wait in its socket: 'never seen' would not be 'never will be'."""
    monkeypatch.setattr("eucentric.agent.reconcile.LEASE_S", 0.1)
    kill_before(bench, "acquire")
    died(bench, image("a"))
    bench.guard.lease("the connection of the dead process")
    with pytest.raises(Busy):
        resume(bench)
    assert decisions(bench) == []
    bench.guard.release()
    assert resume(bench, settle=nobody).outcome == "done"
    assert bench.spy.names() == ["acquire"]


def test_reconciling_gives_the_lease_back_before_it_asks(bench):
    kill_after(bench, "acquire")
    died(bench, image("a"))
    new_process(bench)
    owners = []

    def ask(recovery, doubt):
        owners.append(bench.guard.owner)
        raise Parked("nobody")

    with pytest.raises(Parked):
        resume(bench, settle=ask)
    assert owners == [None]


def test_a_command_in_flight_is_waited_for(bench):
    """Its lease has ended already, and the journal may not know it yet."""
    let_go, send, threads = threading.Event(), bench.guard.acquire, []
    bench.spy.before["acquire"] = lambda *_: let_go.wait(5)

    def sent_and_dead(*args, **more):
        threads.append(in_thread(lambda: quietly(send, *args, **more)))
        while bench.guard.operation() is None:
            time.sleep(0.001)
        die(bench)

    bench.guard.acquire = sent_and_dead
    died(bench, image("a"))
    threading.Timer(0.2, let_go.set).start()
    asked = Asked()
    outcome = resume(bench, settle=asked)
    assert let_go.is_set(), "it waited"
    assert outcome.outcome == "done"
    assert "0 of 16 lines" in asked.doubts[0].evidence[0]
    threads[0].join(5)


def test_a_command_that_does_not_end_is_stopped(bench, monkeypatch):
    monkeypatch.setattr("eucentric.agent.reconcile.ENDS_S", 0.1)
    let_go, send, stop, threads = threading.Event(), bench.guard.move, bench.guard.stop, []
    reached = threading.Event()
    bench.spy.before["move"] = lambda *_: reached.set() or let_go.wait(30)

    def sent_and_dead(*args, **more):
        threads.append(in_thread(lambda: quietly(send, *args, **more)))
        assert reached.wait(10)
        die(bench)

    def stopped(reason):
        if "takes too long" in reason:
            let_go.set()
        return stop(reason)

    bench.guard.move, bench.guard.stop = sent_and_dead, stopped
    died(bench, MOVE)
    asked = Asked("give-up")
    resume(bench, settle=asked)
    assert let_go.is_set(), "only that stop ended it"
    assert "Stopped" in asked.doubts[0].evidence[0]
    threads[0].join(5)


def test_decision_and_result_are_one_transaction(bench):
    kill_after(bench, "move")
    died(bench, MOVE)
    append = bench.store.ledger.append_in_transaction

    def broken(run_id, kind, *args, **more):
        if kind == "returned":
            raise Killed
        return append(run_id, kind, *args, **more)

    bench.store.ledger.append_in_transaction = broken
    with pytest.raises(Killed):
        resume(bench, settle=nobody)
    assert kinds(bench) == ["intended", "in_doubt"]
    bench.guard.revoke(bench.guard.epoch, "died")
    bench.store.ledger.append_in_transaction = append
    assert resume(bench, settle=nobody).outcome == "done"
    assert bench.spy.names() == ["move"]


# --- rows and stories -------------------------------------------------------------------------------------


def test_the_intent_row_says_who_was_told(bench):
    bench.carry(MOVE, image())
    rows = bench.rows("intended")
    assert {row.body["incarnation"] for row in rows} == {bench.guard.incarnation()}
    counts = [row.body["commands"] for row in rows]
    assert counts == sorted(set(counts))


def test_the_story_tells_what_was_found(bench):
    kill_after(bench, "acquire")
    died(bench, image("a"))
    told, observer = [], Observer()
    observer.told = told.append
    take_up(bench.store, "r-0001", bench.guard, Person(), observer, by="t", settle=nobody)
    assert any("it was done, and is taken over" in line for line in told)
    lines = explain(recover(bench.store, "r-0001"), "blanked")
    assert any("settled" in line and "adopt (by reconciliation)" in line for line in lines)


def test_a_stage_is_known_again_once_its_move_was_proven_unsent(bench):
    kill_before(bench, "move")
    died(bench, step("n", "move_stage", x_um=2.0), image())
    resume(bench, person=None, settle=nobody)
    rows = bench.rows("called", "in_doubt", "failed", run="r-0001")
    until = next(index for index, row in enumerate(rows) if row.kind == "failed")
    assert [LastSeen.of(rows[:n]).stage_known for n in (until, until + 1)] == [False, True]


def test_a_rejected_gate_after_reconciliation_sends_nothing(bench):
    kill_before(bench, "acquire")
    died(bench, image("a"))
    assert resume(bench, Person(Answer("rejected", "t", "no")), settle=nobody).exit_code == 3
    assert bench.spy.sent == []
