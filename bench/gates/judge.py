"""Reads the ledger with plain SQLite and says what may have happened: it shares no code with what decides."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OPEN = {"no_channel", "timed_out", "deferred", "escalated"}
_YES = {"approved", "granted-for-class", "stop_after_step"}
_NOBODY = {"clock", "nobody", "stop", "rule: rejected before"}


@dataclass(frozen=True)
class Verdict:
    """About one run."""

    decisive: tuple[dict[str, Any], ...]
    """Decisions that close a gate, in the order of the chain."""
    doubled: int
    """Gates with more than one of them."""
    by_nobody: int
    """Time-outs and missing channels that stand as somebody's decision, or the other way round."""
    acted: int
    """Acts announced to the instrument."""
    unallowed: int
    """Acts whose last question was not answered with a yes before them."""


def judged(audit: Path, run_id: str) -> Verdict:
    """What the rows of a run say."""
    connection = sqlite3.connect(f"file:{audit}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT seq, kind, actor, body FROM event WHERE run_id = ? ORDER BY seq", (run_id,)
        ).fetchall()
    finally:
        connection.close()
    told = [(seq, kind, actor, json.loads(body)) for seq, kind, actor, body in rows]
    decided = [(seq, actor, body) for seq, kind, actor, body in told if kind == "decided"]
    closing = [(seq, body) for seq, _, body in decided if body["outcome"] not in _OPEN]
    gates = [body["gate"] for _, body in closing]
    return Verdict(
        decisive=tuple(body for _, body in closing),
        doubled=sum(gates.count(gate) > 1 for gate in set(gates)),
        by_nobody=sum(_mixed_up(actor, body) for _, actor, body in decided),
        acted=sum(kind == "intended" for _, kind, _, _ in told),
        unallowed=sum(not _allowed(seq, told) for seq, kind, _, _ in told if kind == "intended"),
    )


def _mixed_up(actor: str, body: dict[str, Any]) -> bool:
    waited = body["outcome"] in ("no_channel", "timed_out")
    return (
        waited != (actor in _NOBODY or actor.startswith("policy"))
        if waited
        else actor in _NOBODY - {"stop"} and not (body.get("automatic"))
    )


def _allowed(seq: int, told: list[tuple[int, str, str, dict[str, Any]]]) -> bool:
    """The last question before it was answered with a yes, first of all answers, to the card that was shown."""
    asked = [body for number, kind, _, body in told if kind == "asked" and number < seq]
    if not asked:
        return False
    last = asked[-1]
    answers = [
        body
        for number, kind, _, body in told
        if kind == "decided"
        and number < seq
        and body["gate"] == last["gate"]
        and body["outcome"] not in _OPEN
    ]
    if not answers or answers[0]["outcome"] not in _YES:
        return False
    first, needs = answers[0], last["needs"]
    order = ("user", "operator", "staff")
    same = first["card_sha256"] == last["card_sha256"] and first["binding"] == last["binding"]
    high_enough = order.index(first.get("role", "user")) >= order.index(needs["role"])
    return (
        same
        and high_enough
        and first["envelope"] == last["envelope"]
        and _people(first) >= needs["approvers"]
    )


def _people(body: dict[str, Any]) -> int:
    return len({body.get("name") or body["by"], *(one["name"] for one in body.get("consents", ()))})
