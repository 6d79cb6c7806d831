"""People and planner of a replay: they say what is on record, and nothing else."""

from collections.abc import Callable

from eucentric.agent.auditing.replay.prompter import Prompter
from eucentric.agent.auditing.replay.recording import Recording
from eucentric.agent.auditing.replay.twin import Died
from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.planner import Situation
from eucentric.agent.recovery import Doubt, Recovery
from eucentric.core.errors import Defect, Parked, from_dict
from eucentric.core.plan import Proposal
from eucentric.core.request import Request


class RecordedPlanner:
    """Proposes what was proposed (implements `Planner`)."""

    def __init__(self, prompter: Prompter) -> None:
        self.prompter = prompter
        row = prompter.next
        self.name = row.actor if row is not None and row.kind == "planned" else ""

    @property
    def revises(self) -> bool:
        """Whether another plan followed the one that was rejected."""
        row = self.prompter.next
        return row is not None and row.kind == "planned" and "edit" not in row.body

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """The proposal on record, or the error that came instead."""
        row = self.prompter.next
        if row is None:
            raise Died
        if row.kind != "planned":
            raise from_dict(row.body.get("error") or Defect("no plan is on record").as_dict())
        return Proposal.model_validate(row.body["proposal"])


class RecordedAnswers:
    """A channel at the gate; decisions are taken over before it is asked (implements `Channel`)."""

    def __init__(self, prompter: Prompter) -> None:
        self.prompter = prompter

    def show(self, asked: Asked) -> None:
        """Nobody looks."""

    def poll(self, asked: Asked, seconds: float) -> Answer | None:
        """What left the question open, if it did; None while a decision is on its way."""
        rows = self.prompter.take_over()
        left_open = self.prompter.left_open(asked.gate)
        if left_open is not None:
            body = left_open.body
            return Answer(body["outcome"], str(body["by"]), str(body.get("reason") or ""))
        if not rows:
            raise Died
        return None


def settled_as_then(recording: Recording) -> Callable[[Recovery, Doubt], str]:
    """What a person said of each act in doubt."""
    said = {
        row.action_id: str(row.body["decision"])
        for row in recording.rows
        if row.kind == "resolved" and row.run_id == recording.run
    }

    def settle(recovery: Recovery, doubt: Doubt) -> str:
        if doubt.action_id not in said:
            raise Parked(f"{doubt.what} is in doubt", "nobody said what became of it")
        return said[doubt.action_id]

    return settle
