"""The ledger keeps what it is given, in order, once, and refuses everything that would change a row."""

import re
import signal
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from eucentric.core.chain import GENESIS, verify
from eucentric.core.errors import ChainBroken, Defect, LedgerError, StoreFull
from eucentric.core.event import KINDS
from eucentric.core.event_table import TABLE, TRIGGERS
from eucentric.core.ledger import Ledger


def fill(ledger: Ledger, count: int = 6) -> None:
    for i in range(count):
        ledger.append("r-0001", "found", "me", f"finding {i}", {"i": i}, action_id=f"a{i % 2}", tool="t")


def raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


# -- writing and reading ----------------------------------------------------------------------------


def test_a_row_comes_back_as_it_was_written(ledger: Ledger) -> None:
    body = {"b": [1, 2.5, None, True], "a": {"µ": "Å"}}
    written = ledger.append("r-0001", "called", "me", "words", body, action_id="x", tool="move_stage")
    assert ledger.events(after=1) == [written]
    assert written.body == body
    assert (written.seq, written.action_id, written.tool) == (2, "x", "move_stage")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", written.ts)
    assert ledger.head() == (2, written.hash)


def test_the_first_row_opens_the_ledger_and_names_it(ledger: Ledger) -> None:
    first = ledger.events()[0]
    assert (first.seq, first.kind, first.prev) == (1, "opened", GENESIS)
    assert ledger.name == first.body["ledger_id"]
    again = Ledger(ledger.path)
    assert again.name == ledger.name
    assert again.head() == ledger.head()
    again.close()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_written(ledger: Ledger, kind: str) -> None:
    assert ledger.append("r", kind, "me", "s").kind == kind


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"run": "r-0001"}, [2, 3, 4, 5, 6, 7]),
        ({"run": "nobody"}, []),
        ({"kinds": ("opened",)}, [1]),
        ({"kinds": ("opened", "found"), "limit": 2}, [1, 2]),
        ({"action_id": "a0"}, [2, 4, 6]),
        ({"action_id": ""}, []),
        ({"action_id": "a1", "run": "r-0001", "kinds": ("found",)}, [3, 5, 7]),
        ({"after": 5}, [6, 7]),
        ({"newest_first": True, "limit": 2}, [7, 6]),
        ({"run": "\ud800"}, []),
    ],
)
def test_rows_are_found_by(ledger: Ledger, wanted: dict, seqs: list[int]) -> None:
    fill(ledger)
    assert [row.seq for row in ledger.events(**wanted)] == seqs


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vacancy", [3, 2]),
        ("VACANCY titanium", [2]),
        ("vacancies", [3, 2]),
        ("nothing", []),
        ("", []),
        ('"', []),
        ("vacancy OR flake", []),
        ("vac*", []),
        ("summary:vacancy", []),
        ("NEAR(vacancy, 2", []),
        ("'); DROP TABLE event; --", []),
        ("vacancy\0", [3, 2]),
        ("\ud800", []),
        ("...", []),
    ],
)
def test_search_takes_words_and_no_syntax(ledger: Ledger, text: str, found: list[int]) -> None:
    ledger.append("r", "found", "me", "a vacancy of titanium")
    ledger.append("r", "found", "me", "one more", {"what": "vacancy"})
    ledger.append("r", "found", "me", "a flake")
    assert [row.seq for row in ledger.search(text)] == found


@pytest.mark.parametrize("text", ["\ud800 half", "nul \0 in it", "\u2028 line", "🔬", "a\\ud800b", "\x1b[2J"])
def test_odd_text_is_kept_and_the_chain_holds(ledger: Ledger, text: str) -> None:
    row = ledger.append(text, "found", text, text, {text: text}, action_id=text, tool=text)
    assert row.body == {text: text}
    assert ledger.events(after=1) == [row]
    assert ledger.events(run=text, action_id=text) == [row]
    assert verify(ledger.path, []).ok


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {1, 2}, b"bytes", object()])
def test_what_is_not_json_is_our_own_defect_and_leaves_no_row(ledger: Ledger, bad: object) -> None:
    with pytest.raises(Defect, match="not JSON"):
        ledger.append("r", "found", "me", "s", {"bad": bad})
    assert ledger.head()[0] == 1
    assert ledger.append("r", "found", "me", "after").seq == 2


def test_an_unknown_kind_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Defect, match="unknown kind"):
        ledger.append("r", "invented", "me", "s")


# -- transactions -----------------------------------------------------------------------------------


def test_an_exception_inside_a_transaction_leaves_nothing(ledger: Ledger) -> None:
    def half_way() -> None:
        with ledger.transaction():
            ledger.append_in_transaction("r", "found", "me", "gone")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_way()
    assert ledger.head()[0] == 1
    assert ledger.append("r", "found", "me", "kept").seq == 2


def test_transactions_do_not_nest_and_appending_outside_one_is_a_defect(ledger: Ledger) -> None:
    with pytest.raises(Defect, match="nest"), ledger.transaction():
        ledger.append("r", "found", "me", "inner")
    with pytest.raises(Defect, match="outside"):
        ledger.append_in_transaction("r", "found", "me", "s")
    assert ledger.head()[0] == 1


def test_threads_on_one_ledger_do_not_mix_their_transactions(ledger: Ledger) -> None:
    def work(name: str) -> None:
        for _ in range(25):
            with ledger.transaction():
                ledger.append_in_transaction(name, "intended", name, "one")
                ledger.append_in_transaction(name, "returned", name, "two")

    threads = [threading.Thread(target=work, args=(f"r-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = ledger.events(after=1)
    assert len(rows) == 200
    assert all(a.run_id == b.run_id for a, b in zip(rows[::2], rows[1::2], strict=True))
    assert verify(ledger.path, []).ok


_APPEND = """
import sys, time
from pathlib import Path
from eucentric.core.ledger import Ledger
time.sleep(max(0, float(sys.argv[4]) - time.time()))
ledger = Ledger(Path(sys.argv[1]))
for i in range(int(sys.argv[3])):
    ledger.append(sys.argv[2], "found", "me", f"row {i}", {"i": i})
"""


@pytest.mark.parametrize(("processes", "rows"), [(2, 200), (5, 3)])
def test_processes_append_at_once_and_no_row_is_lost(
    tmp_path: Path, spawn, processes: int, rows: int
) -> None:
    path = tmp_path / "new" / "audit.db"
    at = str(time.time() + 0.4 * processes)  # all open the new file at the same moment
    running = [spawn(_APPEND, str(path), f"p{i}", str(rows), at) for i in range(processes)]
    for one in running:
        _, complaint = one.communicate(timeout=60)
        assert one.returncode == 0, complaint
    ledger = Ledger(path)
    for i in range(processes):
        assert [row.body["i"] for row in ledger.events(run=f"p{i}")] == list(range(rows))
    assert len(ledger.events(kinds=("opened",))) == 1
    ledger.close()
    result = verify(path, [])
    assert result.ok
    assert result.events == 1 + processes * rows


_DECIDE = """
import sys, time
from pathlib import Path
from eucentric.core.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
time.sleep(max(0, float(sys.argv[3]) - time.time()))
with ledger.transaction():
    if not ledger.events(run="r", kinds=("decided",)):
        ledger.append_in_transaction("r", "decided", sys.argv[2], "mine", {"outcome": sys.argv[2]})
print(ledger.events(run="r", kinds=("decided",))[0].actor)
"""


def test_the_first_decision_wins_and_all_see_the_same(ledger: Ledger, spawn) -> None:
    import time

    at = str(time.time() + 2.0)
    running = [spawn(_DECIDE, str(ledger.path), name, at) for name in ("approved", "rejected", "deferred")]
    seen = set()
    for one in running:
        out, complaint = one.communicate(timeout=60)
        assert one.returncode == 0, complaint
        seen.add(out.split()[-1])
    decided = ledger.events(run="r", kinds=("decided",))
    assert [row.actor for row in decided] == list(seen)


_KILLED = """
import os, signal, sys
from pathlib import Path
from eucentric.core.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
ledger.append("r", "found", "me", "kept")
with ledger.transaction():
    ledger.append_in_transaction("r", "found", "me", "half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_9_inside_a_transaction_leaves_the_committed_rows_only(tmp_path: Path, spawn) -> None:
    path = tmp_path / "audit.db"
    killed = spawn(_KILLED, str(path))
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    ledger = Ledger(path)
    assert [row.summary for row in ledger.events(after=1)] == ["kept"]
    assert ledger.append("r", "found", "me", "next").seq == 3
    ledger.close()
    assert verify(path, []).ok


# -- append-only ------------------------------------------------------------------------------------

_COLUMNS = "(seq, ts, run_id, kind, actor, action_id, tool, summary, body, prev, hash)"
_VALUES = "'2026', 'r', 'found', 'x', NULL, NULL, 's', '{}'"
_HEAD = "(SELECT hash FROM event ORDER BY seq DESC LIMIT 1)"
_NEXT = "(SELECT max(seq)+1 FROM event)"
_FORBIDDEN = {
    **{
        f"UPDATE {column}": f"UPDATE event SET {column} = {value} WHERE seq = 3"
        for column, value in {
            "seq": "99", "ts": "'x'", "run_id": "'x'", "kind": "'x'", "actor": "'x'", "action_id": "NULL",
            "tool": "'x'", "summary": "'x'", "body": "'{}'", "clocks": "NULL", "prev": "'x'", "hash": "'x'",
        }.items()
    },
    "UPDATE to the same": "UPDATE event SET summary = summary",
    "UPDATE OR REPLACE": "UPDATE OR REPLACE event SET seq = 4 WHERE seq = 3",
    "DELETE one": "DELETE FROM event WHERE seq = 3",
    "DELETE the last": "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
    "DELETE all": "DELETE FROM event",
    "REPLACE a row": f"INSERT OR REPLACE INTO event{_COLUMNS} VALUES(3, {_VALUES}, 'p', 'h')",
    "REPLACE by its hash": (
        f"INSERT OR REPLACE INTO event{_COLUMNS} "
        f"VALUES({_NEXT}, {_VALUES}, {_HEAD}, (SELECT hash FROM event WHERE seq=3))"
    ),
    "upsert": (
        f"INSERT INTO event{_COLUMNS} VALUES(3, {_VALUES}, 'p', 'h') ON CONFLICT(seq) DO UPDATE SET summary='x'"
    ),
    "a gap": f"INSERT INTO event{_COLUMNS} VALUES({_NEXT} + 1, {_VALUES}, {_HEAD}, 'h')",
    "no number": f"INSERT INTO event{_COLUMNS} VALUES(NULL, {_VALUES}, {_HEAD}, 'h')",
    "number zero": f"INSERT INTO event{_COLUMNS} VALUES(0, {_VALUES}, {_HEAD}, 'h')",
    "another past": f"INSERT INTO event{_COLUMNS} VALUES({_NEXT}, {_VALUES}, 'p', 'h')",
    "not json": f"INSERT INTO event{_COLUMNS} VALUES({_NEXT}, {_VALUES.replace('{}', '{')}, {_HEAD}, 'h')",
}  # fmt: skip


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("statement", _FORBIDDEN.values(), ids=_FORBIDDEN.keys())
def test_the_database_itself_refuses(ledger: Ledger, statement: str, recursive: str) -> None:
    fill(ledger)
    before = ledger.events()
    other = raw(ledger.path)
    other.execute(f"PRAGMA recursive_triggers={recursive}")
    with pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)
    other.close()
    assert ledger.events() == before
    assert verify(ledger.path, []).ok


def _rebuild(table: str) -> list[str]:
    """Statements that copy the rows into a table of another shape, with the triggers put back."""
    return [
        "ALTER TABLE event RENAME TO old", table, "INSERT INTO event SELECT * FROM old", "DROP TABLE old",
        *TRIGGERS.values(),
    ]  # fmt: skip


_SCHEMA = {
    **{f"{name} dropped": [f"DROP TRIGGER {name}"] for name in TRIGGERS},
    "a trigger that does nothing": [
        "DROP TRIGGER event_no_update",
        "CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT 1; END",
    ],
    "a trigger that swallows rows": [
        "CREATE TRIGGER hush BEFORE INSERT ON event WHEN NEW.kind='failed' BEGIN SELECT RAISE(IGNORE); END"
    ],
    "a table that is not STRICT": _rebuild(TABLE.replace(" STRICT", "")),
    "a table whose hashes may repeat": _rebuild(TABLE.replace(" UNIQUE", "")),
}


@pytest.mark.parametrize("statements", _SCHEMA.values(), ids=_SCHEMA.keys())
def test_start_up_and_verify_refuse_a_changed_schema(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "audit.db"
    Ledger(path).close()
    other = raw(path)
    for statement in statements:
        other.execute(statement)
    other.close()
    with pytest.raises(ChainBroken):
        Ledger(path)
    assert not verify(path, []).ok


def test_a_row_swallowed_while_open_is_noticed(ledger: Ledger) -> None:
    other = raw(ledger.path)
    other.execute("CREATE TRIGGER hush BEFORE INSERT ON event BEGIN SELECT RAISE(IGNORE); END")
    other.close()
    with pytest.raises(ChainBroken, match="swallowed"):
        ledger.append("r", "intended", "me", "an act")


def test_a_row_of_another_make_is_named(ledger: Ledger, tampering) -> None:
    fill(ledger)
    with tampering(ledger.path) as other:
        other.execute("UPDATE event SET kind='hacked' WHERE seq=3")
    with pytest.raises(ChainBroken, match="event 3"):
        ledger.events()
    with tampering(ledger.path) as other:
        other.execute("""UPDATE event SET body='{"ledger_id": "../../evil"}' WHERE seq=1""")
    with pytest.raises(ChainBroken, match="name"):
        _ = ledger.name


# -- files that are no ledger, and full disks -------------------------------------------------------


def _garbage(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be read as one" * 40)


def _folder(path: Path) -> None:
    path.mkdir()


def _somebody_elses(path: Path) -> None:
    other = raw(path)
    other.execute("CREATE TABLE precious(x)")
    other.close()


def _cut(path: Path) -> None:
    Ledger(path).close()
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("make", [_garbage, _folder, _somebody_elses, _cut])
def test_what_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, make) -> None:
    path = tmp_path / "audit.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(LedgerError) as caught:
        Ledger(path)
    assert caught.value.remedy
    assert (path.read_bytes() if path.is_file() else None) == before


def test_an_empty_file_is_filled_only_if_one_may_be_made(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    path.touch()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger(path, create=False)
    assert path.stat().st_size == 0
    Ledger(path).close()
    Ledger(path, create=False).close()


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError):
        Ledger(tmp_path / "file" / "audit.db")


def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "audit.db")
    ledger.close()
    for use in (ledger.head, ledger.events, lambda: ledger.append("r", "found", "me", "s")):
        with pytest.raises(LedgerError, match="closed"):
            use()


def test_a_lock_held_by_another_program_is_named(ledger: Ledger) -> None:
    ledger._connection.execute("PRAGMA busy_timeout=50")
    other = raw(ledger.path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError, match="locked"):
        ledger.append("r", "found", "me", "s")
    other.execute("ROLLBACK")
    other.close()
    assert ledger.append("r", "found", "me", "s").seq == 2


def test_a_full_disk_writes_no_half_row(ledger: Ledger) -> None:
    pages = ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    ledger._connection.execute(f"PRAGMA max_page_count={pages + 8}")
    kept = 1
    with pytest.raises(StoreFull, match="full"):
        for _ in range(200):
            kept = ledger.append("r", "intended", "me", "s", {"x": "y" * 900}).seq
    assert ledger.head()[0] == kept < 200
    assert verify(ledger.path, []).ok
    ledger._connection.execute(f"PRAGMA max_page_count={pages + 800}")
    assert ledger.append("r", "intended", "me", "space again").seq == kept + 1


_FULL = """
import resource, sys
from pathlib import Path
from eucentric.core.errors import StoreFull
from eucentric.core.ledger import Ledger
limit = int(sys.argv[2])
kept = 0
try:
    if limit < 50000:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    ledger = Ledger(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    for i in range(2000):
        kept = ledger.append("r", "intended", "me", "s", {"x": "y" * 900}).seq
except StoreFull:
    print(kept)
"""


@pytest.mark.parametrize("limit", [2_000, 20_000, 400_000])
def test_the_kernel_refuses_to_grow_the_file(tmp_path: Path, spawn, limit: int) -> None:
    path = tmp_path / "audit.db"
    full = spawn(_FULL, str(path), str(limit))
    out, complaint = full.communicate(timeout=60)
    assert full.returncode == 0, complaint
    kept = int(out)
    ledger = Ledger(path)  # with space again
    assert ledger.head()[0] == max(kept, 1)
    ledger.append("r", "found", "me", "s")
    ledger.close()
    assert verify(path, []).ok
