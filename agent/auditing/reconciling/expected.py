"""What an act makes the guard send, by the driver's protocol, and whether an entry of the instrument's log is that."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from eucentric.agent.acting.exposure import scan_spec
from eucentric.agent.auditing.reconciling.sources import Act
from eucentric.core.instrument import Scan
from eucentric.core.units import OPTICS, STAGE, from_si, to_si
from eucentric.instruments.driver import LoggedCommand


class Sent(NamedTuple):
    """One command of an act."""

    name: str
    args: dict[str, Any] | None
    """In SI; None: an act of this version can't be read, and any will do."""


def sent_by(act: Act) -> tuple[Sent, ...]:
    """The commands of an act that ends well, in order; one that is cut off sends fewer, never others."""
    if act.name == "acquire":
        return Sent("unblank", {}), Sent("acquire", _plain(act)), Sent("blank", {})
    name = {"move_stage": "move", "set_optics": "set_optics", "insert_detector": "insert"}.get(act.name)
    return () if name is None else (Sent(name, _plain(act)),)


def _plain(act: Act) -> dict[str, Any] | None:
    try:
        if act.name == "acquire":
            return scan_spec(Scan.model_validate(act.args)).model_dump(mode="json")
        table = {"move_stage": STAGE, "set_optics": OPTICS}.get(act.name)
        return act.args if table is None else to_si(table, act.args)
    except (ValidationError, KeyError, TypeError, ValueError):
        return None


def is_it(entry: LoggedCommand, sent: Sent) -> bool:
    """Whether the instrument was told just that."""
    return entry.name == sent.name and (sent.args is None or _same(entry.args, sent.args))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (a, b))
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-18) if numbers else bool(a == b)


def matched(
    entries: Sequence[LoggedCommand], wanted: Sequence[Sent]
) -> tuple[list[LoggedCommand], list[LoggedCommand], list[Sent]]:
    """Entries that are the wanted ones in order, entries that are not, and wanted ones that are not there."""
    own: list[LoggedCommand] = []
    others: list[LoggedCommand] = []
    missing, left = [], list(entries)
    for one in wanted:
        at = next((n for n, entry in enumerate(left) if is_it(entry, one)), None)
        if at is None:
            missing.append(one)
            continue
        others += left[:at]
        own.append(left[at])
        del left[: at + 1]
    return own, others + left, missing


def words(entry: LoggedCommand) -> str:
    """An entry as a microscopist reads it."""
    return f"number {entry.number}, {entry.name} {_args(entry)}".rstrip() + f", at {entry.time_s:.1f} s"


def _args(entry: LoggedCommand) -> str:
    try:
        if entry.name == "acquire":
            return _scan(entry.args)
        named = from_si({"move": STAGE, "set_optics": OPTICS}.get(entry.name, {}), entry.args)
    except (KeyError, TypeError, ValueError, AttributeError):
        named = {}
    shown = named if len(named) == len(entry.args) else entry.args
    return ", ".join(
        f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}" for key, value in shown.items()
    )


def _scan(args: dict[str, Any]) -> str:
    detectors = "+".join(str(one) for one in args["detectors"])
    size = f"{args['columns']}×{args['rows']} px, {args['fov_m'] * 1e9:.6g} nm"
    return f"{detectors} {size}, dwell {args['dwell_s'] * 1e6:.6g} µs"
