"""What a request is read into: quantities, sizes, names, known words, and whatever nobody knows."""

from dataclasses import dataclass, field
from typing import Literal

from eucentric.agent.grammar.language.vocabulary import SOFT

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
