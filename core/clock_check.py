"""What the clocks of two rows that follow each other say about the wall clock. Standard library only."""

import json
from datetime import datetime
from typing import Any


def set_back(seq: int, before: tuple[str, str | None], after: tuple[str, str | None]) -> str:
    """One line for row `seq`, whose UTC is earlier than that of the row before it.

    Parameters
    ----------
    before, after
        (ts, clocks) of the two rows, as stored.
    """
    by = _seconds(before[0], after[0])
    what = f"UTC goes back{f' by {by:.3f} s' if by is not None else ''} at event {seq}"
    one, two = _clocks(before[1]), _clocks(after[1])
    if not one or not two:
        return f"{what}; no other clock was written with it"
    if one["boot"] != two["boot"]:
        return f"{what}; the machine was booted in between, or there are two machines"
    on = two["mono_s"] - one["mono_s"]
    if on < 0:
        return f"{what}, and so does the monotonic clock: these rows were not written in this order"
    return f"{what} while the monotonic clock went on by {on:.3f} s: the wall clock was set back"


def _clocks(text: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(text or "null")
        return {"boot": str(found["boot"]), "mono_s": float(found["mono_s"])}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _seconds(early: str, late: str) -> float | None:
    try:
        return (datetime.fromisoformat(early) - datetime.fromisoformat(late)).total_seconds()
    except (ValueError, TypeError):
        return None
