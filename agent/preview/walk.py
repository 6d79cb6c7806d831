"""Where a plan has come to while it is walked without an instrument, and what it has cost so far."""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from eucentric.agent.dose.stage_errors import stage_error_um
from eucentric.agent.preview.legs import Leg
from eucentric.core.base import Model
from eucentric.core.calls import Cost, Risk
from eucentric.core.instrument import MicroscopeState, Reading
from eucentric.tools.base import Setting


class Row(Model):
    """One line of the preview."""

    step: str
    what: str
    tool: str = ""
    times: int
    each: Cost
    reason: str = ""
    risk: Risk = "read"
    figures: dict[str, float | str | None] = Field(default_factory=dict)
    """What rules may ask about the call; None: known when it is made."""


@dataclass
class Walk:
    """Where the plan has come to, and what it has cost so far."""

    setting: Setting
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    megabytes: float = 0.0
    electrons: float = 0.0
    shared: float = 0.0
    """Dose that any place may have had from surveys."""
    place: float = 0.0
    """Dose at the present place."""
    base: float = 0.0
    """What it had before the loop that the plan is in, which counts anew."""
    given: float = 0.0
    """The part of it that was given since the stage came here."""
    visited: list[tuple[float, float, float]] = field(default_factory=list)
    """Places left behind: x, y [µm] and the dose that was given there."""
    worst: float = 0.0
    elsewhere: float = 0.0
    reach: dict[str, list[float]] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)
    """The stage's way, for the limits that depend on it."""
    current_pa: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a person should know that is no problem."""
    asks: bool = False
    field_um: float = 0.0
    """Widest field exposed so far."""
    pitches: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    """Grids by the id of their step: pitch [µm], nx, ny."""
    earlier: Callable[[float, float, float, float], float] = lambda x, y, width, height: 0.0
    """What earlier runs gave to a field: centre and size [µm] to the deepest dose in it [e/Å²]."""

    @property
    def near_um(self) -> float:
        """Two fields whose centres are farther apart than this can't overlap."""
        return self.field_um + stage_error_um(self.setting.capabilities)

    def copy(self) -> "Walk":
        """A walk that goes its own way; what it looks things up in stays shared."""
        return copy.deepcopy(self, {id(self.earlier): self.earlier})

    def xy(self) -> tuple[float, float]:
        """Where the stage would stand [µm]."""
        stage = self.setting.state.stage
        x, y = (stage[name].reported if name in stage else 0.0 for name in ("x_um", "y_um"))
        return x, y

    def leave(self) -> None:
        """Remember what this place had."""
        self.visited.append((*self.xy(), self.given))
        self.place = self.given = 0.0

    def arrive(self) -> None:
        """Take up again what places near this one had before."""
        x, y = self.xy()
        near = [dose for vx, vy, dose in self.visited if max(abs(vx - x), abs(vy - y)) < self.near_um]
        self.place = sum(near) + self.earlier(x, y, self.field_um, self.field_um) + self.if_missed()

    def if_missed(self) -> float:
        """What the last places had: where the stage still is if it missed its moves."""
        missed = self.setting.capabilities.position_errors.missed_moves
        return sum(dose for _, _, dose in self.visited[-missed:]) if missed else 0.0

    def settle(self, seconds: float | None) -> None:
        """How long the stage will have stood."""
        self.setting = dataclasses.replace(self.setting, settled_s=seconds)

    def missable(self) -> int:
        """How many moves in a row the stage may miss."""
        return self.setting.capabilities.position_errors.missed_moves

    def readings(self) -> dict[str, float]:
        """Where the stage would stand, by field."""
        return {key: reading.reported for key, reading in self.setting.state.stage.items()}

    def set(self, *, optics: dict[str, float] | None = None, stage: dict[str, Reading] | None = None) -> None:
        """Take over what a step sets."""
        state = self.setting.state
        update: dict[str, Any] = {}
        if optics:
            update["optics"] = {**state.optics, **optics}
        if stage:
            update["stage"] = stage
        new: MicroscopeState = state.model_copy(update=update)
        self.setting = dataclasses.replace(self.setting, state=new)
