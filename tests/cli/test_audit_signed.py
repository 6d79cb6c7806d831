"""`eucentric audit verify` on signatures, signed anchors, and clocks; it stays light where there are none."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eucentric.cli import main
from eucentric.core.operators import operators_path, register
from eucentric.core.signing import decision_payload, make_key, signer_for
from eucentric.core.store import Store

SECRET = "correct horse"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "config" / "settings.toml"))
    monkeypatch.setattr("eucentric.core.operators._COST", {"n": 16, "r": 8, "p": 1})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def verified(capsys: pytest.CaptureFixture[str]):
    def call(*args: str) -> tuple[int, Any]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(("audit", "verify", *args))
        out, err = capsys.readouterr()
        return int(end.value.code or 0), json.loads(out) if "--json" in args else out + err

    return call


@pytest.fixture
def store(place: Path) -> Path:
    """Two decisions: one signed by kim, one by a file."""
    register("kim", SECRET)
    make_key("kim", SECRET)
    made = Store(place / "eucentric-store")
    body: dict[str, Any] = {"gate": "g1", "outcome": "approved"}
    payload = decision_payload(made.ledger.name, "r-0001", "decided", body)
    signer = signer_for("kim", SECRET)
    made.ledger.append("r-0001", "decided", "kim", "gate g1", {**body, "signature": signer(payload)})
    made.ledger.append("r-0001", "decided", "policy", "gate g2", {"gate": "g2"})
    made.anchor()
    made.close()
    return made.folder


def append(store: Path, body: dict[str, Any]) -> None:
    made = Store(store)
    made.ledger.append("r-0001", "decided", "kim", "gate", body)
    made.close()


def test_who_signed_is_said(store: Path, verified) -> None:
    code, body = verified("--json")
    assert (code, body["problems"], body["notes"]) == (0, [], [])
    assert body["signatures"] == {
        "decisions": 2,
        "signed": 1,
        "valid": {"kim": 1},
        "unknown": {},
        "unchecked": 0,
    }
    assert "signatures: 1 of 2 decisions are signed, 1 by known keys (kim 1)" in verified()[1]


def test_a_wrong_signature_fails_the_verification(store: Path, verified) -> None:
    append(store, {"gate": "g3", "signature": {"alg": "none"}})
    code, body = verified("--json")
    assert (code, body["ok"]) == (1, False)
    assert "the signature of event 4 is wrong" in body["problems"][0]
    assert "PROBLEM  the signature of event 4 is wrong" in verified()[1]


def test_a_stranger_checks_with_a_list_of_keys(store: Path, place: Path, verified, capsys) -> None:
    main_list = ["operator", "list", "--json"]
    main(main_list)
    (place / "keys.json").write_text(capsys.readouterr().out)
    operators_path().unlink()
    code, body = verified("--json")
    assert (code, body["signatures"]["valid"]) == (0, {})
    assert list(body["signatures"]["unknown"].values()) == [1]
    assert "nobody here is known by" in body["notes"][0]
    code, body = verified("--keys", "keys.json", "--json")
    assert (code, body["signatures"]["valid"], body["notes"]) == (0, {"kim": 1}, [])
    (place / "none.json").write_text('{"operators": []}')
    assert verified("--keys", "none.json")[0] == 1  # a list that is said to be whole
    assert verified("--keys", "missing.json")[0] == 2


def test_an_operators_file_that_can_not_be_read_is_a_note(store: Path, verified) -> None:
    operators_path().chmod(0o644)
    code, body = verified("--json")
    assert code == 0
    assert any("can be read by others" in note for note in body["notes"])


def test_signed_anchors_are_counted_and_checked(store: Path, place: Path, verified) -> None:
    (place / "config" / "settings.toml").write_text("sign_anchors = true")
    made = Store(store)
    made.anchor()
    made.close()
    code, body = verified("--json")
    assert (code, body["anchors"], body["anchors_signed"]) == (0, 2, 1)
    assert "1 of 2 anchors are not signed" in body["notes"][0]
    assert "anchors: 1 in the state directory are rightly signed" in verified()[1]
    file = next((place / "state" / "anchors").glob("*.jsonl"))
    file.write_text(file.read_text().replace('"path":"', '"path":"/x'))
    code, body = verified("--json")
    assert (code, "wrong signature" in body["problems"][0]) == (1, True)


def test_a_clock_that_was_set_back_is_noted(store: Path, verified, monkeypatch) -> None:
    monkeypatch.setattr("eucentric.core.ledger.utc_now", lambda: "2020-01-01T00:00:00.000Z")
    append(store, {"gate": "g4"})
    code, text = verified()
    assert code == 0
    assert "note: UTC goes back" in text
    assert "the wall clock was set back" in text


_LOADED = """
import sys
from eucentric.cli import main
try: main(["audit", "verify", "--store", sys.argv[1]])
except SystemExit as end: print("CODE", end.code)
print("LOADED", *[name for name in ("cryptography", "pydantic", "numpy") if name in sys.modules])
"""


@pytest.mark.parametrize(("signed", "loaded"), [(True, ["cryptography"]), (False, [])])
def test_the_library_is_imported_only_where_something_is_signed(
    store: Path, place: Path, signed: bool, loaded: list[str]
) -> None:
    folder = store
    if not signed:
        made = Store(place / "plain")
        made.ledger.append("r-0001", "decided", "policy", "gate", {"gate": "g"})
        made.anchor()
        made.close()
        folder = made.folder
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, str(folder)], capture_output=True, text=True, timeout=60
    )
    assert "CODE 0" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1].split()[1:] == loaded
