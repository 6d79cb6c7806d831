"""Pixels and sidecars against their rows: anything altered or missing is named."""

import json

import numpy as np
import pytest

from eucentric.core.data_check import check_data
from eucentric.core.store import Store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    opened = Store(tmp_path / "store")
    for number in range(2):
        sha = opened.put_array(np.full((4, 4), number, np.float32))
        frame = {"id": f"f-{number}", "sha256": sha, "detector": "haadf"}
        opened.write_sidecar("r-0001", frame["id"], frame)
        opened.ledger.append("r-0001", "returned", "x", "acquire done", {"frames": [frame]})
    yield opened
    opened.close()


def blob(store):
    sha = store.ledger.events(kinds=("returned",))[0].body["frames"][0]["sha256"]
    return store.blob_path(sha)


def sidecar(store):
    return store.folder / "runs" / "r-0001" / "frames" / "f-1.json"


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def retell(path):
    path.write_text(json.dumps({**json.loads(path.read_text()), "detector": "bf"}))


def test_whole_data_pass(store):
    assert check_data(store.folder) == (2, [])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda s: flip(blob(s)), "f-0 of r-0001 (event 2): its pixels were altered"),
        (lambda s: blob(s).unlink(), "its pixels are missing"),
        (lambda s: retell(sidecar(s)), "f-1 of r-0001 (event 3): its sidecar differs from the row"),
        (lambda s: sidecar(s).unlink(), "its sidecar is missing"),
        (lambda s: sidecar(s).write_text("{"), "its sidecar is damaged"),
    ],
    ids=["pixel flipped", "pixels gone", "sidecar edited", "sidecar gone", "sidecar torn"],
)
def test_harm_is_named(store, harm, words):
    harm(store)
    count, problems = check_data(store.folder)
    assert count == 2
    assert len(problems) == 1
    assert words in problems[0]


def test_a_ledger_removed_under_a_run_takes_no_more_rows(store):
    from eucentric.core.errors import LedgerError

    store.ledger.path.unlink()
    with pytest.raises(LedgerError, match="removed or replaced"):
        store.ledger.append("r-0001", "intended", "x", "acquire", {})


def test_frames_in_all_pieces_are_read(store, monkeypatch):
    monkeypatch.setattr("eucentric.core.data_check._CHUNK", 1)
    store.ledger.append("r-0001", "found", "x", "no frame")
    assert check_data(store.folder) == (2, [])
    sidecar(store).unlink()
    assert len(check_data(store.folder)[1]) == 1
