"""The contract of benchmark answers, and the frame benchmark run for real."""

import json
import math

import pytest

from eucentric.bench import frame
from eucentric.bench.contract import at_least, at_most, failed, share_at_least, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (95, 100, 0.8882, 0.9785),
    ],
)
def test_wilson_interval(successes, n, low, high):
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("bar", "holds"),
    [
        (at_most("t", 1.0, 2.0, n=5), True),
        (at_most("t", 3.0, 2.0, n=5), False),
        (at_most("t", 3.0, 2.0, n=5, n_needed=6), None),
        (at_least("t", 3.0, 2.0, n=5), True),
        (at_least("t", math.nan, 2.0, n=5), False),
        (share_at_least("t", 9, 10, 0.9), True),
        (share_at_least("t", 8, 10, 0.9, n_needed=100), None),
    ],
)
def test_a_bar_holds_or_not_or_nobody_knows(bar, holds):
    assert bar["holds"] is holds
    assert failed({"bars": [bar]}) == (holds is False)
    json.dumps(bar, allow_nan=False)


def test_the_frame_benchmark_answers_by_the_contract(monkeypatch):
    monkeypatch.setattr(frame, "_NEEDED", 3)
    answer = json.loads(json.dumps(frame.run(quick=True, seed=1), allow_nan=False))
    assert set(answer) == {"name", "seed", "versions", "machine", "reference_s", "figures", "bars"}
    assert answer["reference_s"] > 0
    assert len(answer["bars"]) == 4
    assert all(set(bar) == {"claim", "figure", "bar", "n", "n_needed", "holds"} for bar in answer["bars"])
    assert all(bar["figure"] < 10 * bar["bar"] for bar in answer["bars"])  # the bars are for a quiet machine
