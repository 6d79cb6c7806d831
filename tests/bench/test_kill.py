"""The judge of the kill benchmark finds what it is for; one real case holds."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from eucentric.bench.kill import _bars
from eucentric.bench.killing import judge as kill_judge
from eucentric.bench.killing.case import Record
from eucentric.bench.killing.judge import judged
from eucentric.bench.killing.scenario import scenario
from eucentric.bench.killing.spy import Witness, witnessed
from eucentric.core.store import Store
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver, load_world

SCAN = ScanSpec(detectors=("haadf",), rows=16, columns=16, fov_m=1e-8, dwell_s=1e-6)


class Desk:
    """A ledger and a witness, written by hand."""

    def __init__(self, folder):
        self.store, self.log = Store(folder / "store"), folder / "witness.jsonl"
        self.log.touch()
        self.record = Record(scenario(0, 7))
        self.count = self.scans = 0

    def row(self, kind, act, **body):
        body = {"act": "acquire", **body}
        return self.store.ledger.append(
            "r-0001", kind, body.pop("by", "eucentric"), kind, body, action_id=act
        )

    def see(self, what, **more):
        self.scans += what == "exposing"
        line = {
            "what": what,
            "pid": 1,
            "n": self.scans,
            "clock_s": time.monotonic(),
            "utc_s": time.time(),
            **more,
        }
        with self.log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        time.sleep(0.005)

    def frame(self):
        self.count += 1
        pixels = np.full((2, 2), self.count, np.float32)
        return {"id": f"f-{self.count}", "sha256": self.store.put_array(pixels), "time_s": float(self.count)}

    def expose(self, act, *, recorded=True, kept=True):
        """An act as it should be: announced, seen, and its frame kept."""
        self.row("intended", act)
        time.sleep(0.005)
        self.see("exposing")
        frame = self.frame()
        self.see("exposed", complete=True, frames=[[frame["sha256"], frame["time_s"]]])
        if recorded:
            self.row("returned", act, frames=[frame] if kept else [])
        return frame

    def die(self):
        self.record.heads.append(self.store.ledger.head()[0])
        self.record.killed_clock_s = time.monotonic()

    def resolve(self, act, decision, by="reconciliation"):
        self.row("resolved", act, decision=decision, by=by)

    def verdict(self, ended="done"):
        if not self.record.heads:
            self.die()
        return judged(self.store.folder, self.log, self.record, ended)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setattr(kill_judge, "FRAMES", 2)
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "s"))
    made = Desk(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def own_folder():
    """With a short path, for sockets."""
    with tempfile.TemporaryDirectory(prefix="ek", dir="/tmp") as name:
        yield Path(name)


def test_a_clean_case_is_clean(desk):
    desk.expose("a#1")
    desk.die()
    desk.expose("a#2")
    found = desk.verdict()
    assert found.wrong == []
    assert (found.exposures, found.uncertain, found.beam_s) == (2, 0, 0.0)


def test_an_act_that_a_person_repeats_is_not_counted_as_twice(desk):
    desk.expose("a#1", recorded=False)
    desk.die()
    desk.row("in_doubt", "a#1")
    desk.resolve("a#1", "repeat", by="ann")
    desk.record.prompts = 1
    desk.expose("a#1~2")
    desk.expose("a#2")
    assert desk.verdict().wrong == []


@pytest.mark.parametrize("decision", ["not-sent", "adopt", None])
def test_exposed_twice_without_a_person_is_found(desk, decision):
    desk.expose("a#1", recorded=False)
    desk.die()
    desk.row("in_doubt", "a#1")
    if decision:
        desk.resolve("a#1", decision)
    desk.expose("a#1~2")
    desk.expose("a#2")
    assert len(desk.verdict().twice) == 1


def test_an_exposure_that_nobody_announced_is_found(desk):
    desk.see("exposing")
    desk.expose("a#1")
    desk.expose("a#2")
    assert desk.verdict().twice == ["an exposure that no row announced"]


def test_lost_frames_are_found(desk):
    desk.expose("a#1", kept=False)
    assert desk.verdict().lost == ["a#1: exposed whole, no frame, not surfaced"]


def test_lost_pixels_are_found(desk):
    frame = desk.expose("a#1")
    desk.expose("a#2")
    desk.store.blob_path(frame["sha256"]).write_bytes(b"x")
    assert desk.verdict().lost == ["frame f-1: its pixels are not in the store"]


def test_invented_frames_are_found(desk):
    desk.expose("a#1")
    desk.row("intended", "a#2")
    desk.row("returned", "a#2", frames=[desk.frame()])
    assert desk.verdict().lost == ["1 frames that the witness never saw exposed"]


@pytest.mark.parametrize(("doubts", "decisions"), [(0, 0), (1, 0), (2, 1), (1, 2), (0, 1)])
def test_acts_not_surfaced_exactly_once_are_found(desk, doubts, decisions):
    desk.expose("a#1", recorded=False)
    desk.die()
    for _ in range(doubts):
        desk.row("in_doubt", "a#1")
    for _ in range(decisions):
        desk.resolve("a#1", "adopt")
    desk.expose("a#2")
    assert len(desk.verdict().surfacing) == 1


def test_a_doubt_about_what_was_certain_is_found(desk):
    desk.expose("a#1")
    desk.die()
    desk.row("in_doubt", "a#1")
    desk.resolve("a#1", "adopt")
    desk.expose("a#2")
    assert len(desk.verdict().surfacing) == 1


def test_a_question_asked_twice_is_found(desk):
    desk.expose("a#1", recorded=False)
    desk.die()
    desk.row("in_doubt", "a#1")
    desk.resolve("a#1", "repeat", by="ann")
    desk.record.prompts = 2
    desk.expose("a#1~2")
    desk.expose("a#2")
    assert desk.verdict().surfacing == ["2 questions for 1 decisions of a person"]


def test_a_run_without_its_end_is_found(desk):
    desk.expose("a#1")
    assert desk.verdict("").unended == ["1 frames kept, ended never"]


@pytest.mark.parametrize(("after", "wanted"), [(["dark"], 0.005), ([], float("inf"))])
def test_the_beam_is_timed_from_the_death(desk, after, wanted):
    desk.see("light")
    desk.row("intended", "a#1")
    desk.die()
    for what in after:
        desk.see(what)
    beam = desk.verdict().beam_s
    assert beam == wanted or 0 < beam < wanted


def test_bars_fail_for_one_violation_and_are_open_for_few_cases():
    outputs = {
        "twice": [],
        "lost": [],
        "surfacing": [],
        "chain": [],
        "unended": [],
        "beam_on_s": 0.1,
        "resume_s": [0.1],
    }
    good = {"outputs": outputs, "pass": True}
    assert [bar["holds"] for bar in _bars([good] * 3)] == [None] * 5 + [True] * 3
    bad = {"outputs": {**outputs, "twice": ["x"]}, "pass": False}
    assert _bars([good] * 3 + [bad])[0]["holds"] is False
    assert _bars([])[-1]["holds"] is not True


def test_the_witness_writes_what_it_sees(tmp_path):
    log = tmp_path / "w.jsonl"
    guard = Guard(Witness(TwinDriver(load_world("mxene"), 7, stage="ideal"), log))
    guard.lease("t")
    guard.acquire(SCAN, token="t")
    guard.move({"x": 1e-6})
    with log.open("ab") as file:
        file.write(b'{"what": "torn')
    seen = witnessed(log)
    words = [line["what"] for line in seen if line["what"] != "set_optics"]
    assert words == ["opened", "light", "exposing", "exposed", "dark", "move", "moved"]
    assert seen[3]["complete"]
    guard.close()


def test_scenarios_are_drawn_by_seed_and_cover_everything():
    cases = [scenario(number, 7) for number in range(200)]
    assert cases == [scenario(number, 7) for number in range(200)]
    assert {case.victims for case in cases} == {("run",), ("host",), ("run", "host"), ("host", "run")}
    assert {case.sync for case in cases} == {"FULL", "EXTRA", "NORMAL"}
    assert {case.memory for case in cases} == {True, False}
    assert {case.after for case in cases} == {"time", "commit", "exposed", "exposing"}
    assert {case.plan for case in cases} == {"series", "survey", "long"}
    assert all(case.plan == "series" for case in cases if "host" in case.victims)


def test_a_real_case_holds(own_folder):
    command = [sys.executable, "-m", "eucentric.bench.killing.worker"]
    words = ["--first", "0", "--step", "1", "--count", "1", "--seed", "7", "--seconds", "60", "--folder"]
    command += [*words, str(own_folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment)
    (case,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert case["pass"], case
    assert case["outputs"]["exposures"] >= 28
    assert list(own_folder.iterdir()) == []
