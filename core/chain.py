"""How rows are chained and how a stranger checks it. Standard library only, so that it starts fast.

Each row's hash covers its stored columns and the hash before it, so an edited, inserted or
removed row breaks the chain. Rows of schema 1 have no clocks: theirs is the hash of ten values, that of
a row with clocks is one of eleven, so clocks can be neither taken from a row nor given to it. A chain
alone can't show that its *end* was cut off or that all of it was rewritten; for that its head is
anchored outside the file (`anchors.py`, frame sidecars).
"""

import hashlib
import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quoted
from pathlib import Path
from typing import Any

from eucentric.core.canonical import canonical, sha256_text
from eucentric.core.clock_check import set_back
from eucentric.core.event_table import COLUMNS as COLUMNS
from eucentric.core.event_table import GENESIS as GENESIS
from eucentric.core.event_table import has_clocks, schema_problems, selected

_number, _sha256 = int.__repr__, hashlib.sha256
_Row = tuple[Any, ...]
"""As stored: the columns, and at the end the hash."""
MANY_PROBLEMS = 1000
"""More than that are not listed one by one: a file of garbage must not fill the memory."""
CHUNK = 2000
"""Rows read at a time: a walk that kept one snapshot would keep the write-ahead log of a running ledger growing."""


def row_hash(values: tuple[object, ...]) -> str:
    """Hash of one row: the sha256 of the canonical JSON list of `values`, in the order of `COLUMNS`.

    A row without clocks, of schema 1, is the list without them. Plain rows are written to that text
    without the general encoder: a walk over a million rows is mostly this.
    """
    try:
        return _plain_hash((*values[: len(COLUMNS)], ""))
    except (TypeError, ValueError):  # another type, or half a surrogate pair
        kept = values[: len(COLUMNS)]
        return sha256_text(canonical([*kept[:_CLOCKS], *kept[_CLOCKS + (kept[_CLOCKS] is None) :]]))


_CLOCKS = COLUMNS.index("clocks")


def _plain_hash(row: _Row) -> str:
    seq, ts, run, kind, actor, action, tool, summary, body, clocks, prev, _ = row
    text = (
        f"[{_number(seq)},{_quoted(ts)},{_quoted(run)},{_quoted(kind)},{_quoted(actor)},"
        f"{'null' if action is None else _quoted(action)},{'null' if tool is None else _quoted(tool)},"
        f"{_quoted(summary)},{_quoted(body)},{'' if clocks is None else _quoted(clocks) + ','}{_quoted(prev)}]"
    )
    return _sha256(text.encode()).hexdigest()


@dataclass
class Anchor:
    """A head that was written somewhere else."""

    seq: int
    hash: str
    where: str


@dataclass
class Verification:
    """What can be said about a ledger file."""

    events: int = 0
    head: str = GENESIS
    proven_to: int = 0
    """Last event covered by a valid chain and an anchor outside the database."""
    anchors: int = 0
    problems: list[str] = field(default_factory=list)
    clock_notes: list[str] = field(default_factory=list)
    """Where UTC goes back from one row to the next: a note, since clocks are set. At most `MANY_PROBLEMS`."""
    marked: list[int] = field(default_factory=list)
    """Numbers of the rows of the kinds that were asked for."""

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def unanchored(self) -> int:
        """Events after the last anchor: chained, but nothing outside the file vouches for them."""
        return self.events - self.proven_to


def read_only(path: Path) -> sqlite3.Connection:
    """Open a ledger without the power to change it, and without leaving a file beside it.

    SQLite makes its two files of the log even for a reader; where there is no log, nobody is writing and the file is
    read as immutable. That also works in a folder that may not be written (an archive, a colleague's store).

    Raises
    ------
    sqlite3.Error
        It can't be opened or is no database.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    return _opened(uri if log_of(path).exists() else uri + "&immutable=1")


def log_of(path: Path) -> Path:
    """SQLite's write-ahead log of the database at `path`; it is there while somebody has it open."""
    return path.with_name(path.name + "-wal")


def _opened(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=10)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def verify(path: Path, anchors: list[Anchor], kinds: Collection[str] = ()) -> Verification:
    """Walk the chain of the ledger at `path` and compare it with heads anchored elsewhere.

    Whatever is wrong with the file ends up in `problems`; nothing is raised. What is found may be that somebody began
    to write while it was read as a file at rest: then it is read again.

    Parameters
    ----------
    kinds
        Numbers of the rows of these kinds are given back as `marked`.
    """
    at_rest, before = not log_of(path).exists(), _stat(path)
    result = _verify(path, anchors, frozenset(kinds))
    if result.problems and at_rest and (log_of(path).exists() or _stat(path) != before):
        return _verify(path, anchors, frozenset(kinds))
    return result


def _stat(path: Path) -> tuple[int, ...]:
    try:
        seen = path.stat()
    except OSError:
        return ()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _verify(path: Path, anchors: list[Anchor], kinds: frozenset[str]) -> Verification:
    result = Verification(anchors=len(anchors))
    wanted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.seq, []).append(anchor)
    try:
        connection = read_only(path)
        try:
            _walk(connection, wanted, kinds, result)
            result.problems += schema_problems(connection)
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        result.problems.append(f"the file can't be read as a ledger: {error}")
    for seq in sorted(seq for seq in wanted if not 1 <= seq <= result.events):
        where = ", ".join(anchor.where for anchor in wanted[seq])
        result.problems.append(
            f"events after {result.events} are missing: event {seq} was anchored in {where}"
        )
    return result


def stored_rows(connection: sqlite3.Connection, after: int = 0) -> Iterator[_Row]:
    """Rows after a number, as stored: the columns, then the hash. A snapshot is kept for `CHUNK` rows only."""
    while True:
        connection.execute("BEGIN")  # one snapshot for both: a ledger may get its clocks while it is read
        sql = f"SELECT {selected(has_clocks(connection))} FROM event WHERE seq > ? ORDER BY seq LIMIT {CHUNK}"
        last = after
        try:
            for row in connection.execute(sql, (after,)):
                yield row
                last = row[0]
        finally:
            connection.rollback()
        if last == after or not isinstance(last, int):
            return
        after = last


def _walk(
    connection: sqlite3.Connection,
    wanted: dict[int, list[Anchor]],
    kinds: frozenset[str],
    result: Verification,
) -> None:
    """Follow the chain; a text that is no UTF-8 was not written by us, and is read all the same: the hash tells."""
    try:
        _follow(stored_rows(connection), wanted, kinds, result)
    except sqlite3.OperationalError as error:
        if "UTF-8" not in str(error):
            raise
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        _follow(stored_rows(connection, result.events), wanted, kinds, result)
    if result.events == 0 and not result.problems:
        result.problems.append("there is no event: a ledger has at least the one that opened it")


def _follow(
    rows: Iterator[_Row], wanted: dict[int, list[Anchor]], kinds: frozenset[str], result: Verification
) -> None:
    """Walk on from where `result` stands."""
    prev, expected = result.head, result.events + 1
    last: _Row = (0, "")
    for row in rows:
        seq, stored = row[0], row[11]
        try:
            fits = seq == expected and row[10] == prev and _plain_hash(row) == stored
        except (TypeError, ValueError):
            fits = _hash_or_none(row[:11]) == stored
        if not fits:
            if not isinstance(seq, int) or len(result.problems) >= MANY_PROBLEMS:
                text = f"the rest was not checked: row {expected} is numbered {str(seq)[:40]!r}"
                result.problems.append(text)
                return
            result.problems += _row_problems(row[:11], stored, expected, prev)
        if seq in wanted:
            _hold_against(wanted[seq], stored, result)
        if row[3] in kinds:
            result.marked.append(seq)
        try:
            if row[1] < last[1] and len(result.clock_notes) < MANY_PROBLEMS:
                result.clock_notes.append(set_back(seq, (last[1], last[9]), (row[1], row[9])))
        except TypeError:  # not the text that we write: its hash has told
            pass
        prev, expected, last = stored, seq + 1, row
        result.events, result.head = seq, str(stored)


def _hold_against(anchors: list[Anchor], stored: object, result: Verification) -> None:
    for anchor in anchors:
        if anchor.hash != stored:
            result.problems.append(f"event {anchor.seq} is not the one anchored in {anchor.where}: rewritten")
        elif not result.problems:
            result.proven_to = anchor.seq


def _row_problems(values: tuple[object, ...], stored: object, expected: int, prev: str) -> Iterator[str]:
    seq = values[0]
    if seq != expected:
        yield f"event {expected} is missing (the next row is {seq})"
    if values[-1] != prev:
        yield f"event {seq} does not follow the row before it: inserted, removed or edited"
    if _hash_or_none(values) != stored:
        yield f"event {seq} was edited: its content does not give its hash"


def _hash_or_none(values: tuple[object, ...]) -> str | None:
    try:
        return row_hash(values)
    except (TypeError, ValueError):  # a blob or an infinity: not a value that was ever written
        return None
