"""Secrets of operators: kept as digests, proven, never guessed from the answer."""

import json
import os
import stat

import pytest

from eucentric.core import operators
from eucentric.core.canonical import digest
from eucentric.core.errors import ApprovalRefused, BadInput
from eucentric.core.operators import (
    Operator,
    has_staff,
    names,
    operators_path,
    prove,
    public_keys,
    register,
    remove,
    roles,
    roles_sha256,
    set_role,
)

SECRET = "correct horse"
COST = operators._COST


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a digest costs is the matter of one test."""
    monkeypatch.setattr(operators, "_COST", COST | {"n": 16})


def test_a_digest_costs_a_guesser_memory_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "_COST", COST)
    register("j.doe", SECRET)
    assert prove("j.doe", SECRET) == Operator("j.doe", "operator")
    assert 128 * COST["n"] * COST["r"] >= 16 * 2**20  # bytes, as OWASP asks
    cheap = operators.scrypt(SECRET, b"salt")
    monkeypatch.setattr(operators, "_COST", COST | {"n": 16})
    assert operators.scrypt(SECRET, b"salt") != cheap  # the cost is in the digest


def test_a_registered_operator_is_proven_by_the_secret_alone() -> None:
    register("j.doe", SECRET)
    register("a.nother", "battery staple")
    assert names() == ["a.nother", "j.doe"]
    assert prove("j.doe", SECRET) == Operator("j.doe", "operator")
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


# -- roles ------------------------------------------------------------------------------------------


def test_a_file_from_before_roles_makes_operators_of_all() -> None:
    register("j.doe", SECRET)
    entries = json.loads(operators_path().read_text())
    assert entries["j.doe"].pop("role") == "operator"
    operators_path().write_text(json.dumps(entries))
    assert roles() == {"j.doe": "operator"}
    assert prove("j.doe", SECRET).role == "operator"
    set_role("j.doe", "staff")
    assert prove("j.doe", SECRET).role == "staff"


@pytest.mark.parametrize("role", ["boss", "", 5, None, ["staff"], "Staff"])
def test_a_role_that_is_none_makes_the_whole_file_prove_nobody(role: object) -> None:
    register("j.doe", SECRET)
    entries = json.loads(operators_path().read_text())
    entries["j.doe"]["role"] = role
    operators_path().write_text(json.dumps(entries))
    with pytest.raises(ApprovalRefused):
        prove("j.doe", SECRET)


def test_roles_and_their_digest_hold_no_secret() -> None:
    register("j.doe", SECRET, "staff")
    register("a.user", SECRET, "user")
    assert roles() == {"a.user": "user", "j.doe": "staff"}
    assert roles_sha256() == digest({"a.user": "user", "j.doe": "staff"})
    before = roles_sha256()
    register("j.doe", "another secret", by=Operator("j.doe", "staff"))
    assert roles_sha256() == before  # a new secret is no other role
    set_role("a.user", "operator", by=Operator("j.doe", "staff"))
    assert roles_sha256() != before
    assert public_keys() == {}


STAFF, OTHER, SELF = (
    Operator("s.taff", "staff"),
    Operator("o.ther", "operator"),
    Operator("j.doe", "operator"),
)


@pytest.mark.parametrize("by", [None, OTHER, SELF, Operator("x", "user")], ids=str)
@pytest.mark.parametrize(
    "change",
    [
        lambda by: register("n.ew", SECRET, "staff", by=by), lambda by: register("s.taff", SECRET, by=by),
        lambda by: register("j.doe", SECRET, "staff", by=by), lambda by: register("s.taff", SECRET, "operator", by=by),
        lambda by: set_role("j.doe", "staff", by=by), lambda by: set_role("j.doe", "user", by=by),
        lambda by: set_role("s.taff", "user", by=by), lambda by: remove("j.doe", by=by),
        lambda by: remove("s.taff", by=by), lambda by: register("j.doe", SECRET, "user", by=by),
    ],
)  # fmt: skip
def test_with_a_staff_member_only_staff_change_roles_and_remove(change, by: Operator | None) -> None:
    register("j.doe", SECRET)
    register("s.taff", SECRET, "staff")
    before = operators_path().read_bytes()
    with pytest.raises(ApprovalRefused):
        change(by)
    assert operators_path().read_bytes() == before


def test_what_staff_may() -> None:
    register("j.doe", SECRET)
    register("s.taff", SECRET, "staff")
    assert register("n.ew", SECRET, "staff", by=STAFF) == Operator("n.ew", "staff")
    assert set_role("j.doe", "staff", by=STAFF) == Operator("j.doe", "staff")
    assert set_role("j.doe", "user", by=STAFF) == Operator("j.doe", "user")
    register("j.doe", "battery staple", by=STAFF)
    assert prove("j.doe", "battery staple").role == "user"
    remove("j.doe", by=STAFF)
    remove("s.taff", by=STAFF)
    assert roles() == {"n.ew": "staff"}


def test_anybody_may_add_an_operator_or_replace_their_own_secret() -> None:
    register("s.taff", SECRET, "staff")
    assert register("j.doe", SECRET).role == "operator"
    assert register("u.ser", SECRET, "user").role == "user"
    register("j.doe", "battery staple", by=prove("j.doe", SECRET))
    assert prove("j.doe", "battery staple").role == "operator"
    with pytest.raises(ApprovalRefused):  # not that of a colleague
        register("u.ser", "battery staple", by=prove("j.doe", "battery staple"))


def test_the_first_staff_member_registers_themselves() -> None:
    register("j.doe", SECRET)
    assert not has_staff()
    assert register("j.doe", SECRET, "staff").role == "staff"
    assert has_staff()


@pytest.mark.parametrize(
    "change",
    [lambda: remove("s.taff", by=STAFF), lambda: set_role("s.taff", "operator", by=STAFF),
     lambda: register("s.taff", SECRET, "user", by=STAFF)],
)  # fmt: skip
def test_the_only_staff_member_can_not_go(change) -> None:
    register("s.taff", SECRET, "staff")
    register("j.doe", SECRET)
    with pytest.raises(BadInput, match="only staff"):
        change()
    assert roles() == {"j.doe": "operator", "s.taff": "staff"}


@pytest.mark.parametrize("change", [lambda: set_role("nobody", "staff"), lambda: remove("nobody")])
def test_nobody_can_not_be_changed(change) -> None:
    with pytest.raises(BadInput, match="no operator 'nobody'"):
        change()


@pytest.mark.parametrize("role", ["boss", "STAFF", "\x1b[2J"])
def test_a_role_that_is_none_is_not_given(role: str) -> None:
    with pytest.raises(BadInput, match="no role"):
        register("j.doe", SECRET, role)
    assert not operators_path().exists() or names() == []


_ADD = """
import sys
from eucentric.core.operators import register
for i in range(5):
    register(f"{sys.argv[1]}-{i}", "correct horse")
"""


def test_two_processes_lose_none_of_each_others_operators(spawn) -> None:
    running = [spawn(_ADD, name) for name in ("a", "b")]
    for one in running:
        _, complaint = one.communicate(timeout=60)
        assert one.returncode == 0, complaint
    assert names() == sorted(f"{name}-{i}" for name in ("a", "b") for i in range(5))
