"""The single truth: an append-only, hash-chained SQLite table. Everything shown anywhere is a query on it."""

import contextlib
import fcntl
import json
import re
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlite_utils
from sqlite_utils import Migrations

from eucentric.core.canonical import canonical
from eucentric.core.chain import COLUMNS, GENESIS, row_hash
from eucentric.core.clock import utc_now
from eucentric.core.errors import ChainBroken, Defect, LedgerError, StoreFull
from eucentric.core.event import KINDS, Event

_TABLE = """CREATE TABLE event(
  seq INTEGER PRIMARY KEY, ts TEXT NOT NULL, run_id TEXT NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL,
  action_id TEXT, tool TEXT, summary TEXT NOT NULL, body TEXT NOT NULL CHECK(json_valid(body)),
  prev TEXT NOT NULL, hash TEXT NOT NULL UNIQUE) STRICT"""
_TRIGGERS = {
    "event_no_update": "CREATE TRIGGER event_no_update BEFORE UPDATE ON event "
    "BEGIN SELECT RAISE(ABORT,'the ledger is append-only'); END",
    "event_no_delete": "CREATE TRIGGER event_no_delete BEFORE DELETE ON event "
    "BEGIN SELECT RAISE(ABORT,'the ledger is append-only'); END",
    "event_chain": "CREATE TRIGGER event_chain BEFORE INSERT ON event "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq),0)+1 FROM event) "
    f"OR NEW.prev IS NOT coalesce((SELECT hash FROM event ORDER BY seq DESC LIMIT 1),'{GENESIS}') "
    "BEGIN SELECT RAISE(ABORT,'broken chain'); END",
    "event_search": "CREATE TRIGGER event_search AFTER INSERT ON event BEGIN "
    "INSERT INTO event_fts(rowid, summary, body) VALUES (NEW.seq, NEW.summary, NEW.body); END",
}
_migrations = Migrations("eucentric-ledger")


@_migrations()
def m001_event(db: sqlite_utils.Database) -> None:
    """The table, its triggers and its full-text index. Never `transform` it: that drops the triggers."""
    db.execute(_TABLE)
    db.execute("CREATE INDEX event_run ON event(run_id, seq)")
    db.execute("CREATE INDEX event_action ON event(action_id) WHERE action_id IS NOT NULL")
    db.execute(
        "CREATE VIRTUAL TABLE event_fts USING fts5(summary, body, content='event', content_rowid='seq', "
        "tokenize='porter unicode61')"
    )
    for sql in _TRIGGERS.values():
        db.execute(sql)


def _squeeze(sql: str) -> str:
    return re.sub(r"\s+", "", sql).lower()


class Ledger:
    """One connection to one store's `audit.db`.

    Raises
    ------
    StoreFull
        The disk is full: the row was not written and nothing may be sent.
    ChainBroken
        The triggers that keep the table append-only are missing or changed.
    LedgerError
        The file can't be opened or is not a ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=10, check_same_thread=False, isolation_level=None
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("PRAGMA journal_size_limit=4194304")
            self._db = sqlite_utils.Database(self._connection)
            self._migrate()
            self._check_triggers()
        except sqlite3.Error as error:
            raise _translated(error, path) from error
        except OSError as error:
            raise LedgerError(f"can't open {path}", str(error), "choose another --store") from error
        self._open_first_row()

    def _migrate(self) -> None:
        """Bring the schema up to date; a file lock keeps two first openings apart."""
        if not _migrations.pending(self._db):
            return
        with open(f"{self.path}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _migrations.apply(self._db)

    def _open_first_row(self) -> None:
        if self.head()[0]:
            return
        with self.transaction():
            if not self.head()[0]:
                body = {"ledger_id": uuid.uuid4().hex, "schema": 1}
                self.append_in_transaction("-", "opened", "ledger", "ledger opened", body)

    def _check_triggers(self) -> None:
        stored = dict(self._connection.execute("SELECT name, sql FROM sqlite_master WHERE type='trigger'"))
        for name, sql in _TRIGGERS.items():
            if _squeeze(stored.get(name) or "") != _squeeze(sql):
                raise ChainBroken(
                    f"trigger {name} of {self.path} is missing or changed",
                    "without it rows could be edited or removed",
                    "verify the store, keep a copy, and start a new one with --store",
                )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Read-then-write under the write lock, taken at once (a deferred one can fail half-way)."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error
        try:
            yield
        except BaseException as error:
            self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise _translated(error, self.path) from error
            raise
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._connection.rollback()
            raise _translated(error, self.path) from error

    def append(
        self,
        run_id: str,
        kind: str,
        actor: str,
        summary: str,
        body: dict[str, Any] | None = None,
        *,
        action_id: str | None = None,
        tool: str | None = None,
    ) -> Event:
        """Write one row and return it; it is on disk when this returns."""
        with self.transaction():
            return self.append_in_transaction(
                run_id, kind, actor, summary, body, action_id=action_id, tool=tool
            )

    def append_in_transaction(
        self,
        run_id: str,
        kind: str,
        actor: str,
        summary: str,
        body: dict[str, Any] | None = None,
        *,
        action_id: str | None = None,
        tool: str | None = None,
    ) -> Event:
        """As `append`, inside a `transaction()` of the caller (compare-and-set)."""
        if kind not in KINDS:
            raise Defect(f"unknown kind of event {kind!r}")
        seq, prev = self.head()
        text = canonical(body or {})
        values = (seq + 1, utc_now(), run_id, kind, actor, action_id, tool, summary, text, prev)
        digest = row_hash(values)
        marks = ",".join("?" * (len(COLUMNS) + 1))
        self._connection.execute(
            f"INSERT INTO event({','.join(COLUMNS)},hash) VALUES({marks})", (*values, digest)
        )
        return _event((*values, digest))

    def head(self) -> tuple[int, str]:
        """(seq, hash) of the last row; (0, zeros) if there is none."""
        row = self._connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(row[0]), str(row[1])) if row else (0, GENESIS)

    @property
    def name(self) -> str:
        """The random id in the first row; anchors are filed under it."""
        row = self._connection.execute("SELECT body FROM event WHERE seq=1").fetchone()
        return str(json.loads(row[0])["ledger_id"])

    def events(
        self,
        *,
        run: str | None = None,
        kinds: tuple[str, ...] = (),
        action_id: str | None = None,
        after: int = 0,
        newest_first: bool = False,
        limit: int = -1,
    ) -> list[Event]:
        """Rows that match, oldest first unless asked otherwise."""
        where, values = ["seq > ?"], [after]
        where += ["run_id = ?"] * (run is not None) + ["action_id = ?"] * (action_id is not None)
        found: list[Any] = [*values, *([run] if run is not None else []), *([action_id] if action_id else [])]
        if kinds:
            where.append(f"kind IN ({','.join('?' * len(kinds))})")
            found += kinds
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT {','.join(COLUMNS)},hash FROM event WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?"
        return [_event(row) for row in self._connection.execute(sql, (*found, limit))]

    def search(self, text: str, limit: int = 50) -> list[Event]:
        """Full-text search, newest first. Every word must occur; nothing in `text` is query syntax."""
        words = " ".join(f'"{word}"' for word in text.replace('"', " ").split())
        if not words:
            return []
        columns = ",".join(f"event.{name}" for name in (*COLUMNS, "hash"))
        sql = (
            f"SELECT {columns} FROM event_fts JOIN event ON event.seq = event_fts.rowid "
            "WHERE event_fts MATCH ? ORDER BY event_fts.rowid DESC LIMIT ?"
        )
        return [_event(row) for row in self._connection.execute(sql, (words, limit))]

    def close(self) -> None:
        """Fold the write-ahead log into the file and close."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()


def _event(row: tuple[Any, ...]) -> Event:
    data = dict(zip((*COLUMNS, "hash"), row, strict=True))
    data["body"] = json.loads(data["body"])
    return Event.model_validate(data)


def _translated(error: sqlite3.Error, path: Path) -> LedgerError:
    text = str(error)
    if "full" in text or "disk I/O" in text:
        return StoreFull(
            f"{path} can't grow: {text}", "nothing was sent", "free space, or choose another --store"
        )
    if "append-only" in text or "broken chain" in text:
        return ChainBroken(f"{path} refused a row: {text}")
    return LedgerError(f"{path}: {text}", "not a ledger, or locked by another program", "check the file")
