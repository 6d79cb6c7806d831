"""Faults: what goes wrong, when, and a log that only the oracle reads."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible

FaultKind = Literal["missed_move", "time_out", "drift_step", "beam_trip"]
Verb = Literal["move", "acquire"]

KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
_VERB: dict[FaultKind, Verb] = {
    "missed_move": "move", "time_out": "move", "drift_step": "acquire", "beam_trip": "acquire",
}  # fmt: skip
_SHORT = re.compile(r"^([a-z_]+)@(\d+(?:\.\d+)?)(s?)$")


class FaultSpec(Model):
    """One fault, once. Moves fail at a move; the drift step and the trip come at a frame."""

    kind: FaultKind
    id: str = Field("", max_length=60)
    onset_n: int | None = Field(None, ge=1)
    """At the n-th move, or n-th frame, of the instrument's life."""
    onset_s: float | None = Field(None, ge=0)
    """Or at the first one at or after this time on the instrument's clock [s]."""
    drift_nm_per_s: float = Field(0.5, ge=0)
    """Added by a drift step."""

    @property
    def verb(self) -> Verb:
        """The command that it strikes."""
        return _VERB[self.kind]

    @property
    def name(self) -> str:
        """Its id, or kind and onset."""
        onset = f"{self.onset_n}" if self.onset_n else f"{self.onset_s or 0:g}s"
        return self.id or f"{self.kind}@{onset}"


@dataclass(frozen=True)
class FaultEvent:
    """A fault that struck."""

    id: str
    kind: FaultKind
    time_s: float
    note: str = ""


@dataclass
class FaultBox:
    """Decides which faults strike a command, each at most once."""

    specs: tuple[FaultSpec, ...]
    log: list[FaultEvent] = field(default_factory=list)
    counts: dict[Verb, int] = field(default_factory=lambda: {"move": 0, "acquire": 0})
    _done: set[int] = field(default_factory=set)

    def due(self, verb: Verb, time_s: float) -> tuple[FaultSpec, ...]:
        """Count one more command of that kind and return what strikes it."""
        self.counts[verb] += 1
        struck = [
            n for n, spec in enumerate(self.specs) if n not in self._done and self._is_due(spec, verb, time_s)
        ]
        self._done.update(struck)
        return tuple(self.specs[n] for n in struck)

    def _is_due(self, spec: FaultSpec, verb: Verb, time_s: float) -> bool:
        if spec.verb != verb:
            return False
        if spec.onset_n is not None:
            return self.counts[verb] == spec.onset_n
        return time_s >= (spec.onset_s or 0.0)

    def record(self, spec: FaultSpec, time_s: float, note: str = "") -> None:
        """Write the truth."""
        self.log.append(FaultEvent(spec.name, spec.kind, time_s, note))


def _short(word: str) -> FaultSpec:
    match = _SHORT.match(word)
    if not match or match[1] not in KINDS:
        raise BadInput(
            f"fault {visible(word, limit=80)!r}",
            "needs KIND@N (the N-th move or frame) or KIND@SECONDSs",
            f"kinds: {', '.join(KINDS)}; or the name of a list in the world's file",
        )
    kind = next(kind for kind in KINDS if kind == match[1])
    if match[3]:
        return FaultSpec(kind=kind, onset_s=float(match[2]))
    if "." in match[2] or int(match[2]) < 1:
        raise BadInput(
            f"fault {visible(word)!r}", "counts start at 1", "write missed_move@3 or missed_move@120s"
        )
    return FaultSpec(kind=kind, onset_n=int(match[2]))


def read_faults(text: str, lists: dict[str, tuple[FaultSpec, ...]]) -> tuple[FaultSpec, ...]:
    """The faults that a query asks for: names of lists and short forms, separated by commas."""
    found: list[FaultSpec] = []
    for word in (part.strip() for part in text.split(",") if part.strip()):
        found.extend(lists[word] if word in lists else (_short(word),))
    return tuple(found)
