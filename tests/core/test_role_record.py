"""Roles live outside the stores; each ledger records them when they are other than it last saw."""

import threading

import pytest

from eucentric.core.errors import ApprovalRefused
from eucentric.core.ledger import Ledger
from eucentric.core.operators import operators_path, register, remove, roles_sha256, set_role
from eucentric.core.role_record import note_roles
from eucentric.core.signing import make_key

SECRET = "correct horse"


@pytest.fixture(autouse=True)
def cheap_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eucentric.core.operators._COST", {"n": 16, "r": 8, "p": 1})


def test_nothing_new_is_no_row(ledger: Ledger) -> None:
    assert note_roles(ledger) is None
    register("kim", SECRET)
    row = note_roles(ledger)
    assert (row.kind, row.body["roles"], row.body["roles_sha256"]) == (
        "changed",
        {"kim": "operator"},
        roles_sha256(),
    )
    assert "kim is operator" in row.summary
    assert note_roles(ledger) is None
    register("kim", "battery staple")
    assert note_roles(ledger) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: set_role("kim", "staff"), "kim is staff"), (lambda: remove("kim"), "kim is gone"),
        (lambda: register("jo", SECRET), "jo is operator"), (lambda: make_key("kim", SECRET), "keys differ"),
    ],
)  # fmt: skip
def test_what_differs_is_said(ledger: Ledger, change, words: str) -> None:
    register("kim", SECRET)
    note_roles(ledger)
    change()
    row = note_roles(ledger)
    assert words in row.summary
    assert note_roles(ledger) is None


def test_no_secret_is_in_a_row(ledger: Ledger) -> None:
    register("kim", SECRET, "staff")
    make_key("kim", SECRET)
    row = note_roles(ledger, "kim", "kim was registered as staff")
    assert (row.actor, row.body["change"]) == ("kim", "kim was registered as staff")
    assert set(row.body) == {"what", "roles", "roles_sha256", "keys", "change"}
    stored = operators_path().read_text()
    assert SECRET not in str(row.body)
    assert not any(part in str(row.body) for part in stored.split('"') if len(part) == 128)


def test_a_change_that_is_told_is_always_a_row(ledger: Ledger) -> None:
    register("kim", SECRET)
    assert note_roles(ledger, "kim", "one")
    assert note_roles(ledger, "kim", "two")
    assert note_roles(ledger) is None


def test_other_changes_are_not_mistaken_for_it(ledger: Ledger) -> None:
    register("kim", SECRET)
    note_roles(ledger)
    ledger.append("-", "changed", "me", "limits", {"what": "limits", "roles": {}})
    assert note_roles(ledger) is None


def test_two_at_once_write_it_once(ledger: Ledger) -> None:
    register("kim", SECRET)
    found = []
    threads = [threading.Thread(target=lambda: found.append(note_roles(ledger))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([row for row in found if row]) == 1


def test_a_damaged_file_is_refused_and_leaves_no_row(ledger: Ledger) -> None:
    register("kim", SECRET)
    operators_path().write_text("{")
    with pytest.raises(ApprovalRefused):
        note_roles(ledger)
    assert ledger.head()[0] == 1


def test_names_do_not_act_on_the_screen(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    register("kim", SECRET)
    row = note_roles(ledger, "kim", "kim\x1b[2J")
    assert row.summary == r"kim\x1b[2J"
