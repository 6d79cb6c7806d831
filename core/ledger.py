"""The single truth: an append-only, hash-chained SQLite table. Everything shown anywhere is a query on it.

Secrets are taken out before a row is hashed: it can't be changed afterwards.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlite_utils
from sqlite_utils import Migrations

from eucentric.core.canonical import canonical
from eucentric.core.chain import row_hash
from eucentric.core.clock import clocks_now, utc_now
from eucentric.core.errors import DISK_FULL, ChainBroken, Defect, LedgerError, StoreFull
from eucentric.core.event import KINDS, Event
from eucentric.core.event_table import CHANGE_2, COLUMNS, CREATE_1, SCHEMA, schema_problems
from eucentric.core.log_size import LogSize
from eucentric.core.redaction import may_hold_secret, redact, redacted
from eucentric.core.rows import Rows, event_of, storable, translated

BUSY_S = 10
"""How long to wait for another writer [s]."""
_INSERT = f"INSERT INTO event({','.join((*COLUMNS, 'hash'))}) VALUES({','.join('?' * (len(COLUMNS) + 1))})"
_migrations = Migrations("eucentric-ledger")


@_migrations()
def m001_event(db: sqlite_utils.Database) -> None:
    """The table, its triggers and its full-text index. Never `transform` it: that drops the triggers."""
    for sql in CREATE_1:
        db.execute(sql)


@_migrations()
def m002_clocks(db: sqlite_utils.Database) -> None:
    """A column for the clocks, and the index written for sixteen rows at a time. The rows stay as they are."""
    for sql in CHANGE_2:
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
            raise translated(error, path) from error
        except OSError as error:
            raise _unopened(path, error) from error
        self.rows = Rows(self._connection, path, self._lock)
        self._log = LogSize(self._connection, path)
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
                self._bring_up_to_date(sqlite_utils.Database(self._connection))
                self._check_schema(SCHEMA)
        except sqlite3.Error as error:
            raise translated(error, self.path) from error
        except OSError as error:
            raise _unopened(self.path, error) from error

    def _bring_up_to_date(self, database: sqlite_utils.Database) -> None:
        """A new ledger is made and named, an old one gets what it lacks: whole, with a row that says so, or not."""
        pending = _migrations.pending(database)
        if not pending and self.head()[0]:
            return
        with self.transaction():
            old = not any(one.name == m001_event.__name__ for one in pending)
            if old and pending:
                self._check_schema(SCHEMA - len(pending))
            _migrations.apply(database)
            if not self.head()[0]:
                body = {"ledger_id": uuid.uuid4().hex, "schema": SCHEMA}
                self.append_in_transaction("-", "opened", "ledger", "ledger opened", body)
            elif pending:
                text = f"the ledger is of schema {SCHEMA} from here on: its rows carry their clocks"
                self.append_in_transaction("-", "changed", "ledger", text, {"schema": SCHEMA})

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

    def _check_schema(self, schema: int) -> None:
        problems = schema_problems(self._connection, schema)
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
                    raise translated(error, self.path) from error
                raise
            self._log.written()

    def _in_transaction(self) -> bool:
        try:
            return self._connection.in_transaction
        except sqlite3.Error as error:  # closed
            raise translated(error, self.path) from error

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
        instrument_s: float | None = None,
    ) -> Event:
        """Write one row and return it; it is on disk when this returns.

        Parameters
        ----------
        instrument_s
            The instrument's own clock, as it was last read [s].
        """
        with self.transaction():
            return self.append_in_transaction(
                run_id, kind, actor, summary, body, action_id=action_id, tool=tool, instrument_s=instrument_s
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
        instrument_s: float | None = None,
    ) -> Event:
        """As `append`, inside a `transaction()` of the caller (compare-and-set)."""
        if kind not in KINDS:
            raise Defect(f"unknown kind of event {kind!r}")
        with self._lock:
            if not self._in_transaction():
                raise Defect("a row was to be appended outside a transaction")
            self._still_there()
            seq, prev = self.head()
            actor, summary, told = _without_secrets(actor, summary, _body(kind, body))
            names = (run_id, kind, actor, action_id, tool, summary)
            values = (seq + 1, utc_now(), *map(storable, names), told, clocks_now(instrument_s), prev)
            row = (*values, row_hash(values))
            try:
                written = self._connection.execute(_INSERT, row).rowcount
            except sqlite3.Error as error:
                raise translated(error, self.path) from error
            if written != 1:
                raise ChainBroken(f"{self.path} swallowed a row", "nothing was sent", "verify the store")
            return event_of(row, self.path)

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
        return self.rows.head()

    @property
    def name(self) -> str:
        """The random id in the first row; anchors are filed under it."""
        return self.rows.name

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
        """See `Rows.events`."""
        return self.rows.events(
            run=run, kinds=kinds, action_id=action_id, after=after, newest_first=newest_first, limit=limit
        )

    def search(self, text: str, limit: int = 50) -> list[Event]:
        """See `Rows.search`."""
        return self.rows.search(text, limit)

    def fold(self) -> None:
        """Fold the write-ahead log into the file, as at the end of a run; a reader may keep that from happening."""
        with self._lock:
            self._log.fold()

    def close(self) -> None:
        """Fold the write-ahead log into the file and close."""
        self.fold()
        self._connection.close()


def _without_secrets(actor: str, summary: str, body: str) -> tuple[str, str, str]:
    """All three are looked at together: that costs a row a third."""
    if not may_hold_secret(f"{actor}\n{summary}\n{body}"):
        return actor, summary, body
    return redact(actor), redact(summary), canonical(redacted(json.loads(body)))


def _body(kind: str, body: dict[str, Any] | None) -> str:
    try:
        return canonical(body or {})
    except (TypeError, ValueError, RecursionError) as error:
        raise Defect(f"the body of a {kind!r} event is not JSON: {error}", "nothing was written") from error


def _unopened(path: Path, error: OSError) -> LedgerError:
    if error.errno in DISK_FULL:
        return StoreFull(f"{path} can't be made: {error.strerror}", remedy="free space on the disk")
    return LedgerError(f"can't open {path}", str(error), "choose another --store")
