"""A sentence in clauses, each one thing to do, in the order in which they were said."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from eucentric.agent.grammar.language.tokens import Token

VERBS: Final = frozenset(
    {
        "MOVE",
        "RAISE",
        "LOWER",
        "TILT",
        "ROTATE",
        "SET",
        "ACQUIRE",
        "DETECT",
        "FIND",
        "SAVE",
        "REVISIT",
        "REPORT",
        "STOP",
        "BLANK",
        "UNBLANK",
        "TURN_OFF",
        "LOADFILE",
        "EXCHANGE",
        "NOTIFY",
        "AUTOFOCUS",
        "SURVEY",
        "RESUME",
        "REPEATRUN",
        "BYPASS",
        "QUESTION",
        "TAMPER",
        "ZOOM",
        "RANK",
        "STIG",
        "BETTER",
        "ZONE",
        "DESCRIBE",
        "BACK",
        "AVERAGE",
        "DOUBLE",
        "HALVE",
    }
)
"""A piece that holds none of these belongs to the clause before it."""
_BEFORE: Final = frozenset({"EVERY", "FOR", "ABOVE", "UNTIL", "BY"})
"""Prepositions: they hold for the number after them, never for the one before."""
_OPENERS: Final = frozenset({"NOT", "IF"})


@dataclass
class Clause:
    """Tokens of one instruction. Rules take tokens from it; what is left is named to the person."""

    tokens: list[Token] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    """Settings it has stated already: a second value for one is asked about."""
    asked: bool = False
    """It ends in a question mark."""

    def has(self, *concepts: str) -> bool:
        """An unused token stands for one of `concepts`."""
        return any(token.concept in concepts and not token.used for token in self.tokens)

    def said(self, *concepts: str) -> bool:
        """A token stands for one of `concepts`, used or not."""
        return any(token.concept in concepts for token in self.tokens)

    def take(self, *concepts: str) -> list[Token]:
        """Mark all unused tokens of these concepts as used and return them."""
        found = [
            token for token in self.tokens if token.concept and token.concept in concepts and not token.used
        ]
        for token in found:
            token.used = True
        return found

    def free(self, *dims: str) -> list[Token]:
        """Unused quantities of these kinds."""
        return [
            token
            for token in self.tokens
            if token.kind == "quantity" and token.dim in dims and not token.used
        ]

    def kind(self, kind: str) -> list[Token]:
        """Unused tokens of this kind."""
        return [token for token in self.tokens if token.kind == kind and not token.used]

    def swallow(self) -> str:
        """Use up everything; the text of the clause, for naming it."""
        for token in self.tokens:
            token.used = True
        return self.text

    def swallow_words(self) -> None:
        """Use up words and names, never a number."""
        for token in self.tokens:
            token.used = token.used or token.kind in {"word", "quote", "name"}

    @property
    def text(self) -> str:
        """What was said, in the words it was said in."""
        return " ".join(token.text for token in self.tokens if token.text).replace(" ,", ",")

    def near(
        self, token: Token, concepts: frozenset[str] | set[str], before: int = 4, after: int = 3
    ) -> Token | None:
        """The closest word of `concepts` that no other number separates from `token`."""
        at = self.tokens.index(token)
        for index in self._outwards(at, before, after):
            other = self.tokens[index]
            fits = other.concept in concepts and (index < at or other.concept not in _BEFORE)
            if fits and self._open(at, index):
                return other
        return None

    def _outwards(self, at: int, before: int, after: int) -> Iterator[int]:
        """Places around one, the nearest first, and of two as near the later one first."""
        for step in range(1, max(before, after) + 1):
            if step <= after and at + step < len(self.tokens):
                yield at + step
            if step <= before and at - step >= 0:
                yield at - step

    def _open(self, one: int, two: int) -> bool:
        low, high = min(one, two), max(one, two)
        return not any(
            token.kind in {"number", "quantity", "size", "grid", "area", "range"} or token.text in {",", ";"}
            for token in self.tokens[low + 1 : high]
        )


def split(tokens: list[Token]) -> list[Clause]:
    """Cut at sequence words and full stops always, at commas and 'and' where a new action begins."""
    clauses: list[Clause] = []
    for sentence, asked in _sentences(tokens):
        begin = len(clauses)
        for piece in _pieces(sentence):
            _append(clauses, piece, begin)
        for clause in clauses[begin:]:
            clause.asked = asked or _inverted(clause)
    return [clause for clause in clauses if any(token.kind != "mark" for token in clause.tokens)]


def _inverted(clause: Clause) -> bool:
    """'is the beam blanked' is a question without its mark."""
    first = next((token.text.lower() for token in clause.tokens if token.kind == "word"), "")
    return first in {"is", "are", "was", "were", "has", "did", "does", "ist", "sind", "war", "hat"}


def _sentences(tokens: list[Token]) -> list[tuple[list[Token], bool]]:
    out: list[tuple[list[Token], bool]] = []
    current: list[Token] = []
    for token in tokens:
        if token.kind == "mark" and token.text in ".;!?\n→":
            out.append((current, token.text == "?"))
            current = []
        else:
            current.append(token)
    return [*out, (current, False)]


def _pieces(tokens: list[Token]) -> list[list[Token]]:
    out: list[list[Token]] = [[]]
    conditional = negated = False
    for token in tokens:
        opener = token.concept in _OPENERS
        hard = token.concept == "THEN" and not conditional
        soft = (token.concept == "AND" or token.text in {",", "&"}) and not conditional
        again = (
            negated
            and token.concept in {"ACQUIRE", "MOVE", "TILT", "SET", "FIND"}
            and any(t.concept in VERBS for t in out[-1])
        )
        if hard or soft or (opener and not conditional) or again:
            out.append([])
            negated = False
        negated = negated or token.concept == "NOT"
        infinitive = negated and token.concept in VERBS and bool(out[-1]) and out[-1][-1].text.lower() == "zu"
        conditional = conditional or token.concept == "IF"
        if token.concept == "THEN" and (hard or conditional):
            token.used = True
        out[-1].append(token)
        if infinitive:  # 'ohne die Bühne zu bewegen': what follows is wanted
            out.append([])
            negated = False
    return [piece for piece in out if piece]


def _append(clauses: list[Clause], piece: list[Token], begin: int) -> None:
    """A new clause if the piece starts an action, else more of the last one (or of the next)."""
    hard = any(token.concept == "THEN" for token in piece[:2])
    if (
        len(clauses) > begin
        and clauses[-1].said("NOT")
        and any(token.concept in {"IMAGE", "HAADF", "BF"} for token in piece)
    ):
        clauses.append(Clause(list(piece)))
        return
    last = clauses[-1] if len(clauses) > begin else None
    if last is not None and _settings_first(last) and _takes_image(piece):
        last.tokens.extend(piece)
        return
    if last is None and clauses and not hard and (_only_settings(piece) or _fragments(clauses[-1], piece)):
        clauses[-1].tokens.extend(piece)
    elif (
        last is None
        or (hard and not _bare_verb(last))
        or (_starts(piece) and _complete(last) and not _bare_verb(last))
    ):
        clauses.append(Clause(list(piece)))
    else:
        last.tokens.extend(piece)


def _settings_first(clause: Clause) -> bool:
    """'set the dwell to 3 µs' waits for its image."""
    scan = clause.said("DWELL", "PX", "FRAMETIME") or bool(clause.free("px") or clause.kind("size"))
    return clause.said("SET") and scan and not clause.said("IMAGE", "HAADF", "BF", "SPECTRUM", "MOVE", "TILT")


def _takes_image(piece: list[Token]) -> bool:
    return any(token.concept in {"IMAGE", "HAADF", "BF"} for token in piece)


def _only_settings(piece: list[Token]) -> bool:
    """A sentence such as 'Dwell: 3 µs.' adds to what was said before it."""
    numbers = any(token.kind in {"quantity", "number", "size"} for token in piece)
    acts = any(
        token.concept in VERBS | _OPENERS | {"IMAGE", "HAADF", "BF", "SURVEY", "GRID", "FLAKE"}
        for token in piece
    )
    return numbers and not acts


_FRAGMENT: Final = frozenset(
    {"FLAKE", "MONOLAYER", "BILAYER", "TRILAYER", "ATOMIC", "HIGHRES", "VACANCY", "DEFECT", "DENSITY", "BELOW",
     "BUDGET", "DOSE", "KEEP", "MATERIAL", "ELEMENT", "DETECT"}
)  # fmt: skip


def _fragments(before: Clause, piece: list[Token]) -> bool:
    """'Three flakes. Monolayer. Vacancy density.': notes of one wish, none of them a sentence."""
    tokens = [token for token in (*before.tokens, *piece) if token.matters]
    return all(
        token.concept in _FRAGMENT or token.kind == "number" or token.dim == "dose" for token in tokens
    )


def _bare_verb(clause: Clause) -> bool:
    """'und mach' in 'und mach dann ein Bild': the verb waits for its object."""
    loaded = [token for token in clause.tokens if token.matters]
    return bool(loaded) and all(token.concept in {"ACQUIRE", "SET", "FIND", "DETECT"} for token in loaded)


def _starts(piece: list[Token]) -> bool:
    if any(token.concept in _OPENERS for token in piece):
        return True
    summing = {"AVERAGE"} if not any(token.kind in {"number", "size"} for token in piece) else set()
    mapping = any(token.concept in {"SPECTRUM", "DIFFRACTION"} for token in piece)
    return any(
        (token.concept in VERBS - summing and not (mapping and token.concept == "SURVEY"))
        or (token.concept == "IMAGE" and _leading(piece, token))
        for token in piece
    )


def _leading(piece: list[Token], token: Token) -> bool:
    """'image' is a verb only where nothing but small words stands before it, and no number or article."""
    before = piece[: piece.index(token)]
    return all(other.kind == "mark" or other.concept in {"AND", "THEN", "POLITE"} for other in before)


def _complete(clause: Clause) -> bool:
    """It has an action of its own, so that the next action needs a new clause."""
    return any(
        token.concept in VERBS
        or token.concept in {"IMAGE", "HAADF", "BF", "SPECTRUM", "DIFFRACTION"}
        or token.concept in _OPENERS
        for token in clause.tokens
    )
