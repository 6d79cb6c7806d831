"""`eucentric pause`, `abort`, `finish`, `resume` and `status` around a run that is alive."""

import json

import pytest
from workbench import URI

import eucentric.cli.operator as cli_operator
from eucentric.agent.conduct import new_run
from eucentric.agent.custody.lock import locked
from eucentric.agent.session import Observer
from eucentric.cli import control as cli_control
from eucentric.cli import main
from eucentric.core.request import Request


@pytest.fixture
def run(bench):
    request = Request(text="t", who="t", instrument=URI)
    return new_run(bench.store, bench.guard, bench.card, request, Observer()).id


@pytest.fixture
def command(bench, monkeypatch, capsys):
    """One command in this process: (exit code, stdout, stderr)."""
    monkeypatch.setattr(cli_control, "_SEEN_S", 0.1)

    def call(*args):
        code = 0
        try:
            main([*args, "--store", str(bench.folder / "store")])
        except SystemExit as end:
            code = end.code or 0
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (("pause",), {"do": "pause", "when": "now"}),
        (("pause", "--after-step"), {"do": "pause", "when": "after_step"}),
        (
            ("pause", "--after-frame", "--reason", "tea"),
            {"do": "pause", "when": "after_frame", "reason": "tea"},
        ),
        (("abort",), {"do": "abort"}),
        (("finish",), {"do": "finish"}),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_request_is_one_row(bench, run, command, args, body, named):
    with locked(bench.store, run):
        code, out, _ = command(*args, *([run] if named else []), "--json")
    (row,) = bench.rows("control", run=run)
    assert (code, {key: row.body[key] for key in body}) == (0, body)
    said = json.loads(out)
    assert (said["run"], said["event"], said["done"]) == (run, row.seq, False)
    assert row.body["by"]


@pytest.mark.parametrize("name", ["pause", "abort", "finish"])
def test_a_request_to_nobody_is_an_error(bench, run, command, name):
    assert command(name, run)[0] == 2
    assert command(name)[0] == 2
    assert bench.rows("control", run=run) == []


def paused(bench, run, kind="paused"):
    bench.store.ledger.append(run, kind, "j.doe", "x", {"reason": "lunch"})


def test_status_says_who_paused_and_how_it_goes_on(bench, run, command):
    paused(bench, run)
    with locked(bench.store, run):
        _, out, _ = command("status")
        rows = json.loads(command("status", "--json")[1])["runs"]
    assert "paused by j.doe since " in out
    assert f"eucentric resume {run}" in out
    assert (rows[0]["waits"], "lunch" in rows[0]["state"]) == ("paused", True)
    assert "its process died" in command("status")[1], "a dead process waits for nothing"


def test_resume_releases_a_run_that_is_alive_and_paused(bench, run, command, monkeypatch):
    paused(bench, run)
    with locked(bench.store, run):
        code, _, err = command("resume", run)
        assert code == 6, "an agent without a terminal releases nothing"
        assert "release a paused run" in err
        assert bench.rows("control", run=run) == []
        monkeypatch.setattr(cli_operator, "require_terminal", lambda what: None)
        code, out, _ = command("resume", run)
    assert (code, bench.rows("control", run=run)[0].body["do"]) == (0, "resume")
    assert run in out


def test_resume_of_a_run_that_is_suspended_or_busy_changes_nothing(bench, run, command, monkeypatch):
    monkeypatch.setattr(cli_operator, "require_terminal", lambda what: None)
    paused(bench, run, "suspended")
    with locked(bench.store, run):
        code, _, err = command("resume", run)
    assert (code, "goes on by itself" in err) == (1, True)
    assert bench.rows("control", run=run) == []


def test_the_words_are_mapped_in_the_help(command):
    for name in ("pause", "abort", "finish"):
        assert "Bluesky calls finish stop" in command_help(name)
    assert "Bluesky calls this one halt" in " ".join(command_help("stop").split())


def command_help(name):
    import click
    from click.testing import CliRunner

    from eucentric.cli import cli

    found: click.testing.Result = CliRunner().invoke(cli, [name, "--help"])
    assert found.exit_code == 0
    return found.output
