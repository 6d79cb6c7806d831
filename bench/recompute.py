"""Does every finding come out again from the raw frames, and does a forged one show?"""

import time
from pathlib import Path
from typing import Any

from eucentric.agent.auditing.recompute import TOLERANCE, Recomputed, recompute
from eucentric.bench.audited.count import Tally
from eucentric.bench.audited.runs import CAMPAIGNS, STORIES, Story
from eucentric.bench.audited.tamper import altered_copy
from eucentric.bench.contract import at_least, report
from eucentric.bench.own_state import own_state
from eucentric.core.errors import EucentricError
from eucentric.core.store import Store

_NEEDED = 20
_WITH_FINDINGS = ("analysed", "one flake")
_SEEDS = 3
"""So many worlds of each story."""


def _stories(quick: bool) -> tuple[Story, ...]:
    chosen = tuple(story for story in STORIES if story.name in _WITH_FINDINGS)
    return chosen if quick else chosen + CAMPAIGNS


def _cases(store: Path, name: str) -> list[dict[str, Any]]:
    opened = Store.existing(store)
    try:
        return [_case(opened, name, row.seq) for row in opened.ledger.events(kinds=("found",))]
    finally:
        opened.close()


def _case(store: Store, name: str, seq: int) -> dict[str, Any]:
    row = store.ledger.events(after=seq - 1, limit=1)[0]
    begun = time.process_time()
    answer = recompute(store, row)
    finding = row.body["finding"]
    return {
        "id": f"{name}, event {seq}, {row.tool}",
        "outputs": {
            "what": finding["what"], "interval": finding["interval"], "of": finding["of"], "tool": row.tool,
            "frames": len(answer.frames), "cannot_tell": finding["cannot_tell"],
        },
        "deviation": len(answer.differences),
        "pass": answer.same,
        "seconds": round(time.process_time() - begun, 3),
    }  # fmt: skip


def _forged(store: Path, folder: Path) -> list[bool]:
    """Whether each forgery shows: a wider interval, a count, and pixels that were altered on the disk."""
    shown = []
    for number, change in enumerate((_other_interval, _other_count)):
        copy = folder / f"forged-{number}"
        if altered_copy(store, copy, "r-0001", "found", change):
            shown.append(not all(one.same for one in _all(copy)))
    return [*shown, _altered_frame_shows(store)]


def _other_interval(body: dict[str, Any]) -> bool:
    body["finding"]["interval"]["high"] += 1e-6
    return True


def _other_count(body: dict[str, Any]) -> bool:
    body["finding"]["of"] += 1
    return True


def _all(store: Path) -> list[Recomputed]:
    opened = Store.existing(store)
    try:
        return [recompute(opened, row) for row in opened.ledger.events(run="r-0001", kinds=("found",))]
    finally:
        opened.close()


def _altered_frame_shows(store: Path) -> bool:
    opened = Store.existing(store)
    try:
        (row, *_) = opened.ledger.events(kinds=("found",))
        names = row.body["finding"]["evidence"]
        rows = opened.ledger.events(kinds=("returned",))
        frame = next(one for r in rows for one in r.body.get("frames", ()) if one["id"] == names[0])
        path = opened.blob_path(frame["sha256"])
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(bytes(data))
        recompute(opened, row)
    except EucentricError:
        return True
    finally:
        opened.close()
    return False


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Every finding of runs on several worlds made again [DECISIONS 14]."""
    tally, cases, forged = Tally(), [], []
    with own_state() as folder:
        for number, story in enumerate(_stories(quick)):
            for world in range(1 if quick or story in CAMPAIGNS else _SEEDS):
                store = folder / f"store-{number}-{world}"
                tally.add(store, story.made(store, seed + 10 * number + world).struck)
                cases += _cases(store, story.name)
        forged = _forged(folder / "store-0-0", folder)
    return _answer(tally, cases, forged, seed)


def _answer(tally: Tally, cases: list[dict[str, Any]], forged: list[bool], seed: int) -> dict[str, Any]:
    n, same = len(cases), sum(case["pass"] for case in cases)
    tools = sorted({case["outputs"]["tool"] for case in cases})
    figures = {
        "findings": n,
        "same": same,
        "tolerance_relative": TOLERANCE,
        "by_tool": {tool: sum(case["outputs"]["tool"] == tool for case in cases) for tool in tools},
        "that_cannot_tell": sum(bool(case["outputs"]["cannot_tell"]) for case in cases),
        "sites": sum(case["outputs"]["of"] for case in cases),
        "forged": len(forged),
        "forged_that_differ": sum(forged),
        "cpu_s_longest": max(case["seconds"] for case in cases),
        **tally.figures(),
    }
    bars = [
        at_least("share of findings that come out the same", same / n, 1.0, n=n, n_needed=_NEEDED),
        at_least(
            "share of forged findings that show", sum(forged) / len(forged), 1.0, n=len(forged), n_needed=3
        ),
    ]
    return report("recompute", seed, figures, bars, cases=cases)
