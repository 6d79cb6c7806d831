"""Adversarial calls at a real executor, judged at the driver by an independent spy."""

import logging
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from eucentric.agent.consent.permit import Permit
from eucentric.agent.dose.book import DoseBook
from eucentric.agent.executor import Executor
from eucentric.bench.contract import at_least, at_most, report, share_at_least
from eucentric.bench.fuzzing import scenes
from eucentric.bench.fuzzing.rig import Rig
from eucentric.bench.fuzzing.scenes import Scene, play
from eucentric.bench.fuzzing.tally import Tally
from eucentric.bench.spying.account import Account

CALLS, QUICK_CALLS = 100_000, 2_000
_STRETCH = 250
"""Calls on one store; then a new one, as a facility begins a new store for a new session."""
_CONTROL_CALLS, _QUICK_CONTROL_CALLS = 2_000, 250
_STAGES = ("ideal", "worn")
_BAR_MS = 10.0
_PERMIT_CHECKS = (
    "check_call", "check_state", "check_declared", "check_place", "check_move", "check_optics", "check_scan",
)  # fmt: skip


def _folder() -> str | None:
    """Memory, where there is a file system in it: the ledger is as it is, but a sync costs nothing."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _stretch(
    count: int, seed: int, number: int, account: Account, tally: Tally, guarded: bool, only: tuple[Scene, ...]
) -> None:
    with tempfile.TemporaryDirectory(dir=_folder(), prefix="eucentric-fuzz-") as folder:
        rng = random.Random(f"{seed}.{number}")
        stage = _STAGES[number % 2]
        strict = number % 4 in (0, 3)
        rig = Rig(Path(folder), seed + number, stage, account, tally, strict=strict, guarded=guarded)
        end = tally.made + count
        while tally.made < end and not rig.touched:
            play(rig, rng, only)
        tally.touched += rig.touched
        rig.close()


def _fuzzed(
    count: int, seed: int, *, guarded: bool = True, only: tuple[Scene, ...] = ()
) -> tuple[Account, Tally]:
    account, tally = Account(), Tally()
    number = 0
    while tally.made < count:
        _stretch(min(_STRETCH, count - tally.made), seed, number, account, tally, guarded, only)
        number += 1
    return account, tally


# --- what the spy must see ---------------------------------------------------------------------------


@contextmanager
def _without(what: str) -> Iterator[None]:
    """The product with one of its checks taken out."""
    with ExitStack() as stack:
        if what == "permit":
            for name in _PERMIT_CHECKS:
                stack.enter_context(mock.patch.object(Permit, name, return_value=None))
        if what == "record":
            stack.enter_context(mock.patch.object(Executor, "_check_on_record", return_value=None))
        if what == "dose":
            stack.enter_context(mock.patch.object(DoseBook, "before", return_value=0.0))
        yield


_SEES = {
    "guard": (
        "axis limit", "axis step", "axis excursion", "axis path", "axis per minute", "control limit", "control step",
        "control excursion", "scan limit", "detector", "detector current", "detector charge", "exclusion",
        "collision", "held", "lit",
    ),
    "permit": ("tool", "box", "frames", "electrons", "current", "time", "expired", "binding"),
    "record": ("unapproved",),
    "dose": ("dose",),
}  # fmt: skip
"""Rules of which at least one must be seen broken when a check is taken out."""


_WHERE: dict[str, tuple[Scene, ...]] = {
    "guard": (scenes.work, scenes.spoilt, scenes.far, scenes.split_way, scenes.halted),
    "permit": (scenes.work, scenes.spoilt, scenes.hand, scenes.over_time, scenes.few_frames, scenes.knob),
    "record": (scenes.work, scenes.forged),
    "dose": (scenes.work, scenes.overspend),
}
"""Scenes in which the missing check would have been the one to refuse."""


_WORDS = {
    "guard": "the guard",
    "permit": "the checks of the permit",
    "record": "the check that an approval is on record",
    "dose": "the sum of earlier doses",
}


def _controls(wanted: int) -> int:
    """How many calls are made with a check taken out."""
    return _CONTROL_CALLS if wanted >= CALLS else _QUICK_CONTROL_CALLS


def _control(what: str, count: int, seed: int) -> dict[str, int]:
    with _without(what):
        account, _ = _fuzzed(count, seed, guarded=what != "guard", only=_WHERE[what])
    return {rule: account.violations[rule] for rule in _SEES[what]}


@contextmanager
def _quiet() -> Iterator[None]:
    """Thousands of holds are cleared on purpose, and worn stages touch: no word of each on the terminal."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Violations seen by the spy with the product as it is, and with one check taken out [DECISIONS 14]."""
    wanted = QUICK_CALLS if quick else CALLS
    with _quiet():
        start, cpu = time.perf_counter(), time.process_time()
        account, tally = _fuzzed(wanted, seed)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        seen = {what: _control(what, _controls(wanted), seed) for what in _SEES}
    median_ms = 1e3 * statistics.median(tally.cpu_s or [float("nan")])
    figures = {
        "calls": tally.made,
        "executed": tally.executed,
        "read": tally.read,
        "refused": dict(tally.refused.most_common()),
        "holder_touched": tally.touched,
        "broke": dict(tally.broke.most_common(20)),
        "by_scene": dict(tally.kinds.most_common()),
        "arrived": dict(account.arrived),
        "violations": dict(account.violations),
        "examples": account.examples,
        "calls_per_s": round(tally.made / seconds, 1),
        "seconds": round(seconds, 1),
        "cpu_s": round(cpu, 1),
        "orchestration_median_ms": round(median_ms, 3),
        "orchestration_p95_ms": round(1e3 * sorted(tally.cpu_s)[int(0.95 * len(tally.cpu_s))], 3),
        "seen_without": seen,
    }
    return report("fuzz", seed, figures, _bars(wanted, account, tally, seen, median_ms))


def _bars(
    wanted: int, account: Account, tally: Tally, seen: dict[str, dict[str, int]], median_ms: float
) -> list[dict[str, Any]]:
    n, broken = tally.made, sum(account.violations.values())
    bars = [
        at_most(
            "out-of-limit, unapproved or over-budget commands at the driver", broken, 0, n=n,
            n_needed=1 if broken else CALLS,
        ),
        share_at_least("calls that are valid and reach the driver", tally.executed, n, 0.30, n_needed=wanted),
        at_most("calls that break with an error outside the tree", sum(tally.broke.values()), 0, n=n),
        at_most(
            "orchestration: median CPU ms of an executed call, driver excluded", median_ms, _BAR_MS,
            n=tally.executed, n_needed=500,
        ),
    ]  # fmt: skip
    for what, rules in seen.items():
        found = sum(rules.values())
        bars.append(at_least(f"violations seen without {_WORDS[what]}", found, 1, n=_controls(wanted)))
    return bars
