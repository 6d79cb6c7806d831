"""An in-process twin behind a spy, a scripted planner, and answers at the gate."""

import threading

from eucentric.agent.conduct import conduct, new_run
from eucentric.agent.consent.asked import Answer
from eucentric.agent.consent.rules import BUILT_IN
from eucentric.agent.session import Observer
from eucentric.core.plan import Plan, Proposal, Step
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.store import Store
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.world import load_world

COMMANDS = ("move", "set_optics", "acquire", "wait")
URI = "twin://mxene?seed=7&stage=ideal"


class Spy:
    """A driver that passes everything on, counts commands, and looks or breaks where told to."""

    def __init__(self, driver):
        self.driver, self.sent, self.before, self.after = driver, [], {}, {}
        self.override, self.declared = {}, {}

    def __getattr__(self, name):
        inner = getattr(self.driver, name)
        if name not in COMMANDS:
            return inner
        return lambda *args: self._pass(name, inner, args)

    def _pass(self, name, inner, args):
        self.sent.append((name, args[0]))
        self.before.get(name, lambda *_: None)(*args)
        result = inner(*args)
        self.after.get(name, lambda *_: None)(*args)
        return result

    def read(self):
        state = self.driver.read()
        more = dict(self.override)
        for table in ("optics", "reported"):
            if table in more:
                more[table] = {**getattr(state, table), **more[table]}
        return state.model_copy(update=more)

    def capabilities(self):
        return self.driver.capabilities().model_copy(update=self.declared)

    def names(self):
        return [name for name, _ in self.sent]


class Person:
    """Answers what it is told to, in turn; the last answer for ever. A function is called first."""

    def __init__(self, *answers):
        self.answers, self.cards, self.asked = list(answers) or [Answer("approved", "tester")], [], []
        self.told_of = []

    person = True

    def told(self, what, why):
        self.told_of.append(what)

    def show(self, asked):
        self.cards.append(asked.card)
        self.asked.append(asked)

    def poll(self, asked, seconds):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(asked) if callable(answer) else answer


class Planned:
    """A planner that proposes one plan."""

    name = "scripted"

    def __init__(self, *steps, outcome="run", say="", budget=None, title="test"):
        plan = Plan(title=title, steps=steps, planner="scripted", budget_e_per_a2=budget) if steps else None
        self.proposal = Proposal(outcome=outcome, plan=plan, say=say)

    def propose(self, request, situation):
        return self.proposal


class Bench:
    """Store, spy, guard, and one call that carries a plan through."""

    def __init__(self, folder, seed=7):
        self.folder = folder
        self.store = Store(folder / "store")
        self.card = SpecimenCard(
            name="Ti3C2 test",
            material="Ti3C2",
            holder="double-tilt A",
            loading="twin-1",
            dose_budget_e_per_a2=1e6,
        )
        self.new_instrument(seed)
        self.run = None
        self.note = []

    def new_instrument(self, seed=7):
        self.spy = Spy(TwinDriver(load_world("mxene"), seed, stage="ideal"))
        self.new_guard()

    def new_guard(self):
        """A guard that hears what the spy declares by now."""
        self.guard = Guard(self.spy)

    def carry(
        self,
        *steps,
        person=None,
        planner=None,
        text="do it",
        instrument=None,
        prepare=None,
        rules=BUILT_IN,
        **plan,
    ):
        request = Request(text=text, who="t", instrument=URI)
        observer = Observer()
        observer.told = self.note.append
        self.run = new_run(self.store, instrument or self.guard, self.card, request, observer, rules)
        return conduct(
            self.run, request, planner or Planned(*steps, **plan), person or Person(), observer,
            prepare=prepare or (lambda session: None),
        )  # fmt: skip

    def rows(self, *kinds, run=None):
        return self.store.ledger.events(run=run or (self.run and self.run.id), kinds=kinds)


def step(name, tool, **args):
    """A step with literal arguments."""
    return Step(id=name, tool=tool, args=args)


IMAGE = {"width_px": 16, "height_px": 16, "fov_nm": 50.0, "dwell_us": 1.0}


def image(name="img", **more):
    """A small, cheap image."""
    return step(name, "acquire_image", **{**IMAGE, **more})


def in_thread(work):
    """Run `work` aside; join it with the returned thread."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread
