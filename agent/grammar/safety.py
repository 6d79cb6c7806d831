"""Stop and blank: recognised before anything else, alone, and never gated."""

from typing import Any, Final

from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.tokens import Sentence, Token
from eucentric.core.plan import Plan, Proposal, Step
from eucentric.core.text import visible

_STOP_COMPANY: Final = frozenset(
    {
        "STOP",
        "BLANK",
        "TURN_OFF",
        "NOT",
        "RUNS",
        "RUN",
        "IMAGE",
        "ACQUIRE",
        "SURVEY",
        "MOVE",
        "TRUST",
        "TILT",
        "HAADF",
        "SERIES",
        "RESUME",
        "FRAME",
        "AUTOFOCUS",
        "SET",
        "GUN",
        "UNBLANK",
        "BACK",
        "X",
        "BURN",
    }
)


def at_once_if_asked(clauses: list[Clause], sentence: Sentence, planner: str) -> Proposal | None:
    """Stop and blank act at once, alone; what else was said is named and left."""
    if not clauses:
        return None
    clauses = _after_interjections(clauses)
    first = clauses[0]
    depends = _conditional(clauses, sentence)
    stops = _is_stop(first)
    if stops and (depends or _later(first)):
        return Proposal(outcome="clarify", say=LATER, options=("STOP", "blank the beam"))
    if stops:
        return _at_once(
            "abort",
            {"blank": True, "hold_stage": True},
            "stop, blank, hold the stage",
            clauses,
            sentence,
            planner,
        )
    if _is_blank(first) and not depends:
        return _at_once("blank_beam", {}, "blank the beam", clauses, sentence, planner)
    return None


LATER: Final = "A stop acts at once and alone: say STOP by itself. A later stop can't be planned."
"""What is said to 'stop in 5 minutes'."""
_INTERJECTIONS: Final = frozenset(
    {"no", "wait", "oh", "ah", "hey", "shit", "damn", "fuck", "nein", "warte", "achtung", "attention", "careful",
     "vorsicht", "ok", "okay", "please", "bitte", "now", "moment", "hold", "on", "schnell", "quick", "eh"}
)  # fmt: skip


def _after_interjections(clauses: list[Clause]) -> list[Clause]:
    """'no wait, stop!': words that only call for attention are no instruction of their own."""
    for at, clause in enumerate(clauses[:3]):
        if not all(token.kind == "mark" or token.text.lower() in _INTERJECTIONS for token in clause.tokens):
            return clauses[at:]
    return clauses


def _conditional(clauses: list[Clause], sentence: Sentence) -> bool:
    """'stop if the dose …' is no stop now; 'STOP! If you go on, …' is one."""
    if len(clauses) < 2 or not clauses[1].said("IF"):
        return False
    between = sentence.text[clauses[0].tokens[-1].end : clauses[1].tokens[0].start]
    return not any(mark in between for mark in ".!?;\n")


def _later(clause: Clause) -> bool:
    """'stop in 5 minutes', 'stop after this frame'."""
    at = next(index for index, token in enumerate(clause.tokens) if token.concept == "STOP")
    words = clause.tokens[at + 1 :]
    end = next((at for at, token in enumerate(words) if token.kind == "mark"), len(words))
    texts = [token.text.lower() for token in words[:end]]
    if texts[:1] in (["at"], ["once"], ["nach"]) or {"after", "when", "until", "till", "bis", "sobald"} & {
        *texts
    }:
        return True
    return any(
        one in {"in", "nach", "for", "für"} and token.dim == "time"
        for one, token in zip(texts, words[1:end], strict=False)
    )


def _is_stop(clause: Clause) -> bool:
    """'stop', 'halt the scan', 'please abort now': the stop word leads, and no quantity or condition says otherwise."""
    words = [token for token in clause.tokens if token.kind != "mark"]
    hits = [index for index, token in enumerate(words) if token.concept == "STOP"]
    if not hits or (clause.asked and not _all_company(words)):
        return False
    lead = words[: hits[0]]
    if any(token.concept in {"IF", "NOT", "QUESTION", "BYPASS", "GATE"} for token in lead):
        return False
    if any(token.concept in {"GATE", "LIMITS"} for token in words):
        return False
    last = not any(token.matters for token in words[hits[0] + 1 :])  # 'for heaven's sake stop'
    return len(lead) <= 5 and all(
        not token.matters or _harmless(token) or (last and token.kind == "word" and not token.concept)
        for token in lead
    )


def _harmless(token: Token) -> bool:
    said = token.text.lower() in {
        "said",
        "say",
        "sagte",
        "sage",
        "meant",
        "everything",
        "alles",
        *_INTERJECTIONS,
    }
    return said or token.concept in _STOP_COMPANY


def _all_company(words: list[Token]) -> bool:
    return all(not token.matters or token.concept in _STOP_COMPANY for token in words)


def _is_blank(clause: Clause) -> bool:
    words = [token for token in clause.tokens if token.kind != "mark"]
    asked = clause.asked or any(token.concept in {"QUESTION", "STATUS"} for token in words)
    if any(token.concept in {"NOT", "IF", "UNBLANK", "GATE", "IMAGE"} for token in words):
        return False
    beam_off = any(token.concept == "TURN_OFF" for token in words) and any(
        token.concept == "BEAM" for token in words
    )
    beam_off = beam_off or _split_off(words)
    blank = any(token.concept == "BLANK" for token in words) or beam_off
    polite = asked and words[0].text.lower() in {
        "could",
        "can",
        "would",
        "please",
        "kannst",
        "koennen",
        "können",
        "bitte",
    }
    return (
        blank
        and (not asked or polite)
        and all(
            not token.matters
            or token.text.lower() in {"off", "weg"}
            or token.concept in {"BLANK", "TURN_OFF", "SET", "STOP", "ACQUIRE", "MOVE"}
            for token in words
        )
    )


def _split_off(words: list[Token]) -> bool:
    """'turn the beam off', 'schalte den Strahl aus'."""
    texts = [token.text.lower() for token in words]
    return any(token.concept == "BEAM" for token in words) and any(
        text in {"off", "aus", "ab", "weg"} for text in texts
    )


def _at_once(
    tool: str, args: dict[str, Any], reason: str, clauses: list[Clause], sentence: Sentence, planner: str
) -> Proposal:
    rest = [clause.text for clause in clauses[1:]]
    plan = Plan(
        title=reason,
        steps=(Step(id="s1", tool=tool, args=args, reason=reason),),
        planner=planner,
        not_understood=tuple(
            f"not planned, since a stop acts alone: {visible(text, limit=160)!r}" for text in rest
        ),
    )
    first = "Halt: " if sentence.german and tool == "abort" else "Strahl aus: " if sentence.german else ""
    more = " Ask for the rest again." if rest else ""
    return Proposal(outcome="safety", plan=plan, say=f"{first}{reason}, at once and without asking.{more}")
