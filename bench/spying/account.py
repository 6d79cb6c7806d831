"""What a spy is told was allowed, and what it writes down."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eucentric.instruments.driver import DriverState


@dataclass(frozen=True, eq=False)
class Grant:
    """What a person allowed, in SI, as the driver of the test knows it."""

    tools: tuple[str, ...]
    box: Mapping[str, tuple[float, float]]
    """Where each axis may be sent, and stand during a scan."""
    frames: int
    dose_e_per_a2: float
    """At any place: the smaller of approval and specimen card."""
    current_a: float
    electrons: float
    """In all."""
    until_s: float
    """Instrument time."""
    until_wall_s: float
    """`time.time()`."""
    facts: tuple[Any, ...]
    """`facts_of` the instrument when it was approved."""


@dataclass
class Watch:
    """One call under observation, in the thread that makes it."""

    grant: Grant | None
    """What is in force for it; None: nothing may arrive."""
    tool: str
    arrived: int = 0
    """Commands that reached the driver."""
    driver_s: float = 0.0
    """CPU of this thread inside the driver [s]."""


@dataclass
class Exposed:
    """One scan: its requested field and the dose at its deepest place."""

    x: tuple[float, float]
    y: tuple[float, float]
    dose: float
    loading: str

    @property
    def row(self) -> tuple[float, ...]:
        """Bounds and dose, for arithmetic over many."""
        return (*self.x, *self.y, self.dose)


@dataclass
class Account:
    """What was seen."""

    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    arrived: Counter[str] = field(default_factory=Counter)
    scene: str = ""
    """What is being played."""

    def blame(self, rule: str, what: str) -> None:
        """Write a broken rule down, with its first example."""
        self.violations[rule] += 1
        self.examples.setdefault(f"{self.scene}: {rule}", what)


def facts_of(state: DriverState) -> tuple[Any, ...]:
    """What an approval must have been given for: holder, loading, voltage and hands on the knobs."""
    return state.holder, state.loading, round(state.optics.get("voltage", 0.0)), state.epoch
