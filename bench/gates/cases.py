"""Races, forgeries, changes, deaths and strangers at a gate: each case says what was wrong, if anything was."""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eucentric.agent.channels import Nobody
from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.consent.rules import RuleBook
from eucentric.agent.run import Run
from eucentric.bench.gates.judge import Verdict, judged
from eucentric.bench.gates.rig import Rig, Say, Waits, answering, writing
from eucentric.bench.killing.process import Child
from eucentric.core.approval import Approval
from eucentric.core.store import Store

SECRET = "a secret of the bench"
_ANSWERS: tuple[tuple[str, Answer], ...] = (
    ("approve", Answer("approved", "ann")),
    ("deny", Answer("rejected", "bob", "no")),
    ("edit", Answer("edited", "cat", edit="img.dwell_us=0.5")),
    ("first step", Answer("stop_after_step", "dan")),
    ("defer", Answer("deferred", "eve")),
    ("escalate", Answer("escalated", "fay", to_role="operator")),
)


@dataclass
class Case:
    """What was done and what came of it."""

    id: str
    kind: str
    wrong: list[str] = field(default_factory=list)
    acts: int = 0
    verdict: Verdict | None = None


def _checked(rig: Rig, case: Case, run_id: str, acts: int) -> Case:
    """What holds of every case."""
    found = judged(rig.folder / "store" / "audit.db", run_id)
    case.verdict, case.acts = found, acts
    if found.doubled:
        case.wrong.append("two decisions at one gate")
    if found.by_nobody:
        case.wrong.append("nobody's answer stands as somebody's")
    if found.unallowed:
        case.wrong.append("an act without a valid yes")
    if acts > found.acted:
        case.wrong.append("a command that the ledger does not announce")
    return case


# --- two processes, a clock, a kill -----------------------------------------------------------------------


def race(rig: Rig, rng: random.Random, number: int) -> Case:
    """Two processes answer at about the same time, while a clock runs; sometimes one of them is killed."""
    chosen = [rng.choice(_ANSWERS) for _ in range(2)]
    clock_s = rng.choice((0.01, 0.02, 0.04, 0.4, 0.4, 0.4))
    doomed = rng.random() < 0.3
    children: list[Child] = []
    outputs = [rig.folder / f"race-{number}-{which}" for which in range(2)]

    def begun(run: Run) -> None:
        for (_, answer), output in zip(chosen, outputs, strict=True):
            say = Say(answer, rng.uniform(0, 0.03))
            children.append(answering(rig.folder / "store", run.id, say, output))

    def kill_one(asked: Asked) -> None:
        if doomed and rng.random() < 0.3:
            children[0].kill()

    before = len(rig.driver.acts)
    outcome = rig.carry(Waits(kill_one), rig.rules(clock_s), begun=begun)
    for child in children:
        child.wait(5.0)
    words = " against ".join(name for name, _ in chosen)
    case = Case(f"{number}: {words}, clock {clock_s:g} s{', one killed' if doomed else ''}", "race")
    acts = len(rig.driver.acts) - before
    _checked(rig, case, outcome.run, acts)
    _told_the_same(case, outputs)
    if (outcome.outcome == "done") != (acts > 0):
        case.wrong.append(f"the run says {outcome.outcome} with {acts} acts")
    return case


def _told_the_same(case: Case, outputs: list[Path]) -> None:
    """Whoever answered was told the decision that stands, if one stood at that gate."""
    standing = {body["gate"]: body for body in case.verdict.decisive} if case.verdict else {}
    for output in outputs:
        text = output.read_text() if output.exists() else ""
        told = json.loads(text) if text.strip() else {}
        stands = standing.get(told.get("gate", ""))
        if stands and told["outcome"] not in ("deferred", "escalated") and told["by"] != stands["by"]:
            case.wrong.append(f"{told['by']} was told that it counts, and {stands['by']} stands")


# --- forged rows ------------------------------------------------------------------------------------------


def _forged(store: Store, asked: Asked, run_id: str, change: dict[str, Any]) -> None:
    approval = Approval(
        gate=asked.gate, outcome="approved", by="mallory", binding=asked.binding, envelope=asked.envelope,
        card_sha256=_sha_of(store, run_id, asked.gate), expires_utc="2999-01-01T00:00:00.000Z",
    )  # fmt: skip
    made = approval.model_copy(update=change)
    store.ledger.append(run_id, "decided", made.by, "forged", made.model_dump(mode="json"))


def _sha_of(store: Store, run_id: str, gate: str) -> str:
    rows = store.ledger.events(run=run_id, kinds=("asked",))
    return next(str(row.body["card_sha256"]) for row in rows if row.body["gate"] == gate)


Forgery = Callable[[Store, Asked, str], dict[str, Any]]
_FORGERIES: dict[str, tuple[dict[str, Any], Forgery]] = {
    "another plan's binding": ({}, lambda store, asked, run: {"binding": "0" * 64}),
    "no binding": ({}, lambda store, asked, run: {"binding": ""}),
    "another card": ({}, lambda store, asked, run: {"card_sha256": "0" * 64}),
    "wider bounds": (
        {}, lambda store, asked, run: {"envelope": asked.envelope.model_copy(update={"max_frames": 999})},
    ),
    "no bounds": ({}, lambda store, asked, run: {"envelope": None}),
    "an operator's gate": ({"role": "operator"}, lambda store, asked, run: {}),
    "one of two": ({"approvers": 2}, lambda store, asked, run: {"name": "mallory", "role": "staff"}),
    "an unknown grant": ({}, lambda store, asked, run: {"outcome": "granted-for-class", "grant": "grant-0099"}),
    "expired": ({}, lambda store, asked, run: {"expires_utc": "2020-01-01T00:00:00.000Z"}),
    "another gate": ({}, lambda store, asked, run: {"gate": "g7"}),
}  # fmt: skip


def forgery(rig: Rig, rng: random.Random, number: int) -> Case:
    """Somebody with the file writes a yes past the code that decides."""
    name = rng.choice(list(_FORGERIES))
    rule, change = _FORGERIES[name]
    children: list[Child] = []

    def begun(run: Run) -> None:
        def forge(store: Store, asked: Asked) -> None:
            _forged(store, asked, run.id, change(store, asked, run.id))

        children.append(
            writing(
                rig.folder / "store", run.id, rng.uniform(0, 0.01), rig.folder / f"forged-{number}", forge
            )
        )

    before = len(rig.driver.acts)
    outcome = rig.carry(Waits(), rig.rules(0.15, **rule), begun=begun)
    children[0].wait(5.0)
    return _void(rig, Case(f"{number}: {name}", "forgery"), outcome.run, before)


def _void(rig: Rig, case: Case, run_id: str, before: int) -> Case:
    """Nothing may have been sent."""
    case.acts = len(rig.driver.acts) - before
    if case.acts:
        case.wrong.append("it acted on a void approval")
    case.verdict = judged(rig.folder / "store" / "audit.db", run_id)
    return case


# --- what changed between question and answer -------------------------------------------------------------

_CHANGES: dict[str, dict[str, Any]] = {
    "holder": {"holder": "another holder"},
    "loading": {"loading": "another specimen"},
    "voltage": {"optics": {"voltage": 80e3}},
    "epoch": {"epoch": 17},
    "rules": {},
}


def change(rig: Rig, rng: random.Random, number: int) -> Case:
    """The card is approved, but it is no longer for what is there."""
    name = rng.choice(list(_CHANGES))
    runs: list[Run] = []

    def turned(asked: Asked) -> Answer:
        rig.driver.changed = _CHANGES[name]
        if name == "rules":
            runs[0].rules = _others(rig)
        return Answer("approved", "ann")

    before = len(rig.driver.acts)
    outcome = rig.carry(Waits(turned), rig.rules(), begun=runs.append)
    rig.driver.changed = {}
    return _void(rig, Case(f"{number}: {name} changed", "change"), outcome.run, before)


def _others(rig: Rig) -> RuleBook:
    return rig.rules(7.0)


# --- the run dies while it waits --------------------------------------------------------------------------


def death(rig: Rig, rng: random.Random, number: int) -> Case:
    """The run is killed around the answer; what was decided counts when it is taken up, once."""
    store, rules = rig.folder / "store", rig.rules(5.0)
    output = rig.folder / f"died-{number}"

    def lives() -> int:
        Rig(rig.folder, rig.seed).carry(Waits(), rules)
        return 0

    run_id = f"r-{len(rig.store.ledger.events(kinds=('requested',))) + 1:04d}"
    doomed = Child(lives, output)
    name, answer = rng.choice((*_ANSWERS[:2], ("say nothing", None)))
    teller = (
        answering(store, run_id, Say(answer, rng.uniform(0, 0.03)), rig.folder / f"told-{number}")
        if answer
        else None
    )
    end = time.monotonic() + 10.0
    while not rig.store.ledger.events(run=run_id, kinds=("asked",)) and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(rng.uniform(0, 0.06))
    doomed.kill()
    if teller is not None:
        teller.wait(5.0)
    before = len(rig.driver.acts)
    case = Case(f"{number}: killed, {name}", "death")
    ended = rig.resume(run_id, rules)
    _checked(rig, case, run_id, len(rig.driver.acts) - before)
    if answer is None or answer.outcome == "rejected":
        if case.verdict and case.verdict.acted:
            case.wrong.append("it acted without a yes")
    elif ended not in ("done", "parked", "over"):
        case.wrong.append(f"taken up, it says {ended}")
    return case


# --- without terminal, without secret ---------------------------------------------------------------------


def stranger(rig: Rig, rng: random.Random, number: int) -> Case:
    """`eucentric approve` without a terminal, with a wrong secret, by nobody known; and, for comparison, rightly."""
    outcome = rig.carry(Nobody(), rig.rules())
    words = ["-m", "eucentric", "approve", outcome.run, "--store", str(rig.folder / "store"), "--as"]
    how = rng.choice(("no terminal", "wrong secret", "unknown", "right"))
    name, typed = {"unknown": ("mallory", SECRET), "wrong secret": ("kim", "guessed it")}.get(
        how, ("kim", SECRET)
    )

    def run() -> int:
        os.execv(sys.executable, [sys.executable, *words, name])

    child = Child(run, rig.folder / f"stranger-{number}", terminal=how != "no terminal")
    if how != "no terminal":
        _type_when_asked(child, typed)
    child.wait(20.0)
    case = _checked(rig, Case(f"{number}: {how}", "stranger"), outcome.run, 0)
    yes = [body for body in case.verdict.decisive if body["outcome"] == "approved"] if case.verdict else []
    if bool(yes) != (how == "right"):
        case.wrong.append(f"{how}: {len(yes)} approvals")
    if (child.code == 0) != (how == "right"):
        case.wrong.append(f"{how}: exit code {child.code}")
    return case


def _type_when_asked(child: Child, text: str) -> None:
    end = time.monotonic() + 15.0
    while not child.poll() and b"Secret" not in child.read and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.05)
    if child.code is None:
        child.type(text)
