"""Calls, results and approvals: what the executor matches before anything moves."""

from typing import Any, Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.canonical import digest
from eucentric.core.instrument import Frame

Risk = Literal["read", "analyse", "control", "expose", "safety"]

GateOutcome = Literal[
    "approved", "edited", "rejected", "granted-for-class", "deferred", "escalated", "timed_out", "no_channel",
    "stop_after_step", "aborted",
]  # fmt: skip


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


class Envelope(Model):
    """A bounded approval: any act inside every bound is covered, any other is asked or refused."""

    tools: tuple[str, ...]
    """Names of tools that may act."""
    max_frames: int = Field(ge=0)
    max_dose_e_per_a2: float = Field(ge=0)
    """At any place, with what it had before [e/Å²]."""
    max_electrons: float | None = Field(None, gt=0)
    """In all, wherever they go; None: not bounded."""
    x_um: tuple[float, float]
    """Stage box [µm]."""
    y_um: tuple[float, float]
    z_um: tuple[float, float] = (-300.0, 300.0)
    alpha_deg: tuple[float, float] = (0.0, 0.0)
    beta_deg: tuple[float, float] = (0.0, 0.0)
    max_probe_current_pa: float = Field(ge=0)
    max_seconds: float = Field(gt=0)
    """Instrument time from the approval on [s]."""


class Binding(Model):
    """What an approval is tied to; if any of it changes, the approval is void."""

    plan: str
    limits_version: str
    instrument: str
    holder: str
    loading: str
    voltage_kv: float
    epoch: int
    calibration: str = "none"

    @property
    def sha256(self) -> str:
        """Digest that the approval carries."""
        return digest(self.model_dump(mode="json"))


class Approval(Model):
    """A decision at a gate, by a person or by a policy file that a person wrote."""

    gate: str
    outcome: GateOutcome
    by: str
    """'j.doe (tty pts/1)' or 'policy demo-envelope.toml sha256…'."""
    binding: str = ""
    """`Binding.sha256` at the time of asking."""
    envelope: Envelope | None = None
    reason: str = ""
    card_sha256: str = ""
    """Digest of the card that was shown."""
    seconds_on_screen: float = 0.0
    expires_utc: str = ""


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
