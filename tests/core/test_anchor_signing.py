"""Signed anchors: made if the settings say so, still read by whoever knows only the plain ones."""

import json
import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from eucentric.core import anchor_signing
from eucentric.core.anchor_signing import check_lines, key_path, known_key, make_key, payload_of
from eucentric.core.anchors import signed_lines, state_anchors, write_anchor
from eucentric.core.errors import BadInput, LedgerError
from eucentric.core.ledger import Ledger
from eucentric.core.settings import load_settings
from eucentric.core.settings_file import settings_path


@pytest.fixture
def wanted() -> None:
    settings_path().parent.mkdir(parents=True)
    settings_path().write_text("sign_anchors = true\n")


@pytest.fixture
def lines(wanted: None, ledger: Ledger, own_state: Path) -> Path:
    """The file of a ledger that was anchored three times, signed."""
    for seq in (1, 2, 3):
        write_anchor(ledger.path, ledger.name, seq, "a" * 64)
    return own_state / "anchors" / f"{ledger.name}.jsonl"


def test_the_setting_is_one_of_the_settings(wanted: None) -> None:
    assert load_settings().sign_anchors is True


def test_a_line_is_signed_by_a_key_made_on_first_use(lines: Path, ledger: Ledger) -> None:
    entries = [json.loads(line) for line in lines.read_text().splitlines()]
    assert {entry["signature"]["public"] for entry in entries} == {known_key()}
    assert stat.S_IMODE(key_path().stat().st_mode) == 0o600
    assert ledger.path.parent not in key_path().parents
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(known_key()))
    for entry in entries:
        key.verify(bytes.fromhex(entry["signature"]["sig"]), payload_of(entry))
    assert check_lines(signed_lines(ledger.path)) == (3, [], [])


def _read_as_before(file: Path) -> list[tuple[int, str]]:
    """How the version before signatures took a line apart."""
    kinds = {"utc": str, "path": str, "ledger": str, "seq": int, "hash": str}
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    parsed = [[kind(entry[name]) for name, kind in kinds.items()] for entry in entries]
    return [(line[3], line[4]) for line in parsed]


def test_the_old_reader_still_reads_them(lines: Path, ledger: Ledger) -> None:
    assert _read_as_before(lines) == [(seq, "a" * 64) for seq in (1, 2, 3)]
    assert [anchor.seq for anchor in state_anchors(ledger.path)] == [1, 2, 3]


def test_without_the_setting_nothing_is_signed(ledger: Ledger, own_state: Path) -> None:
    write_anchor(ledger.path, ledger.name, 1, "a" * 64)
    assert signed_lines(ledger.path) == []
    assert not key_path().exists()
    assert "cryptography" not in (own_state / "anchors" / f"{ledger.name}.jsonl").read_text()


@pytest.mark.parametrize(
    "change", [{"seq": 9}, {"hash": "b" * 64}, {"path": "/elsewhere"}, {"utc": "2020"}, {"ledger": "0" * 32}]
)
def test_an_anchor_that_was_edited_is_a_problem(lines: Path, ledger: Ledger, change: dict) -> None:
    entries = [json.loads(line) for line in lines.read_text().splitlines()]
    entries[1] |= change
    lines.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    right, problems, _ = check_lines(signed_lines(ledger.path))
    assert (right, len(problems)) == (2, 1)


def test_an_anchor_whose_signature_was_taken_off_is_noted(lines: Path, ledger: Ledger) -> None:
    entries = [json.loads(line) for line in lines.read_text().splitlines()]
    del entries[2]["signature"]
    lines.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    right, problems, notes = check_lines(signed_lines(ledger.path))
    assert (right, problems, len(notes)) == (2, [], 1)
    assert "1 of 3 anchors are not signed" in notes[0]


def test_anchors_of_another_machines_key_are_noted(lines: Path, ledger: Ledger) -> None:
    key_path().unlink()
    make_key()
    right, problems, notes = check_lines(signed_lines(ledger.path))
    assert (right, problems) == (3, [])
    assert "not this machine's" in notes[0]


def test_a_key_that_others_can_read_signs_nothing(lines: Path, ledger: Ledger) -> None:
    key_path().chmod(0o644)
    before = lines.read_bytes()
    with pytest.raises(LedgerError, match="others can read it"):
        write_anchor(ledger.path, ledger.name, 4, "a" * 64)
    assert lines.read_bytes() == before


def test_a_damaged_key_is_an_error_of_the_tree(lines: Path, ledger: Ledger) -> None:
    key_path().write_bytes(b"no key")
    with pytest.raises(LedgerError, match="can't be signed"):
        write_anchor(ledger.path, ledger.name, 4, "a" * 64)


def test_without_the_library_the_anchor_is_written_and_noted(
    lines: Path, ledger: Ledger, monkeypatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    write_anchor(ledger.path, ledger.name, 4, "a" * 64)
    assert [anchor.seq for anchor in state_anchors(ledger.path)] == [1, 2, 3, 4]
    right, problems, notes = check_lines(signed_lines(ledger.path))
    assert (right, problems) == (0, [])
    assert len(notes) == 2


def test_two_that_make_the_key_at_once_have_the_same(wanted: None, spawn) -> None:
    script = "from eucentric.core.anchor_signing import make_key\nprint(make_key())"
    running = [spawn(script) for _ in range(3)]
    made = {one.communicate(timeout=60)[0].strip() for one in running}
    assert made == {known_key()}
    assert len(known_key()) == 64


def test_a_setting_that_is_no_yes_is_none(ledger: Ledger) -> None:
    settings_path().parent.mkdir(parents=True, exist_ok=True)
    for text in ("sign_anchors = false", 'sign_anchors = "true"', "sign_anchors = 1", ""):
        settings_path().write_text(text)
        assert not anchor_signing.wanted()
    settings_path().write_text("sign_anchors =")
    with pytest.raises(BadInput):
        anchor_signing.wanted()
