"""`eucentric audit export` and `verify-export`: exit codes, one JSON object, refusals, nothing forged."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from eucentric.core.store import Store

REQUEST = {"text": "look \x1b[2J", "who": "j.doe (pts/1)", "instrument": "twin://mxene?seed=7"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.delenv("EUCENTRIC_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(place: Path) -> Path:
    """A run with one frame, as a run writes it."""
    made = Store(place / "eucentric-store")
    log = made.ledger.append
    log(
        "r-0001",
        "requested",
        "j.doe (pts/1)",
        "look",
        {"request": REQUEST, "specimen": None, "software": "eucentric 0"},
    )
    sha = made.put_array(np.arange(64, dtype=np.float32).reshape(8, 8))
    frame = {
        "id": "f-00003",
        "sha256": sha,
        "detector": "haadf",
        "shape": [8, 8],
        "dtype": "float32",
        "simulated": True,
    }
    log(
        "r-0001",
        "intended",
        "eucentric",
        "acquire",
        {"act": "acquire"},
        action_id="r-0001/a#1",
        tool="acquire_image",
    )
    log("r-0001", "returned", "eucentric", "acquire done", {"act": "acquire", "frames": [frame]},
        action_id="r-0001/a#1", tool="acquire_image")  # fmt: skip
    made.write_sidecar("r-0001", "f-00003", frame)
    log("r-0001", "finished", "eucentric", "done", {"outcome": "done"})
    made.anchor()
    made.close()
    return made.folder


@pytest.mark.parametrize("name", ["c", "c.zip"])
def test_what_was_exported_verifies(store, place, eucentric, name) -> None:
    code, out, err = eucentric("audit", "export", "r-0001", "--out", name, "--licence", "CC0-1.0")
    assert (code, err) == (0, ""), err
    assert "exported     r-0001 to c" in out
    assert "frames       1" in out
    code, out, _ = eucentric("audit", "verify-export", name)
    assert code == 0
    assert "events 2 to 5: none is missing; anchored to event 5" in out
    assert out.endswith("verified\n")


def test_json_is_one_object(store, eucentric) -> None:
    code, out, _ = eucentric("audit", "export", "r-0001", "--out", "c", "--frames", "npy", "--json")
    made = json.loads(out)
    assert (code, made["runs"], made["rows"], made["frames"], made["sealed"]) == (0, ["r-0001"], 4, 1, 0)
    code, out, _ = eucentric("audit", "verify-export", "c", "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["fingerprint"]) == (0, True, made["fingerprint"])


def test_a_spoilt_export_is_exit_1_and_its_own_script_is_not_trusted(store, place, eucentric) -> None:
    eucentric("audit", "export", "r-0001", "--out", "c")
    (place / "c" / "verify.py").write_text("print('verified')")
    code, out, _ = eucentric("audit", "verify-export", "c")
    assert code == 1
    assert "PROBLEM  verify.py was altered: its digest differs" in out
    assert "VERIFICATION FAILED" in out
    assert json.loads(eucentric("audit", "verify-export", "c", "--json")[1])["ok"] is False


def test_names_in_it_do_not_act_on_the_screen(store, place, eucentric) -> None:
    eucentric("audit", "export", "r-0001", "--out", "c")
    (place / "c" / "\x1b[2J\u202ef").write_text("x")
    out = eucentric("audit", "verify-export", "c")[1]
    assert "\\x1b[2J\\u202ef does not belong to the export" in out
    assert "\u202e" not in (place / "c" / "ro-crate-preview.html").read_text()
    assert "\x1b" not in (place / "c" / "ro-crate-metadata.json").read_text()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("r-0099", "--out", "c"), 2, "there is no run 'r-0099'"),
        (("r-0001", "--out", "."), 2, "is there already"),
        (("r-0001", "--out", "c", "--store", "elsewhere"), 2, "no store at elsewhere"),
        (("--out", "c"), 2, "Missing argument"),
        (("r-0001",), 2, "--out"),
    ],
)
def test_refusals_write_nothing(store, place, eucentric, args, code, words) -> None:
    before = set(place.iterdir())
    got, out, err = eucentric("audit", "export", *args)
    assert got == code
    assert words in out + err
    assert set(place.iterdir()) == before


def test_a_key_of_the_environment_never_gets_out(store, place, eucentric, monkeypatch) -> None:
    monkeypatch.setenv("EUCENTRIC_API_KEY", "acquire done")  # as if it had got into a row
    code, out, err = eucentric("audit", "export", "r-0001", "--out", "c")
    assert code == 2
    assert "holds the key that is in the environment" in out + err
    assert not (place / "c").exists()


def test_operators_and_settings_are_not_in_it(store, place, eucentric) -> None:
    from eucentric.core.operators import register

    (place / "settings.toml").write_text("store = 'eucentric-store'")
    register("kim", "a secret of kim")
    eucentric("audit", "export", "r-0001", "--out", "c")
    everything = b"".join(path.read_bytes() for path in (place / "c").rglob("*") if path.is_file())
    digests = (place / "operators.json").read_text()
    assert b"a secret of kim" not in everything
    assert all(word.encode() not in everything for word in digests.split('"') if len(word) > 20)


def test_verifying_starts_without_the_library_or_any_heavy_one(store, eucentric) -> None:
    import subprocess

    eucentric("audit", "export", "r-0001", "--out", "c")
    code = (
        "import sys; from eucentric.cli import main\n"
        "try: main(['audit', 'verify-export', 'c'])\n"
        "finally: print([m for m in ('numpy', 'rocrate', 'torch', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
