"""What a stranger with `verify` and the anchors can find, and what he honestly can't."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eucentric.core.anchors import frame_anchors, other_ledgers, state_anchors
from eucentric.core.chain import COLUMNS, GENESIS, Anchor, Verification, read_only, row_hash, verify
from eucentric.core.event_table import TRIGGERS
from eucentric.core.store import Store

LAST, ANCHORED, IN_FRAME = 12, 8, 10
Tamper = Callable[[sqlite3.Connection], object]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Twelve rows; the head was anchored at 8 in the state directory and at 10 in a frame's sidecar."""
    made = Store(tmp_path / "store")
    for seq in range(2, LAST + 1):
        made.ledger.append(
            "r-0001", "found", "me", f"row {seq}", {"n": seq}, action_id=None if seq % 2 else "a", tool="t"
        )
        if seq == ANCHORED:
            made.anchor()
        if seq == IN_FRAME:
            made.write_sidecar("r-0001", "f-00001", {"id": "f-00001"})
    yield made
    made.close()


def checked(store: Store) -> Verification:
    path = store.ledger.path
    return verify(path, [*state_anchors(path), *frame_anchors(store.folder)])


def rows_of(connection: sqlite3.Connection) -> list[list[object]]:
    sql = f"SELECT {','.join(COLUMNS)}, hash FROM event ORDER BY seq"
    return [list(row) for row in connection.execute(sql)]


def put_back(connection: sqlite3.Connection, rows: list[list[object]]) -> None:
    connection.execute("DELETE FROM event")
    marks = ",".join("?" * (len(COLUMNS) + 1))
    connection.executemany(f"INSERT INTO event({','.join(COLUMNS)},hash) VALUES({marks})", rows)


def chained(rows: list[list[object]]) -> list[list[object]]:
    """The rows numbered and hashed anew: a forgery without a flaw of its own."""
    prev, out = GENESIS, []
    for seq, row in enumerate(rows, 1):
        values = (seq, *row[1:-2], prev)
        prev = row_hash(values)
        out.append([*values, prev])
    return out


def rewrite(change: Callable[[list[list[object]]], object]) -> Tamper:
    """Change the list of rows, keep every number and hash as it then is."""

    def tamper(connection: sqlite3.Connection) -> None:
        rows = rows_of(connection)
        change(rows)
        put_back(connection, rows)

    return tamper


def forge(change: Callable[[list[list[object]]], object]) -> Tamper:
    """Change the list of rows and hash it all again."""

    def tamper(connection: sqlite3.Connection) -> None:
        rows = rows_of(connection)
        change(rows)
        put_back(connection, chained(rows))

    return tamper


def test_an_honest_ledger_verifies_and_says_how_far(store: Store) -> None:
    result = checked(store)
    assert result.problems == []
    assert (result.events, result.proven_to, result.unanchored) == (LAST, IN_FRAME, LAST - IN_FRAME)
    assert (result.events, result.head) == store.ledger.head()
    store.anchor()
    assert checked(store).unanchored == 0


_NEW = {
    "seq": 77, "ts": "2020-01-01T00:00:00.000Z", "run_id": "r-9", "kind": "judged", "actor": "you",
    "action_id": "other", "tool": "other", "summary": "other", "body": '{"n":99}',
    "clocks": '{"boot":"00000000","mono_s":1.0}', "prev": "f" * 64, "hash": "f" * 64,
}  # fmt: skip


@pytest.mark.parametrize("seq", [1, 2, 6, LAST])
@pytest.mark.parametrize("column", _NEW)
def test_an_edited_column_is_found(store: Store, tampering, column: str, seq: int) -> None:
    with tampering(store.ledger.path) as connection:
        connection.execute(f"UPDATE event SET {column}=? WHERE seq=?", (_NEW[column], seq))
    result = checked(store)
    assert any(f"event {seq}" in problem for problem in result.problems), result.problems
    assert result.proven_to < seq


@pytest.mark.parametrize("column", ["action_id", "tool", "clocks"])
def test_nothing_is_not_the_same_as_an_empty_text(store: Store, tampering, column: str) -> None:
    with tampering(store.ledger.path) as connection:
        connection.execute(f"UPDATE event SET {column}=NULL WHERE seq=6")
        connection.execute(f"UPDATE event SET {column}='' WHERE seq=5")
    problems = checked(store).problems
    assert any("event 6" in problem for problem in problems)
    assert any("event 5" in problem for problem in problems)


def test_a_body_of_the_same_meaning_in_other_bytes_is_found(store: Store, tampering) -> None:
    with tampering(store.ledger.path) as connection:
        connection.execute("""UPDATE event SET body='{"n": 5}' WHERE seq=5""")
    assert any("event 5" in problem for problem in checked(store).problems)


def _swap(i: int, j: int) -> Callable[[list[list[object]]], None]:
    def change(rows: list[list[object]]) -> None:
        rows[i], rows[j] = [rows[i][0], *rows[j][1:]], [rows[j][0], *rows[i][1:]]

    return change


def _insert(rows: list[list[object]]) -> None:
    """A well-made row between 5 and 6, the later ones renumbered but with their old hashes."""
    values = (6, *rows[5][1:7], "never said", *rows[5][8:-2], rows[4][-1])
    later = [[int(str(row[0])) + 1, *row[1:]] for row in rows[5:]]
    rows[5:] = [[*values, row_hash(values)], *later]


def _edit(index: int) -> Callable[[list[list[object]]], None]:
    def change(rows: list[list[object]]) -> None:
        rows[index][7] = "never said"

    return change


def _edit_and_hash(rows: list[list[object]]) -> None:
    rows[5][7] = "never said"
    rows[5][-1] = row_hash(tuple(rows[5][:-1]))


_FOUND: dict[str, tuple[Tamper, str]] = {
    "a row removed": (rewrite(lambda rows: rows.pop(5)), "event 6 is missing"),
    "the first row removed": (rewrite(lambda rows: rows.pop(0)), "event 1 is missing"),
    "rows removed, the rest renumbered": (
        rewrite(lambda rows: rows.__setitem__(slice(5, None), [[i + 6, *row[1:]] for i, row in enumerate(rows[7:])])),
        "event 6 does not follow",
    ),
    "two rows swapped": (rewrite(_swap(4, 6)), "event 5 does not follow"),
    "neighbours swapped": (rewrite(_swap(4, 5)), "event 5 does not follow"),
    "a row inserted": (rewrite(_insert), "event 7 does not follow"),
    "a row edited with its hash made to fit": (rewrite(_edit_and_hash), "event 7 does not follow"),
    "the end cut off before the anchors": (
        rewrite(lambda rows: rows.__delitem__(slice(7, None))), "events after 7 are missing: event 8 was anchored",
    ),
    "the end cut off between the anchors": (
        rewrite(lambda rows: rows.__delitem__(slice(9, None))), "event 10 was anchored in r-0001/f-00001.json",
    ),
    "all forged from row 3": (forge(_edit(2)), "event 8 is not the one anchored"),
    "all forged from the first row": (forge(_edit(0)), "event 8 is not the one anchored"),
    "a row taken out and all forged": (forge(lambda rows: rows.pop(5)), "event 8 is not the one anchored"),
    "a row put in and all forged": (forge(lambda rows: rows.insert(5, rows[5])), "event 8 is not the one anchored"),
    "forged between the anchors": (forge(_edit(8)), "event 10 is not the one anchored in r-0001/f-00001.json"),
    "everything removed": (rewrite(lambda rows: rows.clear()), "there is no event"),
}  # fmt: skip


@pytest.mark.parametrize(("tamper", "words"), _FOUND.values(), ids=_FOUND.keys())
def test_tampering_is_found(store: Store, tampering, tamper: Tamper, words: str) -> None:
    with tampering(store.ledger.path) as connection:
        tamper(connection)
    result = checked(store)
    assert not result.ok
    assert any(words in problem for problem in result.problems), result.problems
    assert result.proven_to <= IN_FRAME


@pytest.mark.parametrize(
    ("tamper", "events"),
    [(rewrite(lambda rows: rows.__delitem__(slice(10, None))), 10), (forge(_edit(11)), 12)],
    ids=["cut after the last anchor", "forged after the last anchor"],
)
def test_after_the_last_anchor_nothing_is_claimed(
    store: Store, tampering, tamper: Tamper, events: int
) -> None:
    with tampering(store.ledger.path) as connection:
        tamper(connection)
    result = checked(store)
    assert result.ok  # nobody could know
    assert (result.events, result.proven_to) == (events, IN_FRAME)  # and it does not say it does


def test_a_forgery_without_any_anchor_is_only_unanchored(store: Store, tampering, own_state: Path) -> None:
    shutil.rmtree(own_state)
    shutil.rmtree(store.folder / "runs")
    with tampering(store.ledger.path) as connection:
        forge(_edit(2))(connection)
    result = checked(store)
    assert (result.ok, result.proven_to, result.unanchored, result.anchors) == (True, 0, LAST, 0)


def test_a_branch_grown_after_a_cut_is_found(store: Store, tampering) -> None:
    """Cut the end off and write on: the new rows are chained, and anchored by our own hand."""
    with tampering(store.ledger.path) as connection:
        rewrite(lambda rows: rows.__delitem__(slice(6, None)))(connection)
    for _ in range(6):
        store.ledger.append("r-0002", "found", "me", "later")
    store.anchor()
    assert any("event 8 is not the one anchored" in problem for problem in checked(store).problems)


def test_another_ledger_at_the_same_place_is_noted(store: Store) -> None:
    store.close()
    for file in store.folder.glob("audit.db*"):
        file.unlink()
    fresh = Store(store.folder)
    assert other_ledgers(fresh.ledger.path)
    assert any("was anchored in r-0001/f-00001.json" in problem for problem in checked(fresh).problems)
    fresh.close()


def test_dropped_triggers_are_a_problem_even_if_every_row_is_right(store: Store) -> None:
    connection = sqlite3.connect(store.ledger.path)
    connection.execute("DROP TRIGGER event_no_update")
    connection.close()
    assert [p for p in checked(store).problems if "event_no_update" in p] == checked(store).problems != []


_LOOSE = (
    "CREATE TABLE event(seq, ts, run_id, kind, actor, action_id, tool, summary, body, clocks, prev, hash)"
)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seq", "'twelve'"), ("seq", "NULL"), ("seq", "1.5"), ("seq", "x'00'"), ("body", "x'ff00'"), ("ts", "9e999"),
        ("summary", "CAST(x'ff41' AS TEXT)"), ("hash", "NULL"), ("prev", "7"), ("seq", "-3"),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_problems_and_no_crash(
    tmp_path: Path, store: Store, column, value
) -> None:
    path = tmp_path / "loose.db"
    connection = sqlite3.connect(path)
    connection.execute(_LOOSE)
    connection.executemany(
        f"INSERT INTO event VALUES({','.join('?' * 12)})", rows_of(store.ledger._connection)
    )
    for trigger in TRIGGERS.values():
        if "event_fts" not in trigger:
            connection.execute(trigger)
    connection.commit()
    honest = len(verify(path, []).problems)
    connection.execute("DROP TRIGGER event_no_update")
    connection.execute(f"UPDATE event SET {column}={value} WHERE summary='row 5'")
    connection.execute(TRIGGERS["event_no_update"])
    connection.commit()
    connection.close()
    assert len(verify(path, []).problems) > honest


def _no_file(path: Path) -> None:
    path.unlink()


def _text_file(path: Path) -> None:
    path.write_text("hello " * 2000)


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _zeroed(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    path.write_bytes(data)


def _other_table(path: Path) -> None:
    path.unlink()
    sqlite3.connect(path).execute("CREATE TABLE t(x)")


@pytest.mark.parametrize("damage", [_no_file, _text_file, _half, _zeroed, _other_table])
def test_a_damaged_file_is_a_problem_and_no_crash(store: Store, damage: Callable[[Path], None]) -> None:
    store.close()
    damage(store.ledger.path)
    result = checked(store)
    assert not result.ok
    assert result.proven_to <= result.events


@pytest.mark.parametrize("seq", [-1, 0, LAST + 1, 10**30])
def test_an_anchor_of_a_row_that_is_not_there(store: Store, seq: int) -> None:
    result = verify(store.ledger.path, [Anchor(seq, "0" * 64, "a printed report")])
    assert any("a printed report" in problem for problem in result.problems)


def test_verifying_can_not_change_the_file(store: Store) -> None:
    connection = read_only(store.ledger.path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DROP TRIGGER event_no_delete")
    connection.close()


@pytest.mark.skipif(not hasattr(os, "fork") or os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_archive_in_a_folder_that_may_not_be_written_can_be_verified(store: Store) -> None:
    store.close()
    folder = Path(tempfile.mkdtemp(prefix="eucentric-archive-"))
    try:
        shutil.copy(store.ledger.path, folder / "audit.db")
        folder.chmod(0o555)
        child = os.fork()
        if child == 0:  # somebody else, who may only read
            os.setgid(65534)
            os.setuid(65534)
            os._exit(0 if verify(folder / "audit.db", []).events == LAST else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
