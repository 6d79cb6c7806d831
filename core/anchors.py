"""Heads of ledgers, written where the ledger's file is not. Standard library only.

One JSON-lines file per ledger in the user's state directory; saved frames carry the head too.
"""

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from eucentric.core import anchor_signing
from eucentric.core.canonical import canonical
from eucentric.core.chain import Anchor, read_only
from eucentric.core.clock import utc_now
from eucentric.core.errors import DISK_FULL, LedgerError, StoreFull
from eucentric.core.places import state_dir

_NOT_OURS = (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError)
"""What taking apart somebody else's JSON raises."""


class _Line(NamedTuple):
    """One line of an anchors file."""

    utc: str
    path: str
    ledger: str
    seq: int
    hash: str


def _folder() -> Path:
    return state_dir() / "anchors"


def id_of(first_body: str) -> str:
    """The random name in the body of a ledger's first row, '' if it has none.

    It becomes a file name, so anything but the 32 hex digits that were written is no name.
    """
    with contextlib.suppress(*_NOT_OURS):
        name = json.loads(first_body).get("ledger_id")
        if isinstance(name, str) and re.fullmatch("[0-9a-f]{32}", name):
            return name
    return ""


def ledger_id(path: Path) -> str:
    """The random name a ledger got in its first row ('' if it has none)."""
    connection = read_only(path)
    try:
        row = connection.execute("SELECT body FROM event WHERE seq = 1").fetchone()
    finally:
        connection.close()
    return id_of(row[0]) if row else ""


def write_anchor(path: Path, name: str, seq: int, head: str) -> None:
    """Append the head of the ledger at `path`, called `name`, and sync it to disk.

    Raises
    ------
    LedgerError
        The state directory can't be written (`StoreFull` if the disk is full).
    """
    line: dict[str, Any] = _Line(utc_now(), str(path.resolve()), name, seq, head)._asdict()
    if anchor_signing.wanted():
        signature = anchor_signing.signature_of(line)
        line |= {"signature": signature} if signature else {}
    folder = _folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(folder / f"{name}.jsonl", "a+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            torn = file.read(1) not in (b"", b"\n")  # a power loss must not take the next line with it
            file.write(b"\n" * torn + canonical(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        kind = StoreFull if error.errno in DISK_FULL else LedgerError
        raise kind(
            f"can't anchor the ledger in {folder}: {error.strerror or error}",
            "the ledger itself is complete",
            "set EUCENTRIC_STATE to a folder that can be written",
        ) from error


def _lines(file: Path) -> Iterator[tuple[_Line, dict[str, Any]]]:
    """Each line that is one, and all that it holds."""
    try:
        text = file.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise LedgerError(f"the anchors in {file} can't be read", str(error), "check its rights") from error
    for line in text.split("\n"):  # splitlines() would also break at U+2028 in a path
        # A torn last line after a power loss is no anchor.
        with contextlib.suppress(*_NOT_OURS):
            entry = json.loads(line)
            parsed = _Line(*(kind(entry[field]) for field, kind in _Line.__annotations__.items()))
            yield parsed, entry


def _own_name(path: Path) -> str:
    try:
        return ledger_id(path)
    except (sqlite3.Error, OSError):  # an unreadable ledger is reported by verify, not here
        return ""


def state_anchors(path: Path) -> list[Anchor]:
    """Anchors in the state directory of the ledger at `path`, wherever it was when they were made.

    Raises
    ------
    LedgerError
        They are there and can't be read.
    """
    name = _own_name(path)
    file = _folder() / f"{name}.jsonl"
    if not name or not file.is_file():
        return []
    return [Anchor(line.seq, line.hash, f"the state directory, {line.utc}") for line, _ in _lines(file)]


def signed_lines(path: Path) -> list[dict[str, Any]]:
    """The lines behind `state_anchors`, whole, if any of them is signed; else none."""
    name = _own_name(path)
    file = _folder() / f"{name}.jsonl"
    if not name or not file.is_file():
        return []
    whole = [entry for _, entry in _lines(file)]
    return whole if any("signature" in entry for entry in whole) else []


def other_ledgers(path: Path) -> list[str]:
    """Other ledgers that were anchored at the same path: somebody removed or replaced one. One line each."""
    name, where = _own_name(path), str(path.resolve())
    found = []
    for file in sorted(_folder().glob("*.jsonl")):
        lines = [line for line, _ in _lines(file) if line.path == where and line.ledger != name]
        if lines:
            last = lines[-1]
            found.append(
                f"another ledger ({last.ledger[:8]}…, {last.seq} events) stood here until {last.utc}"
            )
    return found


def frame_anchors(store: Path) -> list[Anchor]:
    """Heads that saved frames carry in their sidecar files."""
    found = []
    for file in sorted(store.glob("runs/*/frames/*.json")):
        with contextlib.suppress(*_NOT_OURS, OSError):
            anchor = json.loads(file.read_text(encoding="utf-8")).get("anchor") or {}
            where = f"{file.parent.parent.name}/{file.name}"
            found.append(Anchor(int(anchor["seq"]), str(anchor["hash"]), where))
    return found
