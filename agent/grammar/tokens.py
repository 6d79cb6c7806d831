"""A sentence as tokens: quantities, sizes, names, known words, and whatever nobody knows."""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from eucentric.agent.grammar.quantities import UNITS, Measured, Number, read_number, read_unit
from eucentric.agent.grammar.words import ENTRIES, GERMAN, LONGEST, NUMBER_WORDS, SOFT, fold, guess
from eucentric.core.units import convert

Kind = Literal["number", "quantity", "size", "grid", "area", "range", "word", "name", "quote", "mark"]


@dataclass(eq=False)
class Token:
    """One piece of the request. `used` is set by the rule that took it: nothing is dropped silently."""

    kind: Kind
    text: str
    start: int
    end: int
    concept: str = ""
    value: float = 0.0
    second: float = 0.0
    dim: str = ""
    """Of a quantity: length [nm], time [us], current [pA], angle [deg], dose [e/Å²], px, mag, …"""
    signed: bool = False
    kilo: bool = False
    note: str = ""
    used: bool = False

    @property
    def matters(self) -> bool:
        """Left unused it must be brought to the person's notice."""
        return self.kind != "mark" and self.concept not in SOFT and not self.used


@dataclass
class Sentence:
    """The tokens of a request and what was assumed in reading them."""

    text: str
    tokens: list[Token]
    german: bool
    notes: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)


_QUOTES: Final = re.compile(
    r"\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|`[^`\n]*`|(?<!\w)'[^'\n]{3,}'(?!\w)"
)
_FILE: Final = re.compile(
    r"[\w/~.-]+\.(?:txt|csv|md|tiff?|npy|json|toml|pdf|docx?|py|ya?ml|dm[34]|h5|hdf5|xlsx?|log|png|jpe?g|mrc|ser|emd)\b",
    re.I,
)
_NAME: Final = re.compile(r"(?:f-\d+|[a-z]{2,}_\d{2,}|r-\d{3,}|frame-\d+|img-?\d{2,})\b", re.I)
_MILLER: Final = re.compile(
    r"(?:\[\s*-?\d[\s,]*-?\d[\s,]*-?\d\s*\]|<\s*-?\d[\s,]*-?\d[\s,]*-?\d\s*>)|\b[01]{3}\b(?=\s*(?:zone|axis|pole))"
)
_FIELD: Final = re.compile(
    r"(?P<name>[a-zA-Z]+(?:_[a-zA-Z]+)*?)_(?P<unit>um|nm|pa|pA|us|deg|px|ms|kv)\s*[=:]?\s*(?P<sign>[-−+]?)(?=[\d.])"
)
_FORMULA: Final = re.compile(r"(?:Tx|[A-Z][a-z]?(?:\d+(?:\.\d+)?|x)?){2,}(?![a-zA-Z])")
_SYMBOL_TEXT: Final = """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se
Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os
Ir Pt Au Hg Tl Pb Bi Th U"""
_SYMBOLS: Final = frozenset(_SYMBOL_TEXT.split())
_MATERIAL_WORDS: Final = frozenset(
    {"graphene", "graphen", "mxene", "mxenes", "hbn", "sto", "gan", "gaas", "tmd", "perovskites"}
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:[-'’_/][^\W\d_]+)*", re.UNICODE)
_TIMES: Final = re.compile(r"\s*(?:px|pixels?)?\s*(?:[x×*✕]|by|mal)\s*(?=[\d.])", re.I)
_DASH: Final = re.compile(r"\s*(?:-|–|—|to|bis)\s*(?=[\d.])", re.I)
_SIGN: Final = re.compile(r"[-−–+]\s?(?=[\d.])")
_PAIR: Final = re.compile(
    r"\(\s*([-−+]?\d+(?:\.\d+)?)\s*,\s*([-−+]?\d+(?:\.\d+)?)(?:\s*,\s*([-−+]?\d+(?:\.\d+)?))?\s*\)"
)
_COUNTABLE: Final = frozenset(
    {"IMAGE", "FRAME", "FLAKE", "PARTICLE", "GRID", "PLACE", "POSITION", "WORST", "BEST", "HAADF", "BF"}
)


def is_german(text: str) -> bool:
    """Two German function words, or one in a text of at most three."""
    words = [fold(word) for word in re.findall(r"[^\W\d_]+", text)]
    hits = sum(word in GERMAN for word in words)
    return hits >= 2 or (hits == 1 and len(words) <= 3) or bool(re.search(r"[äöüß]", text))


def tokenise(text: str) -> Sentence:
    """Read `text` once, left to right. Never raises; what it can't read stays as an unknown token."""
    sentence = Sentence(text, [], is_german(text))
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token = _next(text, at, sentence)
        sentence.tokens.append(token)
        at = max(token.end, at + 1)
    sentence.tokens = _phrases(_named_numbers(sentence.tokens), sentence)
    _share_units(sentence)
    _lasting(sentence.tokens)
    sentence.notes += [token.note for token in sentence.tokens if token.note]
    return sentence


def _next(text: str, at: int, sentence: Sentence) -> Token:
    quote = _QUOTES.match(text, at)
    if quote:
        sentence.quoted.append(quote[0][1:-1])
        return Token("quote", quote[0], at, quote.end())
    before = text[at - 1] if at else " "
    if not (before.isalnum() or before == "_"):
        for pattern, concept in ((_FILE, "FILE"), (_MILLER, "ZONE")):
            match = pattern.match(text, at)
            if match:
                return Token("word", match[0], at, match.end(), concept)
        name = _NAME.match(text, at)
        if name:
            return Token("name", name[0], at, name.end())
        named = _FIELD.match(text, at)
        if named:
            return _field(text, at, named, sentence)
    number = _numeric(text, at, sentence)
    return number or _word(text, at)


def _field(text: str, at: int, match: re.Match[str], sentence: Sentence) -> Token:
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


def _numeric(text: str, at: int, sentence: Sentence) -> Token | None:
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
        low = read_unit(text, upper.end, first.value)
        return Token(
            "range",
            text[at : measured.end],
            at,
            measured.end,
            value=low.value if low else first.value,
            second=measured.value,
            dim=measured.dim,
        )
    return None


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
        low = read_unit(text, second.end, first.value)
        return Token(
            "area",
            text[at : measured.end],
            at,
            measured.end,
            value=low.value if low else first.value,
            second=measured.value,
            dim="length",
        )
    if measured and measured.dim != "px":
        return None
    end = measured.end if measured else second.end
    kilo = first.kilo or second.kilo
    pixels = bool(measured) or kilo or min(first.value, second.value) >= 32
    one, two = (number.value * (1024 if kilo and number.value < 32 else 1) for number in (first, second))
    return Token("size" if pixels else "grid", text[at:end], at, end, value=one, second=two)


def _word(text: str, at: int) -> Token:
    formula = _FORMULA.match(text, at)
    if formula and _is_formula(formula[0]):
        return Token("word", formula[0], at, formula.end(), "MATERIAL")
    match = _WORD.match(text, at)
    if not match:
        loose = text[at].isalnum() or text[at] in "<>≤≥"  # a digit is never dropped as if it were a comma
        return Token("word" if loose else "mark", text[at], at, at + 1, ENTRIES.get(text[at], ""))
    token = _classify(match[0], at, match.end())
    tail = re.compile(r"[\w]*").match(text, token.end)
    if tail and tail[0] and not token.concept and token.end == match.end():
        return Token("word", text[at : tail.end()], at, tail.end())
    return token


def _is_formula(text: str) -> bool:
    parts = re.findall(r"([A-Z][a-z]?)(\d+(?:\.\d+)?|x)?", text.replace("Tx", ""))
    return (
        fold(text) not in ENTRIES
        and all(symbol in _SYMBOLS for symbol, _ in parts)
        and any(n for _, n in parts)
    )


def _classify(raw: str, start: int, end: int) -> Token:
    folded = fold(raw)
    for spelling in (folded, folded.replace("_", " "), folded.replace("-", " "), folded.replace("-", "")):
        if spelling in ENTRIES:
            return Token("word", raw, start, end, ENTRIES[spelling])
    if folded in _MATERIAL_WORDS:
        return Token("word", raw, start, end, "MATERIAL")
    if raw == "a" or (raw == "A" and start == 0):
        return Token("word", raw, start, end, "FILLER")
    if folded in NUMBER_WORDS:
        return Token("word", raw, start, end)
    cut = re.search(r"[-'’_/]", raw)
    if cut and cut.start():
        return _classify(raw[: cut.start()], start, start + cut.start())
    if raw in _SYMBOLS and len(raw) == 2:
        return Token("word", raw, start, end, "ELEMENT")
    near = guess(folded)
    if near:
        return Token("word", raw, start, end, near[1], note=f"{raw!r} read as {near[0]!r}")
    return Token("word", raw, start, end)


def _named_numbers(tokens: list[Token]) -> list[Token]:
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


_HALF: Final = frozenset({"half", "halbe", "halben", "halber", "halbes"})
_ARTICLE: Final = frozenset({"a", "an", "ein", "eine", "einen", "einem", "einer"})


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


def _phrases(tokens: list[Token], sentence: Sentence) -> list[Token]:
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


def _share_units(sentence: Sentence) -> None:
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


def _lasting(tokens: list[Token]) -> None:
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
