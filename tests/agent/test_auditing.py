"""'Why was this done?' is answered from the ledger: request, plan, approval, reason, effect, each with its event."""

import json

import pytest
from click.testing import CliRunner
from workbench import image, step

from eucentric.agent.auditing import at_moment, why
from eucentric.cli.audit import audit
from eucentric.core.errors import BadInput


@pytest.fixture
def told(bench):
    """A run with a move and an image, and its rows by kind and tool."""
    move = step("go", "move_stage", x_um=3.0).model_copy(update={"reason": "a fresh area"})
    bench.carry(move, image(), text="go to x 3 um and take an image")
    return bench


def _row(bench, kind, act=None):
    return next(row for row in bench.rows(kind) if act in (None, row.body.get("act")))


def test_a_move_is_traced_to_sentence_plan_approval_and_effect(told):
    answer = why(told.store.ledger.rows, _row(told, "intended", "move_stage"))
    assert "go to x 3 um and take an image" in answer.asked_by
    assert "scripted" in answer.planned_by
    assert "plan r1 sha" in answer.planned_by
    assert "gate g1 approved" in answer.allowed_by
    assert "by tester" in answer.allowed_by
    assert answer.because == ("a fresh area",)
    assert answer.did[0].startswith("x_um: commanded +3, reported +3")
    assert answer.step == "go"


def test_an_exposure_names_its_frame_and_dose(told):
    answer = why(told.store.ledger.rows, _row(told, "intended", "acquire"))
    frame = _row(told, "returned", "acquire").body["frames"][0]
    assert frame["id"] in answer.did[0]
    assert frame["sha256"][:12] in answer.did[0]
    assert "charged" in answer.did[0]
    assert "on top of 0" in answer.did[0]


def test_what_came_later_is_no_cause(told):
    answer = why(told.store.ledger.rows, _row(told, "requested"))
    assert answer.planned_by == ""
    assert answer.did == ()


def test_a_bound_argument_names_the_event_it_came_from(bench):
    grid = step("grid", "grid_positions", nx=2, ny=1, pitch_um=2.0)
    move = step("go", "move_stage").model_copy(update={"inputs": {"x_um": "item.x_um", "y_um": "item.y_um"}})
    loop = step("loop", None).model_copy(update={"for_each": "grid.positions", "at_most": 2, "do": (move,)})
    bench.carry(grid, loop)
    moves = [row for row in bench.rows("intended") if row.body["act"] == "move_stage"]
    source = next(row for row in bench.rows("concluded") if row.tool == "grid_positions")
    assert len(moves) == 2
    for row in moves:
        assert f"from event {source.seq}" in " ".join(why(bench.store.ledger.rows, row).because)


@pytest.mark.parametrize("form", ["seq", "minute", "second", "millisecond", "iso"])
def test_a_row_is_found_by_number_and_by_time(told, form):
    row = _row(told, "intended", "move_stage")
    text = {
        "seq": str(row.seq), "minute": row.ts[11:16], "second": row.ts[11:19], "millisecond": row.ts[11:23],
        "iso": row.ts[:19],
    }[form]  # fmt: skip
    assert row.seq in [one.seq for one in at_moment(told.store.ledger.rows, text)]


@pytest.mark.parametrize("text", ["", "noon", "0", "99999", "1e3", "2:13", "25:99x"])
def test_what_is_no_moment_is_refused(told, text):
    with pytest.raises(BadInput):
        at_moment(told.store.ledger.rows, text)


def test_the_command_prints_causes_and_escapes_what_rows_say(bench):
    bench.carry(step("go", "move_stage", x_um=1.0), text="go \x1b[31mred[/] now")
    row = next(one for one in bench.rows("intended"))
    folder = str(bench.store.folder)
    shown = CliRunner().invoke(audit, ["why", str(row.seq), "--store", folder])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.output
    assert "allowed by" in shown.output
    as_json = json.loads(CliRunner().invoke(audit, ["why", str(row.seq), "--store", folder, "--json"]).output)
    assert as_json["answers"][0]["event"] == row.seq


def test_search_finds_all_words_newest_first(told):
    found = CliRunner().invoke(
        audit, ["search", "fresh", "area", "--store", str(told.store.folder), "--json"]
    )
    seqs = [row["seq"] for row in json.loads(found.output)["events"]]
    assert seqs
    assert seqs == sorted(seqs, reverse=True)
    assert (
        "nothing found"
        in CliRunner().invoke(audit, ["search", "zeppelin", "--store", str(told.store.folder)]).output
    )
