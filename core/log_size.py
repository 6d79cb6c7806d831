"""How SQLite's write-ahead log is kept small while others read.

SQLite copies the log into the file by itself, but begins it anew only when no reader looks into it. Readers that
relieve each other, each with a snapshot of its own, would let it grow for ever. So once it has passed a size, the
writer waits a moment for the present readers: those that come meanwhile find everything in the file and don't hold it.
A reader that never lets go can't be waited for; the log then grows until it does (`audit verify` says so).
"""

import contextlib
import os
import sqlite3
from pathlib import Path

from eucentric.core.chain import log_of

LOOK_EVERY = 64
"""Transactions between two looks at its size."""
LIMIT = 8 * 2**20
"""Size from which it is begun anew [bytes]; SQLite's own checkpoints, every 1000 pages, keep it at half of that."""
PATIENCE_S = 0.02
"""How long one try waits for readers [s]."""
TRIES = 5
"""In the midst of a run. Several short ones: SQLite looks once at what a reader has in hand, and then waits for that
place to be empty, also if a later reader of the newest rows has taken it over."""
LAST_TRIES = 50
"""At the end of one."""


class LogSize:
    """The log of one writing connection."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self._log = connection, log_of(path)
        self._since, self._next = 0, LIMIT

    def written(self) -> None:
        """Called after each transaction."""
        self._since += 1
        if self._since >= LOOK_EVERY:
            self._since = 0
            self._look()

    def fold(self) -> None:
        """Copy all of it into the file and cut it to nothing, unless a reader keeps that from happening."""
        self._checkpoint("TRUNCATE", LAST_TRIES)

    def _look(self) -> None:
        try:
            size = os.stat(self._log).st_size
        except OSError:
            return
        if size >= self._next:
            # In vain, it is not tried again at every look: each try makes all writers wait.
            self._next = LIMIT if self._checkpoint("RESTART", TRIES) else size + LIMIT // 2

    def _checkpoint(self, mode: str, tries: int) -> bool:
        """Whether it was done. That it was not is no error: the rows are on disk, in the log."""
        with contextlib.suppress(sqlite3.Error):
            before = self._connection.execute("PRAGMA busy_timeout").fetchone()[0]
            self._connection.execute(f"PRAGMA busy_timeout={int(1e3 * PATIENCE_S)}")
            try:
                sql = f"PRAGMA wal_checkpoint({mode})"
                return any(not self._connection.execute(sql).fetchone()[0] for _ in range(tries))
            finally:
                self._connection.execute(f"PRAGMA busy_timeout={before}")
        return False
