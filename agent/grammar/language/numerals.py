"""Numbers in digits as tokens: single ones, pairs, ranges, products and named fields."""

import re
from typing import Final

from eucentric.agent.grammar.language.quantities import Measured, Number, read_number, read_unit
from eucentric.agent.grammar.language.tokens import Kind, Sentence, Token
from eucentric.agent.grammar.language.words import ENTRIES, fold

_TIMES: Final = re.compile(r"\s*(?:px|pixels?)?\s*(?:[x×*✕]|by|mal|times)\s*(?=[\d.])", re.I)
_DASH: Final = re.compile(r"\s*(?:-|–|—|to|bis)\s*(?=[\d.])", re.I)
_SIGN: Final = re.compile(r"[-−–+]\s?(?=[\d.])")
_PAIR: Final = re.compile(
    r"\(\s*([-−+]?\d+(?:\.\d+)?)\s*,\s*([-−+]?\d+(?:\.\d+)?)(?:\s*,\s*([-−+]?\d+(?:\.\d+)?))?\s*\)"
)
FIELD: Final = re.compile(
    r"(?P<name>[a-zA-Z]+(?:_[a-zA-Z]+)*?)_(?P<unit>um|nm|pa|pA|us|deg|px|ms|kv)\s*[=:]?\s*(?P<sign>[-−+]?)(?=[\d.])"
)


def field(text: str, at: int, match: re.Match[str], sentence: Sentence) -> Token:
    """'x_um=5000': the name as a word; the number gets its unit from the name."""
    number = read_number(text, match.end())
    measured = read_unit(f" {match['unit']}", 0, number.value) if number else None
    if number is None or measured is None:
        return Token("word", match[0], at, match.end())
    sign = -1 if match["sign"] in {"-", "−"} else 1
    sentence.tokens.append(_concept_token(match["name"].replace("_", " "), at, match.end("unit")))
    sentence.tokens.append(Token("mark", "=", match.end("unit"), match.end("unit")))
    return Token(
        "quantity",
        text[match.end("unit") : number.end],
        match.end("unit"),
        number.end,
        value=sign * measured.value,
        dim=measured.dim,
        signed=bool(match["sign"]),
    )


def _concept_token(text: str, start: int, end: int) -> Token:
    return Token("word", text, start, end, ENTRIES.get(fold(text), ""))


def numeric(text: str, at: int, sentence: Sentence) -> Token | None:
    pair = _PAIR.match(text, at)
    if pair:
        return _pair(text, at, pair, sentence)
    sign = _SIGN.match(text, at)
    begin = sign.end() if sign and _sign_allowed(text, at, sentence) else at
    signed = begin != at
    if (
        not signed
        and at
        and (text[at - 1].isalpha() or text[at - 1] == "_")
        and not _after_known(sentence, at)
    ):
        return None
    first = read_number(text, begin, german=sentence.german)
    if first is None:
        return None
    factor = -1.0 if signed and text[at] in "-−–" else 1.0
    several = None if signed else _two_numbers(text, at, first, sentence)
    return several or _single(text, at, first, factor, signed)


def _after_known(sentence: Sentence, at: int) -> bool:
    """'alpha10', 'fov20nm': the number belongs to the known word that it sticks to."""
    last = sentence.tokens[-1] if sentence.tokens else None
    return last is not None and last.end == at and bool(last.concept)


def _sign_allowed(text: str, at: int, sentence: Sentence) -> bool:
    if at == 0 or text[at - 1].isspace() or text[at - 1] in "(=:,;+":
        return True
    last = sentence.tokens[-1] if sentence.tokens else None
    return last is not None and last.end == at and last.concept in {"X", "Y", "Z", "ALPHA", "BETA", "DEFOCUS"}


def _pair(text: str, at: int, pair: re.Match[str], sentence: Sentence) -> Token:
    """'(10, -5) µm': the x and y of a point; the unit after it holds for all."""
    sentence.tokens.append(Token("mark", "(", at, at))
    values = [float(value.replace("−", "-")) for value in pair.groups() if value]
    out = []
    for axis, value in zip("xyz", values, strict=False):
        measured = read_unit(text, pair.end(), value)
        out.append(Token("word", axis, at, at, axis.upper()))
        out.append(
            _quantity(text, at, pair.end(), value, measured)
            if measured
            else Token("number", f"{value:g}", at, pair.end(), value=value)
        )
    sentence.tokens += out[:-1]
    return out[-1]


def _quantity(text: str, at: int, end: int, value: float, measured: Measured | None) -> Token:
    if measured is None:
        return Token("number", text[at:end], at, end, value=value)
    return Token(
        "quantity",
        text[at : measured.end],
        at,
        measured.end,
        value=measured.value,
        dim=measured.dim,
        note=measured.note,
    )


def _single(text: str, at: int, number: Number, factor: float, signed: bool) -> Token:
    value = factor * number.value
    scale = 1000.0 if number.kilo else 1.0
    measured = read_unit(text, number.end, value * scale)
    if measured and measured.dim == "px" and number.kilo:
        measured = Measured("px", value * 1024, measured.end, "px")
    if measured:
        note = "; ".join(part for part in (number.note, measured.note) if part)
        token = Token(
            "quantity",
            text[at : measured.end],
            at,
            measured.end,
            value=measured.value,
            dim=measured.dim,
            signed=signed,
            kilo=number.kilo,
            note=note,
        )
        return token
    return Token(
        "number",
        text[at : number.end],
        at,
        number.end,
        value=value * scale,
        signed=signed,
        kilo=number.kilo,
        note=number.note,
    )


def _two_numbers(text: str, at: int, first: Number, sentence: Sentence) -> Token | None:
    times = _TIMES.match(text, first.end)
    second = read_number(text, times.end(), german=sentence.german) if times else None
    if second:
        return _product(text, at, first, second, sentence)
    early = read_unit(text, first.end, first.value)
    if early and early.dim == "length":
        late = _TIMES.match(text, early.end)
        other = read_number(text, late.end(), german=sentence.german) if late else None
        unit = read_unit(text, other.end, other.value) if other else None
        if unit and unit.dim == "length":
            return Token(
                "area", text[at : unit.end], at, unit.end, value=early.value, second=unit.value, dim="length"
            )
    dash = _DASH.match(text, first.end)
    upper = read_number(text, dash.end(), german=sentence.german) if dash else None
    measured = read_unit(text, upper.end, upper.value) if upper else None
    if upper and measured and measured.dim not in {"px", "mag"}:
        return _two("range", text, at, first, upper, measured)
    return None


def _two(kind: Kind, text: str, at: int, first: Number, second: Number, measured: Measured) -> Token:
    """Two numbers before one unit, which is for both: '5 x 10 nm', '5-10 nm'."""
    low = read_unit(text, second.end, first.value)
    return Token(
        kind,
        text[at : measured.end],
        at,
        measured.end,
        value=low.value if low else first.value,
        second=measured.value,
        dim=measured.dim,
    )


def _product(text: str, at: int, first: Number, second: Number, sentence: Sentence) -> Token | None:
    measured = read_unit(text, second.end, second.value)
    if measured and measured.dim == "time":
        sentence.tokens.append(
            Token("number", text[at : first.end], at, first.end, concept="REPEAT", value=first.value)
        )
        return Token(
            "quantity",
            text[first.end : measured.end],
            first.end,
            measured.end,
            value=measured.value,
            dim="time",
        )
    if measured and measured.dim == "length":
        return _two("area", text, at, first, second, measured)
    if measured and measured.dim != "px":
        return None
    end = measured.end if measured else second.end
    kilo = first.kilo or second.kilo
    pixels = bool(measured) or kilo or min(first.value, second.value) >= 32
    one, two = (number.value * (1024 if kilo and number.value < 32 else 1) for number in (first, second))
    return Token("size" if pixels else "grid", text[at:end], at, end, value=one, second=two)
