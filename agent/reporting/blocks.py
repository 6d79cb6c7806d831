"""What a report is made of. Every text is plain and unescaped here: the two writers escape, nobody else."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["plain", "claim", "caution"]


@dataclass(frozen=True)
class Para:
    """A paragraph."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class Claim:
    """A statement with its number, as large as it deserves."""

    what: str
    value: str
    """The number with its unit, or 'cannot tell'."""
    interval: str
    """The interval in words, or why there is no number."""
    basis: str
    """Denominator and evidence."""
    events: tuple[int, ...] = ()


@dataclass(frozen=True)
class Bullets:
    """A list of short lines."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table; columns named in `right` hold numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


@dataclass(frozen=True)
class Code:
    """Text shown as it is, in a fixed-width face: a command, a gate card, a request."""

    text: str
    whole_lines: bool = False
    """Lines are not broken: a table in it must look as it was shown."""


@dataclass(frozen=True)
class Picture:
    """A PNG in `runs/ID/pictures`."""

    name: str
    """File name."""
    png: bytes
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Small pictures side by side."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Fold:
    """Details that a reader opens."""

    title: str
    blocks: "tuple[Block, ...]"


@dataclass(frozen=True)
class Section:
    """A titled part; sections don't nest."""

    title: str
    blocks: "tuple[Block, ...]"
    tone: Tone = "plain"


Block = Para | Claim | Bullets | Table | Code | Picture | Gallery | Fold | Section


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    stamp: str
    """Shown on top of every page: SIMULATED and which world, or the instrument's identity."""
    simulated: bool | None
    """None if the ledger does not say."""
    blocks: tuple[Block, ...]
