"""How rows are chained and how a stranger checks it. Standard library only, so that it starts fast.

Each row's hash covers its stored text columns and the hash before it, so an edited, inserted or
removed row breaks the chain. A chain alone can't show that its *end* was cut off or that all of it
was rewritten; for that its head is anchored outside the file (`anchors.py`, frame sidecars).
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eucentric.core.canonical import canonical, sha256_text
from eucentric.core.event_table import COLUMNS as COLUMNS
from eucentric.core.event_table import GENESIS as GENESIS
from eucentric.core.event_table import schema_problems

MANY_PROBLEMS = 1000
"""More than that are not listed one by one: a file of garbage must not fill the memory."""


def row_hash(values: tuple[object, ...]) -> str:
    """Hash of one row: `values` in the order of `COLUMNS`, body as the stored text."""
    return sha256_text(canonical(list(values)))


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
            # Bytes that are no UTF-8 were not written by us: read them all the same, the hash tells.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
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


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    yield from connection.execute(f"SELECT {','.join(COLUMNS)}, hash FROM event ORDER BY seq")


def _walk(connection: sqlite3.Connection, wanted: dict[int, list[Anchor]], result: Verification) -> None:
    prev, expected = GENESIS, 1
    for *values, stored in _rows(connection):
        seq = values[0]
        if not isinstance(seq, int) or len(result.problems) >= MANY_PROBLEMS:
            result.problems.append(f"the rest was not checked: row {expected} is numbered {str(seq)[:40]!r}")
            return
        result.problems += _row_problems(tuple(values), stored, expected, prev)
        for anchor in wanted.get(seq, ()):
            if anchor.hash != stored:
                result.problems.append(f"event {seq} is not the one anchored in {anchor.where}: rewritten")
            elif not result.problems:
                result.proven_to = seq
        prev, expected = str(stored), seq + 1
        result.events, result.head = seq, prev
    if expected == 1:
        result.problems.append("there is no event: a ledger has at least the one that opened it")


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
