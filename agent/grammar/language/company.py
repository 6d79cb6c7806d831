"""Words that mean something else in the company they are in: 'atoms are missing', 'every minute', 'ten times'."""

from itertools import pairwise
from typing import Final

from eucentric.agent.grammar.language.quantities import UNITS, read_unit
from eucentric.agent.grammar.language.tokens import Token
from eucentric.agent.grammar.language.words import fold

_GONE: Final = frozenset(
    {"missing", "absent", "fehlen", "fehlt", "fehlend", "fehlende", "fehlenden", "lacking"}
)
_FINDINGS: Final = frozenset({"VACANCY", "DEFECT", "DENSITY"})
_PRONOUNS: Final = frozenset({"the", "it", "you", "we", "this", "that", "they", "everything", "all"})
_HALF_VERBS: Final = {
    "hoer": "auf", "hoere": "auf", "brich": "ab", "breche": "ab", "halt": "an", "halte": "an", "haltet": "an",
}  # fmt: skip


def in_company(tokens: list[Token], german: bool) -> None:
    """Give words the sense that their neighbours settle. Numbers keep their values."""
    _missing_atoms(tokens)
    _statistics(tokens)
    _report_what(tokens)
    _choose(tokens)
    if german:
        _search(tokens)
    _not_more(tokens)
    _intervals(tokens)
    _times(tokens)
    _each_time(tokens)
    _once(tokens)
    _split_verbs(tokens)
    _count_symbol(tokens)
    _every_unit(tokens)


def _around(tokens: list[Token], at: int, reach: int) -> list[Token]:
    """Neighbours inside the sentence."""
    out: list[Token] = []
    for step in (-1, 1):
        for index in range(at + step, at + step * (reach + 1), step):
            if not 0 <= index < len(tokens) or tokens[index].text in {".", ";", "!", "?"}:
                break
            out.append(tokens[index])
    return out


def _missing_atoms(tokens: list[Token]) -> None:
    """'how many Ti atoms are missing' asks for vacancies."""
    for at, token in enumerate(tokens):
        if fold(token.text) not in _GONE:
            continue
        near = _around(tokens, at, 5)
        atoms = [other for other in near if other.concept == "ATOMS"]
        if atoms:
            atoms[0].concept, token.concept = "VACANCY", "FILLER"
        elif any(other.concept == "ELEMENT" for other in near):
            token.concept = "VACANCY"


def _statistics(tokens: list[Token]) -> None:
    """'statistics of the vacancies': a density with its interval; 'the number of vacancies' asks for it."""
    for at, token in enumerate(tokens):
        if fold(token.text) in {"statistics", "statistic", "statistik", "stats"} and any(
            near.concept in _FINDINGS for near in _around(tokens, at, 4)
        ):
            token.concept = "DENSITY"
        elif fold(token.text) in {"number", "anzahl", "zahl"} and any(
            near.concept in _FINDINGS for near in _around(tokens, at, 3)
        ):
            token.concept = "QUESTION"


def _report_what(tokens: list[Token]) -> None:
    """'report the vacancy density' asks to be told it; 'write a report' asks for a document."""
    for at, token in enumerate(tokens):
        if fold(token.text) not in {"report", "berichte"} or (
            at and fold(tokens[at - 1].text) in {"a", "ein"}
        ):
            continue
        later = next((near for near in tokens[at + 1 :] if near.concept not in {"FILLER", "ELEMENT"}), None)
        if later is not None and later.concept in _FINDINGS:
            token.concept = "QUESTION"


def _choose(tokens: list[Token]) -> None:
    """'choose two monolayers', 'use three flakes' look for them."""
    for at, token in enumerate(tokens):
        if fold(token.text) not in {"choose", "select", "use", "using", "waehle", "nutze", "verwende"}:
            continue
        for later in tokens[at + 1 : at + 5]:
            if later.concept in {"FLAKE", "MONOLAYER", "BILAYER", "TRILAYER"}:
                token.concept = "FIND"
            if later.kind not in {"number", "word"} or later.concept not in {
                "",
                "FILLER",
                "SUITABLE",
                "MATERIAL",
            }:
                break


def _search(tokens: list[Token]) -> None:
    """'such dann zwei Monolagen': in German a verb, in English ('such flakes') none."""
    for token in tokens:
        if token.text.lower() == "such":
            token.concept = "FIND"


def _not_more(tokens: list[Token]) -> None:
    """'dose not more 20000 e/Å²'."""
    for one, two, three in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if one.concept == "NOT" and two.concept in {"MORE", "ABOVE"} and three.dim == "dose":
            one.concept, two.concept = "FILLER", "BELOW"


def _intervals(tokens: list[Token]) -> None:
    """'20 s between them', 'at intervals of 15 s'."""
    for at, token in enumerate(tokens):
        word = fold(token.text)
        before = any(near.dim == "time" for near in tokens[max(0, at - 3) : at])
        after = any(near.dim == "time" for near in tokens[at + 1 : at + 4])
        named = word in {"interval", "intervals", "intervall", "intervallen"} and (before or after)
        if named or (word in {"between", "zwischen"} and before and not after):
            token.concept = "PITCH"


def _times(tokens: list[Token]) -> None:
    """'ten times', '10 mal'."""
    for one, two in pairwise(tokens):
        if one.kind == "number" and fold(two.text) in {"times", "mal"}:
            two.concept = "TIMES"


def _each_time(tokens: list[Token]) -> None:
    """'each 30 s'; '2 µs each' stands the other way round."""
    for one, two in pairwise(tokens):
        if one.concept == "EACH" and two.dim == "time" and two.value >= 1e6:
            one.concept = "EVERY"


def _once(tokens: list[Token]) -> None:
    """'once the focus is good' is a condition; 'once more' and 'at once' are not."""
    for one, two in pairwise(tokens):
        if fold(one.text) == "once" and (fold(two.text) in _PRONOUNS or two.concept == "AUTOFOCUS"):
            one.concept = "IF"


def _split_verbs(tokens: list[Token]) -> None:
    """'hör sofort auf', 'brich die Aufnahme ab': the particle at the end makes the verb a stop."""
    for at, token in enumerate(tokens):
        particle = _HALF_VERBS.get(fold(token.text))
        if particle is None:
            continue
        rest = [later.text for later in tokens[at + 1 : at + 7]]
        end = next((index for index, text in enumerate(rest) if text in {".", "!", ",", ";", "?"}), len(rest))
        if not end or fold(rest[end - 1]) != particle:
            continue
        denied = any(later.concept == "NOT" for later in tokens[at + 1 : at + end])
        token.concept = "" if denied else "STOP"  # 'halt nicht an' is asked about
        tokens[at + end].concept = "FILLER"


def _count_symbol(tokens: list[Token]) -> None:
    """'N = 3 flakes'."""
    for one, two, three in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if one.text in {"N", "n"} and two.text == "=" and three.kind == "number":
            one.concept = "FILLER"


def _every_unit(tokens: list[Token]) -> None:
    """'every minute': one minute. 'every second image' is every other image and stays unread."""
    for at, token in enumerate(tokens):
        later = tokens[at + 1] if at + 1 < len(tokens) else None
        if later is None or fold(token.text) not in {"every", "each", "jede", "jeden", "alle"}:
            continue
        follows = tokens[at + 2].concept if at + 2 < len(tokens) else ""
        known = UNITS.get(fold(later.text)) if later.kind == "word" and len(later.text) > 3 else None
        if (
            known is None
            or known[0] != "time"
            or follows in {"IMAGE", "FRAME", "HAADF", "BF", "POSITION", "FLAKE"}
        ):
            continue
        measured = read_unit(f" {later.text}", 0, 1.0)
        if measured is not None:
            token.concept = "EVERY"
            later.kind, later.dim, later.value, later.concept = "quantity", "time", measured.value, ""
