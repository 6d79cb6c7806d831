"""What the ledger says about one run, read once. A row that this version can't read is listed, never guessed."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from eucentric.agent.consent.deciding import approval_of
from eucentric.agent.dose.charge import Charge
from eucentric.agent.preview.preview import Preview
from eucentric.core.base import Model
from eucentric.core.calls import Approval, Envelope, Finding, ToolResult
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.instrument import Frame
from eucentric.core.plan import Plan, Proposal
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.store import Readable
from eucentric.instruments.capabilities import Capabilities

T = TypeVar("T")


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


class _Reader:
    """Parses bodies and remembers which rows it could not read."""

    def __init__(self) -> None:
        self.unreadable: list[int] = []

    def read(self, event: Event, parse: Callable[[], T]) -> T | None:
        try:
            return parse()
        except (ValidationError, KeyError, TypeError, ValueError, AttributeError):
            self.unreadable.append(event.seq)
            return None


def gather(store: Readable, run_id: str) -> RunRecord:
    """Read the rows of a run.

    Raises
    ------
    BadInput
        If the ledger holds no such run.
    """
    events = tuple(store.ledger.events(run=run_id))
    if not events:
        raise BadInput(f"there is no run {run_id!r} in this store", remedy="see `eucentric audit runs`")
    reader = _Reader()
    seq, head = store.ledger.head()
    proposal = _last(events, "planned", "proposal", Proposal, reader)
    preview = _last(events, "previewed", "preview", Preview, reader)
    return RunRecord(
        run=run_id,
        events=events,
        head_seq=seq,
        head_hash=head,
        request=_request(events, reader),
        specimen=_stated(events, "specimen", SpecimenCard, reader),
        capabilities=_stated(events, "capabilities", Capabilities, reader),
        software=_software(events),
        proposal=proposal[1] if proposal else None,
        plan=proposal[1].plan if proposal else None,
        plan_seq=proposal[0] if proposal else None,
        preview=preview[1] if preview else None,
        preview_seq=preview[0] if preview else None,
        calls=_calls(events, reader),
        frames=_frames(events, reader),
        charges=_charges(events, reader),
        findings=_findings(events, reader),
        gates=_gates(events, reader),
        unreadable=tuple(sorted(set(reader.unreadable))),
    )


M = TypeVar("M", bound=Model)


def _last(
    events: Iterable[Event], kind: str, name: str, model: type[M], reader: _Reader
) -> tuple[int, M] | None:
    found = None
    for event in events:
        if event.kind == kind:
            value = reader.read(event, lambda event=event: model.model_validate(event.body[name]))  # type: ignore[misc]
            found = (event.seq, value) if value is not None else found
    return found


def _stated(events: Iterable[Event], name: str, model: type[M], reader: _Reader) -> M | None:
    """The newest value of that name in a row that opens or takes up the run."""
    value = None
    for event in events:
        if event.kind in ("requested", "resumed", "previewed", "asked") and event.body.get(name):
            body = event.body[name]
            value = reader.read(event, lambda body=body: model.model_validate(body)) or value  # type: ignore[misc]
    return value


def _request(events: Iterable[Event], reader: _Reader) -> Request | None:
    first = next((event for event in events if event.kind == "requested"), None)
    return reader.read(first, lambda: Request.model_validate(first.body["request"])) if first else None


def _software(events: Iterable[Event]) -> str:
    said = (
        event.body.get(name)
        for event in events
        if event.kind in ("requested", "resumed")
        for name in ("software", "version", "eucentric")
    )
    return next((text for text in said if isinstance(text, str)), "")


def _calls(events: Iterable[Event], reader: _Reader) -> tuple[CallRecord, ...]:
    calls: dict[str, CallRecord] = {}
    for event in events:
        if event.kind == "called":
            record = reader.read(event, lambda event=event: _called(event))  # type: ignore[misc]
            if record:
                calls[record.id] = record
        elif event.kind == "concluded" and event.action_id in calls:
            fields = {key: value for key, value in event.body.items() if key in ToolResult.model_fields}
            result = reader.read(event, lambda fields=fields: ToolResult.model_validate(fields))  # type: ignore[misc]
            update = {"concluded": event.seq, "result": result}
            calls[event.action_id] = calls[event.action_id].model_copy(update=update)
    return tuple(calls.values())


def _called(event: Event) -> CallRecord:
    call = event.body["call"]
    return CallRecord(
        id=call["id"],
        step=call["step"],
        tool=call["tool"],
        args=call.get("args", {}),
        reason=call.get("reason", ""),
        called=event.seq,
    )


def _call_of(event: Event) -> str:
    """'r-0001/s3.1#4~2' belongs to call 'r-0001/s3.1'."""
    return (event.action_id or "").partition("#")[0].partition("~")[0]


def _frames(events: Iterable[Event], reader: _Reader) -> tuple[FrameRecord, ...]:
    records: dict[str, FrameRecord] = {}
    for event in events:
        if event.kind != "returned":
            continue
        for data in event.body.get("frames", ()):
            frame = reader.read(event, lambda data=data: Frame.model_validate(data))  # type: ignore[misc]
            if frame:
                records[frame.id] = FrameRecord(
                    frame=frame, seq=event.seq, call=_call_of(event), tool=event.tool or ""
                )
    return tuple(records.values())


def _charges(events: Iterable[Event], reader: _Reader) -> tuple[ChargeRecord, ...]:
    """One for each act: what was intended counts until its result is known."""
    records: dict[str, ChargeRecord] = {}
    for event in events:
        if event.kind not in ("intended", "returned", "failed", "in_doubt") or not event.body.get("charge"):
            continue
        charge = reader.read(event, lambda event=event: Charge.model_validate(event.body["charge"]))  # type: ignore[misc]
        key = event.action_id or ""
        if charge and key:
            old = records.get(key)
            before = event.body.get("before_e_per_a2", old.before_e_per_a2 if old else 0.0)
            records[key] = ChargeRecord(
                seq=event.seq, call=_call_of(event), charge=charge, before_e_per_a2=before
            )
    return tuple(record for record in records.values() if record.charge.dose_e_per_a2 > 0)


def _findings(events: Iterable[Event], reader: _Reader) -> tuple[FindingRecord, ...]:
    records: dict[str, FindingRecord] = {}
    for event in events:
        if event.kind == "found":
            finding = reader.read(event, lambda event=event: Finding.model_validate(event.body["finding"]))  # type: ignore[misc]
            if finding:
                call = str(event.body.get("call", event.action_id or ""))
                records[f"{call} {finding.id}"] = FindingRecord(
                    seq=event.seq, call=call, tool=event.tool or "", finding=finding
                )
    return tuple(records.values())


def _gates(events: Iterable[Event], reader: _Reader) -> tuple[GateRecord, ...]:
    gates: dict[str, GateRecord] = {}
    for event in events:
        if event.kind == "asked":
            record = reader.read(event, lambda event=event: _asked(event))  # type: ignore[misc]
            if record:
                gates[record.gate] = record
        elif event.kind == "decided":
            approval = reader.read(event, lambda event=event: approval_of(event))  # type: ignore[misc]
            if approval and approval.gate in gates:
                old = gates[approval.gate]
                decisions = (*old.decisions, (event.seq, event.ts, approval))
                gates[approval.gate] = old.model_copy(update={"decisions": decisions})
    return tuple(gates.values())


def _asked(event: Event) -> GateRecord:
    body = event.body
    return GateRecord(
        gate=body["gate"],
        asked=event.seq,
        asked_utc=event.ts,
        card=body["card"],
        card_sha256=body.get("card_sha256", ""),
        envelope=Envelope.model_validate(body["envelope"]) if body.get("envelope") else None,
    )
