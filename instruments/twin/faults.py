"""Faults: what goes wrong, when, and a log that only the oracle reads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import Field

from eucentric.core.base import Model

MoveKind = Literal[
    "missed_move", "partial_move", "stage_error", "time_out", "runaway", "readback_lies", "stale_readback",
    "slow_settle", "backlash",
]  # fmt: skip
FrameKind = Literal[
    "drift_step", "beam_trip", "stale_frame", "scan_glitch", "detector_not_inserted", "detector_saturation",
    "focus_jump", "astigmatism_jump", "contamination_growth", "specimen_hole",
]  # fmt: skip
GaugeKind = Literal["vacuum_burst", "emission_decay", "current_drop", "door_interlock"]
ControlKind = Literal["lost_connection", "stop_ignored"]
FaultKind = Literal[MoveKind, FrameKind, GaugeKind, ControlKind]
Verb = Literal["move", "acquire", "command"]

KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
GAUGE_KINDS: tuple[FaultKind, ...] = get_args(GaugeKind)
"""These act from a moment on, whatever command runs then."""
_MOVES: tuple[FaultKind, ...] = get_args(MoveKind)
_CONTROL: tuple[FaultKind, ...] = get_args(ControlKind)
_DECAY_S: dict[FaultKind, float] = {"vacuum_burst": 60.0, "emission_decay": 1800.0}


class FaultSpec(Model):
    """One fault, once.

    Faults of the stage come at a move, those of the control software at any command, all others at a frame. With
    `onset_s`, those of the gauges (vacuum burst, emission decay, current drop, interlock) begin at that very moment.
    A number below matters to the kinds that its text names; all sizes are assumed.
    """

    kind: FaultKind
    id: str = Field("", max_length=60)
    onset_n: int | None = Field(None, ge=1)
    """At the n-th move, frame or command of the instrument's life."""
    onset_s: float | None = Field(None, ge=0)
    """Or at the first one at or after this time on the instrument's clock [s]."""
    drift_nm_per_s: float = Field(0.5, ge=0)
    """Added by a drift step."""
    done: float = Field(0.5, ge=0, lt=1)
    """Part of the way that a partial move makes, and a move that ends in a stage error."""
    offset_nm: float = 2000.0
    """By which a read-back that lies is off, in x."""
    stale_s: float = Field(5.0, gt=0)
    """How long a stale read-back still shows where the stage was before the move."""
    backlash_nm: float = Field(2000.0, ge=0)
    """Added by worn gears."""
    settle_nm: float = Field(200.0, ge=0)
    """How far a move that settles slowly still creeps, along its direction."""
    settle_s: float = Field(60.0, gt=0)
    drop: float = Field(0.3, gt=0, lt=1)
    """Part of the current lost by a current drop."""
    decay_s: float | None = Field(None, gt=0)
    """Time constant of a vacuum burst (60 s if not given) or of an emission decay (1800 s)."""
    peak_mbar: float = Field(1e-5, gt=0)
    """Added by a vacuum burst at its onset."""
    defocus_nm: float = 150.0
    """By which a focus jump is off."""
    a1_nm: tuple[float, float] = (20.0, 0.0)
    """By which an astigmatism jump is off, along x and at 45 degrees to it."""
    growth: float = Field(30.0, gt=1)
    """By which contamination grows faster from then on."""
    hole_nm: tuple[float, float, float] = (0.0, 0.0, 5.0)
    """Of damage: x and y from the middle of the field, and the radius of what is gone."""
    glitch_lines: float = Field(0.1, gt=0, le=1)
    """Part of the lines that a scan glitch displaces."""
    glitch_px: float = Field(4.0, gt=0)
    """By how much: one sigma, in pixels."""
    detector: str = Field("", max_length=40)
    """Of a detector fault; empty: the first of the frame."""
    gain: float = Field(1e5, gt=1)
    """Of a detector that saturates."""

    @property
    def verb(self) -> Verb:
        """The command that it strikes."""
        return "command" if self.kind in _CONTROL else "move" if self.kind in _MOVES else "acquire"

    @property
    def timed(self) -> bool:
        """Whether it begins at its moment rather than at a command."""
        return self.kind in GAUGE_KINDS and self.onset_n is None

    @property
    def time_constant_s(self) -> float:
        """Of a decay [s]."""
        return self.decay_s or _DECAY_S.get(self.kind, 60.0)

    @property
    def name(self) -> str:
        """Its id, or kind and onset."""
        onset = f"{self.onset_n}" if self.onset_n else f"{self.onset_s or 0:g}s"
        return self.id or f"{self.kind}@{onset}"


@dataclass(frozen=True)
class FaultEvent:
    """Something that went wrong: a fault that struck, or what followed from the commands (a touch)."""

    id: str
    kind: FaultKind | Literal["touch"]
    time_s: float
    note: str = ""


def of_kind(due: Iterable[FaultSpec], kind: FaultKind) -> FaultSpec | None:
    """The first of that kind."""
    return next((spec for spec in due if spec.kind == kind), None)


@dataclass
class FaultBox:
    """Decides which faults strike a command, each at most once."""

    specs: tuple[FaultSpec, ...]
    log: list[FaultEvent] = field(default_factory=list)
    counts: dict[Verb, int] = field(default_factory=lambda: {"move": 0, "acquire": 0, "command": 0})
    _done: set[int] = field(default_factory=set)

    def due(self, verb: Verb, time_s: float) -> tuple[FaultSpec, ...]:
        """Count one more command of that kind and return what strikes it."""
        self.counts[verb] += 1
        return self._take(n for n, spec in enumerate(self.specs) if self._is_due(spec, verb, time_s))

    def notice(self, time_s: float) -> None:
        """Write down the faults that have begun by themselves."""
        for spec in self._take(
            n for n, spec in enumerate(self.specs) if spec.timed and time_s >= (spec.onset_s or 0.0)
        ):
            self.record(spec, spec.onset_s or 0.0)

    def _take(self, struck: Iterable[int]) -> tuple[FaultSpec, ...]:
        new = [n for n in struck if n not in self._done]
        self._done.update(new)
        return tuple(self.specs[n] for n in new)

    def _is_due(self, spec: FaultSpec, verb: Verb, time_s: float) -> bool:
        if spec.verb != verb or spec.timed:
            return False
        if spec.onset_n is not None:
            return self.counts[verb] == spec.onset_n
        return time_s >= (spec.onset_s or 0.0)

    def record(self, spec: FaultSpec, time_s: float, note: str = "") -> None:
        """Write the truth."""
        self.log.append(FaultEvent(spec.name, spec.kind, time_s, note))

    def record_touch(self, time_s: float, note: str) -> None:
        """Write that the holder touched a pole piece: no fault of the instrument."""
        self.log.append(FaultEvent("touch", "touch", time_s, note))
