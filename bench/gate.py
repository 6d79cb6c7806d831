"""Who decides at a gate, when several try: races of processes, forged rows, changes behind the card, deaths, strangers.

Every case is judged by rows read with plain SQLite and by the commands that the twin was told. For control the checks
of an approval are taken out, and forged or void ones must then be seen to act.
"""

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from eucentric.agent import executor
from eucentric.agent.consent.permit import Permit
from eucentric.bench.contract import at_least, at_most, report
from eucentric.bench.gates.cases import SECRET, Case, change, death, forgery, race, stranger
from eucentric.bench.gates.rig import Rig
from eucentric.bench.own_state import own_places
from eucentric.core.operators import register

Play = Callable[[Rig, random.Random, int], Case]
_NEEDED: dict[Play, int] = {race: 300, forgery: 60, change: 40, death: 40, stranger: 12}
_QUICK: dict[Play, int] = {race: 40, forgery: 12, change: 8, death: 6, stranger: 4}
_STRETCH = 50
"""Cases on one store; then a new one."""
_CONTROL = 20


@contextlib.contextmanager
def _own_places() -> Iterator[Path]:
    """State, settings and operators of this bench alone."""
    with own_places("gate") as folder:
        register("kim", SECRET)
        yield folder


def _played(folder: Path, play: Play, count: int, seed: int) -> Iterator[Case]:
    rng, rig = random.Random(f"{seed}.{play.__name__}"), None
    for number in range(count):
        if number % _STRETCH == 0:
            if rig is not None:
                rig.close()
            rig = Rig(folder / f"{play.__name__}-{seed}-{number}", seed + number)
        if rig is not None:
            yield play(rig, rng, number)
    if rig is not None:
        rig.close()


@contextlib.contextmanager
def _without_checks() -> Iterator[None]:
    """The executor takes any row for a yes, and any yes for what is there."""
    with (
        mock.patch.object(executor, "lacking", return_value=""),
        mock.patch.object(Permit, "check_state"),
    ):
        yield


def _control(folder: Path, count: int, seed: int) -> int:
    with _without_checks():
        plays: tuple[Play, ...] = (forgery, change)
        return sum(
            case.acts > 0 for play in plays for case in _played(folder / "control", play, count, seed + 1)
        )


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Decisions, void approvals and nobody's answers [DECISIONS 14]."""
    counts = _QUICK if quick else _NEEDED
    with _own_places() as folder:
        cases = [case for play, count in counts.items() for case in _played(folder, play, count, seed)]
        control = _control(folder, 6 if quick else _CONTROL, seed)
    return report(
        "gate", seed, _figures(cases, control), _bars(cases, control), cases=[_shown(case) for case in cases]
    )


def _figures(cases: list[Case], control: int) -> dict[str, Any]:
    wrong = [f"{case.kind} {case.id}: {text}" for case in cases for text in case.wrong]
    decided = Counter(
        str(body["outcome"]) for case in cases if case.verdict for body in case.verdict.decisive
    )
    return {
        **Counter(case.kind for case in cases),
        "decisions": dict(sorted(decided.items())),
        "cases_that_acted": sum(case.acts > 0 for case in cases),
        "void_approvals_that_acted_without_the_checks": control,
        "wrong": wrong[:20],
    }


def _bars(cases: list[Case], control: int) -> list[dict[str, Any]]:
    def of(kinds: tuple[str, ...], text: str = "") -> int:
        return sum(any(text in one for one in case.wrong) for case in cases if case.kind in kinds)

    races, void = ("race", "death"), ("forgery", "change")
    n_races, n_void = (sum(case.kind in kinds for case in cases) for kinds in (races, void))
    strangers = sum(case.kind == "stranger" for case in cases)
    return [
        at_most("races in which other than one decision, the first, counted", of(races), 0, n=n_races, n_needed=300),
        at_most("acts on an approval that was forged or void", of(void), 0, n=n_void, n_needed=100),
        at_most("time-outs and missing channels that stand as a person's decision",
                of((*races, *void, "stranger"), "nobody's"), 0, n=len(cases), n_needed=300),
        at_most("approvals without a terminal or without the secret", of(("stranger",)), 0, n=strangers, n_needed=12),
        at_least("void approvals that act once the checks are taken out", control, 1, n=2 * _CONTROL),
    ]  # fmt: skip


def _shown(case: Case) -> dict[str, Any]:
    decisive = (
        [f"{body['gate']} {body['outcome']} {body['by']}" for body in case.verdict.decisive]
        if case.verdict
        else []
    )
    return {"id": f"{case.kind} {case.id}", "outputs": {"decisive": decisive, "acts": case.acts},
            "deviation": None, "pass": not case.wrong, "wrong": case.wrong, "seconds": None}  # fmt: skip
