"""Judging a case: what the witness at the driver saw, against what the ledger says."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from eucentric.bench.killing.case import RUN, Record
from eucentric.bench.killing.scenario import FRAMES
from eucentric.bench.killing.spy import witnessed
from eucentric.core.anchors import frame_anchors, state_anchors
from eucentric.core.chain import verify
from eucentric.core.event import Event
from eucentric.core.store import Store

_ROW_S = 0.002
"""Rows carry whole milliseconds [s]."""


@dataclass
class Judged:
    """Counts of what must not be, and what was measured."""

    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    surfacing: list[str] = field(default_factory=list)
    chain: list[str] = field(default_factory=list)
    unended: list[str] = field(default_factory=list)
    uncertain: int = 0
    decisions: dict[str, int] = field(default_factory=dict)
    exposures: int = 0
    beam_s: float | None = None
    """Beam on after the run's death [s]; None where its host was killed with it."""

    @property
    def wrong(self) -> list[str]:
        """Everything that must not be."""
        return [*self.twice, *self.lost, *self.surfacing, *self.chain, *self.unended]


def judged(store: Path, log: Path, record: Record, ended: str) -> Judged:
    """Compare witness and ledger."""
    opened = Store.existing(store)
    try:
        rows, seen, found = opened.ledger.events(run=RUN), witnessed(log), Judged()
        owners = _owners(rows, seen)
        _exposures(rows, list(owners.values()), found)
        _frames(opened, rows, seen, owners, found)
        _surfacing(rows, record, found)
        found.beam_s = _beam(rows, seen, record)
    finally:
        opened.close()
    ledger = store / "audit.db"
    found.chain += verify(ledger, [*state_anchors(ledger), *frame_anchors(store)]).problems
    kept = sum(len(row.body.get("frames", ())) for row in rows if row.kind == "returned")
    given_up = any(row.kind == "resolved" and row.body["decision"] == "give-up" for row in rows)
    if not given_up and (kept != FRAMES or ended != "done"):
        found.unended.append(f"{kept} frames kept, ended {ended or 'never'}")
    return found


def _utc(row: Event) -> float:
    return datetime.fromisoformat(row.ts).timestamp()


def _owners(rows: list[Event], seen: list[dict[str, Any]]) -> dict[tuple[int, int], str]:
    """Each exposure, by process and number, belongs to the act that was announced last; '' to none."""
    acts = [row for row in rows if row.kind == "intended" and row.body["act"] == "acquire"]
    found = {}
    for line in (one for one in seen if one["what"] == "exposing"):
        before = [row for row in acts if _utc(row) <= line["utc_s"] + _ROW_S]
        found[line["pid"], line["n"]] = str(before[-1].action_id) if before else ""
    return found


def _exposures(rows: list[Event], owners: list[str], found: Judged) -> None:
    """No act is exposed twice, unless a person said so."""
    found.exposures = len(owners)
    said = {row.action_id: row.body["decision"] for row in rows if row.kind == "resolved"}
    found.twice += ["an exposure that no row announced"] * owners.count("")
    for act in sorted({owner.partition("~")[0] for owner in owners if owner}):
        mine = [owner for owner in owners if owner.partition("~")[0] == act]
        for earlier in mine[:-1]:
            if said.get(earlier) != "repeat":
                why = said.get(earlier, "settled by nobody")
                found.twice.append(f"{act} exposed {len(mine)} times, {earlier}: {why}")


def _frames(
    store: Store,
    rows: list[Event],
    seen: list[dict[str, Any]],
    owners: dict[tuple[int, int], str],
    found: Judged,
) -> None:
    """Each completed exposure is a frame with its pixels in the store, or its act was surfaced as uncertain."""
    kept: dict[tuple[str, float], int] = {}
    for row in rows:
        for frame in row.body.get("frames", ()) if row.kind == "returned" else ():
            data = store.blob_path(frame["sha256"])
            if not data.is_file() or hashlib.sha256(data.read_bytes()).hexdigest() != frame["sha256"]:
                found.lost.append(f"frame {frame['id']}: its pixels are not in the store")
            key = frame["sha256"], round(frame["time_s"], 6)
            kept[key] = kept.get(key, 0) + 1
    surfaced = {row.action_id for row in rows if row.kind == "in_doubt"}
    for line in (one for one in seen if one["what"] == "exposed" and one["complete"]):
        act = owners.get((line["pid"], line["n"]), "")
        for sha, time_s in line["frames"]:
            key = sha, round(time_s, 6)
            kept[key] = kept.get(key, 0) - 1
            if kept[key] < 0 and act not in surfaced:
                found.lost.append(f"{act}: exposed whole, no frame, not surfaced")
    invented = sum(count for count in kept.values() if count > 0)
    if invented:
        found.lost.append(f"{invented} frames that the witness never saw exposed")


def _surfacing(rows: list[Event], record: Record, found: Judged) -> None:
    """An act that was open at a death has one row 'in_doubt' and one decision; nothing else has any."""
    uncertain = {act for head in record.heads for act in _open_at(rows, head)}
    found.uncertain = len(uncertain)
    by_person = 0
    for act in sorted({row.action_id or "" for row in rows if row.action_id} | uncertain):
        mine = [row for row in rows if row.action_id == act]
        doubts = [row for row in mine if row.kind == "in_doubt"]
        settled = [row for row in mine if row.kind == "resolved"]
        for row in settled:
            decision = str(row.body["decision"])
            by_person += row.actor != "reconciliation"
            found.decisions[decision] = found.decisions.get(decision, 0) + 1
        wanted = int(act in uncertain)
        if (len(doubts), len(settled)) != (wanted, wanted):
            found.surfacing.append(
                f"{act}: {len(doubts)} times in doubt, {len(settled)} decisions, wanted {wanted}"
            )
    if record.prompts != by_person and not any(one["killed"] for one in record.rounds):
        found.surfacing.append(f"{record.prompts} questions for {by_person} decisions of a person")


def _open_at(rows: list[Event], head: int) -> set[str]:
    """Acts that move or expose, begun and without a known end by then."""
    known = {row.action_id for row in rows if row.kind in ("returned", "failed") and row.seq <= head}
    return {
        str(row.action_id)
        for row in rows
        if row.kind == "intended" and row.seq <= head and row.body["act"] not in ("wait", "store")
    } - {str(one) for one in known}


def _beam(rows: list[Event], seen: list[dict[str, Any]], record: Record) -> float | None:
    """Until the blanker was closed for the last time before anybody took the run up again [s]."""
    if "host" in record.scenario.victims:
        return None
    later = [row for row in rows if row.seq > record.heads[0] and row.kind == "intended"]
    until = _utc(later[0]) - _ROW_S if later else float("inf")
    last, on = record.killed_clock_s, False
    for line in (one for one in seen if one["utc_s"] <= until):
        if line["what"] in ("light", "dark"):
            on = line["what"] == "light"
            last = max(last, line["clock_s"])
    return float("inf") if on else last - record.killed_clock_s


def as_json(found: Judged, record: Record) -> dict[str, Any]:
    """One case, for the worker's output."""
    chosen = record.scenario
    outputs = {
        "twice": found.twice,
        "lost": found.lost,
        "surfacing": found.surfacing,
        "chain": found.chain,
        "unended": found.unended,
        "uncertain": found.uncertain,
        "decisions": found.decisions,
        "exposures": found.exposures,
        "beam_on_s": found.beam_s,
        "resume_s": record.resume_s,
        "cold_s": record.cold_s,
        "rounds": record.rounds,
        "prompts": record.prompts,
    }
    return {
        "id": chosen.words_of_it,
        "outputs": outputs,
        "deviation": len(found.wrong),
        "pass": not found.wrong,
        "seconds": round(record.seconds, 2),
    }
