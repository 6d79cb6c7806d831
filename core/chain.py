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

GENESIS = "0" * 64
COLUMNS = ("seq", "ts", "run_id", "kind", "actor", "action_id", "tool", "summary", "body", "prev")


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


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    yield from connection.execute(f"SELECT {','.join(COLUMNS)}, hash FROM event ORDER BY seq")


def read_only(path: Path) -> sqlite3.Connection:
    """Open a ledger without the power to change it."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=10)


def verify(path: Path, anchors: list[Anchor]) -> Verification:
    """Walk the chain of the ledger at `path` and compare it with heads anchored elsewhere."""
    result = Verification(anchors=len(anchors))
    wanted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.seq, []).append(anchor)
    try:
        connection = read_only(path)
        try:
            _walk(connection, wanted, result)
        finally:
            connection.close()
    except sqlite3.Error as error:
        result.problems.append(f"the file can't be read as a ledger: {error}")
    for seq in sorted(seq for seq in wanted if seq > result.events):
        where = ", ".join(anchor.where for anchor in wanted[seq])
        result.problems.append(
            f"events after {result.events} are missing: event {seq} was anchored in {where}"
        )
    return result


def _walk(connection: sqlite3.Connection, wanted: dict[int, list[Anchor]], result: Verification) -> None:
    prev, expected = GENESIS, 1
    for *values, stored in _rows(connection):
        seq = values[0]
        if seq != expected:
            result.problems.append(f"event {expected} is missing (the next row is {seq})")
        if values[-1] != prev:
            result.problems.append(
                f"event {seq} does not follow the row before it: inserted, removed or edited"
            )
        if row_hash(tuple(values)) != stored:
            result.problems.append(f"event {seq} was edited: its content does not give its hash")
        for anchor in wanted.get(int(str(seq)), ()):
            if anchor.hash != stored:
                result.problems.append(f"event {seq} is not the one anchored in {anchor.where}: rewritten")
            elif not result.problems:
                result.proven_to = int(str(seq))
        prev, expected = str(stored), int(str(seq)) + 1
        result.events, result.head = int(str(seq)), prev
