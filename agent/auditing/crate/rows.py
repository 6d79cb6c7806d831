"""The rows of runs as the texts that were hashed, and rows of others sealed: chained, but not readable.

A row's hash is the sha256 of one canonical JSON list whose last value is the hash of the row before it. A row that is
left out is therefore given as the state of that sha256 where its last part begins, and that part: it shows which row
came before, and nothing of the content but the at most 63 characters in front of that hash.
"""

import base64
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eucentric.agent.auditing.crate.verify import FIRST, after_blocks
from eucentric.core.canonical import canonical, sha256_text
from eucentric.core.chain import Anchor, read_only
from eucentric.core.errors import ChainBroken
from eucentric.core.event_table import COLUMNS

OF_ALL = "-"
"""The run of rows that belong to no run: limits, roles and the ledger itself. They are never sealed."""
_OPTIONAL = "clocks"
"""A column that rows of an older schema do not have; it is left out of their hash."""
_BLOCK = 64
_PREV = 67
"""Bytes from the quote before the last value to the end of the list."""


@dataclass(frozen=True)
class Part:
    """Rows that follow each other without a gap."""

    first: int
    last: int


@dataclass(frozen=True)
class Stored:
    """A row as it was hashed."""

    seq: int
    run: str
    text: str
    hash: str

    @property
    def sealed(self) -> dict[str, Any]:
        """What shows that it is chained, without what it says."""
        data = self.text.encode()
        cut = (len(data) - _PREV) // _BLOCK * _BLOCK
        return {
            "seq": self.seq,
            "hash": self.hash,
            "length": len(data),
            "state": after_blocks(FIRST, data[:cut]).hex(),
            "tail": base64.b64encode(data[cut:]).decode("ascii"),
        }


def parts_of(path: Path, runs: Sequence[str], anchors: Iterable[Anchor]) -> list[Part]:
    """For each run its first row to the first head, at or after its last row, that was anchored; overlaps joined."""
    heads = sorted(anchor.seq for anchor in anchors)
    spans = []
    with _opened(path) as connection:
        (end,) = connection.execute("SELECT max(seq) FROM event").fetchone()
        for run in runs:
            first, last = connection.execute(
                "SELECT min(seq), max(seq) FROM event WHERE run_id = ?", (run,)
            ).fetchone()
            spans.append((first, next((seq for seq in heads if last <= seq <= end), last)))
    joined: list[Part] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1].last + 1:
            joined[-1] = Part(joined[-1].first, max(joined[-1].last, last))
        else:
            joined.append(Part(first, last))
    return joined


def stored(path: Path, part: Part) -> Iterator[Stored]:
    """The rows of a part, each checked against its hash and the row before it.

    Raises
    ------
    ChainBroken
        A row does not give its hash, or does not follow the one before it.
    """
    with _opened(path) as connection:
        names = {str(row[1]) for row in connection.execute("PRAGMA table_info(event)")}
        columns = [name for name in COLUMNS if name in names]
        sql = f"SELECT {','.join(columns)}, hash FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq"
        expected, prev = part.first, None
        for *values, own in connection.execute(sql, (part.first, part.last)):
            told = dict(zip(columns, values, strict=True))
            row = _row(told, str(own))
            if row.seq != expected or prev not in (None, told["prev"]):
                raise _broken(path, f"event {expected} is missing or does not follow the row before it")
            expected, prev = row.seq + 1, row.hash
            yield row
    if expected != part.last + 1:
        raise _broken(path, f"event {expected} is missing")


def _row(told: dict[str, Any], own: str) -> Stored:
    text = canonical([value for name, value in told.items() if name != _OPTIONAL or value is not None])
    if sha256_text(text) != own:
        raise ChainBroken(
            f"event {told['seq']} does not give its hash", "it was edited", "see `eucentric audit verify`"
        )
    return Stored(int(told["seq"]), str(told["run_id"]), text, own)


def _broken(path: Path, what: str) -> ChainBroken:
    return ChainBroken(f"{path}: {what}", "nothing was exported", "see `eucentric audit verify`")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A ledger that is only read."""
    connection = read_only(path)
    try:
        yield connection
    finally:
        connection.close()


def write_rows(path: Path, runs: Sequence[str], parts: Iterable[Part], folder: Path) -> tuple[int, int]:
    """`rows.jsonl` and, if there are any, `sealed.jsonl` in `folder`; how many rows are in each."""
    readable, closed = 0, 0
    with open(folder / "rows.jsonl", "w", encoding="utf-8", newline="\n") as rows:
        sealed: list[str] = []
        for row in (row for part in parts for row in stored(path, part)):
            if row.run in runs or row.run == OF_ALL:
                rows.write(row.text + "\n")
                readable += 1
            else:
                sealed.append(json.dumps(row.sealed, sort_keys=True) + "\n")
                closed += 1
    if sealed:
        (folder / "sealed.jsonl").write_text("".join(sealed), "ascii", newline="\n")
    return readable, closed


def write_anchors(
    anchors: Iterable[Anchor], signed: Iterable[dict[str, Any]], parts: Sequence[Part], folder: Path
) -> int:
    """`anchors.jsonl`: heads that lie in the parts, or just before one; a line that is signed is kept whole."""
    kept = [one for one in anchors if any(part.first - 1 <= one.seq <= part.last for part in parts)]
    whole = {(line["seq"], line["hash"], line["utc"]): line for line in signed if "signature" in line}
    lines = [json.dumps(_line(one, whole), ensure_ascii=False) for one in kept]
    (folder / "anchors.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")
    return len(kept)


def _line(one: Anchor, whole: dict[tuple[int, str, str], dict[str, Any]]) -> dict[str, Any]:
    told = {"seq": one.seq, "hash": one.hash, "where": one.where}
    return {**whole.get((one.seq, one.hash, one.where.rpartition(", ")[2]), {}), **told}
