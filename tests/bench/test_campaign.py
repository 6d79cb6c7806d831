"""The whole request, as the benchmark runs it, when the stage misses a move."""

import pytest

from eucentric.bench.campaign import run_request
from eucentric.instruments.twin import twin_driver


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path))


def test_a_missed_move_is_noticed_and_mended():
    """Move 17 is the first approach: the stage stays a tile or more away and only the image can tell.

    By how much it is off is known to the approaches after it: they need no second move.
    """
    twin = twin_driver("mxene", {"seed": "7", "stage": "good", "faults": "missed_move@17"})
    outcome = run_request(twin)
    arrivals = [answer["value"] for answer in outcome.answers if answer["tool"] == "go_to_target"]
    assert outcome.outcome in ("done", "partial")
    assert outcome.verified
    assert [one["stage_moves"] for one in arrivals] == [2, 1, 1]
    total = outcome.findings[-1]
    assert total.interval.low < 2.0 < total.interval.high
    assert total.of > 3000
