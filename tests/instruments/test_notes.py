"""Notes of what is done without a row: who stopped, blanked, took the lease, with time and count."""

import importlib
import sys
import threading
import time
from pathlib import Path

import pytest

from eucentric.core import stop as stopping
from eucentric.core.places import hosts_dir
from eucentric.instruments import notefile
from eucentric.instruments.client import HostClient
from eucentric.instruments.guard import Guard
from eucentric.instruments.host import HostServer
from eucentric.instruments.notefile import keep_notes, notes_path, read_notes
from eucentric.instruments.notes import KEPT, Note, Notebook
from eucentric.instruments.twin import twin_driver

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
toy, rig = importlib.import_module("toy"), importlib.import_module("rig")
URI = "py:toy:toy_driver"
NEVER = threading.Event()


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))
    return tmp_path


def twin():
    return twin_driver("mxene", {"seed": "7", "stage": "ideal"})


def lines(notes):
    return [(note.what, note.text, note.before, note.commands) for note in notes]


def test_lease_release_and_hold_are_noted_with_the_count_before_and_after():
    driver = twin()
    guard = Guard(driver)
    driver.set_blank(False)  # a hand
    guard.lease("run r-0001")
    guard.stop("stop by kim")
    guard.clear_hold("kim")
    guard.release()
    assert lines(guard.notes.take()) == [
        ("lease", "run r-0001", 1, 2),
        ("stop", "stop by kim", None, 2),
        ("hold released", "kim", None, 2),
        ("release", "run r-0001", 2, 2),
    ]
    assert guard.notes.take() == []


def test_a_lease_that_is_refused_has_no_note():
    guard = Guard(toy.ToyDriver())
    guard.lease("one")
    with pytest.raises(Exception, match="in use by one"):
        guard.lease("two")
    assert [note.text for note in guard.notes.take()] == ["one"]


@pytest.mark.parametrize(("busy", "wanted"), [(False, ("lease ended", "gone")), (True, ("stop", "gone"))])
def test_the_end_of_a_dead_holder_is_noted(busy, wanted):
    driver = toy.ToyDriver()
    guard = Guard(driver)
    epoch = guard.lease("victim")
    if busy:
        driver.set_blank(False)
    guard.revoke(epoch, "gone")
    notes = guard.notes.take()
    assert (notes[-1].what, notes[-1].text) == wanted


def test_a_cleared_touch_is_noted_and_one_that_stays_is_not():
    guard = Guard(rig.TouchRig())
    guard.clear_touch("kim")
    assert [(note.what, note.text) for note in guard.notes.take()] == [("touch cleared", "kim")]


def test_a_stop_reads_nothing_and_waits_for_nothing():
    """A read-back that hangs must not keep a stop from coming back."""

    class Hung(toy.ToyDriver):
        def read(self):
            raise AssertionError("a stop read the state")

    guard = Guard(Hung())
    assert guard.stop("now")
    assert guard.blank("and this")
    assert [note.commands for note in guard.notes.take(read=False)] == [None, None]


def test_a_count_that_can_not_be_read_is_none():
    def broken():
        raise OSError("gone")

    book = Notebook("life", broken)
    with book.counted("lease", "x\x1b[2J"):
        pass
    (note,) = book.take()
    assert (note.before, note.commands, note.text) == (None, None, "x\\x1b[2J")


def test_notes_that_nobody_takes_are_bounded():
    book = Notebook("life", lambda: 0)
    for number in range(KEPT + 5):
        book.add("stop", str(number))
    assert (len(notes := book.take(read=False)), notes[-1].text) == (KEPT, str(KEPT + 4))


# --- the file -------------------------------------------------------------------------------------------


def note(text):
    return Note(utc="2026-10-02T02:13:07.000Z", incarnation="a", what="stop", text=text)


def test_notes_are_kept_read_and_torn_lines_left_out(state):
    hosts_dir().mkdir(parents=True)
    keep_notes(URI, [note("one"), note("zwei\u2028drei")])
    with open(notes_path(URI), "a") as file:
        file.write('{"utc": "2026-10-')
    keep_notes(URI, [note("lost with the torn line")])
    keep_notes(URI, [note("four")])
    assert [one.text for one in read_notes(URI)] == ["one", "zwei\u2028drei", "four"]
    assert read_notes("py:toy:toy_driver?name=other") == ()
    assert notes_path(URI).stat().st_mode & 0o077 == 0


def test_a_long_file_becomes_the_old_one(state, monkeypatch):
    monkeypatch.setattr(notefile, "MOST_BYTES", 200)
    hosts_dir().mkdir(parents=True)
    for number in range(6):
        keep_notes(URI, [note(f"{number:099d}")])
    kept = [int(one.text) for one in read_notes(URI)]
    assert kept == sorted(kept)
    assert kept[-1] == 5
    assert 2 <= len(kept) < 6


def test_a_disk_that_refuses_does_not_break_the_host(state):
    keep_notes(URI, [note("no folder")])
    assert read_notes(URI) == ()


# --- the host -------------------------------------------------------------------------------------------


def kept(count, seconds=10.0):
    end = time.monotonic() + seconds
    while len(notes := read_notes(URI)) < count:
        assert time.monotonic() < end, notes
        time.sleep(0.01)
    return notes


def test_a_host_keeps_its_notes_beyond_its_life(state):
    server = HostServer(URI, toy.ToyDriver)
    info = server.start()
    client = HostClient(info)
    client.lease("run r-0007")
    kept(2)
    stopping.stop(URI, "stop by kim (pts/1)")
    kept(3)
    client.close()
    server.close()
    notes = kept(5)
    life = client_life(notes)
    assert life == {notes[0].incarnation}
    assert [note.what for note in notes] == ["began", "lease", "stop", "release", "ended"]
    assert notes[0].commands == 0
    assert notes[1].text.startswith("run r-0007 (pid ")
    assert notes[2].text == "stop by kim (pts/1)"


def client_life(notes):
    return {note.incarnation for note in notes}


def test_a_hung_read_back_keeps_neither_stop_nor_end_from_coming(state):
    class Hung(toy.ToyDriver):
        hung, inside = threading.Event(), False

        def read(self):
            self.inside = True
            self.hung.wait(60)
            self.inside = False
            return super().read()

    driver = Hung()
    server = HostServer(URI, lambda: driver)
    server.start()
    assert stopping.stop(URI, "now")[0]["blanked"]
    server.close()
    assert driver.inside  # everything came back while the read-back still hung
    driver.hung.set()
