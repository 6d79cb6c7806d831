"""`eucentric operator`: roles, who may change them, keys; each change is told and recorded."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eucentric.cli import main
from eucentric.core.operators import prove, roles
from eucentric.core.operators_file import fingerprint
from eucentric.core.store import Store

SECRETS = {"kim": "correct horse", "jo": "battery staple", "sam": "third secret"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("EUCENTRIC_CONFIG", str(tmp_path / "config" / "settings.toml"))
    monkeypatch.setattr("eucentric.core.operators._COST", {"n": 16, "r": 8, "p": 1})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person types the secret of whoever is asked for."""
    monkeypatch.setattr("eucentric.cli.operator.require_terminal", lambda what: None)
    monkeypatch.setattr("click.prompt", lambda prompt, **_: SECRETS[prompt.split(" of ")[1]])


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(("operator", *args))
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture
def store(place: Path) -> Path:
    Store(place / "eucentric-store").close()
    return place / "eucentric-store"


def changes(store: Path) -> list[dict[str, Any]]:
    opened = Store(store)
    rows = [row.body for row in opened.ledger.events(kinds=("changed",))]
    opened.close()
    return rows


def test_the_first_staff_member_is_told_so_and_decides_from_then_on(at_terminal, store: Path, said) -> None:
    code, out, err = said("add", "kim", "--role", "staff")
    assert (code, out) == (0, "kim was registered as staff\n")
    assert "first staff member" in err
    assert "recorded as event 2" in err
    assert said("add", "jo")[0] == 0
    for args in (("role", "jo", "staff"), ("remove", "jo"), ("add", "sam", "--role", "staff"), ("add", "jo")):
        code, _, err = said(*args)
        assert (code, "takes the secret of one" in err) == (3, True), args
        code, _, _ = said(*args, "--as", "jo")
        assert (code == 0) == (args == ("add", "jo")), args  # one's own secret, and nothing else
    assert said("role", "jo", "staff", "--as", "kim")[1] == "jo is staff now, by kim\n"
    assert said("remove", "kim", "--as", "jo")[1] == "kim was removed, by jo\n"
    assert roles() == {"jo": "staff"}
    assert [body["change"] for body in changes(store)] == [
        "kim was registered as staff", "jo was registered as operator", "jo has a new secret as operator, by jo",
        "jo is staff now, by kim", "kim was removed, by jo",
    ]  # fmt: skip
    assert changes(store)[-1]["roles"] == {"jo": "staff"}


@pytest.mark.parametrize(
    "args", [("add", "kim"), ("role", "kim", "staff"), ("remove", "kim"), ("key", "kim")]
)
def test_every_change_takes_a_terminal(said, args: tuple[str, ...]) -> None:
    code, out, err = said(*args)
    assert (code, out) == (6, "")
    assert "terminal" in err
    assert roles() == {}


def test_a_wrong_secret_of_a_staff_member_changes_nothing(at_terminal, said, monkeypatch) -> None:
    said("add", "kim", "--role", "staff")
    said("add", "jo")
    monkeypatch.setattr("click.prompt", lambda prompt, **_: "wrong secret")
    assert said("role", "jo", "staff", "--as", "kim")[0] == 3
    assert roles() == {"jo": "operator", "kim": "staff"}


def test_without_a_store_the_change_is_done_and_it_is_said_that_it_is_not_recorded(
    at_terminal, place, said
) -> None:
    code, out, err = said("add", "kim")
    assert (code, out) == (0, "kim was registered as operator\n")
    assert "not recorded: there is no store at eucentric-store" in err
    assert not (place / "eucentric-store").exists()
    code, out, _ = said("role", "kim", "staff", "--json")
    body = json.loads(out)
    assert (code, body["role"], body["recorded"]) == (0, "staff", None)
    assert "no store" in body["not_recorded"]


def test_a_store_that_can_not_be_written_is_said(at_terminal, store: Path, said) -> None:
    (store / "audit.db").write_bytes(b"x" * 5000)
    code, _, err = said("add", "kim")
    assert code == 0
    assert "not recorded" in err
    assert roles() == {"kim": "operator"}


def test_a_key_is_made_listed_and_recorded(at_terminal, store: Path, said) -> None:
    said("add", "kim")
    code, out, _ = said("key", "kim", "--json")
    made = json.loads(out)
    assert (code, made["operator"], made["key"]) == (0, "kim", fingerprint(made["public"]))
    _, out, _ = said("list", "--json")
    assert json.loads(out)["operators"] == [{"name": "kim", "role": "operator", "keys": [made["public"]]}]
    assert f"key {made['key']}" in said("list")[1]
    assert changes(store)[-1]["keys"] == {"kim": [made["key"]]}
    assert "hand that to whoever will audit" in said("key", "kim")[1]
    assert prove("kim", SECRETS["kim"]).role == "operator"


def test_the_anchor_key_is_made_once(place: Path, said) -> None:
    code, out, _ = said("anchor-key", "--json")
    first = json.loads(out)
    assert (code, first["sign_anchors"]) == (0, False)
    assert "sign_anchors = true" in said("anchor-key")[1]
    (place / "config" / "settings.toml").write_text("sign_anchors = true")
    assert json.loads(said("anchor-key", "--json")[1]) == {**first, "sign_anchors": True}


@pytest.mark.parametrize(
    "args", [("role", "kim", "boss"), ("add", "kim", "--role", "boss"), ("role", "nobody", "staff")]
)
def test_what_is_no_role_and_nobody_is_a_usage_error(at_terminal, said, args: tuple[str, ...]) -> None:
    assert said(*args)[0] == 2


@pytest.mark.parametrize(
    ("library", "asked", "good"), [(True, True, True), (False, False, True), (False, True, False)]
)
def test_doctor_says_when_something_is_to_be_signed_and_can_not_be(
    at_terminal, place: Path, said, monkeypatch: pytest.MonkeyPatch, library: bool, asked: bool, good: bool
) -> None:
    from eucentric.cli.doctor import _signing

    if asked:
        said("add", "kim")
        said("key", "kim")
    if not library:
        monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)
    found, text = _signing()
    assert found == good
    assert ("eucentric[sign]" in text) == (not library)
