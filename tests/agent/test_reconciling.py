"""The ledger against the instrument's count, its own log, the host's notes and the disk: what has no row is listed."""

import json
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_reconcile import kill_after, kill_before, kill_before_row
from test_recovery import Killed, dead, nobody, resume
from workbench import URI, Bench, Spy, image, step

from eucentric.agent.auditing.reconciling import reconciled
from eucentric.core import stop as stopping
from eucentric.core.canonical import digest
from eucentric.core.errors import BadInput, CommandTimeout, ConnectionLost, EucentricError
from eucentric.instruments.client import HostClient
from eucentric.instruments.driver import DriverState
from eucentric.instruments.host import HostServer
from eucentric.instruments.notefile import keep_notes, read_notes
from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.world import load_world

NEVER = threading.Event()
MOVE, OPTICS = step("m", "move_stage", x_um=3.0), step("o", "set_optics", defocus_nm=5.0)
OUT = step("i", "insert_detector", detector="bf", inside=False)
ALL = (MOVE, image("a"), OPTICS, OUT, image("b"))


@pytest.fixture(autouse=True)
def no_report(request, monkeypatch):
    """A report takes a second, and only the disk's tests look at one."""
    if "kept" not in request.fixturenames:
        monkeypatch.setattr("eucentric.agent.conduct._worth_a_report", lambda session: False)


class NoLog(Spy):
    """The same instrument without a log of its own."""

    def __getattr__(self, name):
        if name == "command_log":
            raise AttributeError(name)
        return super().__getattr__(name)


class Hosted(Bench):
    """A bench whose twin is served by a host in this process, over real sockets."""

    def __init__(self, folder, spy=Spy):
        self.make = spy
        super().__init__(folder)

    def new_instrument(self, seed=7):
        self.spy = self.make(TwinDriver(load_world("mxene"), seed, stage="ideal"))
        self.server = HostServer(URI, lambda: self.spy)
        self.info = self.server.start()
        self.guard = HostClient(self.info)

    def end(self):
        self.guard.close()
        self.server.close()


@pytest.fixture
def hosted(own_places):
    made = Hosted(own_places)
    yield made
    made.end()
    made.store.close()


@pytest.fixture(params=[Spy, NoLog], ids=["with a log", "counts only"])
def either(own_places, request):
    """Both kinds of instruments."""
    made = Hosted(own_places, request.param)
    yield made
    made.end()
    made.store.close()


def store(bench):
    return bench.folder / "store"


def life(bench, *more, **how):
    """The one life that the rows of a bench name."""
    found = reconciled([store(bench), *more], **how)
    (account,) = found.instruments
    (one,) = account.lives
    return one


def lost(one):
    return [(row.commands, row.after.what if row.after else None) for row in one.unexplained]


def hand(bench, name="set_optics", values=None):
    """Somebody at the instrument, beside the guard."""
    driver = bench.spy.driver
    if name == "set_optics":
        driver.set_optics(values or {"defocus": 7e-9}, NEVER)
    elif name == "move":
        driver.move(values or {"x": 2e-6}, NEVER)
    else:
        driver.set_blank(name == "blank")


# --- everything has a row -------------------------------------------------------------------------------


def test_a_run_alone_has_a_row_for_everything(either):
    either.carry(*ALL)
    one = life(either)
    assert (one.ok, one.acts, one.runs) == (True, 5, ("r-0001",))
    assert (one.first.commands, one.last.commands, one.last.what) == (0, 9, "now")
    assert one.log == (
        "numbers 1 to 9, 9 commands" if either.make is Spy else "the instrument keeps none: counts only"
    )


def test_in_process_the_rows_alone_are_compared(bench):
    bench.carry(*ALL)
    bench.carry(image("c"))
    one = life(bench)
    assert (one.ok, one.acts, one.last.commands, one.log) == (True, 6, 12, "not asked: counts only")


def test_a_paused_run_and_a_composite_tool_have_a_row_for_everything(either):
    either.carry(
        step("s", "survey", tiles_x=2, tiles_y=2, fov_um=1.0, width_px=64, dwell_us=1.0),
        step("g", "get_state"),
        step("ser", "acquire_series", width_px=32, height_px=32, fov_nm=10.0, dwell_us=1.0, frames=3),
    )
    one = life(either)
    assert one.ok, one
    assert one.acts >= 11


# --- a hand at the instrument ---------------------------------------------------------------------------

GAP = "event 14"
"""The result row of the image of ALL[:2]."""


def between(bench):
    hand(bench)
    hand(bench, "move")


HANDS = {
    "before the first act": (lambda bench: (hand(bench), bench.carry(*ALL)), 1),
    "between two runs": (lambda bench: (bench.carry(*ALL), between(bench), bench.carry(image("c"))), 2),
    "after the last": (lambda bench: (bench.carry(*ALL), hand(bench)), 1),
    "the beam, on and off": (
        lambda bench: (bench.carry(MOVE), hand(bench, "unblank"), hand(bench, "blank")),
        2,
    ),
}


@pytest.mark.parametrize("case", HANDS)
def test_commands_without_a_row_are_counted_and_named_if_there_is_a_log(either, case):
    act, number = HANDS[case]
    act(either)
    one = life(either)
    assert sum(row.commands for row in one.unexplained) == number, one
    assert one.absent == ()
    assert all("hands on the knobs" in row.hint for row in one.unexplained)
    named = [text for row in one.unexplained for text in row.log]
    assert len(named) == (number if either.make is Spy else 0)


def test_the_neighbours_of_a_gap_are_named(either):
    either.carry(MOVE)
    hand(either, values={"defocus": 7e-9})
    either.carry(image("a"))
    (row,) = life(either).unexplained
    (ended,), (taken,) = either.rows("finished", run="r-0001"), either.rows("asked", run="r-0002")
    assert (row.after.what, row.before.what) == (f"event {ended.seq}", f"event {taken.seq}")
    assert (row.after.commands, row.before.commands) == (1, 2)
    if either.make is Spy:
        assert row.log[0].startswith("number 2, set_optics defocus_nm 7, at ")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_command_in_the_middle_of_an_act_is_found(either, when):
    getattr(either.spy, when)["acquire"] = lambda *_: hand(either)
    either.carry(image("a"))
    (row,) = life(either).unexplained
    (intent,) = either.rows("intended")
    assert (row.commands, row.during) == (1, f"event {intent.seq} acquire")
    assert [text.partition(",")[0] for text in row.log] == (
        [] if either.make is NoLog else ["number 2" if when == "before" else "number 3"]
    )


def test_the_blank_of_a_lease_on_a_beam_that_was_left_on_is_the_lease_s(either):
    either.carry(MOVE)
    hand(either, "unblank")
    either.carry(image("a"))
    one = life(either)
    assert [row.commands for row in one.unexplained] == [1]
    if either.make is Spy:
        assert "unblank" in one.unexplained[0].log[0]


def test_a_reader_that_can_not_tell_what_came_before_says_so(bench):
    hand(bench)
    bench.carry(MOVE)
    one = life(bench)
    assert one.ok
    assert "what came before event" in one.notes[0]


# --- several stores, several lives ----------------------------------------------------------------------


def test_what_another_store_explains_has_a_row(either):
    either.carry(MOVE)
    other = Bench.__new__(Bench)
    other.__dict__ |= either.__dict__ | {"folder": either.folder / "other"}
    other.store = type(either.store)(either.folder / "other" / "store")
    other.carry(image("x"))
    either.carry(image("a"))
    alone = life(either)
    assert sum(row.commands for row in alone.unexplained) == 3
    assert "give that store, too" in alone.unexplained[0].hint
    assert "run r-0001 (pid" in alone.unexplained[0].hint
    both = life(either, store(other))
    assert both.ok, both
    assert len(both.runs) == 3
    assert any("other" in run for run in both.runs)
    other.store.close()


def test_a_copy_of_a_store_explains_nothing_twice(bench):
    bench.carry(MOVE, image("a"))
    bench.store.close()
    shutil.copytree(store(bench), bench.folder / "copy")
    one = life(bench, bench.folder / "copy")
    assert (one.ok, one.acts) == (True, 2)


def test_each_life_of_the_process_is_counted_by_itself(hosted):
    hosted.carry(MOVE)
    hosted.end()
    hosted.new_instrument()
    hosted.carry(image("a"))
    hand(hosted)
    (account,) = reconciled([store(hosted)]).instruments
    first, second = account.lives
    assert (first.ok, first.last.commands) == (True, 1)
    assert first.log == "not asked: counts only"
    assert [row.commands for row in second.unexplained] == [1]


def test_another_process_than_the_rows_name_is_not_compared(hosted):
    hosted.carry(MOVE)
    hosted.end()
    hosted.new_instrument()
    hand(hosted)
    (account,) = reconciled([store(hosted)]).instruments
    assert account.lives[0].ok
    assert "by a process that no row of these stores names" in account.now


def test_a_host_that_does_not_run_is_said_and_not_started(hosted):
    hosted.carry(MOVE)
    hosted.end()
    found = reconciled([store(hosted)])
    assert found.ok
    assert found.instruments[0].now == "its count could not be read now: its host does not run"
    assert stopping.list_hosts() == []
    hosted.new_instrument()


def test_reading_takes_no_lease_and_sends_nothing(hosted):
    hosted.carry(MOVE)
    hosted.guard.lease("a run under way")
    before = hosted.spy.driver.read()
    assert reconciled([store(hosted)]).instruments[0].now.startswith("read at ")
    after = hosted.spy.driver.read()
    assert (before.commands, before.blanked, hosted.server._guard.owner.partition(" (")[0]) == (
        after.commands, after.blanked, "a run under way",
    )  # fmt: skip


def test_only_the_instrument_that_is_asked_for(hosted):
    hosted.carry(MOVE)
    assert reconciled([store(hosted)], "twin://mxene?stage=ideal&seed=7").instruments[0].uri == (
        "twin://mxene?seed=7&stage=ideal"
    )
    with pytest.raises(BadInput, match="no run of these stores sent anything to twin://other"):
        reconciled([store(hosted)], "twin://other")


# --- rows without a counterpart -------------------------------------------------------------------------


def forged(bench, before, after, **args):
    """Rows of a move that nobody sent."""
    body = {"act": "move_stage", "args_sha256": digest(["move_stage", args]), "args": args,
            "incarnation": bench.guard.incarnation(), "commands": before}  # fmt: skip
    log = bench.store.ledger.append
    intent = log(
        "r-0001", "intended", "eucentric", "move_stage", body, action_id="r-0001/f#1", tool="move_stage"
    )
    log("r-0001", "returned", "eucentric", "move_stage done", {"act": "move_stage", "commands": after},
        action_id="r-0001/f#1", tool="move_stage")  # fmt: skip
    return intent.seq


def test_a_row_of_a_move_that_never_was_is_found_by_the_count(either):
    either.carry(MOVE, OPTICS)
    event = forged(either, 2, 2, x_um=50.0)
    one = life(either)
    assert [(row.event, row.what) for row in one.absent] == [(event, f"event {event} move_stage")]
    assert "counted 0 of the 1 commands" in one.absent[0].why


def test_a_kind_of_act_that_never_counted_anything_is_no_way_to_count(bench):
    bench.carry(OPTICS)
    event = forged(bench, 1, 1, x_um=50.0)
    assert [row.event for row in life(bench).absent] == [event]


def test_a_row_that_takes_a_hand_s_command_for_its_own_is_found_by_the_log(either):
    either.carry(OPTICS)
    hand(either, "move", {"x": 2e-6})
    event = forged(either, 1, 2, x_um=50.0)
    one = life(either)
    if either.make is NoLog:
        assert one.ok  # the count alone can't tell them apart
        return
    assert [row.event for row in one.absent] == [event]
    assert "the instrument's own log has no such command (move)" in one.absent[0].why
    assert one.unexplained[0].log[0].startswith("number 2, move x_um 2")


def test_two_rows_for_the_same_commands_are_one_too_many(either):
    either.carry(MOVE)
    event = forged(either, 0, 1, x_um=3.0)
    assert [row.event for row in life(either).absent] == [event]


class Coarse(NoLog):
    """Counts neither blanking nor unblanking, as some vendors do."""

    def read(self) -> DriverState:
        state = super().read()
        return state.model_copy(update={"commands": sum(name != "wait" for name in self.names())})


def test_a_driver_that_counts_less_is_taken_as_it_counts(own_places):
    made = Hosted(own_places, Coarse)
    made.carry(MOVE, image("a"), image("b"))
    one = life(made)
    assert one.ok, one
    assert one.notes == (
        "each acquire of this instrument adds 1 to its count, fewer than it sends: taken as its way to count",
    )
    made.spy.sent.append(("set_optics", {}))
    assert [row.commands for row in life(made).unexplained] == [1]
    made.end()
    made.store.close()


def test_rows_of_a_version_without_the_count_after_explain_what_they_may_have_sent(either, monkeypatch):
    monkeypatch.setattr("eucentric.agent.acting.door.Door._counted", lambda *_: {})
    either.carry(*ALL)
    assert life(either).ok
    hand(either)
    assert [row.commands for row in life(either).unexplained] == [1]


# --- stops and other halts ------------------------------------------------------------------------------


def test_a_stop_while_nothing_runs_is_told_and_sends_nothing(either):
    either.carry(MOVE)
    stopping.stop(URI, "stop by kim (pts/1)")
    _noted(either, "stop by kim")
    one = life(either)
    assert one.ok
    assert [(halt.what, halt.text, halt.commands) for halt in one.halts] == [
        ("stop", "stop by kim (pts/1)", 0)
    ]


def test_a_stop_in_a_scan_is_told_and_its_blank_is_the_scan_s(either):
    either.spy.before["acquire"] = lambda *_: stopping.stop(URI, "stop by kim")
    either.carry(image("a"))
    _noted(either, "stop by kim")
    one = life(either)
    assert one.ok, one
    assert [halt.text for halt in one.halts] == ["stop by kim"]


def test_a_stop_of_a_beam_that_a_hand_lit_is_not_unexplained_but_the_hand_is(either):
    either.carry(MOVE)
    hand(either, "unblank")
    stopping.stop(URI, "stop by kim")
    _noted(either, "stop by kim")
    one = life(either)
    assert [row.commands for row in one.unexplained] == [1]
    assert [(halt.text, halt.commands) for halt in one.halts] == [("stop by kim", 1)]


def test_a_stop_does_not_excuse_a_turn_of_a_knob(either):
    either.carry(MOVE)
    hand(either)
    stopping.stop(URI, "stop by kim")
    _noted(either, "stop by kim")
    one = life(either)
    assert [row.commands for row in one.unexplained] == [1]
    assert one.halts[0].commands == 0


def test_a_stop_that_is_said_twice_at_once_is_told_once(hosted):
    hosted.carry(MOVE)
    for _ in range(2):
        stopping.stop(URI, "stop by kim")
    _noted(hosted, "stop by kim", 2)
    assert len(life(hosted).halts) == 1


def _noted(bench, text, times=1):
    while sum(text in note.text for note in read_notes(URI)) < times:
        pass


def test_notes_of_a_dead_host_still_tell(bench):
    """Notes outlive their process; here the guard's are kept as its host would."""
    bench.spy.before["acquire"] = lambda *_: bench.guard.stop(
        "watchdog: no heartbeat from run r-0001 for 1.1 s"
    )
    bench.carry(image("a"))
    bench.folder.joinpath("s", "hosts").mkdir(parents=True, exist_ok=True)
    keep_notes(URI, bench.guard.notes.take())
    one = life(bench)
    assert one.ok
    assert one.halts[0].text.startswith("watchdog: no heartbeat")


# --- acts in doubt --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [kill_before, kill_after])
@pytest.mark.parametrize(("command", "plan"), [("acquire", (image("a"),)), ("move", (MOVE,))])
def test_an_act_in_doubt_explains_what_it_may_have_sent_and_no_more(bench, fault, command, plan):
    fault(bench, command)
    dead(bench, *plan)
    bench.guard.__dict__.pop(command, None)
    assert life(bench).ok
    assert resume(bench, settle=nobody).outcome == "done"
    assert life(bench).ok, life(bench)
    hand(bench)
    bench.carry(OPTICS)
    assert [row.commands for row in life(bench).unexplained] == [1]


def test_a_scan_in_doubt_and_a_hand_after_it_are_kept_apart_by_the_log(hosted):
    kill_after(hosted, "acquire")
    with pytest.raises((Killed, EucentricError)):
        hosted.carry(image("a"))
    hosted.guard.close()
    hosted.guard = HostClient(hosted.info)
    hand(hosted)
    one = life(hosted)
    assert [row.commands for row in one.unexplained] == [1]
    assert "set_optics" in one.unexplained[0].log[0]
    hosted.store = type(hosted.store)(store(hosted))


@pytest.mark.parametrize("error", [CommandTimeout("late"), ConnectionLost("gone")])
def test_a_command_that_nobody_saw_end_is_no_command_too_many(either, error):
    def broken(*_):
        raise error

    either.spy.after["move"] = broken
    either.carry(MOVE)
    assert life(either).ok


# --- the disk -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A store with one run: frames, a report and pictures."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("kept")
        patch.setenv("EUCENTRIC_STATE", str(folder / "s"))
        patch.setenv("EUCENTRIC_CONFIG", str(folder / "none.toml"))
        made = Bench(folder)
        made.carry(*ALL)
        made.store.close()
    return store(made)


@pytest.fixture
def kept(own_places, done):
    """A copy of it."""
    shutil.copytree(done, own_places / "store")
    return Kept(own_places)


@dataclass
class Kept:
    """What `store` asks of a bench."""

    folder: Path


def disk(bench):
    return reconciled([store(bench)]).disks[0]


def test_everything_of_a_run_on_the_disk_has_a_row(kept):
    found = disk(kept)
    assert (found.ok, found.frames, found.problems, found.without_row, found.explained) == (
        True,
        2,
        (),
        (),
        (),
    )
    assert found.files > 8


def frame_file(bench):
    return sorted(store(bench).glob("runs/r-0001/frames/*.json"))[0]


def blob_of(bench, sidecar):
    sha = json.loads(sidecar.read_text())["sha256"]
    return store(bench) / "blobs" / sha[:2] / sha


def edited(path, data=b"x"):
    path.write_bytes(path.read_bytes() + data)


def planted(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


NPY = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (16, 16), }" + b" " * 60
SHA = "ab" * 32

MISSING = {
    "pixels altered": (lambda b: edited(blob_of(b, frame_file(b))), "its pixels were altered"),
    "pixels gone": (lambda b: blob_of(b, frame_file(b)).unlink(), "its pixels are missing"),
    "sidecar gone": (lambda b: frame_file(b).unlink(), "its sidecar is missing"),
    "report altered": (lambda b: edited(store(b) / "runs/r-0001/report.html"), "report.html (event"),
    "report gone": (lambda b: (store(b) / "runs/r-0001/report.md").unlink(), "report.md (event"),
    "picture altered": (
        lambda b: edited(store(b) / "runs/r-0001/pictures/report-images.png"),
        "pictures/report-images.png (event",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_row_whose_file_is_gone_or_altered_is_listed(kept, case):
    spoil, words = MISSING[case]
    spoil(kept)
    found = disk(kept)
    assert any(words in problem for problem in found.problems), found.problems
    assert not found.ok


PLANTED = {
    "blobs/ab/" + SHA: (NPY, "pixels (16, 16)"),
    "blobs/cd/" + "cd" * 32: (b'{"messages": []}', "JSON: a model's prompt, request or reply"),
    "blobs/ef/" + "ef" * 32: (b"hello", "text"),
    "runs/r-0001/frames/f-99999.json": (b"{}", "description of a frame"),
    "runs/r-0001/frames/copy.json": (b"{}", "description of a frame"),
    "runs/r-0001/pictures/other.png": (b"png", "picture"),
    "runs/r-0001/notes.txt": (b"", "file"),
    "runs/r-0099/frames/f-00001.json": (b"{}", "of no run"),
    "stray.bin": (b"\xff\x00", "of no run"),
}


@pytest.mark.parametrize("path", PLANTED)
def test_a_file_that_no_row_names_is_listed_with_what_it_is_and_its_size(kept, path):
    data, what = PLANTED[path]
    planted(store(kept) / path, data)
    (one,) = disk(kept).without_row
    assert (one.path, one.what, one.bytes) == (path, what, len(data))
    assert (store(kept) / path).read_bytes() == data, "nothing is deleted"


def test_the_part_of_a_write_that_was_cut_off_is_no_missing_row(kept):
    planted(store(kept) / "blobs/ab/.part-0123", b"half")
    found = disk(kept)
    assert found.ok
    assert [one.what for one in found.explained] == ["the part of a write that was cut off"]


def test_the_frame_of_an_act_in_doubt_belongs_to_that_act(bench):
    kill_before_row(bench, "returned")
    dead(bench, image("a"))
    found = disk(bench)
    intent = next(row for row in bench.rows("intended", run="r-0001"))
    assert found.ok
    assert {(one.what, one.event) for one in found.explained} == {
        ("pixels (16, 16)", intent.seq), ("description of a frame", intent.seq),
    }  # fmt: skip
    resume(bench, settle=nobody)
    assert disk(bench).explained == ()


def test_a_prompt_that_a_row_names_and_the_disk_has_lost(bench):
    sha = bench.store.put_blob(b"the prompt")
    proposal = {"outcome": "answer", "evidence": {"prompt": sha}}
    bench.store.ledger.append("r-0001", "planned", "llm", "said", {"proposal": proposal})
    assert disk(bench).ok
    bench.store.blob_path(sha).unlink()
    assert disk(bench).problems == (f"prompt of the model (event 2) is missing: blobs/{sha[:2]}/{sha}",)


def test_a_store_is_only_read(kept):
    def listing():
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in sorted(store(kept).rglob("*"))
            if path.is_file() and path.suffix not in (".db-wal", ".db-shm")  # SQLite's own, for any reader
        }

    before = listing()
    reconciled([store(kept)])
    assert listing() == before
