"""A row is found from the moment it is written, in the index or not, and the index is written for many at once."""

import sqlite3
from pathlib import Path

import pytest

from eucentric.core import searching
from eucentric.core.ledger import Ledger
from eucentric.core.rows import open_rows


@pytest.mark.parametrize("count", [1, 14, 15, 16, 17, 31, 32, 40])
def test_every_row_is_found_at_once_and_newest_first(ledger: Ledger, count: int) -> None:
    for i in range(count):
        ledger.append("r", "found", "me", f"moving flake number{i}", {"i": i})
        assert [row.body["i"] for row in ledger.search(f"number{i}")] == [i]
    assert [row.body["i"] for row in ledger.search("move flakes", limit=1000)] == list(range(count))[::-1]
    assert [row.body["i"] for row in ledger.search("flake", limit=3)] == list(range(count))[::-1][:3]


def test_a_reader_finds_what_is_not_in_the_index(ledger: Ledger) -> None:
    for i in range(20):
        ledger.append("r", "found", "me", f"flake{i}")
    rows = open_rows(ledger.path)
    assert [len(rows.search(f"flake{i}")) for i in range(20)] == [1] * 20
    rows.close()


def test_the_index_is_written_for_sixteen_rows_together(ledger: Ledger) -> None:
    def indexed() -> int:
        sql = "SELECT coalesce(max(id),0) FROM event_fts_docsize"
        return int(ledger._connection.execute(sql).fetchone()[0])

    seen = []
    for _ in range(40):
        seq = ledger.append("r", "found", "me", "s").seq
        seen.append((seq, indexed()))
    assert all(last == seq - seq % 16 for seq, last in seen)


def test_rows_of_one_transaction_that_is_rolled_back_leave_the_index_whole(ledger: Ledger) -> None:
    def half_way() -> None:
        with ledger.transaction():
            for _ in range(40):
                ledger.append_in_transaction("r", "found", "me", "gone")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_way()
    assert ledger.search("gone") == []
    for i in range(40):
        ledger.append("r", "found", "me", f"kept {i}")
    assert len(ledger.search("kept", limit=100)) == 40


def test_what_enters_the_index_between_two_looks_is_found_once(ledger: Ledger, monkeypatch) -> None:
    for _ in range(13):
        ledger.append("r", "found", "me", "flake")
    other, looked = sqlite3.connect(ledger.path), searching.matching

    def meanwhile(*args: object) -> set[int]:
        for _ in range(5):
            ledger.append("r", "found", "me", "flake")
        return looked(*args)

    monkeypatch.setattr("eucentric.core.rows.matching", meanwhile)
    rows = open_rows(ledger.path)
    found = [row.seq for row in rows.search("flake")]
    assert found == sorted(set(found), reverse=True)
    assert set(range(2, 15)) <= set(found)
    rows.close()
    other.close()


def test_an_index_that_somebody_emptied_still_answers(ledger: Ledger) -> None:
    with ledger.transaction():
        for i in range(1500):
            ledger.append_in_transaction("r", "found", "me", f"row{i}")
    other = sqlite3.connect(ledger.path)
    other.execute("DELETE FROM event_fts_docsize")
    other.commit()
    other.close()
    assert len(ledger.search("row1499")) == 1


@pytest.mark.parametrize("text", ["", '"', "\0", "  ", '"" "'])
def test_no_words_are_no_query(text: str) -> None:
    assert searching.query_of(text) == ""


def test_words_are_no_syntax() -> None:
    assert searching.query_of('a OR "b* c:d') == '"a" "OR" "b*" "c:d"'
    rows = [(1, "a b", "{}"), (2, "a OR b* c:d", "{}"), (3, "b*", "{}")]
    assert searching.matching(rows, searching.query_of('a OR "b* c:d')) == {2}


def test_a_path_of_any_name_can_be_searched(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "per cent % # ? µ" / "audit.db")
    ledger.append("r", "found", "me", "flake")
    ledger.close()
    rows = open_rows(ledger.path)
    assert len(rows.search("flake")) == 1
    rows.close()
