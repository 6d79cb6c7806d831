"""What a person types at a gate: nothing is preselected, a secret is not echoed, no key is rushed."""

import os
import pty
import sys
import termios
import time

import pytest

from eucentric.agent.consent.asked import Answer, Asked
from eucentric.cli.terminal import Terminal
from eucentric.core.approval import Envelope, Needs
from eucentric.core.errors import ApprovalRefused

BOUNDS = Envelope(tools=("a",), max_frames=1, max_dose_e_per_a2=1, x_um=(0, 1), y_um=(0, 1), max_probe_current_pa=1,
                  max_seconds=1)  # fmt: skip


def asked(**needs):
    return Asked("g1", "THE CARD", "b", BOUNDS, {}, needs=Needs(**needs))


def prove(name, secret):
    if (name, secret) not in (("kim", "kims secret"), ("lee", "lees secret")):
        raise ApprovalRefused(f"'{name}' could not be proven", "unknown operator or wrong secret")
    return ("staff" if name == "lee" else "operator"), None


@pytest.fixture
def typing(monkeypatch):
    """A terminal with somebody at it: (write what is typed, the channel's own end)."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        yield lambda text: os.write(ours, text.encode())
    os.close(ours)


def answer(typing, question, *lines):
    """The first answer that these lines lead to, each typed when the one before was taken."""
    person = Terminal("j (pts/1)", prove)
    person.show(question)
    for line in lines:
        assert person.poll(question, 0.0) is None
        typing(line + "\n")
        made = person.poll(question, 1.0)
        if made is not None:
            return made
    return None


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("a",), Answer("approved", "j (pts/1)")), (("approve",), Answer("approved", "j (pts/1)")),
        (("A",), Answer("approved", "j (pts/1)")), (("o",), Answer("stop_after_step", "j (pts/1)")),
        (("d",), Answer("deferred", "j (pts/1)", "not now")),
        (("r", "too much"), Answer("rejected", "j (pts/1)", "too much")),
        (("r", ""), Answer("rejected", "j (pts/1)", "no reason given")),
        (("e", "s.x=1"), Answer("edited", "j (pts/1)", edit="s.x=1")),
        (("u", "tilts"), Answer("escalated", "j (pts/1)", "tilts", to_role="operator")),
        ((""), None), (("",), None),
        (("yes",), None), (("?",), None), (("y",), None), (("a b",), None), (("ok", "1"), None),
        (("?", "a"), Answer("approved", "j (pts/1)")),
    ],
)  # fmt: skip
def test_what_a_line_means(typing, lines, wanted):
    assert answer(typing, asked(), *lines) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", (10, 2.0, None)), ("3, 0.5", (3, 0.5, None)), ("3 1 5e3", (3, 1.0, 5000.0)), ("0 1", None), ("3 25", None),
        ("many", None), ("3", None), ("3 1 -5", None), ("3 nan", None), ("3 1 inf", None), ("3 1 5 7", None),
    ],
)  # fmt: skip
def test_a_grant_has_bounds(typing, text, wanted):
    made = answer(typing, asked(), "g", text)
    assert (made and (made.grant.uses, made.grant.hours, made.grant.dose_e_per_a2)) == wanted


@pytest.mark.parametrize(("line", "counts"), [("a", False), ("g", False), ("o", True), ("approve", True)])
def test_high_impact_takes_the_whole_word(typing, line, counts):
    assert (answer(typing, asked(impact="high"), line) is not None) == counts


@pytest.mark.parametrize("needs", [{"role": "operator"}, {"approvers": 2}])
def test_who_must_prove_is_asked_for_name_and_secret(typing, capsys, needs):
    made = answer(typing, asked(**needs), "a", "kim", "kims secret")
    assert (made.outcome, made.name, made.role) == ("approved", "kim", "operator")
    assert made.by == "kim (j (pts/1), proved)"
    assert "kims secret" not in capsys.readouterr().out


def test_a_wrong_secret_is_told_and_asked_from_the_beginning(typing, capsys):
    made = answer(typing, asked(role="staff"), "a", "lee", "wrong", "a", "lee", "lees secret")
    assert made.role == "staff"
    assert "could not be proven" in capsys.readouterr().out


def echoes():
    return bool(termios.tcgetattr(sys.stdin.fileno())[3] & termios.ECHO)


def test_a_secret_is_not_echoed_and_the_terminal_is_as_before(typing):
    person, question = Terminal("j", prove), asked(role="operator")
    person.show(question)
    for line, seen in (("a", True), ("kim", False)):
        typing(line + "\n")
        person.poll(question, 1.0)
        assert echoes() == seen
    person.over()  # decided elsewhere, or stopped, in the middle of it
    assert echoes()


def test_what_was_typed_before_the_card_is_no_answer(typing):
    typing("a\n")
    time.sleep(0.05)
    person, question = Terminal("j", prove), asked()
    person.show(question)
    assert person.poll(question, 0.1) is None
    typing("a\n")
    assert person.poll(question, 1.0).outcome == "approved"


def test_a_terminal_that_goes_away_is_nobodys_no(monkeypatch):
    import io

    monkeypatch.setattr("select.select", lambda *_: ([1], [], []))
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    made = Terminal("j", prove).poll(asked(), 0.1)
    assert (made.outcome, made.by, made.automatic) == ("no_channel", "nobody", True)
