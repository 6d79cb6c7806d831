"""Heads outside the database: written whole, read with suspicion."""

import json
from pathlib import Path

import pytest

from eucentric.core.anchors import frame_anchors, id_of, ledger_id, other_ledgers, state_anchors, write_anchor
from eucentric.core.errors import LedgerError
from eucentric.core.ledger import Ledger

NAME = "0123456789abcdef" * 2


@pytest.fixture
def anchors(own_state: Path, ledger: Ledger) -> Path:
    """The anchors file of a ledger that was anchored once."""
    write_anchor(ledger.path, ledger.name, 1, "a" * 64)
    return own_state / "anchors" / f"{ledger.name}.jsonl"


def test_an_anchor_is_one_line_with_all_that_is_needed(ledger: Ledger, anchors: Path) -> None:
    entry = json.loads(anchors.read_text())
    assert set(entry) == {"utc", "path", "ledger", "seq", "hash"}
    assert entry["path"] == str(ledger.path.resolve())
    assert [(a.seq, a.hash) for a in state_anchors(ledger.path)] == [(1, "a" * 64)]
    assert anchors.parent.stat().st_mode & 0o077 == 0


def test_a_torn_line_costs_that_line_only(ledger: Ledger, anchors: Path) -> None:
    whole = anchors.read_bytes()
    anchors.write_bytes(whole + whole[:40])
    write_anchor(ledger.path, ledger.name, 3, "c" * 64)
    assert [a.seq for a in state_anchors(ledger.path)] == [1, 3]


@pytest.mark.parametrize(
    "line",
    [b"", b"5", b"[]", b"{}", b"null", b'{"seq": 1}', b"\xff\xfe", b'{"utc":1,"path":1,"ledger":1,"seq":"x","hash":1}',
     b'{"utc":1,"path":1,"ledger":1,"seq":[],"hash":1}',
     b'{"utc":1,"path":1,"ledger":1,"seq":Infinity,"hash":1}', b"[" * 100_000],
)  # fmt: skip
def test_a_line_that_is_none_is_passed_over(ledger: Ledger, anchors: Path, line: bytes) -> None:
    anchors.write_bytes(line + b"\n" + anchors.read_bytes())
    assert [a.seq for a in state_anchors(ledger.path)] == [1]
    assert other_ledgers(ledger.path) == []


@pytest.mark.parametrize("name", ["line\u2028separator", "next\x85line", "new\nline", "per cent % # ?", "µ"])
def test_any_path_can_be_anchored(tmp_path: Path, name: str) -> None:
    ledger = Ledger(tmp_path / name / "audit.db")
    write_anchor(ledger.path, ledger.name, *ledger.head())
    assert [a.hash for a in state_anchors(ledger.path)] == [ledger.head()[1]]
    ledger.close()


def test_anchors_follow_a_store_that_was_moved(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "old" / "audit.db")
    write_anchor(ledger.path, ledger.name, *ledger.head())
    ledger.close()
    (tmp_path / "old").rename(tmp_path / "new")
    assert len(state_anchors(tmp_path / "new" / "audit.db")) == 1
    assert other_ledgers(tmp_path / "new" / "audit.db") == []


@pytest.mark.parametrize(
    "body",
    ["", "{", "[" * 100_000, "5", "[]", "null", "{}", '{"ledger_id": 5}', '{"ledger_id": ""}',
    '{"ledger_id": "../../../evil"}',
     f'{{"ledger_id": "{NAME}/x"}}', f'{{"ledger_id": "{NAME.upper()}"}}', f'{{"ledger_id": "{NAME}\\n"}}'],
)  # fmt: skip
def test_only_our_own_names_become_file_names(body: str) -> None:
    assert id_of(body) == ""
    assert id_of(json.dumps({"ledger_id": NAME})) == NAME


def test_a_first_row_with_a_path_as_name_reaches_no_file(ledger: Ledger, own_state: Path, tampering) -> None:
    own_state.mkdir()
    (own_state / "evil.jsonl").write_text(
        json.dumps({"utc": "", "path": "", "ledger": "", "seq": 1, "hash": "x"})
    )
    (own_state / "anchors").mkdir()
    with tampering(ledger.path) as connection:
        connection.execute("""UPDATE event SET body='{"ledger_id":"../evil"}' WHERE seq=1""")
    assert ledger_id(ledger.path) == ""
    assert state_anchors(ledger.path) == []


def test_a_state_directory_that_can_not_be_written_is_an_error_of_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EUCENTRIC_STATE", str(tmp_path / "file"))
    with pytest.raises(LedgerError, match="can't anchor"):
        write_anchor(tmp_path / "audit.db", NAME, 1, "a" * 64)


def test_anchors_that_can_not_be_read_are_no_silence(ledger: Ledger, anchors: Path, monkeypatch) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(LedgerError, match="can't be read"):
        state_anchors(ledger.path)


_WRITE = """
import sys
from pathlib import Path
from eucentric.core.anchors import write_anchor
for i in range(100):
    write_anchor(Path(sys.argv[1]), sys.argv[2], i + 1, "a" * 64)
"""


def test_two_processes_anchor_at_once(ledger: Ledger, spawn) -> None:
    running = [spawn(_WRITE, str(ledger.path), ledger.name) for _ in range(2)]
    assert all(one.wait(60) == 0 for one in running)
    for one in running:
        one.communicate()
    assert sorted(a.seq for a in state_anchors(ledger.path)) == sorted([*range(1, 101)] * 2)


@pytest.mark.parametrize(
    "text",
    ["", "5", "[]", "null", "{}", '{"anchor": 5}', '{"anchor": {"seq": "x"}}', '{"anchor": {"seq": 1}}',
     '{"anchor": {"seq": null, "hash": "x"}}', "[" * 100_000],
)  # fmt: skip
def test_sidecars_without_an_anchor_are_passed_over(tmp_path: Path, text: str) -> None:
    frames = tmp_path / "runs" / "r-0001" / "frames"
    frames.mkdir(parents=True)
    (frames / "bad.json").write_text(text)
    (frames / "good.json").write_text('{"anchor": {"seq": 4, "hash": "abc"}}')
    (frames / "bytes.json").write_bytes(b"\xff\xff")
    assert [(a.seq, a.hash, a.where) for a in frame_anchors(tmp_path)] == [(4, "abc", "r-0001/good.json")]
