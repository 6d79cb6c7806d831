"""What the ledger says about one run, as values: its calls, frames, charges, findings and gates."""

from typing import Any

from pydantic import Field

from eucentric.agent.dose.charge import Charge
from eucentric.agent.preview.preview import Preview
from eucentric.core.base import Model
from eucentric.core.calls import Approval, Envelope, Finding, ToolResult
from eucentric.core.event import Event
from eucentric.core.instrument import Frame
from eucentric.core.plan import Plan, Proposal
from eucentric.core.request import Request, SpecimenCard
from eucentric.instruments.capabilities import Capabilities


class CallRecord(Model):
    """One call of a tool."""

    id: str
    step: str
    """Such as 's3_focus.2' in the second round of a loop."""
    tool: str
    args: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""
    called: int
    """Event of the call."""
    concluded: int | None = None
    """Event of its end, if it ended."""
    result: ToolResult | None = None

    @property
    def plan_step(self) -> str:
        """The plan's own step id, without the rounds."""
        return self.step.partition(".")[0]

    @property
    def round(self) -> str:
        """Which round of the loops around it ('' outside of loops)."""
        return self.step.partition(".")[2]

    @property
    def value(self) -> dict[str, Any]:
        """What it returned; empty if it did not end well."""
        return self.result.value if self.result and self.result.ok else {}


class FrameRecord(Model):
    """A frame, where it was recorded, and by which call."""

    frame: Frame
    seq: int
    call: str
    tool: str

    @property
    def fov_nm(self) -> float:
        """Width of the field [nm]; 0 if nobody knows."""
        return (self.frame.pixel_pm or 0.0) * self.frame.shape[1] * 1e-3


class ChargeRecord(Model):
    """Dose given to a field by one act."""

    seq: int
    call: str
    charge: Charge
    before_e_per_a2: float = 0.0
    """What the book had for that field before, widened by the stage's error [e/Å²]."""


class FindingRecord(Model):
    """A finding and the event that recorded it."""

    seq: int
    call: str
    tool: str
    finding: Finding


class GateRecord(Model):
    """A question at a gate with every decision on it."""

    gate: str
    asked: int
    asked_utc: str
    card: str
    card_sha256: str
    envelope: Envelope | None
    decisions: tuple[tuple[int, str, Approval], ...] = ()
    """(event, UTC, decision)."""


class RunRecord(Model):
    """Everything a report is made from."""

    run: str
    events: tuple[Event, ...]
    head_seq: int
    head_hash: str
    request: Request | None = None
    specimen: SpecimenCard | None = None
    capabilities: Capabilities | None = None
    software: str = ""
    """Version that ran it, if the rows say."""
    proposal: Proposal | None = None
    plan: Plan | None = None
    plan_seq: int | None = None
    preview: Preview | None = None
    preview_seq: int | None = None
    calls: tuple[CallRecord, ...] = ()
    frames: tuple[FrameRecord, ...] = ()
    charges: tuple[ChargeRecord, ...] = ()
    findings: tuple[FindingRecord, ...] = ()
    gates: tuple[GateRecord, ...] = ()
    unreadable: tuple[int, ...] = ()
    """Events whose content this version does not understand."""

    def of(self, *kinds: str) -> tuple[Event, ...]:
        """Rows of some kinds, in order."""
        return tuple(event for event in self.events if event.kind in kinds)

    @property
    def finished(self) -> Event | None:
        """The row that ended it, unless it was taken up again later."""
        ends = self.of("finished", "resumed")
        return ends[-1] if ends and ends[-1].kind == "finished" else None

    @property
    def outcome(self) -> str:
        """How it ended, or that it has not."""
        return str(self.finished.body.get("outcome", "finished")) if self.finished else "not finished"

    @property
    def simulated(self) -> bool | None:
        """Whether anything here is simulated; None if no row says."""
        said = [record.frame.simulated for record in self.frames]
        said += [self.capabilities.simulated] if self.capabilities else []
        if not said and self.request and self.request.instrument.startswith("twin:"):
            return True
        return any(said) if said else None

    @property
    def instrument(self) -> str:
        """Who the instrument is."""
        if self.capabilities:
            return self.capabilities.identity
        named = [str(event.body["instrument"]) for event in self.events if event.body.get("instrument")]
        return named[0] if named else (self.request.instrument if self.request else "instrument not recorded")

    def frame(self, name: str) -> FrameRecord | None:
        """The frame of that id."""
        return next((record for record in self.frames if record.frame.id == name), None)

    def call(self, call_id: str) -> CallRecord | None:
        """The call of that id."""
        return next((call for call in self.calls if call.id == call_id), None)

    def frames_of(self, call_id: str) -> tuple[FrameRecord, ...]:
        """What a call recorded, in order."""
        return tuple(record for record in self.frames if record.call == call_id)
