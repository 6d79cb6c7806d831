"""Reading rows back: the same queries for the run that writes them and for an auditor who may only read."""

import json
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from eucentric.core.anchors import id_of
from eucentric.core.chain import read_only
from eucentric.core.errors import ChainBroken, LedgerError, StoreFull
from eucentric.core.event import Event
from eucentric.core.event_table import COLUMNS, GENESIS, has_clocks, schema_problems, selected
from eucentric.core.searching import INDEXED, OUTSIDE, matching, query_of

T = TypeVar("T")
BUSY_S = 10
"""How long to wait for another writer [s]."""
_NAMES = (*COLUMNS, "hash")


class Rows:
    """Queries on one connection.

    Parameters
    ----------
    lock
        Kept while the connection is used, if others use it, too.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, lock: "threading.RLock | None" = None
    ) -> None:
        self._connection, self.path = connection, path
        self._lock = lock or threading.RLock()
        self._clocks = False
        """Whether the table is known to have the column; a ledger may get it while it is read."""

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
            where["run_id = ?"] = storable(run)
        if action_id is not None:
            where["action_id = ?"] = storable(action_id)
        kind = f" AND kind IN ({','.join('?' * len(kinds))})" if kinds else ""
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT {self._selected()} FROM event WHERE {' AND '.join(where)}{kind} ORDER BY seq {order} LIMIT ?"
        return [event_of(row, self.path) for row in self._read(sql, (*where.values(), *kinds, limit))]

    def search(self, text: str, limit: int = 50) -> list[Event]:
        """Full-text search, newest first. Every word must occur; nothing in `text` is query syntax."""
        query = query_of(str(storable(text)))
        if not query:
            return []
        columns = self._selected("event.")
        # In this order: what enters the index in between is found twice, not never.
        outside = self._read(OUTSIDE.format(columns=columns))
        indexed = self._read(INDEXED.format(columns=columns), (query, limit))
        seqs = matching(((row[0], row[7], row[8]) for row in outside), query) if outside else set()
        found = {row[0]: row for row in (*(row for row in outside if row[0] in seqs), *indexed)}
        return [event_of(found[seq], self.path) for seq in sorted(found, reverse=True)[:limit]]

    def problems(self) -> list[str]:
        """What is missing, changed or added among the table and its triggers, one line each."""
        return self._asked(schema_problems)

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def _selected(self, table: str = "") -> str:
        self._clocks = self._clocks or self._asked(has_clocks)
        return selected(self._clocks, table)

    def _read(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        return self._asked(lambda connection: connection.execute(sql, values).fetchall())

    def _asked(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            try:
                return ask(self._connection)
            except sqlite3.Error as error:
                raise translated(error, self.path) from error


def open_rows(path: Path) -> Rows:
    """A ledger that is only read: an archive, a colleague's store, one in a folder that may not be written.

    Raises
    ------
    LedgerError
        It can't be opened or is no ledger.
    """
    try:
        rows = Rows(read_only(path), path)
        rows.head()
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, sqlite3.Error):
            raise translated(error, path) from error
        raise LedgerError(f"can't open {path}", str(error)) from error
    return rows


def event_of(row: tuple[Any, ...], path: Path) -> Event:
    """A stored row as an event; ChainBroken if it is none of ours."""
    data = dict(zip(_NAMES, row, strict=True))
    try:
        data["body"] = json.loads(data["body"])
        if data["clocks"] is not None:
            data["clocks"] = json.loads(data["clocks"])
        return Event.model_validate(data)
    except (ValueError, TypeError, RecursionError) as error:
        raise ChainBroken(
            f"event {data['seq']} of {path} is not one of ours",
            str(error).split("\n")[0],
            "verify the store",
        ) from error


def storable(text: str | None) -> str | None:
    """Half a surrogate pair can't be stored as UTF-8: it becomes its escape."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def translated(error: sqlite3.Error, path: Path) -> LedgerError:
    """What SQLite said, as one of our errors with a remedy."""
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
