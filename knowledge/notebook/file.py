"""A notebook on disk: one SQLite file, one append-only table, and a view for each kind of entry."""

import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import sqlite_utils
from sqlite_utils import Migrations

from eucentric.core.errors import BadInput
from eucentric.core.rows import translated
from eucentric.core.text import visible
from eucentric.knowledge.notebook.book import Notebook, Row, checked_rows, row_of, stored_text
from eucentric.knowledge.notebook.entries import Anything, SpecimenEntry

SUFFIX = ".notebook"
_BUSY_S = 10
_migrations = Migrations("eucentric-notebook")
_TABLE = """CREATE TABLE entry(
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at TEXT NOT NULL, "by" TEXT NOT NULL,
  body TEXT NOT NULL CHECK(json_valid(body)), sha256 TEXT NOT NULL) STRICT"""
_NAME = "CREATE TABLE notebook(id TEXT NOT NULL) STRICT"
_KEPT = (
    "CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry "
    "BEGIN SELECT RAISE(ABORT,'a notebook is only added to'); END",
    "CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry "
    "BEGIN SELECT RAISE(ABORT,'a notebook is only added to'); END",
    # OR REPLACE removes a row without any DELETE trigger
    "CREATE TRIGGER entry_next BEFORE INSERT ON entry "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq),0)+1 FROM entry) OR EXISTS (SELECT 1 FROM entry WHERE id = NEW.id) "
    "BEGIN SELECT RAISE(ABORT,'a notebook is only added to'); END",
    "CREATE TRIGGER notebook_one BEFORE INSERT ON notebook WHEN EXISTS (SELECT 1 FROM notebook) "
    "BEGIN SELECT RAISE(ABORT,'a notebook has one id'); END",
    "CREATE TRIGGER notebook_kept BEFORE UPDATE ON notebook BEGIN SELECT RAISE(ABORT,'a notebook keeps its id'); END",
)
_COLUMNS = {
    "reading": (
        "seen",
        "grain",
        "loading",
        "alpha_deg",
        "beta_deg",
        "written",
        "sense",
        "sigma_deg",
        "frame",
    ),
    "grain": ("name", "phase", "loading", "x_um", "y_um", "z_um", "picture"),
    "calibration": ("microscope", "holder_name", "holder", "alpha_sign", "beta_sign", "repeatability_deg"),
    "loading": ("name", "calibration", "after", "flip", "turn_deg"),
    "picture": ("path", "sha256", "what", "frame"),
    "solution": ("grain", "phase", "loading", "calibration", "inputs_sha256", "software"),
}
"""Of the views: what a person with an SQL prompt wants to see."""


@_migrations()
def m001_entry(db: sqlite_utils.Database) -> None:
    """The table and its triggers. Never `transform` it: that drops the triggers."""
    for sql in (_TABLE, _NAME, *_KEPT):
        db.execute(sql)


@_migrations()
def m002_views(db: sqlite_utils.Database) -> None:
    """A view for each kind, newest corrections not resolved: these are the rows as they were written."""
    for kind, names in _COLUMNS.items():
        columns = ", ".join(f"json_extract(body,'$.{name}') AS {name}" for name in names)
        db.execute(
            f"CREATE VIEW {kind} AS SELECT id, at, \"by\", json_extract(body,'$.replaces') AS replaces, {columns} "
            f"FROM entry WHERE kind='{kind}' ORDER BY seq"
        )


class NotebookFile:
    """One connection to a notebook.

    Raises
    ------
    BadInput
        The file is missing, or it is not a notebook.
    StoreFull
        The disk is full: nothing was written.
    LedgerError
        SQLite can't read or write it.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        if not create and not path.is_file():
            raise BadInput(
                f"there is no notebook {visible(str(path), limit=200)}",
                remedy=f"begin one with `eucentric notebook new {visible(path.stem, limit=60)}`",
            )
        try:
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        except sqlite3.Error as error:
            raise translated(error, path) from error
        try:
            self._prepare(create)
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def new(cls, path: Path, specimen: SpecimenEntry) -> Self:
        """Begin a notebook with its first entry.

        Raises
        ------
        BadInput
            The file exists, or its folder does not.
        """
        return cls.copy(path, Notebook(id=uuid.uuid4().hex, rows=(row_of("specimen1", specimen),)))

    @classmethod
    def copy(cls, path: Path, notebook: Notebook) -> Self:
        """A new file with all of a notebook, whole or not at all."""
        _make(path)
        try:
            file = cls(path, create=True)
            with file._transaction():
                file._connection.execute("INSERT INTO notebook(id) VALUES(?)", [notebook.id])
                for row in notebook.rows:
                    file._insert(row)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return file

    def read(self) -> Notebook:
        """All of it, each entry held against its digest.

        Raises
        ------
        BadInput
            It was altered, or is not as this version writes it.
        """
        found = self._ask("SELECT id, body, sha256 FROM entry ORDER BY seq")
        rows = checked_rows([(key, json.loads(body), sha) for key, body, sha in found], self.path.name)
        return Notebook(id=str(self._ask("SELECT id FROM notebook")[0][0]), rows=rows)

    def add(self, *entries: Anything) -> tuple[str, ...]:
        """Append entries, all or none, and return their ids.

        Raises
        ------
        BadInput
            One names an entry that is not there.
        """
        with self._transaction():
            book = self.read()
            for entry in entries:
                book = book.plus(entry)
                self._insert(book.rows[-1])
        return tuple(row.id for row in book.rows[-len(entries) :])

    def take(self, rows: Sequence[Row]) -> int:
        """Append those rows of another copy that are not here yet; how many."""
        with self._transaction():
            here = {row.id: row.sha256 for row in self.read().rows}
            clash = [row.id for row in rows if here.get(row.id, row.sha256) != row.sha256]
            if clash:
                raise BadInput(
                    f"{clash[0]} is one entry here and another one there",
                    "both copies were added to since they were one; nothing was taken",
                    "import the other one into a file of its own with --out",
                )
            fresh = [row for row in rows if row.id not in here]
            for row in fresh:
                self._insert(row)
        return len(fresh)

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, create: bool) -> None:
        try:
            names = {str(row[0]) for row in self._connection.execute("SELECT name FROM sqlite_master")}
            if "entry" not in names and not (create and not names):
                raise BadInput(
                    f"{visible(str(self.path), limit=200)} is not a notebook",
                    "it has other tables" if names else "it is empty",
                    "name a file that `eucentric notebook new` or `import` made",
                )
            database = sqlite_utils.Database(self._connection)
            if _migrations.pending(database):
                _migrations.apply(database)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
                raise BadInput(
                    f"{visible(str(self.path), limit=200)} is not a notebook", "it is no SQLite file"
                ) from error
            raise translated(error, self.path) from error

    def _insert(self, row: Row) -> None:
        entry = row.entry
        self._connection.execute(
            'INSERT INTO entry(seq, id, kind, at, "by", body, sha256) '
            "VALUES((SELECT coalesce(max(seq),0)+1 FROM entry),?,?,?,?,?,?)",
            [row.id, entry.kind, entry.at, entry.by, stored_text(entry), row.sha256],
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Taken at once, so that two writers can't both number an entry."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise translated(error, self.path) from error
            raise

    def _ask(self, sql: str) -> list[tuple[str, ...]]:
        try:
            return self._connection.execute(sql).fetchall()
        except sqlite3.Error as error:
            raise translated(error, self.path) from error


def _make(path: Path) -> None:
    """Take the name before anything is written: nobody's file is opened by mistake."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError as error:
        raise BadInput(
            f"{visible(str(path), limit=200)} exists",
            "a notebook is never written over",
            "choose another name",
        ) from error
    except OSError as error:
        raise BadInput(f"can't write {visible(str(path), limit=200)}", str(error.strerror)) from error
