"""Calls, results, costs and findings: what crosses between tools and the executor."""

from typing import Any, Literal

from pydantic import Field

from eucentric.core.approval import Approval, Binding, Envelope, GateOutcome
from eucentric.core.base import Model
from eucentric.core.canonical import digest
from eucentric.core.instrument import Frame

Risk = Literal["read", "analyse", "control", "expose", "safety"]


class ToolCall(Model):
    """One call of a tool, with the identity that makes it happen at most once."""

    id: str
    """From the plan, not random: 'r-0001/s3.2.acquire'."""
    step: str
    tool: str
    args: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""

    @property
    def args_sha256(self) -> str:
        """Digest of tool and arguments."""
        return digest([self.tool, self.args])


class ToolResult(Model):
    """What a tool returned, in plain JSON, with what it cost."""

    call_id: str
    ok: bool
    value: dict[str, Any] = Field(default_factory=dict)
    """The tool's result model as JSON."""
    summary: str = ""
    """One line for a person."""
    frames: tuple[str, ...] = ()
    """Ids of the frames it recorded."""
    dose_e_per_a2: float = 0.0
    """Highest dose it charged to any place [e/Å²]."""
    seconds: float = 0.0
    """Instrument time it took [s]."""
    error: dict[str, Any] | None = None


class Cost(Model):
    """Predicted from declared timings, never from the world: the preview must not know the future."""

    seconds: float = 0.0
    mean_dose_e_per_a2: float = 0.0
    dose_e_per_a2: float = 0.0
    """Upper bound at any atom of the imaged place [e/Å²]."""
    stops_at_e_per_a2: float | None = None
    """The tool looks before each frame after the first, and stops before the place passes this [e/Å²]."""
    elsewhere_e_per_a2: float = 0.0
    """Upper bound on places beside the target (focus, overview) [e/Å²]."""
    electrons: float = 0.0
    """All that reach the specimen, wherever, at most."""
    frames: int = 0
    megabytes: float = 0.0


class Interval(Model):
    """A number with its 95 % interval and what it was counted from."""

    value: float | None
    low: float
    high: float
    level: float = 0.95
    only_upper: bool = False
    """True if nothing above background was seen: only `high` is a statement."""


class Finding(Model):
    """A claim with its evidence; it can be recomputed from the frames."""

    id: str
    what: str
    """Such as 'Ti vacancy density'."""
    unit: str
    interval: Interval
    count: float = 0.0
    of: int = 0
    """Denominator: sites examined."""
    evidence: tuple[str, ...] = ()
    """Frame ids."""
    method: str = ""
    """Model or algorithm, with its version."""
    excluded: tuple[str, ...] = ()
    """What was not counted, and why."""
    cannot_tell: str = ""
    """Reason, if the honest answer is that there is none."""
    details: dict[str, Any] = Field(default_factory=dict)


__all__ = [
    "Approval", "Binding", "Cost", "Envelope", "Finding", "Frame", "GateOutcome", "Interval", "Risk", "ToolCall",
    "ToolResult",
]  # fmt: skip
