"""'Acquire a diffraction pattern': one pattern here, where there is a camera. With numbers it is left to others."""

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause


def pattern(clause: Clause, draft: Draft) -> bool:
    """A clause that asks for one pattern; true if it is dealt with."""
    if (
        not clause.has("DIFFRACTION")
        or clause.has("SPECTRUM", "ZONE", "TOMO", "NOT", "QUESTION")
        or clause.asked
    ):
        return False
    measured = any(token.kind in {"quantity", "number", "size"} and not token.used for token in clause.tokens)
    raster = any("4d" in token.text.lower() or "ronchi" in token.text.lower() for token in clause.tokens)
    if measured or raster or draft.situation.capabilities.camera() is None:
        return False
    clause.swallow()
    draft.add(
        "acquire_pattern", "one diffraction pattern, the beam standing still at the middle of the field"
    )
    return True
