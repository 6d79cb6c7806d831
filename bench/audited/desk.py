"""One store and one twin on which runs are made with all that happens to runs; what `replay` and `recompute` audit."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from eucentric.agent.conduct import conduct, new_run, take_up
from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.consent.deciding import decide
from eucentric.agent.custody.control import Control, ask
from eucentric.agent.gate import question
from eucentric.agent.grammar import GrammarPlanner
from eucentric.agent.likeness import Again
from eucentric.agent.outcome import RunOutcome
from eucentric.agent.planner import Situation
from eucentric.agent.session import Observer, Session
from eucentric.core.calls import ToolCall, ToolResult
from eucentric.core.errors import ConnectionLost, EucentricError
from eucentric.core.plan import Plan, Proposal, Step
from eucentric.core.request import Like, Request
from eucentric.core.store import Store
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.cards import card_of_twin
from eucentric.instruments.driver import DriverState, Pixels, RawFrames, ScanSpec
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.uri import guarded, load_driver

Action = Callable[[], object]
YES = Answer("approved", "a person")


class Watched:
    """A twin's driver that does something beside its n-th command of a kind (implements `Driver`)."""

    def __init__(self, driver: TwinDriver) -> None:
        self.twin = driver
        self.due: dict[tuple[str, int, str], Action] = {}
        self._count: dict[str, int] = {}

    def count(self, kind: str) -> int:
        """How many commands of a kind there were."""
        return self._count.get(kind, 0)

    def _pass(self, kind: str, work: Callable[[], Any]) -> Any:
        number = self._count[kind] = self._count.get(kind, 0) + 1
        self.due.pop((kind, number, "before"), lambda: None)()
        result = work()
        self.due.pop((kind, number, "after"), lambda: None)()
        return result

    def capabilities(self) -> Capabilities:
        return self.twin.capabilities()

    def read(self) -> DriverState:
        return self.twin.read()

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        self._pass("move", lambda: self.twin.move(targets, stop))

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        self._pass("set_optics", lambda: self.twin.set_optics(values, stop))

    def insert(self, detector: str, inside: bool, stop: threading.Event) -> None:
        self._pass("insert", lambda: self.twin.insert(detector, inside, stop))

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        result: tuple[RawFrames, Pixels] = self._pass("acquire", lambda: self.twin.acquire(scan, stop))
        return result

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self._pass("wait", lambda: self.twin.wait(seconds, stop))

    def clear_touch(self) -> None:
        self.twin.clear_touch()

    def set_blank(self, on: bool) -> None:
        self.twin.set_blank(on)

    def is_blanked(self) -> bool:
        return self.twin.is_blanked()

    def stop(self) -> None:
        self.twin.stop()

    def close(self) -> None:
        self.twin.close()


class Line:
    """The way from a run to its instrument; cut, it answers nothing any more (implements `Instrument`)."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self.is_cut = guard, False

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._guard, name)
        if name in ("blank", "stop"):
            return (lambda reason: False) if self.is_cut else inner
        return lambda *args, **more: self._through(lambda: inner(*args, **more))

    def _through(self, work: Callable[[], Any]) -> Any:
        result = None if self.is_cut else work()
        if self.is_cut:
            raise ConnectionLost("the host does not answer", "it is gone", "the state is unknown")
        return result


class Planned:
    """A planner with one plan, or several in turn."""

    name = "scripted"

    def __init__(self, *plans: Plan) -> None:
        self._plans = list(plans)

    @property
    def revises(self) -> bool:
        """Whether there is another one."""
        return bool(self._plans)

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """The next plan."""
        return Proposal(outcome="run", plan=self._plans.pop(0))


class Answers:
    """A person at the gate with their answers in turn, the last one for ever."""

    person = True

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers) or [YES]

    def show(self, asked: Asked) -> None:
        """They have seen it."""

    def told(self, what: str, why: str) -> None:
        """They have heard it."""

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """The next answer."""
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class Watcher(Observer):
    """Does something once the run stands still, and once a step is done."""

    def __init__(self, paused: Action, after: str = "", done: Action = lambda: None) -> None:
        self._paused, self._after, self._done = paused, after, done

    def paused(self, text: str) -> None:
        """It stands still."""
        self._paused()

    def result(self, call: ToolCall, result: ToolResult) -> None:
        """A step is done."""
        if call.step == self._after:
            self._done()


class Desk:
    """Runs one after the other on one instrument; a second hand on the store asks, decides and releases."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.uri, self.folder = uri, folder
        self.store, self.hand = Store(folder), Store(folder)
        self.struck: list[str] = []
        self.run = ""
        self._still = 0
        self.begin_instrument()

    def begin_instrument(self) -> None:
        """A new life of the instrument's process."""
        if hasattr(self, "watched"):
            self.note_faults()
        driver = load_driver(self.uri)
        assert isinstance(driver, TwinDriver)
        self.watched = Watched(driver)
        self.guard = guarded(self.uri, self.watched)
        self.line = Line(self.guard)

    def count(self, kind: str) -> int:
        """Commands of a kind that this life of the instrument has carried out."""
        return self.watched.count(kind)

    def when(self, kind: str, number: int, action: Action, moment: str = "before") -> None:
        """Do something beside the n-th command of a kind in this life of the instrument."""
        self.watched.due[(kind, number, moment)] = action

    # --- runs ---------------------------------------------------------------------------------------------

    def carry(
        self, *plans: Plan, answers: tuple[Answer, ...] = (YES,), paused: Action = lambda: None,
        channel: Any = None, interrupt_after: str = "",
    ) -> RunOutcome:  # fmt: skip
        """A run of a plan."""
        observer = Watcher(paused, interrupt_after, self._interrupt)
        return self._carry("do it", Planned(*plans), channel or Answers(*answers), observer)

    def say(self, text: str) -> RunOutcome:
        """A run of a sentence."""
        return self._carry(text, GrammarPlanner(), Answers(YES), Watcher(lambda: None))

    def again(self, drop: tuple[str, ...] = (), change: tuple[str, ...] = ()) -> RunOutcome:
        """The plan of the last run again, changed."""
        planner = Again(self.store, self.run, drop, change)
        return self._carry(planner.text, planner, Answers(YES), Watcher(lambda: None), planner.like)

    def _carry(
        self, text: str, planner: Any, channel: Any, observer: Watcher, like: Like | None = None
    ) -> RunOutcome:
        request = Request(text=text, who="bench", instrument=self.uri, planner=planner.name, like=like)
        run = new_run(self.store, self.line, card_of_twin(self.uri), request, observer)
        self.run = run.id
        return conduct(run, request, planner, channel, observer, report=False, prepare=self._remember)

    def _remember(self, session: Session) -> None:
        self._session = session

    def _interrupt(self) -> None:
        """Ctrl-C: the beam is blanked and held, then the run ends."""
        self.guard.stop("SIGINT")
        self._session.run.stopping.set()

    def take_up(
        self, *answers: Answer, settle: str = "repeat", paused: Action = lambda: None
    ) -> RunOutcome | EucentricError:
        """Another process takes up the last run; an error if it could not."""
        try:
            return take_up(
                self.store, self.run, self.line, Answers(*answers), Watcher(paused), by="another person",
                settle=lambda _, doubt: settle if settle in doubt.choices else "repeat", report=False,
            )  # fmt: skip
        except EucentricError as error:
            return error

    # --- what others do -----------------------------------------------------------------------------------

    def ask(self, do: Any, when: Any = "now") -> None:
        """Ask something of the run that is under way."""
        ask(self.hand, self.run, Control(do=do, when=when, by="somebody", reason="lunch"))

    def release(self) -> None:
        """Let it go on."""
        self.ask("resume")

    def release_second(self) -> None:
        """Let it go on when it stands still for the second time."""
        self._still += 1
        if self._still == 2:
            self.release()

    def cut(self) -> None:
        """The instrument's process is gone."""
        self.line.is_cut = True

    def monolayer(self) -> tuple[float, float, float]:
        """Where a large monolayer flake lies [µm], and the defocus there [nm]: a bench may look behind the scenes."""
        truth = Oracle(self.watched.twin)
        best = max((one for one in truth.flakes if one.layers == 1), key=lambda one: one.width)
        return best.x * 1e6, best.y * 1e6, truth.height(best.x, best.y) * 1e9

    def approve(self) -> None:
        """Another process answers the open question of the last run."""
        decide(
            self.hand,
            self.run,
            question(self.hand, self.run),
            Answer("approved", "an operator", role="operator"),
        )

    def close(self) -> None:
        """Everything."""
        self.note_faults()
        with suppress(EucentricError):
            self.guard.close()
        for store in (self.store, self.hand):
            store.close()

    def note_faults(self) -> None:
        """Keep what went wrong with this life of the instrument."""
        self.struck += [one.kind for one in Oracle(self.watched.twin).faults]


def plan(*steps: Step, title: str = "bench", budget: float | None = None) -> Plan:
    """A plan of a script."""
    return Plan(title=title, steps=steps, planner="scripted", budget_e_per_a2=budget)


def step(name: str, tool: str, inputs: dict[str, str] | None = None, /, **args: Any) -> Step:
    """A step with literal arguments and bound ones."""
    return Step(id=name, tool=tool, args=args, inputs=inputs or {})


SMALL = {"width_px": 32, "height_px": 32, "fov_nm": 60.0, "dwell_us": 1.0}


def image(name: str, /, **more: Any) -> Step:
    """A small image."""
    return step(name, "acquire_image", **{**SMALL, **more})


def series(name: str, frames: int = 4, **more: Any) -> Step:
    """A small series."""
    return step(name, "acquire_series", **{**SMALL, "frames": frames, **more})


def counted(prefix: str, count: int) -> Iterator[str]:
    """Names of steps."""
    return (f"{prefix}{number + 1}" for number in range(count))
