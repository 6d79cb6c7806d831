"""Several stores read as one: merged by time, told apart by name, and not touched."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from eucentric.core.errors import BadInput, LedgerError
from eucentric.core.many import Found, ManyRows, labels
from eucentric.core.store import Store


def fill(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: tuple[str, str, str]) -> Path:
    """A store with rows (time, run, summary)."""
    made = Store(folder)
    for ts, run, summary in rows:
        monkeypatch.setattr("eucentric.core.ledger.utc_now", lambda ts=ts: f"2026-11-01T{ts}.000Z")
        made.ledger.append(run, "found", "me", summary)
    made.close()
    return folder


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    return [
        fill(tmp_path / "a", monkeypatch, ("10:00:00", "r-0001", "flake one"), ("10:00:04", "r-0002", "flake four")),
        fill(tmp_path / "b", monkeypatch, ("10:00:02", "r-0001", "flake two"), ("10:00:03", "r-0003", "flake three")),
    ]  # fmt: skip


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def words(found: list[Found]) -> list[tuple[str, str]]:
    return [(one.store, one.event.summary) for one in found]


MERGED = [("a", "flake one"), ("b", "flake two"), ("b", "flake three"), ("a", "flake four")]


def test_rows_are_merged_by_time_and_labelled(two: list[Path]) -> None:
    many = ManyRows(two)
    assert words(many.events(kinds=("found",))) == MERGED
    assert words(many.events(kinds=("found",), newest_first=True)) == MERGED[::-1]
    assert words(many.search("flake")) == MERGED[::-1]
    assert words(many.search("flake", limit=3)) == MERGED[::-1][:3]
    assert many.search("nothing") == []
    assert many.notes() == []
    many.close()


def test_nothing_is_written_into_any_of_them(two: list[Path]) -> None:
    before = [content(folder) for folder in two]
    many = ManyRows(two)
    many.events()
    many.search("flake")
    many.run("r-0002")
    many.close()
    assert [content(folder) for folder in two] == before


@pytest.mark.parametrize(
    ("name", "found"),
    [("r-0002", ("a", "r-0002")), ("r-0003", ("b", "r-0003")), ("a:r-0001", ("a", "r-0001")),
     ("b:r-0001", ("b", "r-0001")), ("b:r-0003", ("b", "r-0003"))],
)  # fmt: skip
def test_a_run_by_name(two: list[Path], name: str, found: tuple[str, str]) -> None:
    many = ManyRows(two)
    assert many.run(name) == found
    many.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [("r-0001", "2 stores have a run r-0001: a, b · say which, such as a:r-0001"), ("r-0009", "no run 'r-0009'"),
     ("a:r-0003", "no run"), ("c:r-0001", "no run"), ("a:", "no run"), ("", "no run"), ("\x1b[2J", r"\x1b[2J")],
)  # fmt: skip
def test_a_name_that_says_too_little(two: list[Path], name: str, says: str) -> None:
    many = ManyRows(two)
    with pytest.raises(BadInput) as caught:
        many.run(name)
    assert says in str(caught.value)
    many.close()


def test_a_run_whose_name_has_a_colon_is_found_as_it_is(tmp_path: Path, monkeypatch) -> None:
    folders = [
        fill(tmp_path / "a", monkeypatch, ("10:00:00", "x", "one"), ("10:00:01", "b:x", "odd")),
        fill(tmp_path / "b", monkeypatch, ("10:00:00", "y", "two")),
    ]
    many = ManyRows(folders)
    assert many.run("b:x") == ("a", "b:x")
    many.close()


def test_a_store_named_twice_is_opened_once(two: list[Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(two[0])
    many = ManyRows([two[0], tmp_path / "link", two[0] / ".." / "a", two[1]])
    assert len(many.stores) == 2
    assert len(many.events(kinds=("found",))) == 4
    many.close()


def test_a_copy_of_a_ledger_and_a_dropped_trigger_are_noted(two: list[Path], tmp_path: Path) -> None:
    shutil.copytree(two[0], tmp_path / "copy")
    connection = sqlite3.connect(two[1] / "audit.db")
    connection.execute("DROP TRIGGER event_no_delete")
    connection.close()
    many = ManyRows([*two, tmp_path / "copy"])
    notes = many.notes()
    assert any(note.startswith("b: trigger event_no_delete is missing") for note in notes)
    assert any("copy is a copy of a" in note for note in notes)
    assert len(many.events(kinds=("found",))) == 6  # reported, not refused
    many.close()


def test_a_ledger_without_its_name_is_noted(two: list[Path], tampering) -> None:
    with tampering(two[0] / "audit.db") as connection:
        connection.execute("UPDATE event SET body='{}' WHERE seq=1")
    many = ManyRows(two)
    assert any("lost the name" in note for note in many.notes())
    many.close()


def test_rows_of_a_store_keep_their_order_when_its_clock_was_set_back(tmp_path: Path, monkeypatch) -> None:
    folders = [
        fill(tmp_path / "a", monkeypatch, ("10:00:05", "r", "a1"), ("10:00:01", "r", "a2"), ("10:00:06", "r", "a3")),
        fill(tmp_path / "b", monkeypatch, ("10:00:03", "r", "b1")),
    ]  # fmt: skip
    many = ManyRows(folders)
    found = [text for store, text in words(many.events(kinds=("found",))) if store == "a"]
    assert found == ["a1", "a2", "a3"]
    many.close()


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        (["/x/a"], ["a"]), (["/x/a", "/x/b"], ["a", "b"]), (["/x/s", "/y/s"], ["x/s", "y/s"]),
        (["/1/x/s", "/2/x/s", "/2/y/t"], ["1/x/s", "2/x/s", "2/y/t"]), ([], []),
    ],
)  # fmt: skip
def test_labels_are_as_long_as_it_takes(paths: list[str], wanted: list[str]) -> None:
    assert labels([Path(path) for path in paths]) == wanted


def test_no_store_and_no_ledger(two: list[Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no store at"):
        ManyRows([two[0], tmp_path / "none"])
    os.makedirs(tmp_path / "bad")
    (tmp_path / "bad" / "audit.db").write_bytes(b"x" * 5000)
    with pytest.raises(LedgerError):
        ManyRows([two[0], tmp_path / "bad"])
