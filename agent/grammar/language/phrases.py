"""Words that mean one thing together, or another thing in the company they are in."""

import re

from eucentric.agent.grammar.language.quantities import UNITS
from eucentric.agent.grammar.language.tokens import Sentence, Token
from eucentric.agent.grammar.language.words import ENTRIES, LONGEST, fold
from eucentric.core.units import convert


def phrases(tokens: list[Token], sentence: Sentence) -> list[Token]:
    """Join words that mean one thing together ('field of view', 'at least', 'zone axis')."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        joined = _longest(tokens, at, sentence.text)
        out.append(joined or tokens[at])
        at += (
            1
            if joined is None
            else sum(token.start >= joined.start and token.end <= joined.end for token in tokens)
        )
    return out


def _longest(tokens: list[Token], at: int, text: str) -> Token | None:
    run: list[Token] = []
    for token in tokens[at : at + LONGEST]:
        if token.kind != "word":
            break
        run.append(token)
    for count in range(len(run), 1, -1):
        words = run[:count]
        if not re.fullmatch(r"[^,.;:!?()]*", text[words[0].start : words[-1].end]):
            continue
        phrase = " ".join(fold(word.text).replace("_", " ") for word in words)
        if phrase in ENTRIES:
            raw = text[words[0].start : words[-1].end]
            return Token("word", raw, words[0].start, words[-1].end, ENTRIES[phrase])
    return None


def share_units(sentence: Sentence) -> None:
    """'x = 10, y = -5 µm': a number takes the unit of the next quantity if only an axis and a comma lie between."""
    tokens = sentence.tokens
    for index, token in enumerate(tokens):
        if token.kind != "number" or token.concept:
            continue
        for later in tokens[index + 1 : index + 6]:
            if later.kind == "quantity" and later.dim in {"length", "angle"} and _axis_before(tokens, index):
                _give_unit(token, later)
                break
            if later.kind != "mark" and later.concept not in {"X", "Y", "Z", "ALPHA", "BETA", "AND", "TO"}:
                break


def lasting(tokens: list[Token]) -> None:
    """'continue 5 minutes' states a duration; 'continue' alone resumes a run."""
    for index, token in enumerate(tokens):
        if (
            fold(token.text) in {"run", "runs"}
            and index + 1 < len(tokens)
            and tokens[index + 1].kind == "number"
        ):
            token.concept = "RUN"
        if fold(token.text) == "step" and any(
            later.dim == "length" for later in tokens[index + 1 : index + 4]
        ):
            token.concept = "PITCH"
        if token.concept == "RESUME" and any(later.dim == "time" for later in tokens[index + 1 : index + 4]):
            token.concept = "CONTINUE_FOR"


def _axis_before(tokens: list[Token], index: int) -> bool:
    near = [token.concept for token in tokens[max(0, index - 3) : index]]
    return any(concept in {"X", "Y", "Z", "ALPHA", "BETA"} for concept in near)


def _give_unit(token: Token, later: Token) -> None:
    match = re.search(r"[^\d\s.,+eE−-].*$", later.text)
    known = UNITS.get(match[0].strip().lower()) if match else None
    if known is None or known[0] not in {"length", "angle"}:
        return
    token.kind, token.dim = "quantity", known[0]
    token.value = convert(token.value, known[1], "nm" if known[0] == "length" else "deg")
    token.note = f"{token.text!r} taken in {known[1]}, the unit of the number after it"
