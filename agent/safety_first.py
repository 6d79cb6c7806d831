"""Stop, blank and refusals by design are decided by the grammar, before any model is asked."""

from eucentric.agent.grammar import GrammarPlanner
from eucentric.agent.planner import Planner, Situation
from eucentric.core.plan import Proposal
from eucentric.core.request import Request


class SafetyFirst:
    """A model behind the grammar: the model never sees a request that the grammar stops or refuses."""

    def __init__(self, model: Planner) -> None:
        self.grammar, self.model = GrammarPlanner(), model
        self.name, self.revises = model.name, getattr(model, "revises", False)

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """The grammar's answer if it is 'safety' or 'refuse', else the model's."""
        first = self.grammar.propose(request, situation)
        return first if first.outcome in ("safety", "refuse") else self.model.propose(request, situation)
