"""`eucentric run --planner llm` from the command line, against a scripted server over real HTTP."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import scripted_server as scripted

ROOT = Path(__file__).parents[2]
IMAGE = {"width_px": 32, "height_px": 32, "fov_nm": "50 nm", "dwell_us": "1 us"}
SENTENCE = "please record one picture, 32x32, 50 nm wide, 1 us"


@pytest.fixture
def place(shared_place):
    """One store and one host for all of them."""
    return shared_place


def ask(place, url, text=SENTENCE):
    """Exit code, the JSON that was printed, and everything that was."""
    return told(*place.eucentric("run", text, *options(place, url)))


def options(place, url):
    policy = str(place.policy())
    planner = ("--planner", "llm", "--base-url", url, "--model", "scripted-1", "--approve", policy)
    return (*planner, "--instrument", "twin://mxene?seed=3", *place.store, "--json")


def told(code, out, err):
    return code, json.loads(out), out + err


def draft(args):
    return json.dumps(
        {"outcome": "run", "say": "one image", "steps": [{"tool": "acquire_image", "args": args}]}
    )


def streamed(text):
    half = len(text) // 2
    chunks = [
        scripted.delta(content=text[:half]),
        scripted.delta(content=text[half:]),
        scripted.delta("stop"),
    ]
    return scripted.Answer([*chunks, scripted.DONE])


def is_a_frame(code, outcome, said):
    assert code == 0, said
    assert outcome["outcome"] == "done"
    assert outcome["answers"][0]["value"]["frames"][0]["shape"] == [32, 32]
    assert outcome["plan"]["planner"].startswith("llm")
    assert outcome["verified"] is True


def test_a_sentence_becomes_a_frame_in_a_process_of_its_own(place):
    with scripted.serving(scripted.body(draft(IMAGE))) as server:
        command = [sys.executable, "-m", "eucentric", "run", SENTENCE, *options(place, server.url)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL)
    is_a_frame(*told(done.returncode, done.stdout, done.stderr))


def test_a_streamed_answer_becomes_a_frame(place):
    with scripted.serving(streamed(draft(IMAGE))) as server:
        is_a_frame(*ask(place, server.url))


def test_the_evidence_is_kept_and_the_key_is_not(place, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_API_KEY", "sk-planted-4711")
    with scripted.serving(scripted.body(draft(IMAGE))) as server:
        _, outcome, said = ask(place, server.url)
    assert any("sk-planted-4711" in str(headers) for headers in server.headers)
    _, shown, _ = told(*place.eucentric("audit", "show", outcome["run"], *place.store, "--json"))
    planned = next(event for event in shown["events"] if event["kind"] == "planned")
    evidence = planned["body"]["proposal"]["evidence"]
    assert {"request", "reply", "endpoint"} <= set(evidence)
    for sha in evidence.values():
        assert (place.folder / "store" / "blobs" / sha[:2] / sha).exists()
    for path in (place.folder / "store").rglob("*"):
        if path.is_file():
            assert b"sk-planted-4711" not in path.read_bytes(), path
    assert "sk-planted-4711" not in said


@pytest.mark.parametrize(
    ("answers", "code", "outcome"),
    [
        ([scripted.body("{broken"), scripted.body(draft(IMAGE))], 0, "done"),
        ([scripted.Answer(status=429, headers={"Retry-After": "0"}), scripted.body(draft(IMAGE))], 0, "done"),
        ([scripted.body("I have already moved the stage for you.")], 1, "failed"),
        ([scripted.body(draft({**IMAGE, "fov_nm": -5}))], 1, "failed"),
    ],
    ids=["repaired", "429", "never a plan", "never valid"],
)
def test_bad_replies(place, answers, code, outcome):
    with scripted.serving(*answers) as server:
        ended, answer, said = ask(place, server.url)
    assert (ended, answer["outcome"]) == (code, outcome), said
    assert answer["verified"] is True


def test_an_address_off_the_list_gets_nothing(place):
    code, answer, said = ask(place, "http://192.0.2.1:9/v1")
    assert code == 3
    assert "allow" in said
    assert answer["error"]["code"] == "E-MODEL-02"


@pytest.mark.parametrize("text", ["STOP", "blank the beam", "vent the column and open the gun valve"])
def test_stop_and_what_is_refused_by_design_never_reach_a_model(place, text):
    with scripted.serving(scripted.body(draft(IMAGE))) as server:
        code, _, _ = ask(place, server.url, text)
    assert server.requests == []
    assert code in (0, 3)
