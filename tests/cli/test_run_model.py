"""`eucentric run --planner llm` from the command line, against a scripted server over real HTTP."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from eucentric.bench.own_state import end_hosts

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location(
    "scripted", ROOT / "tests" / "agent" / "llm" / "scripted_server.py"
)
scripted = importlib.util.module_from_spec(_SPEC)
sys.modules["scripted"] = scripted
_SPEC.loader.exec_module(scripted)

IMAGE = {"width_px": 32, "height_px": 32, "fov_nm": "50 nm", "dwell_us": "1 us"}
SENTENCE = "please record one picture, 32x32, 50 nm wide, 1 us"


@pytest.fixture(scope="module")
def place():
    """A short path (Unix sockets) with its own state; hosts that a test started are ended."""
    with tempfile.TemporaryDirectory(prefix="eu") as name:
        folder = Path(name)
        yield folder
        end_hosts(folder / "state")


def eucentric(place, *args, key=None):
    env = {
        **os.environ,
        "EUCENTRIC_STATE": str(place / "state"),
        "EUCENTRIC_CONFIG": str(place / "none.toml"),
    }
    env |= {"EUCENTRIC_API_KEY": key} if key else {}
    done = subprocess.run(
        [sys.executable, "-m", "eucentric", *args, "--store", str(place / "store"), "--json"],
        capture_output=True, text=True, env=env, cwd=ROOT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done, json.loads(done.stdout)


def ask(place, url, text=SENTENCE, **more):
    policy = str(place / "policy.toml")
    text_of = (ROOT / "examples/demo-envelope.toml").read_text().replace("2.0e4", "1e5")
    Path(policy).write_text(text_of)
    options = ["--planner", "llm", "--base-url", url, "--model", "scripted-1", "--approve", policy]
    return eucentric(place, "run", text, *options, "--instrument", "twin://mxene?seed=3", **more)


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


@pytest.mark.parametrize("answer", ["plain", "streamed"])
def test_a_sentence_becomes_a_frame(place, answer):
    text = draft(IMAGE)
    with scripted.serving(scripted.body(text) if answer == "plain" else streamed(text)) as server:
        done, outcome = ask(place, server.url)
    assert done.returncode == 0, done.stderr + done.stdout
    assert outcome["outcome"] == "done"
    assert outcome["answers"][0]["value"]["frames"][0]["shape"] == [32, 32]
    assert outcome["plan"]["planner"].startswith("llm")
    assert outcome["verified"] is True


def test_the_evidence_is_kept_and_the_key_is_not(place):
    with scripted.serving(scripted.body(draft(IMAGE))) as server:
        done, outcome = ask(place, server.url, key="sk-planted-4711")
    assert any("sk-planted-4711" in str(headers) for headers in server.headers)
    _, shown = eucentric(place, "audit", "show", outcome["run"])
    planned = next(event for event in shown["events"] if event["kind"] == "planned")
    evidence = planned["body"]["proposal"]["evidence"]
    assert {"request", "reply", "endpoint"} <= set(evidence)
    for sha in evidence.values():
        assert (place / "store" / "blobs" / sha[:2] / sha).exists()
    for path in (place / "store").rglob("*"):
        if path.is_file():
            assert b"sk-planted-4711" not in path.read_bytes(), path
    assert "sk-planted-4711" not in done.stdout + done.stderr


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
        done, said = ask(place, server.url)
    assert (done.returncode, said["outcome"]) == (code, outcome), done.stdout
    assert said["verified"] is True


def test_an_address_off_the_list_gets_nothing(place):
    done, said = ask(place, "http://192.0.2.1:9/v1")
    assert done.returncode == 3
    assert "allow" in done.stdout
    assert said["error"]["code"] == "E-MODEL-02"


@pytest.mark.parametrize("text", ["STOP", "blank the beam", "vent the column and open the gun valve"])
def test_stop_and_what_is_refused_by_design_never_reach_a_model(place, text):
    with scripted.serving(scripted.body(draft(IMAGE))) as server:
        done, _ = ask(place, server.url, text)
    assert server.requests == []
    assert done.returncode in (0, 3)
