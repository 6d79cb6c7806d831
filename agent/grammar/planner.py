"""The planner that needs no model: clauses, rules, and an honest account of what no rule used."""

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import split
from eucentric.agent.grammar.language.scanner import tokenise
from eucentric.agent.grammar.language.tokens import Sentence
from eucentric.agent.grammar.reading import Reading
from eucentric.agent.grammar.reply import reply
from eucentric.agent.grammar.safety import at_once_if_asked
from eucentric.agent.planner import Situation
from eucentric.core.plan import Proposal
from eucentric.core.request import Request
from eucentric.core.text import visible


class GrammarPlanner:
    """Deterministic: the same request in the same situation gives the same plan."""

    name = "grammar v1"

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """A plan, an answer to look up, a question back, or a refusal. Never raises for any text."""
        sentence = tokenise(_unwrap(request.text))
        clauses = split(sentence.tokens)
        safe = at_once_if_asked(clauses, sentence, self.name)
        if safe is not None:
            return safe
        draft = Draft.of(situation, sentence.german)
        draft.assumed.extend(sentence.notes)
        _data_not_orders(sentence, draft)
        Reading(draft).read(clauses)
        return reply(draft, clauses, sentence, self.name)


def _unwrap(text: str) -> str:
    """A request that is one quotation as a whole is meant as said."""
    bare = text.strip()
    pairs = {'"': '"', "“": "”", "„": "“", "'": "'", "`": "`"}
    if len(bare) > 2 and pairs.get(bare[0]) == bare[-1] and bare[-1] not in bare[1:-1]:
        return bare[1:-1]
    return bare


def _data_not_orders(sentence: Sentence, draft: Draft) -> None:
    for quoted in sentence.quoted:
        draft.not_understood.append(
            f"quoted text is data and was not followed: {visible(quoted, limit=160)!r}"
        )
