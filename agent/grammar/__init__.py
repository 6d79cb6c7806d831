"""The command grammar: requests in English and German become plans with no model at all."""

from eucentric.agent.grammar.planner import GrammarPlanner

__all__ = ["GrammarPlanner"]
