"""What a planner is: a sentence and a situation in, a proposal out. It holds no handle and no token."""

from typing import Protocol

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Finding
from eucentric.core.instrument import Frame, MicroscopeState
from eucentric.core.plan import Proposal
from eucentric.core.request import Request, SpecimenCard
from eucentric.instruments.capabilities import Capabilities


class Defaults(Model):
    """Taken where the request is silent, and always disclosed."""

    width_px: int = 512
    dwell_us: float = 2.0
    detector: str = "haadf"
    survey_tiles: int = 4
    survey_fov_um: float = 20.0
    survey_dwell_us: float = 10.0
    targets: int = 3


class Situation(Model):
    """What the planner may know: declarations and records, never the world behind them."""

    specimen: SpecimenCard | None
    capabilities: Capabilities
    state: MicroscopeState
    defaults: Defaults = Defaults()
    last_frame: Frame | None = None
    findings: tuple[Finding, ...] = ()
    positions: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Saved places by name: (x, y) of the stage [µm]."""
    tools: tuple[str, ...] = ()
    """Names in the catalogue."""
    rejected: tuple[str, ...] = ()
    """Plans for this request that a person rejected: by whom and why. They are not to be proposed again."""


class Planner(Protocol):
    """One of two engines: the grammar, or a language model. One that can make another plan says `revises = True`."""

    name: str

    def propose(self, request: Request, situation: Situation) -> Proposal:
        """A plan, an answer to look up, a question back, or a refusal.

        Raises
        ------
        ModelError
            Only the model engine: endpoint refused or failing, or no valid reply.
        """
        ...
