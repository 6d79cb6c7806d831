"""How rows are chained and how a stranger checks it. Standard library only, so that it starts fast.

Each row's hash covers its stored text columns and the hash before it, so an edited, inserted or
removed row breaks the chain. A chain alone can't show that its *end* was cut off or that all of it
was rewritten; for that its head is anchored outside the file (`anchors.py`, frame sidecars).
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quoted
from pathlib import Path
from typing import Any

from eucentric.core.canonical import canonical, sha256_text
from eucentric.core.event_table import COLUMNS as COLUMNS
from eucentric.core.event_table import GENESIS as GENESIS
from eucentric.core.event_table import schema_problems

_Row = tuple[Any, ...]
"""As stored: the columns, and at the end the hash."""
MANY_PROBLEMS = 1000
"""More than that are not listed one by one: a file of garbage must not fill the memory."""


def row_hash(values: tuple[object, ...]) -> str:
    """Hash of one row: the sha256 of the canonical JSON list of `values`, in the order of `COLUMNS`.

    Plain rows are written to that text without the general encoder: a walk over a million rows is mostly this.
    """
    try:
        return _plain_hash(values)
    except (TypeError, ValueError):  # another type, or half a surrogate pair
        return sha256_text(canonical(list(values[: len(COLUMNS)])))


def _plain_hash(row: _Row) -> str:
    seq, ts, run, kind, actor, action, tool, summary, body, prev = row[:10]
    text = (
        f"[{int.__repr__(seq)},{_quoted(ts)},{_quoted(run)},{_quoted(kind)},{_quoted(actor)},"
        f"{'null' if action is None else _quoted(action)},{'null' if tool is None else _quoted(tool)},"
        f"{_quoted(summary)},{_quoted(body)},{_quoted(prev)}]"
    )
    return hashlib.sha256(text.encode()).hexdigest()


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

    @property
    def ok(self) -> bool:
        return not self.problems

    @property
    def unanchored(self) -> int:
        """Events after the last anchor: chained, but nothing outside the file vouches for them."""
        return self.events - self.proven_to


def read_only(path: Path) -> sqlite3.Connection:
    """Open a ledger without the power to change it.

    A ledger in a folder that may not be written (an archive, a colleague's store) can't have the
    shared-memory file of SQLite's log; without a log beside it the file is read as immutable.

    Raises
    ------
    sqlite3.Error
        It can't be opened or is no database.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        return _opened(uri)
    except sqlite3.OperationalError as error:
        code = error.sqlite_errorcode & 0xFF
        log = path.with_name(path.name + "-wal")
        if (
            code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            or not path.is_file()
            or log.exists()
        ):
            raise
        return _opened(uri + "&immutable=1")


def _opened(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=10)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def verify(path: Path, anchors: list[Anchor]) -> Verification:
    """Walk the chain of the ledger at `path` and compare it with heads anchored elsewhere.

    Whatever is wrong with the file ends up in `problems`; nothing is raised.
    """
    result = Verification(anchors=len(anchors))
    wanted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.seq, []).append(anchor)
    try:
        connection = read_only(path)
        try:
            _walk(connection, wanted, result)
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


def _rows(connection: sqlite3.Connection, after: int = 0) -> Iterator[_Row]:
    sql = f"SELECT {','.join(COLUMNS)}, hash FROM event WHERE seq > ? ORDER BY seq"
    return connection.execute(sql, (after,))


def _walk(connection: sqlite3.Connection, wanted: dict[int, list[Anchor]], result: Verification) -> None:
    """Follow the chain; a text that is no UTF-8 was not written by us, and is read all the same: the hash tells."""
    try:
        _follow(_rows(connection), wanted, result)
    except sqlite3.OperationalError as error:
        if "UTF-8" not in str(error):
            raise
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        _follow(_rows(connection, result.events), wanted, result)
    if result.events == 0 and not result.problems:
        result.problems.append("there is no event: a ledger has at least the one that opened it")


def _follow(rows: Iterator[_Row], wanted: dict[int, list[Anchor]], result: Verification) -> None:
    """Walk on from where `result` stands."""
    prev, expected = result.head, result.events + 1
    for row in rows:
        seq, stored = row[0], row[10]
        if not (seq == expected and row[9] == prev and _fits(row)):
            if not isinstance(seq, int) or len(result.problems) >= MANY_PROBLEMS:
                text = f"the rest was not checked: row {expected} is numbered {str(seq)[:40]!r}"
                result.problems.append(text)
                return
            result.problems += _row_problems(row[:10], stored, expected, prev)
        if seq in wanted:
            _hold_against(wanted[seq], stored, result)
        prev, expected = stored, seq + 1
        result.events, result.head = seq, str(stored)


def _fits(row: _Row) -> bool:
    try:
        return bool(_plain_hash(row) == row[10])
    except (TypeError, ValueError):
        return bool(_hash_or_none(row[:10]) == row[10])


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
