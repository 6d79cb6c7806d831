"""A request as tokens, read once from left to right."""

import re
from typing import Final

from eucentric.agent.grammar.language.company import in_company
from eucentric.agent.grammar.language.elements import ELEMENT_NAMES, SYMBOLS
from eucentric.agent.grammar.language.number_words import named_numbers
from eucentric.agent.grammar.language.numerals import FIELD, field, numeric
from eucentric.agent.grammar.language.phrases import lasting, phrases, share_units
from eucentric.agent.grammar.language.tokens import Sentence, Token
from eucentric.agent.grammar.language.vocabulary import NUMBER_WORDS
from eucentric.agent.grammar.language.words import ENTRIES, GERMAN, fold, guess

_QUOTES: Final = re.compile(
    r"\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|`[^`\n]*`|(?<!\w)'[^'\n]{3,}'(?!\w)"
)
_FILE: Final = re.compile(
    r"[\w/~.-]+\.(?:txt|csv|md|tiff?|npy|json|toml|pdf|docx?|py|ya?ml|dm[34]|h5|hdf5|xlsx?|log|png|jpe?g|mrc|ser|emd)\b",
    re.I,
)
_NAME: Final = re.compile(r"(?:f-\d+|[a-z]{2,}_\d{2,}|r-\d{3,}|frame-\d+|img-?\d{2,})\b", re.I)
_MILLER: Final = re.compile(
    r"(?:\[\s*[-−]?\d(?:[\s,]*[-−]?\d){2,3}\s*\]|<\s*[-−]?\d(?:[\s,]*[-−]?\d){2,3}\s*>)"
    r"|\b[01]{3}\b(?=\s*(?:zone|axis|pole))"
)
_FORMULA: Final = re.compile(r"(?:Tx|[A-Z][a-z]?(?:\d+(?:\.\d+)?|x)?){2,}(?![a-zA-Z])")
_MATERIAL_WORDS: Final = frozenset(
    {"graphene", "graphen", "mxene", "mxenes", "hbn", "sto", "gan", "gaas", "tmd", "perovskites"}
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:[-'’_/][^\W\d_]+)*", re.UNICODE)


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
    sentence.tokens = phrases(named_numbers(sentence.tokens), sentence)
    share_units(sentence)
    lasting(sentence.tokens)
    in_company(sentence.tokens, sentence.german)
    sentence.notes += [token.note for token in sentence.tokens if token.note]
    return sentence


def _next(text: str, at: int, sentence: Sentence) -> Token:
    if text.startswith(("->", "=>"), at):
        return Token("mark", "→", at, at + 2)
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
        named = FIELD.match(text, at)
        if named:
            return field(text, at, named, sentence)
    number = numeric(text, at, sentence)
    return number or _word(text, at)


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
        and all(symbol in SYMBOLS for symbol, _ in parts)
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
    if (raw in SYMBOLS and len(raw) == 2) or folded in ELEMENT_NAMES:
        return Token("word", raw, start, end, "ELEMENT")
    for split in range(4, len(raw) - 3):  # 'Titanleerstellen'
        if fold(raw[:split]) in ELEMENT_NAMES and fold(raw[split:]) in ENTRIES:
            return Token("word", raw[:split], start, start + split, "ELEMENT")
    near = guess(folded)
    if near:
        return Token("word", raw, start, end, near[1], note=f"{raw!r} read as {near[0]!r}")
    return Token("word", raw, start, end)
