"""Rows get clocks; ledgers from before keep every row, hash and trigger, and can be read without being changed."""

import os
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

import pytest

from eucentric.core.anchors import ledger_id, state_anchors, write_anchor
from eucentric.core.chain import Anchor, read_only, verify
from eucentric.core.clock import BOOT
from eucentric.core.errors import ChainBroken
from eucentric.core.event_table import TABLE, TRIGGERS, schema_problems
from eucentric.core.ledger import Ledger
from eucentric.core.rows import open_rows

sys.path.insert(0, str(Path(__file__).parent))

from old_ledger import COLUMNS, old_ledger, old_row

ROWS = 20


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return old_ledger(tmp_path / "store" / "audit.db", ROWS)


def stored(path: Path, what: str = f"{','.join(COLUMNS)},hash", where: str = f"seq <= {ROWS}") -> list[tuple]:
    connection = read_only(path)
    try:
        return connection.execute(f"SELECT {what} FROM event WHERE {where} ORDER BY seq").fetchall()
    finally:
        connection.close()


def triggers(path: Path) -> set[str]:
    connection = read_only(path)
    try:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='trigger'")}
    finally:
        connection.close()


def test_an_old_ledger_is_valid_as_it_stands(old: Path) -> None:
    result = verify(old, [Anchor(ROWS, stored(old)[-1][-1], "paper")])
    assert (result.problems, result.events, result.proven_to) == ([], ROWS, ROWS)


def test_opening_for_writing_adds_clocks_and_nothing_else_changes(old: Path) -> None:
    before = stored(old)
    ledger = Ledger(old)
    written = ledger.append("r-0002", "found", "me", "with clocks", instrument_s=12.5)
    assert (written.clocks.boot, written.clocks.instrument_s) == (BOOT, 12.5)
    assert ledger.events(after=ROWS + 1) == [written]
    assert [row.clocks for row in ledger.events(run="r-0001")] == [None] * (ROWS - 1)
    ledger.close()
    assert stored(old) == before
    assert triggers(old) == set(TRIGGERS)
    result = verify(old, [Anchor(ROWS, before[-1][-1], "paper")])
    assert (result.problems, result.events) == ([], ROWS + 2)


def test_the_ledger_says_from_where_on_it_has_clocks_once(old: Path) -> None:
    for _ in range(3):
        Ledger(old).close()
    ledger = Ledger(old)
    rows = ledger.events(after=ROWS)
    ledger.close()
    assert [(row.kind, row.body) for row in rows] == [("changed", {"schema": 2})]
    assert rows[0].clocks is not None


@pytest.mark.parametrize(
    "statement", ["UPDATE event SET summary='x'", "UPDATE event SET clocks='{}'", "DELETE FROM event"]
)
def test_the_triggers_still_bite_after_the_change(old: Path, statement: str) -> None:
    Ledger(old).close()
    connection = sqlite3.connect(old)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


def test_anchors_of_before_still_hold(old: Path) -> None:
    write_anchor(old, ledger_id(old), ROWS, stored(old)[-1][-1])
    Ledger(old).close()
    assert verify(old, state_anchors(old)).proven_to == ROWS


def _made_at_once(path: Path) -> None:
    """A table whose stored words are the whole of schema 2, as another program might make it."""
    connection = sqlite3.connect(path)
    connection.execute(TABLE)
    connection.execute(
        "CREATE VIRTUAL TABLE event_fts USING fts5(summary, body, content='event', content_rowid='seq')"
    )
    for sql in TRIGGERS.values():
        connection.execute(sql)
    connection.close()


def _fresh(path: Path) -> None:
    Ledger(path).close()


def _changed(path: Path) -> None:
    Ledger(old_ledger(path)).close()


@pytest.mark.parametrize("make", [_made_at_once, _fresh, _changed])
def test_the_schema_check_takes_both_shapes(tmp_path: Path, make) -> None:
    make(tmp_path / "a.db")
    connection = sqlite3.connect(tmp_path / "a.db")
    assert schema_problems(connection) == schema_problems(connection, 2) == []
    connection.execute("DROP TRIGGER event_search")
    assert len(schema_problems(connection)) == 1
    connection.close()


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_an_old_ledger_without_a_trigger_is_not_changed_but_refused(old: Path, name: str) -> None:
    connection = sqlite3.connect(old)
    connection.execute(f"DROP TRIGGER {name}")
    connection.close()
    with pytest.raises(ChainBroken, match=name):
        Ledger(old)
    assert stored(old, "count(*)", "1") == [(ROWS,)]
    rows = open_rows(old)
    assert [problem for problem in rows.problems() if name in problem]
    assert len(rows.events()) == ROWS
    rows.close()


def test_reading_an_old_ledger_changes_nothing(old: Path) -> None:
    before, files = old.read_bytes(), sorted(os.listdir(old.parent))
    rows = open_rows(old)
    assert [row.clocks for row in rows.events()] == [None] * ROWS
    assert [row.seq for row in rows.search("number7")] == [7]
    assert rows.problems() == []
    rows.close()
    assert (old.read_bytes(), sorted(os.listdir(old.parent))) == (before, files)


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_auditor_without_the_right_to_write_reads_an_old_ledger(old: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="eucentric-archive-"))
    try:
        shutil.copy(old, folder / "audit.db")
        folder.chmod(0o555)
        child = os.fork()
        if child == 0:
            os.setgid(65534)
            os.setuid(65534)
            rows = open_rows(folder / "audit.db")
            os._exit(0 if len(rows.events()) == ROWS and verify(folder / "audit.db", []).ok else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_reader_sees_the_clocks_of_rows_that_came_after_the_change(old: Path) -> None:
    keeper = sqlite3.connect(old)  # the log is there, as in a running store
    keeper.execute("SELECT count(*) FROM event").fetchone()
    rows = open_rows(old)
    assert rows.events(newest_first=True, limit=1)[0].clocks is None
    Ledger(old).close()
    assert rows.events(newest_first=True, limit=1)[0].clocks is not None
    assert [row.seq for row in rows.search("carry")] == [ROWS + 1]
    rows.close()
    keeper.close()


def test_a_run_of_the_old_version_that_is_still_going_on_writes_valid_rows(old: Path) -> None:
    running = sqlite3.connect(old, isolation_level=None)
    running.execute("SELECT count(*) FROM event").fetchone()
    Ledger(old).close()
    old_row(running, ROWS + 2)
    running.close()
    ledger = Ledger(old)
    ledger.append("r-0002", "found", "me", "after")
    assert [row.clocks is None for row in ledger.events(after=ROWS)] == [False, True, False]
    assert [row.seq for row in ledger.search(f"number{ROWS + 2}")] == [ROWS + 2]
    ledger.close()
    assert verify(old, []).problems == []


_OPEN = """
import sys, time
from pathlib import Path
from eucentric.core.ledger import Ledger
time.sleep(max(0, float(sys.argv[2]) - time.time()))
Ledger(Path(sys.argv[1])).append("r-0002", "found", "me", "one")
"""


def test_two_that_open_an_old_ledger_at_once_change_it_once(old: Path, spawn) -> None:
    import time

    running = [spawn(_OPEN, str(old), str(time.time() + 1.5)) for _ in range(3)]
    for one in running:
        _, complaint = one.communicate(timeout=60)
        assert one.returncode == 0, complaint
    assert stored(old, "kind", f"seq > {ROWS}") == [("changed",), ("found",), ("found",), ("found",)]
    assert verify(old, []).problems == []


def test_a_full_disk_leaves_the_old_ledger(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append_in_transaction", full)
        with pytest.raises(Exception, match="No space"):
            Ledger(old)
    assert verify(old, []).events == ROWS
    connection = read_only(old)
    assert schema_problems(connection, 1) == []
    connection.close()
    Ledger(old).close()
    assert verify(old, []).events == ROWS + 1
