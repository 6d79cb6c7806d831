"""What a tool is: a verb with typed arguments, a risk class, a predicted cost and one function."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost, Finding, Risk
from eucentric.core.instrument import Frame, MicroscopeState
from eucentric.core.request import SpecimenCard
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.port import Image, Microscope
from eucentric.knowledge.dose import PlaceDose
from eucentric.knowledge.notebook import Notebook


class Records(Protocol):
    """Read-only access to what this run and this store already hold."""

    def frame(self, name: str) -> Frame:
        """A frame by id, or 'last'. BadInput if there is none."""
        ...

    def pixels(self, frame: Frame) -> Image:
        """The stored pixels."""
        ...

    def events(
        self, *, run: str | None = None, kind: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Newest first: rows of the ledger as plain dicts with `body` parsed."""
        ...

    def findings(self) -> tuple[Finding, ...]:
        """Findings of this run so far, in order."""
        ...

    def dose_at(self, frame: Frame | None) -> float:
        """Upper bound of the dose so far in a frame's field, or at the present place [e/Å²]."""
        ...

    def reading_at(self, frame: Frame, x_um: float, y_um: float) -> tuple[float, float]:
        """What the stage would read now at the place that the frame's readings call (x, y), as far as images have
        told [µm]: after a missed move the same place reads differently."""
        ...

    def dose_of(self, x_um: float | None, y_um: float | None) -> PlaceDose:
        """What dose a spot has had, where it is from, and the budget; None: at the present place [µm]."""
        ...

    def notebook(self, specimen: str) -> Notebook | None:
        """What is written down about a specimen, by runs and by people; None if nothing is."""
        ...


@dataclass(frozen=True)
class Context:
    """All that a tool gets. It holds no token and no driver."""

    microscope: Microscope
    records: Records
    specimen: SpecimenCard
    folder: Path
    """Where pictures may be written."""
    note: Callable[[str], None]
    """One line of progress for a person."""
    report: Callable[[], tuple[Path, Path]]
    """Write the run's report from the ledger; returns the Markdown and the HTML file."""


@dataclass(frozen=True)
class Setting:
    """What is known when a cost is predicted: the instrument and the settings at that point of the plan."""

    capabilities: Capabilities
    state: MicroscopeState
    specimen: SpecimenCard
    settled_s: float | None = None
    """How long the stage will have stood by then [s]; None: long enough."""


class Foreseen(Model):
    """What a call will come to, as far as records and the present state tell. Nothing was sent."""

    pins: dict[str, float] = Field(default_factory=dict)
    """Arguments that tie the call to it: should it come out otherwise by then, the call refuses."""
    lines: tuple[str, ...] = ()
    """For the person who approves."""
    alpha_deg: float | None = None
    """Where the stage will stand after it; None: where it stood."""
    beta_deg: float | None = None


A = TypeVar("A", bound=Model)
R = TypeVar("R", bound=Model)


@dataclass(frozen=True)
class Tool(Generic[A, R]):
    """A verb of the catalogue."""

    name: str
    description: str
    """For the model and the person: what it does, what it never does, when to use it."""
    risk: Risk
    args: type[A]
    result: type[R]
    run: Callable[[A, Context], R]
    cost: Callable[[A, Setting], Cost]
    summary: Callable[[R], str]
    """The result in one line for a person."""
    foresee: Callable[[A, Context], Foreseen] | None = None
    """What the call will come to, told before anybody is asked; raises what the call would. None: its cost says it."""


def free(args: Model, setting: Setting) -> Cost:
    """The cost of a tool that neither exposes nor moves."""
    return Cost()
