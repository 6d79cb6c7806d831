"""Positions that images have told: rows like any other, in the dose book, handed back after a crash."""

import pytest
from workbench import step

from eucentric.agent.acting.acts import GatedMicroscope
from eucentric.agent.auditing import why
from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.stage_errors import Errors
from eucentric.agent.preview.preview import preview
from eucentric.agent.readback import named_state
from eucentric.core.calls import ToolCall
from eucentric.core.plan import Plan
from eucentric.core.request import SpecimenCard
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin.query import twin_driver
from eucentric.tools import survey
from eucentric.tools.base import Context, Setting

SURVEY = {"tiles_x": 3, "tiles_y": 1, "fov_um": 10.0, "width_px": 256, "dwell_us": 8.0}


@pytest.fixture
def surveyed(bench):
    """A run that surveys three tiles on a stage which misses its third move."""
    bench.guard = Guard(twin_driver("mxene", {"seed": "7", "stage": "good", "faults": "missed_move@3"}))
    bench.carry(step("look", "survey", **SURVEY))
    return bench


def located(bench):
    return [row for row in bench.rows("returned") if row.body.get("act") == "locate"]


def test_each_tile_has_a_row_that_says_where_it_lies(surveyed):
    rows = located(surveyed)
    frames = [row.body["frames"][0] for row in surveyed.rows("returned") if row.body.get("frames")]
    assert [(row.body["located"]["frame"], row.body["located"]["in_frame"]) for row in rows] == [
        (frames[1]["id"], frames[0]["id"]), (frames[2]["id"], frames[1]["id"]),
    ]  # fmt: skip
    gone, stood = (row.body["located"] for row in rows)
    assert gone["x_um"] == pytest.approx(frames[1]["x_um"], abs=0.6)
    assert stood["x_um"] == pytest.approx(frames[1]["x_um"], abs=0.1)  # as before: the third move was missed
    assert frames[2]["x_um"] == pytest.approx(frames[1]["x_um"] + 9.0, abs=0.1)


def test_another_run_knows_them_from_the_rows(surveyed):
    book = DoseBook(Errors.declared(surveyed.guard.capabilities()))
    state = surveyed.run.now()
    book.load(surveyed.store.ledger.events(), state.instrument, state.loading)
    last = located(surveyed)[-1].body["located"]
    x, _ = book.reading(last["in_frame"], 0.0, 0.0)
    assert x == pytest.approx(9.0, abs=0.1)
    assert book.reading(last["frame"], 0.0, 0.0) == (0.0, 0.0)


def test_why_tells_where_the_stage_really_stood(surveyed):
    moves = [row for row in surveyed.rows("intended") if row.body["act"] == "move_stage"]
    told = why(surveyed.store.ledger.rows, moves[2]).did
    assert sum("measured by image" in line for line in told) == 1
    assert located(surveyed)[1].body["located"]["frame"] in told[-1]
    assert not any("measured" in line for line in why(surveyed.store.ledger.rows, moves[0]).did)


def test_after_a_crash_they_are_handed_back(surveyed):
    """The call is made again from its rows: no act is sent, no position entered twice."""
    run, before = surveyed.run, len(surveyed.store.ledger.events())
    call = next(row for row in surveyed.rows("called")).body["call"]
    again = GatedMicroscope(run, ToolCall.model_validate(call), None)
    context = Context(again, run, run.specimen, run.folder, run.note, lambda: (run.folder, run.folder))
    result = survey.run(survey.Args(**SURVEY), context)
    assert (result.located, len(result.missed)) == (2, 1)
    assert len(surveyed.store.ledger.events()) == before


# --- a tool that stops before a place has had more --------------------------------------------------------


@pytest.mark.parametrize(
    ("stop_at", "wanted"),
    [(None, 10.0), (1e4, 10.0), (6.0, 6.0), (0.5, 1.0)],
)
def test_a_preview_counts_on_a_tool_that_stops_in_time(bench, stop_at, wanted):
    args = {"frames": 10, "width_px": 64, "height_px": 64, "fov_nm": 8.0, "dwell_us": 1.0}
    setting = Setting(bench.guard.capabilities(), _state(bench), SpecimenCard(name="t", material="Ti3C2"))
    one = preview(
        Plan(title="t", steps=(step("s", "acquire_series", **{**args, "frames": 2}),)), setting, 1e9
    )
    each = one.dose_e_per_a2 / 2
    if stop_at is not None:
        args["stop_at_e_per_a2"] = stop_at * each
    shown = preview(Plan(title="t", steps=(step("s", "acquire_series", **args),)), setting, 1e9)
    assert shown.dose_e_per_a2 == pytest.approx(wanted * each)
    assert shown.frames == 10


def _state(bench):
    return named_state("twin", True, bench.guard.state(), None)
