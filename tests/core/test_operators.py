"""Secrets of operators: kept as digests, proven, never guessed from the answer."""

import json
import os
import stat

import pytest

from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.operators import names, operators_path, prove, register

SECRET = "correct horse"


def test_a_registered_operator_is_proven_by_the_secret_alone() -> None:
    register("j.doe", SECRET)
    register("a.nother", "battery staple")
    assert names() == ["a.nother", "j.doe"]
    prove("j.doe", SECRET)
    refusals = []
    for name, secret in (
        ("j.doe", "battery staple"),
        ("j.doe", ""),
        ("j.doe", SECRET + " "),
        ("J.Doe", SECRET),
        ("", ""),
    ):
        with pytest.raises(ApprovalRefused) as caught:
            prove(name, secret)
        refusals.append(caught.value.why)
    assert len(set(refusals)) == 1  # an unknown name is not told apart from a wrong secret


def test_nobody_is_proven_where_nobody_is_registered() -> None:
    for name, secret in (("", ""), ("j.doe", ""), ("j.doe", SECRET)):
        with pytest.raises(ApprovalRefused):
            prove(name, secret)
    assert names() == []


def test_the_secret_is_not_in_the_file_and_the_file_is_the_owners() -> None:
    register("j.doe", SECRET)
    register("twin", SECRET)
    path = operators_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in path.read_text()
    entries = json.loads(path.read_text())
    assert entries["j.doe"] != entries["twin"]  # salted
    assert sorted(p.name for p in path.parent.iterdir()) == ["operators.json"]


def test_a_new_secret_replaces_the_old_one() -> None:
    register("j.doe", SECRET)
    register("j.doe", "battery staple")
    prove("j.doe", "battery staple")
    with pytest.raises(ApprovalRefused):
        prove("j.doe", SECRET)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o660])
def test_a_file_that_others_can_open_proves_nobody(mode: int) -> None:
    register("j.doe", SECRET)
    operators_path().chmod(mode)
    for use in (lambda: prove("j.doe", SECRET), names, lambda: register("x", SECRET)):
        with pytest.raises(ApprovalRefused, match="read by others"):
            use()


@pytest.mark.parametrize(
    ("name", "secret"),
    [("", SECRET), ("  ", SECRET), ("j.doe", "short"), ("j\nroot", SECRET), (" j.doe", SECRET), ("j\u202edoe", SECRET),
     ("\x1b[2J", SECRET), ("x" * 81, SECRET)],
)  # fmt: skip
def test_names_and_secrets_that_are_none(name: str, secret: str) -> None:
    with pytest.raises(BadInput):
        register(name, secret)
    assert not operators_path().exists()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "null", '{"j.doe": 5}', '{"j.doe": {}}', '{"j.doe": {"salt": "zz", "scrypt": ""}}',
     '{"j.doe": {"salt": 5, "scrypt": ""}}'],
)  # fmt: skip
def test_a_damaged_file_proves_nobody(text: str) -> None:
    register("j.doe", SECRET)
    operators_path().write_text(text)
    with pytest.raises(ApprovalRefused):
        prove("j.doe", SECRET)


@pytest.mark.parametrize("digest", ["", "0" * 128, "µ"])
def test_a_digest_that_is_none_proves_nobody(digest: str) -> None:
    register("j.doe", SECRET)
    entries = json.loads(operators_path().read_text())
    entries["j.doe"]["scrypt"] = digest
    operators_path().write_text(json.dumps(entries))
    with pytest.raises(ApprovalRefused):
        prove("j.doe", SECRET)


def test_a_failed_save_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    register("j.doe", SECRET)
    before = operators_path().read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(
            os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with pytest.raises(BadInput):
            register("x.new", SECRET)
    assert operators_path().read_bytes() == before
    assert [p.name for p in operators_path().parent.iterdir()] == ["operators.json"]


def test_a_secret_of_any_bytes() -> None:
    register("j.doe", "\udcff" * 8)
    prove("j.doe", "\udcff" * 8)
