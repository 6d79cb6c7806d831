"""A store, a twin that counts what it is told, and processes that answer questions: for races at a gate."""

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eucentric.agent.channels import Nobody
from eucentric.agent.conduct import conduct, new_run, take_up
from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.consent.deciding import decide
from eucentric.agent.consent.rules import BUILT_IN, Rule, RuleBook, Rules
from eucentric.agent.gate import Channel, question
from eucentric.agent.outcome import RunOutcome
from eucentric.agent.planner import Situation
from eucentric.agent.recovery import recover
from eucentric.agent.run import Run
from eucentric.agent.session import Observer
from eucentric.bench.killing.process import Child
from eucentric.core.errors import EucentricError
from eucentric.core.plan import Plan, Proposal, Step
from eucentric.core.request import Request
from eucentric.core.store import Store
from eucentric.instruments.cards import card_of_twin
from eucentric.instruments.driver import DriverState, Pixels, RawFrames, ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver, load_world

URI = "twin://mxene?stage=ideal"
WAITS_S = 0.4
"""How long a question waits at most, if a rule does not say less [s]."""
_ACTS = ("move", "acquire", "set_optics", "insert")
_IMAGE = {"width_px": 16, "height_px": 16, "fov_nm": 50.0, "dwell_us": 1.0}


class Counting:
    """A twin that counts the commands that move or expose; its read-back can be changed, as by a hand on a knob."""

    def __init__(self, seed: int) -> None:
        self.twin = TwinDriver(load_world("mxene"), seed, stage="ideal")
        self.acts: list[str] = []
        self.changed: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.twin, name)
        if name not in _ACTS:
            return inner

        def counted(*args: Any) -> Any:
            self.acts.append(name)
            return inner(*args)

        return counted

    def acquire(self, scan: ScanSpec, stop: Any) -> tuple[RawFrames, Pixels]:
        """Expose, counted."""
        self.acts.append("acquire")
        return self.twin.acquire(scan, stop)

    def read(self) -> DriverState:
        """What the twin says, with what was changed."""
        state, more = self.twin.read(), dict(self.changed)
        if "optics" in more:
            more["optics"] = {**state.optics, **more["optics"]}
        return state.model_copy(update=more)


class Scripted:
    """A planner that proposes one small image."""

    name = "scripted"

    def __init__(self, dwell_us: float) -> None:
        self.dwell_us = dwell_us

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """Always the same plan."""
        step = Step(id="img", tool="acquire_image", args={**_IMAGE, "dwell_us": self.dwell_us})
        return Proposal(outcome="run", plan=Plan(title="bench", steps=(step,), planner=self.name))


class Waits:
    """Nobody at this terminal answers the first question; a later one (after an edit) it approves."""

    person = True

    def __init__(self, first: Callable[[Asked], Answer | None] = lambda asked: None) -> None:
        self.first = first
        self.asked: list[Asked] = []

    def show(self, asked: Asked) -> None:
        """Keep the card."""
        self.asked.append(asked)

    def poll(self, asked: Asked, seconds: float) -> Answer | None:
        """Nothing, for two milliseconds."""
        time.sleep(0.002)
        return self.first(asked) if asked.gate == "g1" else Answer("approved", "the bench at this terminal")

    def told(self, what: str, why: str) -> None:
        """An answer that did not count."""


@dataclass
class Rig:
    """One store and one instrument, for some cases."""

    folder: Path
    seed: int
    store: Store = field(init=False)
    driver: Counting = field(init=False)
    guard: Guard = field(init=False)

    def __post_init__(self) -> None:
        self.store = Store(self.folder / "store")
        self.driver = Counting(self.seed)
        self.guard = Guard(self.driver)

    def rules(self, timeout_s: float = WAITS_S, **rule: Any) -> RuleBook:
        """Every image is asked, for so long at most."""
        made = Rule(name="images", tools=("acquire_*",), timeout_s=timeout_s, **rule)
        return RuleBook(
            Rules(name="bench", author="bench", version=1, rules=(made,)), f"v1 {rule} {timeout_s}"
        )

    def carry(
        self,
        channel: Channel,
        rules: RuleBook = BUILT_IN,
        dwell_us: float = 1.0,
        begun: Callable[[Run], None] | None = None,
    ) -> RunOutcome:
        """One request, from sentence to end."""
        planner, observer = Scripted(dwell_us), Observer()
        request = Request(text="take an image", who="bench", instrument=URI, planner=planner.name)
        run = new_run(self.store, self.guard, card_of_twin(URI), request, observer, rules)
        if begun is not None:
            begun(run)
        return conduct(run, request, planner, channel, observer)

    def resume(self, run_id: str, rules: RuleBook) -> str:
        """Take a run up with nobody at the terminal: only a decision on record lets it go on. How it ends."""
        if not recover(self.store, run_id).resumable:
            return "over"
        outcome = take_up(
            self.store, run_id, self.guard, Nobody(), Observer(), by="bench", settle=lambda *_: "give-up", rules=rules
        )  # fmt: skip
        return outcome.outcome

    def close(self) -> None:
        """Let go of both."""
        self.guard.close()
        self.store.close()


@dataclass(frozen=True)
class Say:
    """What a process answers, and how long after the question it begins."""

    answer: Answer
    late_s: float


def answering(folder: Path, run_id: str, say: Say, output: Path) -> Child:
    """A process of its own that reads the question from the store and answers it; what it was told is in `output`."""

    def work() -> int:
        store = Store.existing(folder)
        asked = _when_asked(store, run_id)
        time.sleep(say.late_s)
        try:
            made = decide(store, run_id, asked, say.answer, say.late_s)
            told = made.model_dump(mode="json") if made else {"outcome": "consented"}
        except EucentricError as error:
            told = {"refused": error.what}
        print(json.dumps(told), flush=True)
        return 0

    return Child(work, output)


def writing(
    folder: Path, run_id: str, late_s: float, output: Path, forge: Callable[[Store, Asked], None]
) -> Child:
    """A process of its own that writes rows past the code that decides."""

    def work() -> int:
        store = Store.existing(folder)
        asked = _when_asked(store, run_id)
        time.sleep(late_s)
        forge(store, asked)
        return 0

    return Child(work, output)


def _when_asked(store: Store, run_id: str) -> Asked:
    end = time.monotonic() + 10.0
    while time.monotonic() < end:
        with contextlib.suppress(EucentricError):
            return question(store, run_id)
        time.sleep(0.0005)
    os._exit(3)
