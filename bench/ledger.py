"""The ledger: is every tampering found, and what do durable rows, verification and search cost?

Nothing of `core.ledger` judges here but `verify`, the thing under test; edits are made with plain SQLite on a
copy of the file, triggers dropped, as somebody with the file would.
"""

import hashlib
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlite_utils

from eucentric.bench.contract import at_least, at_most, report, share_at_least
from eucentric.core.canonical import canonical
from eucentric.core.chain import GENESIS, Anchor, row_hash, verify
from eucentric.core.clock import clocks_now
from eucentric.core.event import Event
from eucentric.core.event_table import COLUMNS
from eucentric.core.ledger import Ledger, m001_event

_ROWS, _EDITS, _COMMITS, _MANY = 2000, 1000, 5000, 1_000_000
_QUICK = (2000, 150, 500, 50_000)
_BODY = {
    "act": "acquire",
    "args": {"fov_nm": 8.0, "dwell_us": 2.0, "detectors": ["haadf"]},
    "note": "Å " * 120,
}


def _old_ledger(path: Path, count: int) -> None:
    """A ledger of schema 1 with `count` rows, as it was before rows had clocks."""
    connection = sqlite3.connect(path, isolation_level=None)
    m001_event(sqlite_utils.Database(connection))
    connection.execute(
        "CREATE TABLE _sqlite_migrations(id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT)"
    )
    connection.execute("INSERT INTO _sqlite_migrations VALUES(1, 'eucentric-ledger', 'm001_event', '')")
    prev = GENESIS
    for seq in range(1, count + 1):
        names = ("r-0000", "found", "eucentric", None, None, f"finding {seq}", canonical({**_BODY, "n": seq}))
        values = (seq, "2025-06-01T00:00:00.000Z", *names, None, prev)
        prev = row_hash(values)
        kept = {name: value for name, value in zip(COLUMNS, values, strict=True) if name != "clocks"}
        marks = ",".join("?" * (len(kept) + 1))
        connection.execute(
            f"INSERT INTO event({','.join(kept)},hash) VALUES ({marks})", (*kept.values(), prev)
        )
    connection.close()


def _fill(path: Path, count: int) -> None:
    """Chained rows in one transaction, each about 900 bytes, until there are `count`."""
    ledger = Ledger(path)
    with ledger.transaction():
        for number in range(ledger.head()[0], count):
            ledger.append_in_transaction(
                f"r-{number // 500:04d}", "returned", "eucentric", f"acquire done, frame {number}",
                {**_BODY, "number": number}, action_id=f"a#{number}", tool="acquire_image",
            )  # fmt: skip
    ledger.close()


# --- tampering ---------------------------------------------------------------------------------------------


def _drop_triggers(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'").fetchall()
    for name, _ in rows:
        connection.execute(f"DROP TRIGGER {name}")
    return dict(rows)


def _edit(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    """One text of one row; returns the first row that is no longer what it was."""
    column = rng.choice([name for name in COLUMNS if name not in ("seq", "clocks", "prev")])
    value = {"body": '{"act":"nothing"}', "ts": "2026-01-01T00:00:00.000Z"}.get(column, "somebody else")
    connection.execute(f"UPDATE event SET {column} = ? WHERE seq = ?", (value, seq))
    return seq


def _edit_clocks(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    """Other clocks, none where there were some, or some where there were none."""
    stored = connection.execute("SELECT clocks FROM event WHERE seq = ?", (seq,)).fetchone()[0]
    others = [text for text in (None, "", clocks_now(), clocks_now(12.5)) if text != stored]
    connection.execute("UPDATE event SET clocks = ? WHERE seq = ?", (rng.choice(others), seq))
    return seq


def _edit_and_rehash(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    """A row with its hash made right again: the next row shows it."""
    rng.choice((_edit, _edit_clocks))(connection, rng, seq, last)
    row = connection.execute(f"SELECT {','.join(COLUMNS)} FROM event WHERE seq = ?", (seq,)).fetchone()
    connection.execute("UPDATE event SET hash = ? WHERE seq = ?", (row_hash(row), seq))
    return seq


def _remove(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    connection.execute("DELETE FROM event WHERE seq = ?", (seq,))
    return seq


def _remove_and_renumber(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    _remove(connection, rng, seq, last)
    for later in range(seq + 1, last + 1):
        connection.execute("UPDATE event SET seq = ? WHERE seq = ?", (later - 1, later))
    return seq


def _insert(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    """A row between two others, in the number of the first; its hash is right for itself."""
    for later in range(last, seq - 1, -1):
        connection.execute("UPDATE event SET seq = ? WHERE seq = ?", (later + 1, later))
    prev = connection.execute("SELECT prev FROM event WHERE seq = ?", (seq + 1,)).fetchone()[0]
    names = ("r-0001", "decided", "j.doe", None, None, "approved", "{}", clocks_now())
    values = (seq, "2026-01-01T00:00:00.000Z", *names, prev)
    _put(connection, (*values, row_hash(values)))
    return seq


def _put(connection: sqlite3.Connection, row: tuple[Any, ...]) -> None:
    marks = ",".join("?" * len(row))
    connection.execute(f"INSERT INTO event({','.join(COLUMNS)},hash) VALUES ({marks})", row)


def _truncate(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    connection.execute("DELETE FROM event WHERE seq >= ?", (seq,))
    return seq


def _rewrite(connection: sqlite3.Connection, rng: random.Random, seq: int, last: int) -> int:
    """A row and the whole chain after it, all hashes right: only an anchor can tell."""
    rng.choice((_edit, _edit_clocks))(connection, rng, seq, last)
    names = ",".join(COLUMNS)
    prev = connection.execute("SELECT prev FROM event WHERE seq = ?", (seq,)).fetchone()[0]
    for row in connection.execute(
        f"SELECT {names} FROM event WHERE seq >= ? ORDER BY seq", (seq,)
    ).fetchall():
        values = (*row[:-1], prev)
        prev = row_hash(values)
        connection.execute("UPDATE event SET prev = ?, hash = ? WHERE seq = ?", (values[-1], prev, row[0]))
    return seq


_Attack = Callable[[sqlite3.Connection, random.Random, int, int], int]
ATTACKS: tuple[_Attack, ...] = (
    _edit, _edit_clocks, _edit_and_rehash, _remove, _remove_and_renumber, _insert, _truncate, _rewrite,
)  # fmt: skip
_CHAIN_TELLS = (_edit, _edit_clocks, _remove, _remove_and_renumber, _insert)
"""Found without an anchor, wherever the row is (an end that is cut off, or rewritten, is not)."""


def _attacked(original: Path, folder: Path, attack: _Attack, rng: random.Random, seq: int, last: int) -> Path:
    """A copy with one attack on it; its triggers are put back, so that they don't give it away."""
    path = folder / "copy.db"
    shutil.copy(original, path)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        triggers = _drop_triggers(connection)
        connection.execute("BEGIN")
        attack(connection, rng, seq, last)
        connection.execute("COMMIT")
        for sql in triggers.values():
            connection.execute(sql)
    finally:
        connection.close()
    return path


def _tampering(folder: Path, rows: int, edits: int, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rng = random.Random(seed)
    original = folder / "audit.db"
    _old_ledger(original, rows // 4)
    _fill(original, rows)
    anchored = rows - rows // 10
    anchor = Anchor(anchored, _hash_of(original, anchored), "a frame")
    counts = {attack.__name__.strip("_"): [0, 0] for attack in ATTACKS}
    below = found_below = tail = named_tail = 0
    for number in range(edits):
        attack = ATTACKS[number % len(ATTACKS)]
        seq = rng.randint(2, rows - 1)
        verdict = verify(_attacked(original, folder, attack, rng, seq, rows), [anchor])
        told = not verdict.ok
        if seq <= anchored or attack in _CHAIN_TELLS:
            below, found_below = below + 1, found_below + told
            counts[attack.__name__.strip("_")][0] += 1
            counts[attack.__name__.strip("_")][1] += told
        else:
            tail += 1
            named_tail += told or (
                verdict.proven_to == anchored and verdict.unanchored == verdict.events - anchored
            )
    clean = verify(original, [anchor])
    figures = {
        "tampered": below, "found": found_below, "in_the_unanchored_tail": tail, "tail_named": named_tail,
        "by_attack": {name: f"{found} of {all_}" for name, (all_, found) in counts.items()},
        "untouched_verified": clean.ok,
    }  # fmt: skip
    bars = [
        share_at_least(
            "tamperings up to the anchor that are found", found_below, below, 1.0, n_needed=_EDITS // 2
        ),
        share_at_least("others whose rows are named as unanchored", named_tail, tail, 1.0, n_needed=20),
        at_most("false alarms on the untouched ledger", float(not clean.ok), 0, n=1),
    ]
    return figures, bars


def _hash_of(path: Path, seq: int) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("SELECT hash FROM event WHERE seq = ?", (seq,)).fetchone()[0])
    finally:
        connection.close()


# --- speed -------------------------------------------------------------------------------------------------


def _commit_seconds(folder: Path, count: int) -> tuple[float, float]:
    """Wall seconds of `count` durable single commits: the ledger's, and bare SQLite's of the same rows, in turn."""
    ledger = Ledger(folder / "commits.db")
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        bare.execute(f"PRAGMA {pragma}")
    bare.execute(f"CREATE TABLE event(seq INTEGER PRIMARY KEY, {','.join(COLUMNS[1:])}, hash)")
    insert = f"INSERT INTO event VALUES ({','.join('?' * (len(COLUMNS) + 1))})"
    ours = theirs = 0.0
    try:
        for number in range(count):
            start = time.perf_counter()
            event = ledger.append("r-0001", "returned", "eucentric", "acquire done", {**_BODY, "n": number})
            middle = time.perf_counter()
            row = (event.seq, event.ts, event.run_id, event.kind, event.actor, None, None, event.summary)
            values = (*row, canonical(event.body), _text(event), event.prev, event.hash)
            begin = time.perf_counter()
            bare.execute("BEGIN IMMEDIATE")
            bare.execute(insert, values)
            bare.execute("COMMIT")
            ours, theirs = ours + middle - start, theirs + time.perf_counter() - begin
    finally:
        ledger.close()
        bare.close()
    return ours, theirs


def _text(event: Event) -> str:
    return canonical(event.clocks.model_dump(exclude_none=True)) if event.clocks else ""


def _bare_walk(path: Path) -> float:
    """CPU seconds to read and hash the same bytes, and nothing else."""
    connection = sqlite3.connect(path)
    start = time.process_time()
    for row in connection.execute(f"SELECT {','.join(COLUMNS)}, hash FROM event ORDER BY seq"):
        hashlib.sha256("".join([str(value) for value in row]).encode()).hexdigest()
    seconds = time.process_time() - start
    connection.close()
    return seconds


def _verify_seconds(path: Path) -> tuple[float, float]:
    start = time.process_time()
    verdict = verify(path, [])
    seconds = time.process_time() - start
    if not verdict.ok:
        raise RuntimeError(f"the bulk-loaded ledger does not verify: {verdict.problems[:1]}")
    return seconds, _bare_walk(path)


def _search_ms(path: Path) -> list[float]:
    """Wall milliseconds of recent searches: words that all rows have, few rows, none."""
    ledger = Ledger(path)
    times = []
    try:
        for words in ("acquire done", "frame 777", "zeppelin", "haadf", "frame") * 5:
            start = time.perf_counter()
            ledger.search(words)
            times.append(1e3 * (time.perf_counter() - start))
    finally:
        ledger.close()
    return times


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Tampering, and speed as ratios to bare SQLite [DECISIONS 14]."""
    rows, edits, commits, many = _QUICK if quick else (_ROWS, _EDITS, _COMMITS, _MANY)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures, bars = _tampering(folder, rows, edits, seed)
        ours, theirs = _commit_seconds(folder, commits)
        _fill(folder / "many.db", many)
        walks = [_verify_seconds(folder / "many.db") for _ in range(3)]
        searches = _search_ms(folder / "many.db")
    ratio = statistics.median(bare / own for own, bare in walks)
    figures |= {
        "commits": commits, "commits_per_s": commits / ours, "bare_commits_per_s": commits / theirs,
        "rows_verified": many, "verify_cpu_s": statistics.median(own for own, _ in walks),
        "bare_walk_cpu_s": statistics.median(bare for _, bare in walks),
        "search_ms_median": statistics.median(searches), "search_ms_max": max(searches),
    }  # fmt: skip
    bars += [
        at_least(
            "durable commits, as a share of bare SQLite's rate", theirs / ours, 0.5, n=commits, n_needed=500
        ),
        at_least(
            "verification, as a share of a bare read-and-hash loop's rate",
            ratio,
            0.7,
            n=many,
            n_needed=50_000,
        ),
        at_most("recent search, slowest [ms]", max(searches), 10.0, n=len(searches), n_needed=20),
    ]
    return report("ledger", seed, figures, bars)
