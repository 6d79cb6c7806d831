"""Do an analysis again from the raw frames and compare it with what was claimed."""

import math
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from eucentric.agent.auditing.past import Past
from eucentric.core.base import Model
from eucentric.core.errors import BadInput, EucentricError, NotAvailable
from eucentric.core.event import Event
from eucentric.core.request import SpecimenCard
from eucentric.core.store import Store
from eucentric.core.text import visible
from eucentric.instruments.no_microscope import NoMicroscope
from eucentric.tools.arguments import validated
from eucentric.tools.base import Context
from eucentric.tools.catalogue import tool_named

TOLERANCE = 1e-9
"""Relative difference of two numbers that still counts as the same: other machines round sums otherwise."""


class Recomputed(Model):
    """One finding, as it was claimed and as it comes out now."""

    finding: str
    event: int
    tool: str
    same: bool
    differences: tuple[str, ...] = ()
    """Where they differ: path, claimed, now."""
    frames: tuple[str, ...] = ()
    """What it was computed from."""
    software: str = ""
    """Version that claimed it."""


def findings_of(store: Store, run: str | None, name: str | None) -> list[Event]:
    """Rows of findings, by run, by id, or by event number.

    Raises
    ------
    BadInput
        There is none.
    """
    rows = store.ledger.events(run=run, kinds=("found",))
    wanted = [row for row in rows if name is None or name in (row.body["finding"].get("id"), str(row.seq))]
    if not wanted:
        what = f"finding {visible(name)!r}" if name else "finding"
        raise BadInput(
            f"there is no {what} in {run or 'this store'}", remedy="see `eucentric audit search found`"
        )
    return wanted


def recompute(store: Store, row: Event) -> Recomputed:
    """Make the call of a finding again, from stored frames and with what was on record then.

    Parameters
    ----------
    row
        The 'found' row.

    Raises
    ------
    BadInput
        The call is not on record.
    LedgerError
        A frame is missing or was altered.
    """
    claimed = dict(row.body["finding"])
    call = _call(store, row)
    now = _again(store, row, call)
    found = [one for one in now if one.get("id") == claimed.get("id")] or now
    differences = tuple(_differences(claimed, found[0], "finding")) if found else ("it is not found again",)
    return Recomputed(
        finding=str(claimed.get("id")),
        event=row.seq,
        tool=str(row.tool),
        same=not differences,
        differences=differences,
        frames=tuple(claimed.get("evidence", ())),
        software=_requested(store, row).get("software", ""),
    )


def _call(store: Store, row: Event) -> Event:
    rows = store.ledger.events(run=row.run_id, kinds=("called",), action_id=row.action_id)
    before = [one for one in rows if one.seq < row.seq]
    if not before:
        raise BadInput(f"the call behind event {row.seq} is not on record", remedy="verify the store")
    return before[-1]


def _requested(store: Store, row: Event) -> dict[str, Any]:
    rows = store.ledger.events(run=row.run_id, kinds=("requested",), limit=1)
    return rows[0].body if rows else {}


def _again(store: Store, row: Event, call: Event) -> list[dict[str, Any]]:
    tool = tool_named(str(row.tool))
    if tool.risk != "analyse":
        raise NotAvailable(
            f"{tool.name} is no analysis of stored frames", "it can't be made again without them"
        )
    args = validated(tool, call.body["call"]["args"])
    card = _requested(store, row).get("specimen")
    with tempfile.TemporaryDirectory() as folder:
        context = Context(
            microscope=NoMicroscope(),
            records=Past(store, row.run_id, call.seq),
            specimen=SpecimenCard.model_validate(card or {"name": "none", "material": "unknown"}),
            folder=Path(folder),
            note=lambda text: None,
            report=_no_report,
        )
        value = tool.run(args, context)
    return [one.model_dump(mode="json") for one in getattr(value, "findings", ())]


def _no_report() -> NoReturn:
    raise EucentricError("no report is written while recomputing")


def _differences(claimed: Any, now: Any, path: str) -> list[str]:
    """Where two JSON values differ, numbers within `TOLERANCE`."""
    if isinstance(claimed, dict) and isinstance(now, dict):
        keys = sorted({*claimed, *now})
        return [
            text for key in keys for text in _differences(claimed.get(key), now.get(key), f"{path}.{key}")
        ]
    if isinstance(claimed, list | tuple) and isinstance(now, list | tuple) and len(claimed) == len(now):
        pairs = enumerate(zip(claimed, now, strict=True))
        return [text for n, (a, b) in pairs for text in _differences(a, b, f"{path}[{n}]")]
    if _same(claimed, now):
        return []
    return [f"{path}: claimed {visible(str(claimed), limit=80)}, now {visible(str(now), limit=80)}"]


def _same(a: Any, b: Any) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (a, b))
    return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-12) if numbers else a == b
