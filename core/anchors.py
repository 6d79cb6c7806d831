"""Heads of ledgers, written where the ledger's file is not. Standard library only.

One JSON-lines file per ledger in the user's state directory; saved frames carry the head too.
"""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from eucentric.core.canonical import canonical
from eucentric.core.chain import Anchor, read_only
from eucentric.core.clock import utc_now
from eucentric.core.places import state_dir


def _folder() -> Path:
    return state_dir() / "anchors"


def ledger_id(path: Path) -> str:
    """The random name a ledger got in its first row ('' if it has none)."""
    connection = read_only(path)
    try:
        row = connection.execute("SELECT body FROM event WHERE seq = 1").fetchone()
    finally:
        connection.close()
    return str(json.loads(row[0]).get("ledger_id", "")) if row else ""


def write_anchor(path: Path, name: str, seq: int, head: str) -> None:
    """Append the head of the ledger at `path`, called `name`, and sync it to disk."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = canonical(
        {"utc": utc_now(), "path": str(path.resolve()), "ledger": name, "seq": seq, "hash": head}
    )
    with open(folder / f"{name}.jsonl", "a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def _lines(file: Path) -> list[dict[str, Any]]:
    entries = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:  # a torn last line after a power loss is no anchor
            continue
    return entries


def _own_name(path: Path) -> str:
    try:
        return ledger_id(path)
    except (sqlite3.Error, ValueError):  # an unreadable ledger is reported by verify, not here
        return ""


def state_anchors(path: Path) -> list[Anchor]:
    """Anchors in the state directory of the ledger at `path`, wherever it was when they were made."""
    file = _folder() / f"{_own_name(path)}.jsonl"
    if not file.is_file():
        return []
    return [Anchor(int(e["seq"]), str(e["hash"]), f"the state directory, {e['utc']}") for e in _lines(file)]


def other_ledgers(path: Path) -> list[str]:
    """Other ledgers that were anchored at the same path: somebody removed or replaced one. One line each."""
    name, where = _own_name(path), str(path.resolve())
    found = []
    for file in sorted(_folder().glob("*.jsonl")):
        entries = [
            entry for entry in _lines(file) if entry.get("path") == where and entry.get("ledger") != name
        ]
        if entries:
            found.append(
                f"another ledger ({file.stem[:8]}…, {entries[-1]['seq']} events) stood here until {entries[-1]['utc']}"
            )
    return found


def frame_anchors(store: Path) -> list[Anchor]:
    """Heads that saved frames carry in their sidecar files."""
    found = []
    for file in sorted(store.glob("runs/*/frames/*.json")):
        try:
            anchor = json.loads(file.read_text(encoding="utf-8")).get("anchor") or {}
            found.append(
                Anchor(int(anchor["seq"]), str(anchor["hash"]), f"{file.parent.parent.name}/{file.name}")
            )
        except (ValueError, KeyError, OSError):
            continue
    return found
