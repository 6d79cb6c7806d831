"""Signatures say who decided, to whoever has the public key, and nothing can be changed under one."""

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from eucentric.core.canonical import canonical
from eucentric.core.chain import row_hash, verify
from eucentric.core.errors import ApprovalRefused, BadInput, NotAvailable
from eucentric.core.event_table import COLUMNS
from eucentric.core.ledger import Ledger
from eucentric.core.operators import operators_path, public_keys, register, remove, roles
from eucentric.core.operators_file import fingerprint, key_path
from eucentric.core.signature_check import check_decisions, keys_from
from eucentric.core.signing import (
    SIGNED_KINDS,
    Signature,
    check,
    decision_payload,
    has_key,
    make_key,
    owners_of,
    sign,
    signed_body,
    signer_for,
)

SECRET = "correct horse"
BODY = {"gate": "g1", "outcome": "approved", "by": "kim (pts/1)", "seconds": 9.5, "note": "Å \ud800 \u2028"}


@pytest.fixture(autouse=True)
def cheap_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """How slow a secret is to guess is not what is looked at here."""
    monkeypatch.setattr("eucentric.core.operators._COST", {"n": 16, "r": 8, "p": 1})


@pytest.fixture
def kim() -> str:
    """A registered operator with a key."""
    register("kim", SECRET)
    make_key("kim", SECRET)
    return "kim"


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch):
    def gone() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "cryptography", None)

    return gone


# -- keys and single signatures ---------------------------------------------------------------------


def test_a_signature_is_plain_ed25519_of_the_payload(kim: str) -> None:
    payload = decision_payload("ab" * 16, "r-0001", "decided", BODY)
    signature = sign(kim, SECRET, payload)
    assert signature is not None
    assert (signature.alg, signature.by, signature.public) == ("ed25519", kim, public_keys()[kim][-1])
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public))
    key.verify(bytes.fromhex(signature.sig), payload)  # raises if it is none
    assert check(signature.as_body(), payload, owners_of(public_keys())).state == "valid"
    signer = signer_for(kim, SECRET)
    assert signer is not None
    assert signer(payload) == signature.as_body()


def test_the_payload_is_what_a_stranger_can_write_down() -> None:
    wanted = '{"body":{"gate":"g1"},"kind":"decided","ledger":"ab","run":"r-0001"}'
    assert (
        decision_payload("ab", "r-0001", "decided", {"gate": "g1", "signature": {"sig": "x"}})
        == wanted.encode()
    )


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        {"10": 1, "9": 2, "a": (1, 2)},
        {1: "x", 10: "y", 9: "z"},
        {"x": -0.0, "y": 1e300, "z": 10**30},
        {},
    ],
)
def test_the_payload_is_the_same_before_and_after_it_was_stored(ledger: Ledger, body: dict[Any, Any]) -> None:
    row = ledger.append("r", "decided", "me", "s", body)
    assert decision_payload("n", "r", "decided", body) == decision_payload("n", "r", "decided", row.body)


def test_the_private_key_is_locked_and_the_owners(kim: str) -> None:
    path = key_path(public_keys()[kim][0])
    assert b"ENCRYPTED" in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in operators_path().read_text()
    for secret in ("battery staple", "", SECRET + " "):
        with pytest.raises(ApprovalRefused, match="can't be used"):
            sign(kim, secret, b"x")


def test_a_key_takes_the_secret(kim: str) -> None:
    before = operators_path().read_bytes()
    for name, secret in ((kim, "battery staple"), ("nobody", SECRET)):
        with pytest.raises(ApprovalRefused, match="could not be proven"):
            make_key(name, secret)
    assert operators_path().read_bytes() == before


def test_without_a_key_nothing_is_signed() -> None:
    register("kim", SECRET)
    assert not has_key("kim")
    assert sign("kim", SECRET, b"x") is None
    assert signer_for("kim", SECRET) is signer_for("nobody", SECRET) is None


def test_a_new_key_leaves_the_old_signatures_right(kim: str) -> None:
    old = sign(kim, SECRET, b"x")
    make_key(kim, SECRET)
    new = sign(kim, SECRET, b"x")
    assert old.key != new.key
    owners = owners_of(public_keys())
    assert [check(one.as_body(), b"x", owners).state for one in (old, new)] == ["valid", "valid"]
    assert not key_path(old.public).exists()


def test_a_new_secret_ends_the_key_but_not_what_it_signed(kim: str) -> None:
    signature = sign(kim, SECRET, b"x")
    register(kim, "battery staple")
    assert not has_key(kim)
    assert sign(kim, "battery staple", b"x") is None
    assert check(signature.as_body(), b"x", owners_of(public_keys())).state == "valid"
    assert not key_path(signature.public).exists()
    make_key(kim, "battery staple")
    assert sign(kim, "battery staple", b"x") is not None


def test_a_removed_operators_key_is_nobodys(kim: str) -> None:
    signature = sign(kim, SECRET, b"x")
    remove(kim)
    assert not key_path(signature.public).exists()
    assert check(signature.as_body(), b"x", owners_of(public_keys())).state == "unknown key"


def test_a_key_of_another_in_the_file_is_refused(kim: str) -> None:
    register("jo", SECRET)
    make_key("jo", SECRET)
    key_path(public_keys()[kim][0]).write_bytes(key_path(public_keys()["jo"][0]).read_bytes())
    with pytest.raises(ApprovalRefused, match="can't be used"):
        sign(kim, SECRET, b"x")


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_damaged_key_file_signs_nothing(kim: str, content: bytes) -> None:
    key_path(public_keys()[kim][0]).write_bytes(content)
    with pytest.raises(ApprovalRefused, match="can't be used"):
        signer_for(kim, SECRET)


@pytest.mark.parametrize(
    "keys", ["x", [{}], [{"public": "zz", "since": "", "salt": ""}], [{"public": "A" * 64, "since": "", "salt": ""}],
             [{"public": "a" * 64, "since": "", "salt": "zz"}]],
)  # fmt: skip
def test_keys_that_are_none_make_the_file_prove_nobody(kim: str, keys: object) -> None:
    entries = json.loads(operators_path().read_text())
    entries[kim]["keys"] = keys
    operators_path().write_text(json.dumps(entries))
    with pytest.raises(ApprovalRefused):
        roles()


def _changed(signature: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {**signature, **change}


@pytest.mark.parametrize(
    "change",
    [
        {"sig": "0" * 128}, {"sig": ""}, {"sig": 5}, {"sig": None}, {"alg": "none"}, {"alg": "ED25519"},
        {"key": "0" * 32}, {"public": "0" * 64}, {"public": "f" * 64, "key": fingerprint("f" * 64)}, {"public": "zz"},
        {"by": "jo"}, {"by": 5}, {"more": "x"},
    ],
)  # fmt: skip
def test_a_signature_that_was_touched_is_wrong(kim: str, change: dict[str, Any]) -> None:
    signature = sign(kim, SECRET, b"x").as_body()
    assert check(_changed(signature, **change), b"x", owners_of(public_keys())).state == "invalid"
    assert check(signature, b"y", owners_of(public_keys())).state == "invalid"


@pytest.mark.parametrize("signature", [None, 5, "x", [], {}, {"alg": "ed25519"}])
def test_what_is_no_signature_is_wrong(signature: object) -> None:
    assert check(signature, b"x", {}).state == "invalid"


def test_somebody_elses_key_does_not_sign_for_kim(kim: str) -> None:
    register("jo", SECRET)
    make_key("jo", SECRET)
    jo = sign("jo", SECRET, b"x").as_body()
    verdict = check({**jo, "by": "kim"}, b"x", owners_of(public_keys()))
    assert (verdict.state, "'jo'" in verdict.why) == ("invalid", True)


def test_without_the_library(kim: str, without_library) -> None:
    signature = sign(kim, SECRET, b"x").as_body()
    without_library()
    assert sign(kim, SECRET, b"x") is None
    assert check(signature, b"y", {}).state == "unchecked"
    assert check({**signature, "alg": "none"}, b"y", {}).state == "invalid"  # that can be told all the same
    with pytest.raises(NotAvailable, match="not installed"):
        make_key(kim, SECRET)


# -- a ledger of signed decisions -------------------------------------------------------------------


def decide(ledger: Ledger, name: str, secret: str, gate: str, kind: str = "decided") -> None:
    body: dict[str, Any] = {**BODY, "gate": gate}
    signer = signer_for(name, secret)
    if signer:
        body = signed_body(signer, ledger.name, "r-0001", kind, body)
    ledger.append("r-0001", kind, name, f"gate {gate}", body)


@pytest.fixture
def signed(ledger: Ledger, kim: str) -> Ledger:
    """Rows 2 to 5: one of each kind, signed by kim; 6 by nobody; 7 of another kind; 8 by jo."""
    for kind in sorted(SIGNED_KINDS):
        decide(ledger, kim, SECRET, kind, kind)
    ledger.append("r-0001", "decided", "policy", "by a file", BODY)
    ledger.append("r-0001", "found", "kim", "no decision", {"signature": "not looked at"})
    register("jo", SECRET)
    make_key("jo", SECRET)
    decide(ledger, "jo", SECRET, "g8")
    return ledger


def looked_at(ledger: Ledger, keys: dict[str, tuple[str, ...]] | None = None, **more: bool):
    marked = verify(ledger.path, [], SIGNED_KINDS).marked
    return check_decisions(ledger.path, marked, public_keys() if keys is None else keys, **more)


def test_a_ledgers_signatures_by_name(signed: Ledger) -> None:
    result = looked_at(signed)
    assert (result.decisions, result.signed, result.valid) == (6, 5, {"kim": 4, "jo": 1})
    assert (result.problems, result.notes, result.unknown, result.unchecked) == ([], [], {}, 0)


def test_a_secret_in_a_decision_is_taken_out_before_it_is_signed(
    ledger: Ledger, kim: str, monkeypatch
) -> None:
    monkeypatch.setenv("MODEL_API_KEY", "a-key-of-a-model-endpoint")
    decide(ledger, kim, SECRET, "asked with a-key-of-a-model-endpoint")
    assert "a-key-of-a-model" not in str(ledger.events(after=1))
    monkeypatch.delenv("MODEL_API_KEY")
    assert looked_at(ledger).valid == {"kim": 1}
    monkeypatch.setenv(
        "SOME_TOKEN", ledger.events(after=1)[0].body["signature"]["sig"]
    )  # an auditor's, whatever it is
    assert looked_at(ledger).valid == {"kim": 1}


def test_a_stranger_sees_that_all_are_of_one_key(signed: Ledger) -> None:
    result = looked_at(signed, {})
    assert (result.valid, result.problems) == ({}, [])
    assert sorted(result.unknown.values()) == [1, 4]
    assert all("nobody here" in note for note in result.notes)
    assert len(looked_at(signed, {}, complete=True).problems) == 2
    assert looked_at(signed, {"kim": public_keys()["kim"]}).valid == {"kim": 4}


def forged(ledger: Ledger, tampering, seq: int, change) -> None:
    """Change the body of a row, and make all hashes right from there on."""
    with tampering(ledger.path) as connection:
        names = ",".join(COLUMNS)
        rows = connection.execute(f"SELECT {names} FROM event WHERE seq >= ? ORDER BY seq", (seq,)).fetchall()
        prev = rows[0][-1]
        for row in rows:
            body = canonical(change(json.loads(row[8]))) if row[0] == seq else row[8]
            values = (*row[:8], body, row[9], prev)
            prev = row_hash(values)
            connection.execute(
                "UPDATE event SET body=?, prev=?, hash=? WHERE seq=?", (body, values[-1], prev, row[0])
            )


@pytest.mark.parametrize(
    "change",
    [
        lambda body: {**body, "gate": "g2"}, lambda body: {**body, "outcome": "rejected"},
        lambda body: {**body, "more": 1},
        lambda body: {**body, "signature": {**body["signature"], "by": "jo"}}, lambda body: {**body, "signature": None},
        lambda body: {**body, "signature": {**body["signature"], "sig": "0" * 128}},
    ],
)  # fmt: skip
def test_a_forged_decision_in_a_chain_made_right_again_is_a_problem(
    signed: Ledger, tampering, change
) -> None:
    forged(signed, tampering, 3, change)
    assert verify(signed.path, []).ok  # without an anchor the chain can't tell
    assert any("event 3" in problem for problem in looked_at(signed).problems)


def test_a_decision_moved_to_another_run_or_ledger_is_a_problem(signed: Ledger, tmp_path: Path) -> None:
    taken = signed.events(kinds=("decided",))[0].body
    signed.append("r-0002", "decided", "kim", "taken from r-0001", taken)
    assert any(f"event {signed.head()[0]}" in problem for problem in looked_at(signed).problems)
    other = Ledger(tmp_path / "other" / "audit.db")
    other.append("r-0001", "decided", "kim", "taken from another ledger", taken)
    assert len(looked_at(other).problems) == 1
    other.append("r-0001", "consented", "kim", "as another kind", taken)
    assert len(looked_at(other).problems) == 2
    other.close()


def test_a_forger_with_a_key_of_his_own_is_not_taken_for_kim(signed: Ledger, tampering) -> None:
    mine = Ed25519PrivateKey.generate()
    public = mine.public_key().public_bytes_raw().hex()

    def change(body: dict[str, Any]) -> dict[str, Any]:
        body = {**body, "outcome": "rejected"}
        payload = decision_payload(signed.name, "r-0001", "decided", body)
        made = Signature("ed25519", fingerprint(public), "kim", public, mine.sign(payload).hex())
        return {**body, "signature": made.as_body()}

    forged(signed, tampering, 3, change)
    result = looked_at(signed)
    assert result.valid == {"kim": 3, "jo": 1}
    assert any(public and f"kim, key {fingerprint(public)[:12]}" in note for note in result.notes)
    assert looked_at(signed, public_keys(), complete=True).problems


def test_signatures_without_the_library_are_noted(signed: Ledger, without_library) -> None:
    without_library()
    result = looked_at(signed)
    assert (result.signed, result.unchecked, result.valid, result.problems) == (5, 5, {}, [])
    assert "eucentric[sign]" in result.notes[0]


@pytest.mark.parametrize(
    "text",
    ["", "5", "{}", '{"operators": 5}', '{"operators": [{"name": "x", "keys": ["zz"]}]}', "[" * 99_999],
)
def test_a_list_of_keys_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(BadInput, match="no list of public keys"):
        keys_from(tmp_path / "keys.json")
    with pytest.raises(BadInput):
        keys_from(tmp_path / "missing.json")


def test_a_ledger_that_can_not_be_read_is_a_problem(tmp_path: Path) -> None:
    assert check_decisions(tmp_path / "nothing.db", [1], {}).problems
