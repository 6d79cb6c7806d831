"""Looking words up in the vocabulary.

Spelling is folded (small letters, ä -> ae) before a word is looked up. A long word with a typing error
still finds its entry, and that reading is disclosed; a number never does.
"""

from functools import lru_cache
from typing import Final

from eucentric.agent.grammar.language.vocabulary import CONCEPTS, GERMAN_WORDS


def fold(word: str) -> str:
    """Small letters, umlauts spelled out: 'Höhe' -> 'hoehe'."""
    out = word.lower().replace("’", "_").replace("'", "_").replace("‘", "_")
    for old, new in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("é", "e"), ("−", "-")):
        out = out.replace(old, new)
    return out


def _entries() -> dict[str, str]:
    out: dict[str, str] = {}
    for concept, words in CONCEPTS.items():
        for word in words.split():
            key = fold(word).replace("_", " ").strip() if word.strip("_") else word
            if word.endswith("_"):  # a trailing underscore keeps a reading on record without using it
                continue
            out.setdefault(key, concept)
    return out


ENTRIES: Final = _entries()
"""Folded word or phrase -> concept; where two tables claim a word the first one has it."""
LONGEST: Final = max(len(key.split()) for key in ENTRIES)
_SINGLE: Final = tuple(key for key in ENTRIES if " " not in key and len(key) >= 5)

GERMAN: Final = frozenset(fold(word) for word in GERMAN_WORDS.split())
"""Words that show that a request is German."""


def typing_distance(one: str, two: str, most: int) -> int:
    """Insertions, deletions, swaps and changes from one word to the other; `most` + 1 if there are more."""
    if abs(len(one) - len(two)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(two, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return last[-1]


@lru_cache(maxsize=4096)
def guess(word: str) -> tuple[str, str] | None:
    """(entry, concept) of the one vocabulary word that `word` is a typing error of."""
    most = 2 if len(word) >= 9 else 1 if len(word) >= 6 else 0
    if not most or not word.isalpha():
        return None
    near = [
        (typing_distance(word, entry, most), entry)
        for entry in _SINGLE
        if abs(len(entry) - len(word)) <= most and (entry[0] == word[0] or entry[-2:] == word[-2:])
    ]
    best = min((distance for distance, _ in near), default=most + 1)
    concepts = {ENTRIES[entry]: entry for distance, entry in near if distance == best}
    if best > most or len(concepts) != 1:
        return None
    concept, entry = next(iter(concepts.items()))
    return entry, concept
