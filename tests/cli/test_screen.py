"""Nothing that is printed acts on a terminal, whatever printed it; JSON stays JSON."""

import io
import json
import os
import pty
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eucentric.cli.screen import Screen, guard_streams, harmless

HOSTILE = (
    "\x1b[2J\x1b[1;1H", "\x9b31m", "\r", "\b\b", "\x07", "\x1b]8;;http://x\x1b\\\\", "\u202e", "\u2066", "\u200b",
    "\u2028", "\x85", "\ud800", "\U000e0041", "\ufeff", "\xad", "\x7f", "\0",
)  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("text", HOSTILE)
def test_what_acts_is_an_escape_that_json_has(text):
    said = harmless(f"a{text}b")
    assert said.startswith("a")
    assert all(char.isprintable() for char in said)
    assert json.loads(harmless(json.dumps(f"a{text}b", ensure_ascii=False))) == f"a{text}b"
    said.encode("utf-8")


@given(st.recursive(st.text() | st.integers(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_json_on_the_screen_is_the_same_value(value):
    assert json.loads(harmless(json.dumps(value, ensure_ascii=False))) == value


@pytest.mark.parametrize("text", ["Ti₃C₂ at 20 Å ± 3 %, µm\n", "\x1b[1mbold\x1b[0m\n", "a\tb", ""])
def test_what_is_ours_stays(text):
    stream = io.StringIO()
    Screen(stream).write(text)
    assert stream.getvalue() == text


def test_a_line_of_progress_may_erase_itself_and_nothing_else_may():
    stream = io.StringIO()
    screen = Screen(stream)
    screen.write("\r\x1b[K   … at \r\x1b[K Gate g1: approved")
    assert stream.getvalue() == "\r\x1b[K   … at \\u000d\\u001b[K Gate g1: approved"


def test_bytes_and_lines_pass_through_it_too(monkeypatch):
    monkeypatch.setenv("EUCENTRIC_API_KEY", "planted-0123456789")
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8")
    screen = Screen(stream)
    screen.writelines(["a planted-0123456789\n", "b\n"])
    screen.flush()
    assert screen.buffer.write(b"c planted-0123456789\n") == 21
    screen.buffer.flush()
    assert raw.getvalue() == b"a [secret EUCENTRIC_API_KEY]\nb\nc [secret EUCENTRIC_API_KEY]\n"
    with pytest.raises(TypeError):
        screen.write(b"x")


def test_a_long_line_on_a_terminal_is_folded_to_it():
    """A padded title would otherwise end at the left margin, where only our own lines begin."""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        Screen(terminal).write("GATE g1  title" + " " * 66 + "Approving    1 frame\n")
        terminal.flush()
        said = os.read(leader, 10_000).decode()
    os.close(leader)
    width = 80
    rows = said.replace("\r\n", "\n").split("\n")
    assert all(len(row) <= width for row in rows)
    assert not any(row.startswith("Approving") for row in rows)
    assert "    ↳ Approving    1 frame" in rows


def test_streams_are_guarded_once(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    guard_streams(fold=True)
    first = sys.stdout
    guard_streams(fold=True)
    assert isinstance(first, Screen)
    assert sys.stdout is first
