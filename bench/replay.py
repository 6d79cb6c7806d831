"""Do runs come out the same when they are made again from their record, and does a forged record show?"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.agent.auditing.replay import Part, Replayed, replay
from eucentric.bench.audited.count import Tally
from eucentric.bench.audited.kill import killed, killed_store
from eucentric.bench.audited.runs import CAMPAIGNS, STORIES, Story
from eucentric.bench.audited.tamper import FORGERIES, altered_copy
from eucentric.bench.contract import at_least, report
from eucentric.bench.own_state import own_state
from eucentric.core.rows import open_rows

NEEDED = 50
_QUICK = (
    "in a row",
    "paused",
    "edited",
    "stopped",
    "no answer",
    "frames go wrong",
    "bad air, paused",
    "the host died",
)
_FORGED = ("in a row", "stopped")
"""Stories of whose first run the record is altered."""
_KILLS = 6


class _Judged:
    """Cases, and what the runs were made of."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.cases: list[dict[str, Any]] = []
        self.forged: list[dict[str, Any]] = []

    def store(self, name: str, store: Path, struck: list[str], made_s: float) -> None:
        """Replay every run of a store."""
        self.tally.add(store, struck)
        runs = _runs(store)
        for run in runs:
            begun = time.process_time()
            answer = replay(store, run)
            seconds = time.process_time() - begun
            self.cases.append(_case(f"{name}, {run}", answer, seconds, made_s / len(runs)))

    def forge(self, name: str, store: Path, folder: Path) -> None:
        """Alter a row of the first run in each of the ways that apply, and replay it."""
        run = _runs(store)[0]
        for number, (what, kind, change) in enumerate(FORGERIES):
            copy = folder / f"forged-{number}"
            if altered_copy(store, copy, run, kind, change):
                answer = replay(copy, run)
                self.forged.append(
                    {"what": f"{name}: {what}", "verdict": answer.verdict, "why": answer.why[:160]}
                )


def _runs(store: Path) -> list[str]:
    ledger = open_rows(store / "audit.db")
    try:
        return [row.run_id for row in ledger.events(kinds=("requested",))]
    finally:
        ledger.close()


def _case(name: str, answer: Replayed, seconds: float, made_s: float) -> dict[str, Any]:
    parts: tuple[Part, ...] = ("call", "act", "frame", "finding")
    same = {part: all(one.same for one in answer.of(part)) for part in parts}
    return {
        "id": name,
        "outputs": {
            "verdict": answer.verdict, "why": answer.why, "processes": answer.processes,
            **{f"{part}s": len(answer.of(part)) for part in same}, "sent_before": len(answer.sent_before),
            "made_s": round(made_s, 3),
        },
        "deviation": sum(not one.same for one in answer.compared) + sum(not one.same for one in answer.sent_before),
        "pass": answer.verdict == "identical" and all(same.values()),
        "seconds": round(seconds, 3),
    }  # fmt: skip


def _stories(quick: bool) -> Iterator[tuple[int, Story]]:
    for number, story in enumerate(STORIES + (() if quick else CAMPAIGNS)):
        if not quick or story.name in _QUICK:
            yield number, story


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Every run made again: calls, acts, frames and findings; and records that were altered [DECISIONS 14]."""
    logging.getLogger("eucentric").setLevel(logging.ERROR)  # holds that are released here are meant to be
    judged = _Judged()
    with own_state() as folder:
        for number, story in _stories(quick):
            begun = time.process_time()
            store = folder / f"store-{number}"
            desk = story.made(store, seed + number)
            judged.store(story.name, store, desk.struck, time.process_time() - begun)
            if story.name in _FORGED:
                judged.forge(story.name, store, folder / f"forged-{number}")
        for number in range(1 if quick else _KILLS):
            with killed_store(killed(number, seed), folder) as store:
                judged.store(killed(number, seed).words_of_it, store, [], 0.0)
    return _answer(judged, seed)


def _answer(judged: _Judged, seed: int) -> dict[str, Any]:
    cases, forged = judged.cases, judged.forged
    n, same = len(cases), sum(case["pass"] for case in cases)
    shown = sum(one["verdict"] == "differs" for one in forged)
    counted = ("calls", "acts", "frames", "findings", "sent_before")
    made = [case["outputs"]["made_s"] for case in cases if case["outputs"]["made_s"]]
    figures = {
        "runs": n,
        "identical": same,
        "compared": {name: sum(case["outputs"][name] for case in cases) for name in counted},
        "runs_of_several_processes": sum(case["outputs"]["processes"] > 1 for case in cases),
        "forged_records": len(forged),
        "forged_that_differ": shown,
        "cpu_s_median": round(float(np.median([case["seconds"] for case in cases])), 3),
        "cpu_s_made_median": round(float(np.median(made)), 3),
        **judged.tally.figures(),
    }
    bars = [
        at_least("share of runs with identical calls and frame bytes", same / n, 1.0, n=n, n_needed=NEEDED),
        at_least("share of forged records that differ", shown / len(forged), 1.0, n=len(forged), n_needed=10),
    ]
    return report("replay", seed, figures, bars, cases=cases, forged=forged)
