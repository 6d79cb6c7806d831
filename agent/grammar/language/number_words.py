"""Numbers in words: 'five µm', 'minus 5', 'half a micron', 'two frames'."""

from typing import Final

from eucentric.agent.grammar.language.quantities import UNITS, read_unit
from eucentric.agent.grammar.language.tokens import Token
from eucentric.agent.grammar.language.vocabulary import NUMBER_WORDS
from eucentric.agent.grammar.language.words import fold

_COUNTABLE: Final = frozenset(
    {
        "IMAGE",
        "FRAME",
        "FLAKE",
        "PARTICLE",
        "GRID",
        "PLACE",
        "POSITION",
        "WORST",
        "BEST",
        "HAADF",
        "BF",
        "MONOLAYER",
        "BILAYER",
        "TRILAYER",
    }
)
_HALF: Final = frozenset({"half", "halbe", "halben", "halber", "halbes"})
_ARTICLE: Final = frozenset({"a", "an", "ein", "eine", "einen", "einem", "einer"})


def named_numbers(tokens: list[Token]) -> list[Token]:
    """'five µm', 'minus 5', 'half a micron', 'two frames': number words become numbers where they count."""
    out: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        later = tokens[at + 1] if at + 1 < len(tokens) else None
        word = fold(token.text) if token.kind == "word" else ""
        if (
            word in {"minus", "negative", "plus", "neg"}
            and later is not None
            and later.kind in {"number", "quantity"}
        ):
            later.value = -abs(later.value) if word != "plus" else later.value
            later.signed = True
            at += 1
            continue
        below = word in {"minus", "negative", "neg"} and later is not None and later.kind == "word"
        spelled = _from_word(fold(tokens[at + 1].text), tokens[at + 1], tokens, at + 1) if below else None
        if spelled:
            spelled[0].value, spelled[0].signed = -spelled[0].value, True
            out.append(spelled[0])
            at = spelled[1]
            continue
        made = _from_word(word, token, tokens, at) if word else None
        if made:
            out.append(made[0])
            at = made[1]
            continue
        out.append(token)
        at += 1
    return out


def _from_word(word: str, token: Token, tokens: list[Token], at: int) -> tuple[Token, int] | None:
    following = at + 1
    if word in _ARTICLE and following < len(tokens) and fold(tokens[following].text) in _HALF:
        return _from_word("half", token, tokens, following)
    value: float | None = 0.5 if word in _HALF else 1.0 if word in _ARTICLE else NUMBER_WORDS.get(word)
    if value is None:
        return None
    while (
        following < len(tokens)
        and fold(tokens[following].text) in {*_ARTICLE, "of"}
        and word in {*_HALF, "couple"}
    ):
        following += 1
    if following >= len(tokens) and word == "one":
        return None
    if following >= len(tokens):
        return (
            (Token("number", token.text, token.start, token.end, value=value), following)
            if word in NUMBER_WORDS
            else None
        )
    unit = tokens[following]
    measured = _unit_word(unit, value)
    if measured:
        return Token(
            "quantity", f"{token.text} {unit.text}", token.start, unit.end, value=measured[1], dim=measured[0]
        ), following + 1
    if word in NUMBER_WORDS and (word != "one" or unit.concept in _COUNTABLE):
        return Token("number", token.text, token.start, token.end, value=value), at + 1
    return None


def _unit_word(token: Token, value: float) -> tuple[str, float] | None:
    known = UNITS.get(fold(token.text)) or UNITS.get(token.text.lower())
    if token.kind != "word" or known is None or (len(token.text) < 2) or fold(token.text) in _ARTICLE:
        return None
    if known[0] == "px":
        return "px", value
    measured = read_unit(f" {token.text}", 0, value)
    return (measured.dim, measured.value) if measured else None
