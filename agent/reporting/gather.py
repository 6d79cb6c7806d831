"""A run's record gathered from the ledger, read once. A row that this version can't read is listed, never guessed."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import ValidationError

from eucentric.agent.consent.deciding import approval_of
from eucentric.agent.dose.charge import Charge
from eucentric.agent.preview.preview import Preview
from eucentric.agent.reporting.record import (
    CallRecord,
    ChargeRecord,
    FindingRecord,
    FrameRecord,
    GateRecord,
    RunRecord,
)
from eucentric.core.base import Model
from eucentric.core.calls import Envelope, Finding, ToolResult
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.instrument import Frame
from eucentric.core.plan import Proposal
from eucentric.core.request import Request, SpecimenCard
from eucentric.core.store import Readable
from eucentric.instruments.capabilities import Capabilities

T = TypeVar("T")


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
