"""At most once: a run of 28 frames is killed (SIGKILL) at random points and taken up by two processes at once.

The run and the resumes are the program itself, the host is a process of its own with a witness between guard
and twin that writes each exposure to a file of its own. Forked from a process that has imported everything, so
that a case costs its work; some cases start from nothing. A witness, not the ledger, says what was exposed.
"""

import contextlib
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eucentric.bench.contract import at_most, report, wilson
from eucentric.bench.killing.case import MEMORY

_NEEDED = 200
_WORKERS = 2
_QUICK_S, _FULL_S = 32.0, 1500.0
_SLACK_S = 60.0
_BEAM_S, _RESUME_S = 1.0, 5.0


def _start(first: int, seed: int, seconds: float, folder: Path) -> "subprocess.Popen[str]":
    words: dict[str, object] = {"first": first, "step": _WORKERS, "count": _NEEDED, "seed": seed}
    words |= {"seconds": seconds, "folder": folder}
    command = [sys.executable, "-m", "eucentric.bench.killing.worker"]
    for name, value in words.items():
        command += [f"--{name}", str(value)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """For the cases, with a short path for their sockets; also what a killed worker left is removed."""
    with tempfile.TemporaryDirectory(prefix="ek", dir="/tmp", ignore_cleanup_errors=True) as name:
        try:
            yield Path(name)
        finally:
            shutil.rmtree(MEMORY / Path(name).name, ignore_errors=True)


def _cases(seed: int, seconds: float) -> list[dict[str, Any]]:
    """Of both workers; what they started dies with them."""
    with _folder() as folder:
        workers = [_start(first, seed, seconds, folder) for first in range(_WORKERS)]
        return _collected(workers, seconds)


def _collected(workers: "list[subprocess.Popen[str]]", seconds: float) -> list[dict[str, Any]]:
    try:
        outputs = [worker.communicate(timeout=seconds + _SLACK_S)[0] for worker in workers]
    finally:
        for worker in workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
    return [json.loads(line) for output in outputs for line in output.splitlines()]


def _all(cases: list[dict[str, Any]], name: str) -> list[Any]:
    return [one for case in cases for one in case["outputs"].get(name, ())]


def _figures(cases: list[dict[str, Any]], wall_s: float) -> dict[str, Any]:
    decisions: Counter[str] = Counter()
    for case in cases:
        decisions.update(case["outputs"].get("decisions", {}))
    resumes, colds = _all(cases, "resume_s"), _all(cases, "cold_s")
    good = sum(case["pass"] for case in cases)
    low, high = wilson(len(cases) - good, len(cases))
    return {
        "kills": len(cases),
        "broken_cases": sum("broke" in case["outputs"] for case in cases),
        "share_with_any_violation": [round(low, 4), round(high, 4)],
        "uncertain_acts": sum(case["outputs"].get("uncertain", 0) for case in cases),
        "decisions": dict(decisions),
        "exposures": sum(case["outputs"].get("exposures", 0) for case in cases),
        "processes_killed_again": sum(one["killed"] for one in _all(cases, "rounds")),
        "resume_median_s": round(statistics.median(resumes), 3) if resumes else None,
        "resume_from_nothing_max_s": round(max(colds), 2) if colds else None,
        "beam_on_median_s": _median_beam(cases),
        "case_s": round(statistics.median(case["seconds"] for case in cases), 2) if cases else None,
        "wall_s": round(wall_s, 1),
    }


def _beams(cases: list[dict[str, Any]]) -> list[float]:
    return [one for case in cases if (one := case["outputs"].get("beam_on_s")) is not None]


def _median_beam(cases: list[dict[str, Any]]) -> float | None:
    lit = [one for one in _beams(cases) if one > 0]
    return round(statistics.median(lit), 4) if lit else None


def _bars(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    n = len(cases)
    broken = sum("broke" in case["outputs"] for case in cases)

    def none(claim: str, name: str) -> dict[str, Any]:
        wrong = sum(bool(case["outputs"].get(name)) for case in cases)
        low, high = wilson(wrong, n)
        bar = at_most(claim, len(_all(cases, name)), 0, n=n, n_needed=_NEEDED) | {"low": low, "high": high}
        return bar | {"holds": False} if wrong else bar  # one is enough to refute it

    beams, resumes = _beams(cases), _all(cases, "resume_s")
    return [
        none("frames exposed twice, beyond those a person said to repeat", "twice"),
        none("completed exposures lost", "lost"),
        none("acts not surfaced exactly once", "surfacing"),
        none("problems of the chain", "chain"),
        none("runs that did not come to their end", "unended"),
        at_most("cases that broke", broken, 0, n=n),
        at_most(
            "beam on after the death of the run, max [s]", max(beams, default=math.inf), _BEAM_S, n=len(beams)
        ),
        at_most("resume after imports, max [s]", max(resumes, default=math.inf), _RESUME_S, n=len(resumes)),
    ]


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Violations over 200 kills, beam on after death [s], resume after imports [s] [DECISIONS 14]."""
    begun = time.monotonic()
    cases = _cases(seed, _QUICK_S if quick else _FULL_S)
    figures = _figures(cases, time.monotonic() - begun)
    return report("kill", seed, figures, _bars(cases), cases=cases)
