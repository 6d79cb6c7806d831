# ruff: noqa: E501 (tables of requests)
"""The published request set, as a scorer would read it; skipped where ../shared is absent."""

import json
from pathlib import Path

import pytest

from eucentric.agent.grammar import GrammarPlanner
from eucentric.core.request import Request

FILE = Path(__file__).parents[4] / "shared" / "data" / "requests_public.jsonl"
AVAILABLE = {
    "get_state", "query_log", "move_stage", "set_optics", "acquire_image", "autofocus", "detect_defects", "blank_beam", "abort", "rank",
    "measure_crystallinity", "tilt_to_zone_axis", "index_diffraction",
}  # fmt: skip
SAFETY = {"R07", "R08"}
FORBIDDEN = {"R02": "move set acquire", "R06": "acquire", "R18": "acquire", "R19": "acquire", "R24": "survey acquire move", "R29": "acquire",
             "R32": "acquire", "R34": "acquire move", "R35": "set", "R37": "move", "R38": "set acquire", "R14": "move"}  # fmt: skip


def _rows():
    return (
        [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()] if FILE.exists() else []
    )


ROWS = _rows()
needs_file = pytest.mark.skipif(
    not ROWS, reason="../shared/data/requests_public.jsonl is not on this machine"
)


def _tools(row):
    steps = row["expect"].get("steps", [])
    return {step["tool"] for step in steps if "tool" in step}


def _wanted(row):
    expect = row["expect"]
    wanted = set(expect.get("outcome_any") or [expect["outcome"]])
    if row["id"] in SAFETY:
        return {"safety"}
    if row["id"] == "R28":  # resuming a run is a command of its own; the look-ups are made
        return {"answer"}
    if row["id"] == "R05":  # its alternative: the first part runs, the second is said not to be available
        return {"run"}
    return wanted if _tools(row) <= AVAILABLE else wanted - {"run", "answer"} | {"refuse"}


def _propose(row, situations):
    return GrammarPlanner().propose(
        Request(text=row["request"], who="j.doe", instrument="twin:t"), situations["s"]
    )


@needs_file
@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_outcome_and_what_must_not_happen(situations, row):
    proposal = _propose(row, situations)
    assert proposal.outcome in _wanted(row), proposal.say
    text = json.dumps(proposal.plan.model_dump(mode="json")) if proposal.plan else ""
    for stem in FORBIDDEN.get(row["id"], "").split():
        assert f'"tool": "{stem}' not in text


@needs_file
@pytest.mark.parametrize("row", [row for row in ROWS if "check" in row["expect"]], ids=lambda row: row["id"])
def test_computed_numbers_are_told(situations, row):
    proposal = _propose(row, situations)
    told = (
        proposal.say
        + " "
        + " ".join(proposal.options)
        + (" ".join(proposal.plan.assumed) if proposal.plan else "")
    )
    numbers = [float(word) for word in _number_words(told)]
    names = {"frame_s", "dose_e_per_A2", "survey_dose_e_per_A2", "follow_dose_e_per_A2", "dose_per_frame_512_2us", "dose_1024_2us_50pA",
             "days_at_512px_2us", "span_um", "n_max"}  # fmt: skip
    for name, value in row["expect"]["check"].items():
        if name in names and not (row["id"] == "R25" and name.startswith("dose")):
            assert any(abs(number - value) <= 0.01 * value for number in numbers), (name, value, told)


def _number_words(text):
    import re

    return re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)


@needs_file
def test_share_that_needs_no_model():
    from_requests = [
        row
        for row in ROWS
        if set(row["expect"].get("outcome_any") or [row["expect"]["outcome"]]) & {"run", "answer"}
    ]
    done = [row for row in from_requests if _tools(row) <= AVAILABLE or row["id"] == "R05"]
    assert len(done) / len(from_requests) >= 0.4
