"""The single truth: an append-only, hash-chained SQLite table. Everything shown anywhere is a query on it."""

import contextlib
import fcntl
import json
import os
import re
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlite_utils
from sqlite_utils import Migrations

from eucentric.core.anchors import id_of
from eucentric.core.canonical import canonical
from eucentric.core.chain import row_hash
from eucentric.core.clock import utc_now
from eucentric.core.errors import DISK_FULL, ChainBroken, Defect, LedgerError, StoreFull
from eucentric.core.event import KINDS, Event
from eucentric.core.event_table import COLUMNS, GENESIS, TABLE, TRIGGERS, schema_problems

BUSY_S = 10
"""How long to wait for another writer [s]."""
_ALL = ",".join((*COLUMNS, "hash"))
_migrations = Migrations("eucentric-ledger")


@_migrations()
def m001_event(db: sqlite_utils.Database) -> None:
    """The table, its triggers and its full-text index. Never `transform` it: that drops the triggers."""
    db.execute(TABLE)
    db.execute("CREATE INDEX event_run ON event(run_id, seq)")
    db.execute("CREATE INDEX event_action ON event(action_id) WHERE action_id IS NOT NULL")
    db.execute(
        "CREATE VIRTUAL TABLE event_fts USING fts5(summary, body, content='event', content_rowid='seq', "
        "tokenize='porter unicode61')"
    )
    for sql in TRIGGERS.values():
        db.execute(sql)


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

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        """One connection, many threads: a row of one must not land in the transaction of another."""
        self._inode: int | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_S, check_same_thread=False, isolation_level=None
            )
        except sqlite3.Error as error:
            raise _translated(error, path) from error
        except OSError as error:
            raise _unopened(path, error) from error
        try:
            self._prepare(create)
        except BaseException:
            self._connection.close()
            raise
        self._inode = os.stat(path).st_ino

    def _prepare(self, create: bool) -> None:
        """Pragmas, schema, first row; a file lock keeps two first openings apart."""
        try:
            self._check_whose(create)
            with open(f"{self.path}.lock", "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                for pragma in ("journal_mode=WAL", "synchronous=FULL", "journal_size_limit=4194304"):
                    self._connection.execute(f"PRAGMA {pragma}")
                database = sqlite_utils.Database(self._connection)
                if _migrations.pending(database):
                    _migrations.apply(database)
                self._check_schema()
                self._open_first_row()
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error
        except OSError as error:
            raise _unopened(self.path, error) from error

    def _check_whose(self, create: bool) -> None:
        """Nothing is written into a database that is somebody else's."""
        names = {str(row[0]) for row in self._connection.execute("SELECT name FROM sqlite_master")}
        if Migrations.migrations_table in names or (create and not names):
            return
        raise LedgerError(
            f"{self.path} is not a ledger",
            "it has other tables" if names else "it is empty",
            "choose another --store",
        )

    def _open_first_row(self) -> None:
        if self.head()[0]:
            return
        with self.transaction():
            if not self.head()[0]:
                body = {"ledger_id": uuid.uuid4().hex, "schema": 1}
                self.append_in_transaction("-", "opened", "ledger", "ledger opened", body)

    def _check_schema(self) -> None:
        problems = schema_problems(self._connection)
        if problems:
            raise ChainBroken(
                f"{self.path}: {problems[0]}",
                "the ledger must be append-only",
                "verify the store, keep a copy, and start a new one with --store",
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Read-then-write under the write lock, taken at once (a deferred one can fail half-way)."""
        with self._lock:
            if self._in_transaction():
                raise Defect("a transaction of the ledger is open already", "they don't nest")
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                    self._connection.rollback()
                if isinstance(error, sqlite3.Error):
                    raise _translated(error, self.path) from error
                raise

    def _in_transaction(self) -> bool:
        try:
            return self._connection.in_transaction
        except sqlite3.Error as error:  # closed
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
        with self._lock:
            if not self._in_transaction():
                raise Defect("a row was to be appended outside a transaction")
            self._still_there()
            seq, prev = self.head()
            names = (run_id, kind, actor, action_id, tool, summary)
            values = (seq + 1, utc_now(), *map(_storable, names), _body(kind, body), prev)
            row = (*values, row_hash(values))
            marks = ",".join("?" * len(row))
            sql = f"INSERT INTO event({_ALL}) VALUES({marks})"
            try:
                written = self._connection.execute(sql, row).rowcount
            except sqlite3.Error as error:
                raise _translated(error, self.path) from error
            if written != 1:
                raise ChainBroken(f"{self.path} swallowed a row", "nothing was sent", "verify the store")
            return self._event(row)

    def _still_there(self) -> None:
        """A ledger that was removed or replaced under a run takes no more rows, so nothing more is sent."""
        now: int | None = None
        with contextlib.suppress(OSError):
            now = os.stat(self.path).st_ino
        if self._inode is not None and now != self._inode:
            raise LedgerError(
                f"{self.path} was removed or replaced while it was in use",
                "a run without its ledger sends nothing more",
                "find out who did it; start again with a new --store",
            )

    def head(self) -> tuple[int, str]:
        """(seq, hash) of the last row; (0, zeros) if there is none."""
        rows = self._read("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, GENESIS)

    @property
    def name(self) -> str:
        """The random id in the first row; anchors are filed under it."""
        rows = self._read("SELECT body FROM event WHERE seq=1")
        name = id_of(rows[0][0]) if rows else ""
        if not name:
            raise ChainBroken(f"{self.path} has lost the name in its first row", remedy="verify the store")
        return name

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise _translated(error, self.path) from error

    def _event(self, row: tuple[Any, ...]) -> Event:
        data = dict(zip((*COLUMNS, "hash"), row, strict=True))
        try:
            return Event.model_validate({**data, "body": json.loads(data["body"])})
        except (ValueError, TypeError, RecursionError) as error:
            raise ChainBroken(
                f"event {data['seq']} of {self.path} is not one of ours",
                str(error).split("\n")[0],
                "verify the store",
            ) from error

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
        where: dict[str, object] = {"seq > ?": after}
        if run is not None:
            where["run_id = ?"] = _storable(run)
        if action_id is not None:
            where["action_id = ?"] = _storable(action_id)
        kind = f" AND kind IN ({','.join('?' * len(kinds))})" if kinds else ""
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT {_ALL} FROM event WHERE {' AND '.join(where)}{kind} ORDER BY seq {order} LIMIT ?"
        return [self._event(row) for row in self._read(sql, (*where.values(), *kinds, limit))]

    def search(self, text: str, limit: int = 50) -> list[Event]:
        """Full-text search, newest first. Every word must occur; nothing in `text` is query syntax."""
        words = " ".join(f'"{word}"' for word in re.sub(r'["\0]', " ", str(_storable(text))).split())
        if not words:
            return []
        columns = ",".join(f"event.{name}" for name in (*COLUMNS, "hash"))
        sql = (
            f"SELECT {columns} FROM event_fts JOIN event ON event.seq = event_fts.rowid "
            "WHERE event_fts MATCH ? ORDER BY event_fts.rowid DESC LIMIT ?"
        )
        return [self._event(row) for row in self._read(sql, (words, limit))]

    def close(self) -> None:
        """Fold the write-ahead log into the file and close."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()


def _storable(text: str | None) -> str | None:
    """Half a surrogate pair can't be stored as UTF-8: it becomes its escape."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _body(kind: str, body: dict[str, Any] | None) -> str:
    try:
        return canonical(body or {})
    except (TypeError, ValueError, RecursionError) as error:
        raise Defect(f"the body of a {kind!r} event is not JSON: {error}", "nothing was written") from error


def _unopened(path: Path, error: OSError) -> LedgerError:
    if error.errno in DISK_FULL:
        return StoreFull(f"{path} can't be made: {error.strerror}", remedy="free space on the disk")
    return LedgerError(f"can't open {path}", str(error), "choose another --store")


def _translated(error: sqlite3.Error, path: Path) -> LedgerError:
    text, code = str(error), getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StoreFull(
            f"{path} can't grow: {text}", "nothing was sent", "free space, or choose another --store"
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return ChainBroken(f"{path} refused a row: {text}")
    why, remedy = {
        sqlite3.SQLITE_BUSY: (f"another program has kept it locked for {BUSY_S} s", "close that program"),
        sqlite3.SQLITE_READONLY: ("it may not be written", "check the rights of file and folder"),
        sqlite3.SQLITE_CANTOPEN: ("it can't be opened", "check the path and the rights"),
        sqlite3.SQLITE_NOTADB: ("it is no database", "choose another --store"),
        sqlite3.SQLITE_CORRUPT: ("the file is damaged", "keep a copy, and start a new store with --store"),
    }.get(code, ("not a ledger, or closed", "check the file"))
    return LedgerError(f"{path}: {text}", why, remedy)
