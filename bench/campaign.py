"""The whole request on one twin, in this process: what the benchmarks of the product run."""

import tempfile
from pathlib import Path

from eucentric.agent.conduct import conduct, new_run
from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.grammar import GrammarPlanner
from eucentric.agent.outcome import RunOutcome
from eucentric.agent.session import Observer
from eucentric.core.request import Request
from eucentric.core.store import Store
from eucentric.instruments.cards import card_of_twin
from eucentric.instruments.guard import Guard
from eucentric.instruments.twin import TwinDriver

REQUEST = (
    "Find monolayer Ti3C2 flakes, image three at atomic resolution below 2e4 e/Å2 "
    "and tell me the Ti vacancy density"
)
URI = "twin://mxene"


class Approves:
    """A benchmark's own channel: approves what is asked, as the bench."""

    def show(self, asked: Asked) -> None:
        """Nothing to show."""

    def poll(self, asked: Asked, seconds: float) -> Answer:
        """Approved."""
        return Answer("approved", "bench")


def run_request(twin: TwinDriver, text: str = REQUEST) -> RunOutcome:
    """One request from sentence to report on a given twin, in a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        guard = Guard(twin)
        planner, observer = GrammarPlanner(), Observer()
        request = Request(text=text, who="bench", instrument=URI, planner=planner.name)
        try:
            run = new_run(store, guard, card_of_twin(URI), request, observer)
            return conduct(run, request, planner, Approves(), observer)
        finally:
            guard.close()
            store.close()
