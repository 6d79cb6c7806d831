"""What images are to achieve, as people say it: '95 % of the Ti vacancies', '± 0.5 %'."""

import re
from dataclasses import dataclass
from typing import Final

from eucentric.agent.grammar.draft import Draft
from eucentric.agent.grammar.language.clauses import Clause
from eucentric.agent.grammar.language.elements import SYMBOLS
from eucentric.agent.grammar.language.tokens import Token
from eucentric.knowledge.detection import LEAST_RECALL, MOST_RECALL

_FOUND: Final = frozenset(
    {"found", "detected", "seen", "identified", "recognised", "recognized", "caught", "gefunden", "erkannt", "erfasst",
     "gesehen"}
)  # fmt: skip
_THINGS: Final = frozenset({"VACANCY", "DEFECT"})
_PASSED: Final = frozenset({"FILLER", "OF", "ELEMENT", "EACH", "MATERIAL", "EVERY", "AT"})
"""May stand between a share and what it is of."""
_SYMBOL: Final = re.compile(r"[A-Z][a-z]?\d?")


@dataclass(frozen=True)
class Goal:
    """None: not said."""

    recall: float | None = None
    error_percent: float | None = None


def read_goal(clause: Clause, draft: Draft) -> Goal:
    """Take the shares of a clause that say how surely or how precisely; others stay unused and are asked about."""
    recall, error, read = None, None, False
    for token in clause.free("percent"):
        if _is_error(clause, token):
            token.used, error, read = True, abs(token.value), True
        elif _is_recall(clause, token):
            token.used, recall, read = True, round(token.value / 100, 6), True
    if recall is not None and not LEAST_RECALL <= recall <= MOST_RECALL:
        draft.ask(
            f"'{clause.text}': {100 * recall:g} % of the vacancies can't be promised; "
            f"{100 * LEAST_RECALL:g} to {100 * MOST_RECALL:g} % can be planned for.",
            "95 % of the vacancies",
        )
        recall = None
    if read:
        clause.take("RECALL", "PRECISION", "SURE")
        for token in clause.tokens:
            token.used = token.used or token.text.lower() in _FOUND or bool(_pointing(clause, token))
    return Goal(recall, error)


def _is_error(clause: Clause, token: Token) -> bool:
    """'± 0.5 %', '+/- 0.5 %', 'a precision of 0.5 %', 'within 0.5 %'."""
    at = clause.tokens.index(token)
    marks = "".join(one.text for one in clause.tokens[max(0, at - 3) : at] if one.kind == "mark")
    if marks.endswith(("±", "+/-", "+-", "/-")) or (token.signed and marks.endswith("+")):
        return True
    if clause.near(token, {"PRECISION", "SURE"}) is not None:
        return True
    return (
        at > 0 and clause.tokens[at - 1].text.lower() == "within" and clause.tokens[at - 1].concept == "BELOW"
    )


def _is_recall(clause: Clause, token: Token) -> bool:
    """'95 % recall', '95 % of the Ti vacancies'."""
    if clause.near(token, {"RECALL"}) is not None:
        return True
    for later in clause.tokens[clause.tokens.index(token) + 1 :]:
        if later.concept in _THINGS:
            return True
        if later.kind != "mark" and later.concept not in _PASSED and later.text not in SYMBOLS:
            return False
    return False


def _pointing(clause: Clause, token: Token) -> str:
    """A one-letter symbol of an element right before what may be missing, as in 'S vacancies'; else nothing."""
    after = [one for one in clause.tokens[clause.tokens.index(token) + 1 :] if one.kind != "mark"]
    names = token.text in SYMBOLS and len(token.text) == 1 and bool(after) and after[0].concept in _THINGS
    return token.text if names else ""


def element_named(clause: Clause) -> str:
    """Kind of vacancy that the clause names ('V_S', or the symbol of an element); '' for none. Its tokens are used."""
    for token in clause.tokens:
        if _pointing(clause, token):
            token.used = True
            return token.text
    for first, mark, last in named_kinds(clause):
        first.used = mark.used = last.used = True
        return f"V_{last.text}"
    return ""


def named_kinds(clause: Clause) -> list[tuple[Token, Token, Token]]:
    """'V_S', 'V_Ti', 'V_S2' as the three tokens that they are read into."""
    runs = zip(clause.tokens, clause.tokens[1:], clause.tokens[2:], strict=False)
    return [
        run for run in runs if (run[0].text, run[1].text) == ("V", "_") and _SYMBOL.fullmatch(run[2].text)
    ]
