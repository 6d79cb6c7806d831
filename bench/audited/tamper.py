"""A store of which one row is not what it was: the triggers dropped, the chain made right again."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from eucentric.core.canonical import canonical
from eucentric.core.chain import row_hash
from eucentric.core.event_table import COLUMNS, TRIGGERS

Change = Callable[[dict[str, Any]], bool]
"""Alters a row's body in place; False if this row is not the one."""


def altered_copy(store: Path, copy: Path, run: str, kind: str, change: Change) -> bool:
    """Copy a store and alter the last row of that kind to which the change applies; False if there is none.

    The chain of the copy is whole again: only a replay, or an anchor outside, can tell.
    """
    shutil.copytree(store, copy)
    with closing(sqlite3.connect(copy / "audit.db")) as line:
        for name in TRIGGERS:
            line.execute(f"DROP TRIGGER {name}")
        found = _alter(line, run, kind, change)
        _rechain(line)
        for sql in TRIGGERS.values():
            line.execute(sql)
        line.commit()
    return found


def _alter(line: sqlite3.Connection, run: str, kind: str, change: Change) -> bool:
    rows = line.execute(
        "SELECT seq, body FROM event WHERE run_id = ? AND kind = ? ORDER BY seq DESC", (run, kind)
    ).fetchall()
    for seq, text in rows:
        body = json.loads(text)
        if change(body):
            line.execute("UPDATE event SET body = ? WHERE seq = ?", (canonical(body), seq))
            return True
    return False


def _rechain(line: sqlite3.Connection) -> None:
    names = ",".join(COLUMNS)
    before: str | None = None
    for row in line.execute(f"SELECT {names} FROM event ORDER BY seq").fetchall():
        values = (*row[:-1], before if before is not None else row[-1])
        before = row_hash(values)
        line.execute("UPDATE event SET prev = ?, hash = ? WHERE seq = ?", (values[-1], before, row[0]))


# --- what a forger might change ---------------------------------------------------------------------------


def other_seed(body: dict[str, Any]) -> bool:
    """Another specimen, stage and noise."""
    before = body["request"]["instrument"]
    body["request"]["instrument"] = before.replace("seed=", "seed=9")
    return bool(body["request"]["instrument"] != before)


def other_pixels(body: dict[str, Any]) -> bool:
    """Another picture than was taken."""
    if not body.get("frames"):
        return False
    sha = body["frames"][0]["sha256"]
    body["frames"][0]["sha256"] = f"{(int(sha[0], 16) + 1) % 16:x}{sha[1:]}"
    return True


def other_argument(body: dict[str, Any]) -> bool:
    """A call with a shorter dwell than it had."""
    args = body["call"]["args"]
    if "dwell_us" not in args:
        return False
    args["dwell_us"] = args["dwell_us"] * 0.5
    return True


def other_reading(body: dict[str, Any]) -> bool:
    """A stage that stood elsewhere."""
    stage = (body.get("state") or {}).get("stage")
    if not stage:
        return False
    stage["x_um"]["reported"] += 0.001
    return True


def other_dose(body: dict[str, Any]) -> bool:
    """A smaller dose than was charged."""
    if "charge" not in body:
        return False
    body["charge"]["dose_e_per_a2"] *= 0.9
    return True


def other_error(body: dict[str, Any]) -> bool:
    """A failure that was none."""
    if body.get("ok") is not False:
        return False
    body["ok"], body["error"] = True, None
    return True


def other_envelope(body: dict[str, Any]) -> bool:
    """An approval for less than was done."""
    if not body.get("envelope"):
        return False
    body["envelope"]["max_frames"] = 1
    return True


FORGERIES: tuple[tuple[str, str, Change], ...] = (
    ("seed", "requested", other_seed), ("pixels", "returned", other_pixels), ("argument", "called", other_argument),
    ("reading", "returned", other_reading), ("dose", "returned", other_dose), ("envelope", "decided", other_envelope),
    ("error", "concluded", other_error),
)  # fmt: skip
"""Name, kind of row, change."""
