"""The material of the benches `replay` and `recompute`: a run that was really killed, forgeries that keep the chain."""

import tempfile
from pathlib import Path

import pytest

from eucentric.agent.auditing.replay import replay
from eucentric.bench.audited.count import Tally
from eucentric.bench.audited.desk import Desk, image, plan, step
from eucentric.bench.audited.kill import killed, killed_store
from eucentric.bench.audited.tamper import FORGERIES, altered_copy
from eucentric.core.chain import verify


@pytest.fixture
def place(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="eu", dir="/tmp") as name:
        monkeypatch.setenv("EUCENTRIC_STATE", f"{name}/s")
        monkeypatch.setenv("EUCENTRIC_CONFIG", f"{name}/none.toml")
        yield Path(name)


def test_a_run_whose_process_was_killed_is_replayed(place):
    """Number 6: the run is killed in an exposure, its host lives, and another process takes over what was exposed."""
    with killed_store(killed(6, 7), place) as store:
        answer = replay(store, "r-0001")
        tally = Tally()
        tally.add(store, [])
    assert answer.verdict == "identical", answer.why
    assert (len(answer.of("frame")), answer.processes >= 2) == (28, True)
    assert tally.counts["taken up again"] >= 1


@pytest.mark.parametrize("number", range(len(FORGERIES) - 1))
def test_a_forgery_leaves_a_whole_chain_behind(place, number):
    """Verification without anchors finds nothing: that is what the replay is for."""
    desk = Desk(place / "store", "twin://mxene?seed=7&stage=ideal")
    desk.carry(plan(image("a"), step("m", "move_stage", x_um=1.0)))
    desk.close()
    what, kind, change = FORGERIES[number]
    assert altered_copy(place / "store", place / "copy", "r-0001", kind, change), what
    before, after = (verify(place / name / "audit.db", []) for name in ("store", "copy"))
    assert (before.ok, after.ok) == (True, True), after.problems
    assert before.head != after.head
