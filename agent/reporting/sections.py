"""The parts below the first screenful: plan, prediction against outcome, places, decisions, evidence, ledger."""

from collections.abc import Iterable

from eucentric import __version__
from eucentric.agent.preview.preview import Row
from eucentric.agent.reporting.blocks import Block, Bullets, Code, Fold, Para, Section, Table
from eucentric.agent.reporting.doses import areas, deepest
from eucentric.agent.reporting.quantities import (
    basis_text,
    dose,
    events_text,
    interval_text,
    length,
    plural,
    seconds,
    value_text,
)
from eucentric.agent.reporting.record import CallRecord, FrameRecord, GateRecord, RunRecord
from eucentric.core.calls import Cost, Envelope
from eucentric.core.plan import Step

_MOST_ROWS = 600


def numbers(record: RunRecord) -> Section:
    """Every finding with interval, denominator and event."""
    rows = tuple(
        (
            str(one.seq),
            one.finding.what,
            ", ".join(one.finding.evidence),
            value_text(one.finding),
            interval_text(one.finding),
            basis_text(one.finding),
        )
        for one in record.findings
    )
    head = ("event", "what", "from frames", "value", "interval", "counted")
    blocks: tuple[Block, ...] = (Table(head, rows, (0,)),) if rows else (Para("No finding was recorded."),)
    return Section("Numbers", blocks)


# --- prediction against outcome -------------------------------------------------------------------------


def cost(record: RunRecord) -> Section:
    """Time, frames and dose of each step: as previewed and as recorded."""
    if record.preview is None:
        return Section("Predicted and actual", (Para("The plan was not priced."),))
    rows = tuple(_cost_row(row, record) for row in record.preview.rows)
    head = (
        "step",
        "tool",
        "rounds",
        "time predicted",
        "actual",
        "frames",
        "dose predicted",
        "actual",
        "events",
    )
    spent = sum(call.result.seconds for call in record.calls if call.result)
    worst = max((area.so_far_e_per_a2 for area in areas(record)), default=0.0)
    shown = record.preview
    total = (
        f"In all: {seconds(spent)} of at most {seconds(shown.seconds)} predicted; "
        f"{sum(1 for _ in exposed(record))} of at most {plural(shown.frames, 'frame')}. No place above {dose(worst)} "
        f"e/Å², earlier runs on this loading included; {dose(shown.dose_e_per_a2)} was predicted for this run as the "
        f"worst case at a target, {dose(shown.budget_e_per_a2)} is allowed."
    )
    how = (
        "Dose in e/Å², for one round, at the most exposed point: the larger of area mean and electrons per dwell over "
        "probe area, with flyback and current error. Predicted = the preview's bound from declared timings "
        f"(event {record.preview_seq}); actual = the charges of the acts as carried out; ABOVE marks what passed its "
        "prediction. Time is instrument time."
    )
    return Section("Predicted and actual", (Para(total), Table(head, rows, (2, 3, 4, 5, 6, 7)), Para(how)))


def exposed(record: RunRecord) -> Iterable[FrameRecord]:
    """Frames that were exposed, sums left out."""
    return (one for one in record.frames if not one.frame.parents)


def _cost_row(row: Row, record: RunRecord) -> tuple[str, ...]:
    calls = [call for call in record.calls if call.plan_step == row.step]
    frames = sum(1 for call in calls for one in record.frames_of(call.id) if not one.frame.parents)
    actual = max((_call_dose(call, record) for call in calls), default=0.0)
    spent = sum(call.result.seconds for call in calls if call.result)
    each = row.each
    return (
        row.step,
        row.what.partition(" ")[0],
        f"{len(calls)} of ≤ {row.times}",
        f"≤ {seconds(each.seconds * row.times)}" if each.seconds else "–",
        seconds(spent) + _above(spent, each.seconds * row.times) if spent else "–",
        f"{frames} of ≤ {each.frames * row.times}" if each.frames else "–",
        _predicted(each),
        dose(actual) + _above(actual, each.dose_e_per_a2 + each.elsewhere_e_per_a2) if actual else "–",
        _span(tuple(call.concluded or call.called for call in calls)),
    )


def _above(actual: float, predicted: float) -> str:
    return " ABOVE" if actual > 1.005 * predicted else ""


def _predicted(each: Cost) -> str:
    parts = [f"≤ {dose(each.dose_e_per_a2)}"] if each.dose_e_per_a2 else []
    parts += [f"≤ {dose(each.elsewhere_e_per_a2)} beside"] if each.elsewhere_e_per_a2 else []
    return " + ".join(parts) or "–"


def _call_dose(call: CallRecord, record: RunRecord) -> float:
    return deepest([one.charge for one in record.charges if one.call == call.id])


def places(record: RunRecord) -> Section:
    """Dose so far by place."""
    budget = _budget(record)
    rows = tuple(
        (
            area.place,
            area.purpose,
            f"{area.x_um:+.3f}",
            f"{area.y_um:+.3f}",
            length(area.fov_um * 1e3),
            str(area.frames),
            dose(area.dose_e_per_a2),
            dose(area.so_far_e_per_a2),
            f"{100 * area.so_far_e_per_a2 / budget:.0f} %" if budget else "–",
            _span(area.events),
        )
        for area in areas(record)
    )
    if not rows:
        return Section("Places and dose", (Para("Nothing was exposed."),))
    head = (
        "place",
        "for",
        "x µm",
        "y µm",
        "field",
        "frames",
        "these frames",
        "so far",
        "of budget",
        "events",
    )
    how = (
        "Dose in e/Å². 'These frames': at the most exposed point, by the reported positions. 'So far': upper bound of "
        "all exposures of this specimen loading that may have touched the field, widened by the stage's error; this is "
        "what the budget is checked against."
    )
    return Section("Places and dose", (Table(head, rows, (2, 3, 4, 5, 6, 7, 8)), Para(how)))


def _budget(record: RunRecord) -> float | None:
    """Most any place may receive: the smaller of the request's and the specimen card's, as previewed [e/Å²]."""
    if record.preview:
        return record.preview.budget_e_per_a2
    return record.specimen.dose_budget_e_per_a2 if record.specimen else None


def _span(events: tuple[int, ...]) -> str:
    if len(events) <= 3:
        return ", ".join(map(str, events)) or "–"
    return f"{min(events)} … {max(events)}"


# --- plan and decisions ---------------------------------------------------------------------------------


def plan(record: RunRecord) -> Section:
    """Request, planner, steps with reasons, assumptions."""
    blocks: list[Block] = []
    if record.request:
        blocks += [Para(f"Asked by {record.request.who}:"), Code(record.request.text)]
    if record.plan:
        made = f"Planned by {record.plan.planner or 'an unnamed planner'}, revision {record.plan.revision}"
        blocks.append(Para(f"{made}, {events_text((record.plan_seq or 0,))}: {record.plan.title}"))
        blocks.append(Table(("step", "call", "why"), tuple(_steps(record.plan.steps, 0))))
        blocks += _listed("Assumed", record.plan.assumed)
        blocks += _listed("Words that no rule used", record.plan.not_understood)
    elif record.proposal:
        blocks.append(Para(f"No plan ({record.proposal.outcome}): {record.proposal.say}"))
        blocks += _listed("Choices offered", record.proposal.options)
    else:
        blocks.append(Para("No plan was made."))
    if record.proposal and record.proposal.evidence:
        kept = tuple(f"{name}: blob {sha}" for name, sha in record.proposal.evidence.items())
        blocks += _listed("What the model was sent and replied is kept as", kept)
    if record.preview and record.preview.problems:
        blocks += _listed("Why it could not be approved", record.preview.problems)
    return Section("Request and plan", tuple(blocks))


def _listed(title: str, items: tuple[str, ...]) -> list[Block]:
    return [Para(f"{title}:"), Bullets(items)] if items else []


def _steps(steps: tuple[Step, ...], depth: int) -> Iterable[tuple[str, str, str]]:
    for step in steps:
        lead = "› " * depth
        if step.tool is None:
            over = (
                f"for each of {step.for_each}, at most {step.at_most}"
                if step.for_each
                else f"{step.times} times"
            )
            every = f", every {step.every_s:g} s" if step.every_s else ""
            yield (lead + step.id, over + every, step.reason)
            yield from _steps(step.do, depth + 1)
        else:
            bound = [f"{key} ← {value}" for key, value in step.inputs.items()]
            args = ", ".join([f"{key} {value}" for key, value in step.args.items()] + bound)
            yield (lead + step.id, f"{step.tool} {args}".strip(), step.reason)


def decisions(record: RunRecord) -> Section:
    """Who decided what, and what was judged by rule."""
    blocks: list[Block] = []
    for gate in record.gates:
        blocks += _gate(gate)
    if not record.gates:
        blocks.append(
            Para("No gate was opened: nothing that moves or exposes was planned, or it was refused.")
        )
    judged = tuple(
        (
            str(event.seq),
            str(event.body.get("step", "")),
            str(event.body.get("verdict", "")),
            str(event.body.get("why", "")),
            str(event.body.get("rule", "")),
        )
        for event in record.of("judged")
    )
    if judged:
        blocks.append(Table(("event", "step", "verdict", "why", "rule"), judged, (0,)))
    marks = record.of("stopped", "resumed", "resolved", "changed")
    if marks:
        lines = tuple(f"event {one.seq}, {one.ts}, {one.kind} by {one.actor}: {one.summary}" for one in marks)
        blocks.append(Bullets(lines))
    return Section("Decisions", tuple(blocks))


def _gate(gate: GateRecord) -> list[Block]:
    rows = tuple(
        (
            str(seq),
            ts,
            approval.outcome,
            approval.by,
            f"{approval.seconds_on_screen:g} s",
            approval.reason,
            approval.expires_utc,
        )
        for seq, ts, approval in gate.decisions
    )
    head = ("event", "UTC", "outcome", "by", "on screen", "reason", "expires")
    answered: Block = (
        Table(head, rows, (0, 4)) if rows else Para("Still open: nobody has decided.", "caution")
    )
    blocks: list[Block] = [
        Para(f"Gate {gate.gate}, asked at event {gate.asked} ({gate.asked_utc})"),
        answered,
    ]
    if gate.envelope:
        blocks.append(Para(f"Envelope asked for: {_envelope(gate.envelope)}."))
    blocks.append(Fold(f"Card as it was shown (sha256 {gate.card_sha256[:16]}…)", (Code(gate.card),)))
    return blocks


def _envelope(envelope: Envelope) -> str:
    return (
        f"at most {envelope.max_frames} frames, {dose(envelope.max_dose_e_per_a2)} e/Å² at any place, "
        f"{envelope.max_probe_current_pa:.3g} pA, {seconds(envelope.max_seconds)} of instrument time; stage x "
        f"{envelope.x_um[0]:+.1f} … {envelope.x_um[1]:+.1f} µm, y {envelope.y_um[0]:+.1f} … "
        f"{envelope.y_um[1]:+.1f} µm; tools {', '.join(envelope.tools)}"
    )


# --- evidence -------------------------------------------------------------------------------------------


def evidence(record: RunRecord) -> Section:
    """Frames by digest, calls, the ledger's head and how to check all of it."""
    events = record.events
    ledger = (
        f"Events {events[0].seq} … {events[-1].seq} of the ledger belong to this run ({plural(len(events), 'event')}). "
        f"Head when this report was written: event {record.head_seq}, hash {record.head_hash}."
    )
    commands = f"eucentric audit verify --store STORE\neucentric audit show {record.run} --acts --store STORE"
    blocks: list[Block] = [
        Para(ledger),
        Para("Check it (STORE is the folder that holds audit.db):"),
        Code(commands),
    ]
    if record.calls:
        head: tuple[str, ...] = ("events", "step", "tool", "why", "ended")
        blocks.append(_long("Calls", head, [_call_row(call) for call in record.calls], ()))
    if record.frames:
        head = ("frame", "event", "tool", "for", "detector", "size", "field", "dwell µs", "e/Å²", "sha256")
        blocks.append(_long("Frames", head, [_frame_row(one) for one in record.frames], (1, 7, 8)))
    blocks.append(Para(f"Made by Eucentric {__version__} from the ledger and the stored frames only."))
    return Section("Evidence", tuple(blocks))


def _long(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]], right: tuple[int, ...]) -> Fold:
    """A table behind a fold; a very long one keeps its beginning and its end."""
    if len(rows) <= _MOST_ROWS:
        return Fold(f"{title} ({len(rows)})", (Table(head, tuple(rows), right),))
    half = _MOST_ROWS // 2
    gap = ("…", *[""] * (len(head) - 1))
    shown = (*rows[:half], gap, *rows[-half:])
    note = f"{title} ({len(rows)}; the first and last {half} are listed, the ledger has all)"
    return Fold(note, (Table(head, shown, right),))


def _call_row(call: CallRecord) -> tuple[str, ...]:
    end = f"{call.called} … {call.concluded}" if call.concluded else f"{call.called} … not ended"
    ended = (
        "not ended" if call.result is None else ("" if call.result.ok else "FAILED: ") + call.result.summary
    )
    return (end, call.step, call.tool, call.reason, ended)


def _frame_row(one: FrameRecord) -> tuple[str, ...]:
    frame = one.frame
    return (
        frame.id,
        str(one.seq),
        one.tool,
        frame.purpose + (f", sum of {len(frame.parents)}" if frame.parents else ""),
        frame.detector,
        f"{frame.shape[1]}×{frame.shape[0]}",
        length(one.fov_nm) if one.fov_nm else "–",
        f"{frame.dwell_us:g}" if frame.dwell_us else "–",
        dose(frame.dose_e_per_a2) if frame.dose_e_per_a2 else "–",
        frame.sha256[:16] + "…",
    )
