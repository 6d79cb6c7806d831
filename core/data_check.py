"""Are the pixels that the rows speak of still the ones that were recorded? Standard library only."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eucentric.core.chain import read_only

_CHUNK = 500
"""Rows read at a time: reading pixels takes long, and a snapshot kept meanwhile would let the log grow."""
_FRAME_ROWS = (
    "SELECT seq, run_id, body FROM event WHERE kind = 'returned' AND body LIKE '%\"frames\"%' AND seq > ? "
    "ORDER BY seq LIMIT ?"
)


def _frames(connection: sqlite3.Connection) -> Iterator[tuple[int, str, dict[str, Any]]]:
    after = 0
    while rows := connection.execute(_FRAME_ROWS, (after, _CHUNK)).fetchall():
        for seq, run_id, body in rows:
            for frame in json.loads(body).get("frames", ()):
                yield int(seq), str(run_id), frame
        after = rows[-1][0]


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blob_problem(folder: Path, sha: str) -> str:
    try:
        return "" if _digest(folder / "blobs" / sha[:2] / sha) == sha else "its pixels were altered"
    except OSError:
        return "its pixels are missing"


def _sidecar_problem(path: Path, frame: dict[str, Any]) -> str:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return "its sidecar is missing"
    except ValueError:
        return "its sidecar is damaged"
    told.pop("anchor", None)
    return "" if told == frame else "its sidecar differs from the row"


def check_data(folder: Path) -> tuple[int, list[str]]:
    """Compare every frame's pixels and sidecar in the store `folder` with what its row says.

    Returns
    -------
    tuple
        (frames checked, problems): one line for each problem, with the event's number.
    """
    problems, count = [], 0
    connection = read_only(folder / "audit.db")
    try:
        for seq, run_id, frame in _frames(connection):
            count += 1
            name = str(frame.get("id", ""))
            sidecar = folder / "runs" / run_id / "frames" / f"{name}.json"
            found = (_blob_problem(folder, str(frame.get("sha256", ""))), _sidecar_problem(sidecar, frame))
            problems += [f"frame {name} of {run_id} (event {seq}): {text}" for text in found if text]
    finally:
        connection.close()
    return count, problems
