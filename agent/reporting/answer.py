"""The first screenful: what is claimed, with its interval, and what was not counted."""

import re
from collections.abc import Iterator

from eucentric.agent.reporting.blocks import Block, Bullets, Claim, Fold, Para, Section, Table
from eucentric.agent.reporting.quantities import (
    basis_text,
    calls_text,
    clustering_text,
    events_text,
    interval_text,
    plural,
    value_text,
)
from eucentric.agent.reporting.record import CallRecord, FindingRecord, RunRecord

_SHOWN = 8
_LEFT_OUT = {"select_targets": "candidate target not used", "acquire_series": "frame left out of its sum"}
_OUTCOMES = {
    "done": "Done: every step of the plan was carried out.",
    "partial": "Partly done: some places were given up, see below.",
    "answered": "Answered from readings; nothing was exposed for it.",
    "planned": "Planned and priced only; nothing was executed.",
    "clarify": "A question was put back; nothing was executed.",
    "refused": "Refused.",
    "stopped": "Stopped before its end.",
    "parked": "Parked: it waits for an operator.",
    "failed": "Failed.",
    "not finished": "Not finished when this report was written.",
}


def headline(record: RunRecord) -> tuple[FindingRecord, ...]:
    """The findings that answer the request: those combined from all places, else the single ones."""
    combined = [one for one in record.findings if one.tool == "estimate_density"]
    combined = combined or [one for one in record.findings if len(one.finding.evidence) > 1]
    if combined:
        return tuple({one.finding.what: one for one in combined}.values())
    return record.findings


def claims(record: RunRecord) -> tuple[Claim, ...]:
    """As many as answer the request, at most four."""
    return tuple(_claim(one, record) for one in headline(record)[:4])


def _claim(one: FindingRecord, record: RunRecord) -> Claim:
    finding = one.finding
    seqs = [one.seq]
    seqs += [found.seq for name in finding.evidence if (found := record.frame(name))]
    return Claim(finding.what, value_text(finding), interval_text(finding), basis_text(finding), tuple(seqs))


def status(record: RunRecord) -> str:
    """How the run ended, with its error if it had one, and what had been exposed by then."""
    parts = [_OUTCOMES.get(record.outcome, record.outcome)]
    error = _error(record)
    if error:
        parts.append(
            " · ".join(str(error[key]) for key in ("code", "what", "why", "remedy") if error.get(key))
        )
    elif record.finished and record.outcome not in ("done", "partial"):
        parts.append(record.finished.summary.partition(": ")[2])
    elif not record.finished:
        last = record.events[-1]
        parts.append(f"Last row: event {last.seq}, {last.ts}, {last.kind}: {last.summary}")
    exposed = sum(not one.frame.parents for one in record.frames)
    if exposed and record.outcome not in ("done", "answered"):
        parts.append(f"({plural(exposed, 'frame')} had been recorded.)")
    return " ".join(part for part in parts if part)


def _error(record: RunRecord) -> dict[str, object]:
    """The error that ended the run, or nothing."""
    error = record.finished.body.get("error") if record.finished else None
    return error if isinstance(error, dict) else {}


def answer(record: RunRecord) -> tuple[Block, ...]:
    """Claims, or what the steps returned, then the status."""
    blocks: list[Block] = list(claims(record))
    if not blocks:
        results = [call for call in record.calls if call.result and call.result.ok][-8:]
        lines = tuple(
            f"{call.tool}: {_result(call)}  ({events_text((call.concluded or 0,))})" for call in results
        )
        blocks.append(
            Bullets(lines)
            if lines
            else Para("There is no result: no step of this run returned one.", "caution")
        )
    blocks.append(Para(status(record), "plain" if record.outcome in ("done", "answered") else "caution"))
    blocks += _conclusions(record)
    return tuple(blocks)


def _result(call: CallRecord) -> str:
    return call.result.summary if call.result else ""


def _conclusions(record: RunRecord) -> Iterator[Block]:
    """What a headline finding says beside its number: false calls, recall, clustering."""
    for one in headline(record)[:4]:
        lines = tuple(line for line in (calls_text(one.finding), clustering_text(one.finding)) if line)
        if lines and not one.finding.cannot_tell:
            yield Bullets(lines)


# --- what was not counted -------------------------------------------------------------------------------


def not_counted(record: RunRecord) -> Section:
    """Everything that was left out, as plainly as what was counted."""
    lines = [
        *_steps_not_done(record),
        *_sites(record),
        *_flags(record),
        *_given_up(record),
        *_acts(record),
        *_frames(record),
    ]
    excluded = _excluded(record)
    lines += excluded
    blocks: list[Block] = [Bullets(tuple(lines[:_SHOWN]))] if lines else [Para("Nothing was left out.")]
    if len(lines) > _SHOWN:
        blocks.append(Fold(f"{len(lines) - _SHOWN} more", (Bullets(tuple(lines[_SHOWN:])),)))
    every = [(str(seq), text) for rows in excluded.values() for seq, text in rows]
    if len(every) > len(excluded):
        rows = tuple(sorted(every, key=lambda pair: int(pair[0])))
        blocks.append(
            Fold(f"Every one of the {len(rows)} exclusions", (Table(("event", "what and why"), rows, (0,)),))
        )
    if record.unreadable:
        blocks.append(Para(f"Not understood by this version: {events_text(record.unreadable)}", "caution"))
    return Section("Not counted", tuple(blocks), "caution")


def _excluded(record: RunRecord) -> dict[str, list[tuple[int, str]]]:
    """Rows 'excluded' by kind of reason: the same reason with other numbers is one kind."""
    kinds: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for event in record.of("excluded"):
        if not event.body.get("step"):  # a round that was given up is told with its judgement
            kind = re.sub(r"[-+]?\d+(?:[.,]\d+)*", "#", _reason(event.summary))
            kinds.setdefault((event.tool or "", kind), []).append((event.seq, event.summary))
    return {_named(tool, rows): rows for (tool, _), rows in kinds.items()}


def _reason(text: str) -> str:
    return text.partition(": ")[2] or text


def _named(tool: str, rows: list[tuple[int, str]]) -> str:
    reasons = sorted({_reason(text) for _, text in rows})
    lead = _LEFT_OUT.get(tool, tool or "left out")
    number = f"{len(rows)} × " if len(rows) > 1 else ""
    such = ", such as" if len(reasons) > 1 else ""
    return f"{number}{lead}{such}: {reasons[0]}  ({events_text(tuple(seq for seq, _ in rows))})"


def _sites(record: RunRecord) -> Iterator[str]:
    for one in headline(record):
        for text in one.finding.excluded:
            yield f"{text}  ({events_text((one.seq,))})"
    shown = {one.seq for one in headline(record)}
    for one in record.findings:
        if one.seq not in shown and one.finding.cannot_tell:
            yield f"{', '.join(one.finding.evidence)}: {one.finding.cannot_tell}  ({events_text((one.seq,))})"


def _flags(record: RunRecord) -> Iterator[str]:
    """What a tool flagged about a frame that was counted all the same."""
    for call in record.calls:
        if call.value.get("cannot_tell"):
            continue
        for flag in call.value.get("flags") or ():
            if isinstance(flag, dict):
                text = f"{call.value.get('frame')}: flagged {flag.get('code')}: {flag.get('text')}"
                yield f"{text}  ({events_text((call.concluded or call.called,))})"


def _given_up(record: RunRecord) -> Iterator[str]:
    """Places and runs that a rule ended; the error that the status tells already is not told twice."""
    told = str(_error(record).get("what", ""))
    for event in record.of("judged"):
        step, why = event.body.get("step", ""), str(event.body.get("why", event.summary))
        if told and told in why:
            continue
        ended = "given up" if event.body.get("verdict") == "skip" else "ended the run"
        yield f"{step} {ended}: {why}  ({events_text((event.seq,))})"


def _steps_not_done(record: RunRecord) -> Iterator[str]:
    if record.preview is None:
        return
    begun = {call.plan_step for call in record.calls}
    missing = [row for row in record.preview.rows if row.step not in begun]
    if missing:
        names = ", ".join(f"{row.step} ({row.what.partition(' ')[0]})" for row in missing)
        yield f"{plural(len(missing), 'step')} of the plan never begun: {names}"
    for row in record.preview.rows:
        rounds = sum(call.plan_step == row.step for call in record.calls)
        if 0 < rounds < row.times:
            yield f"{row.step}: {plural(rounds, 'round')} begun of at most {row.times}"


def _acts(record: RunRecord) -> Iterator[str]:
    for event in record.of("failed", "in_doubt", "stopped"):
        sent = {True: "it had been sent", False: "nothing was sent"}.get(event.body.get("sent"), "")  # type: ignore[arg-type]
        yield f"{event.summary}{f' ({sent})' if sent else ''}  ({events_text((event.seq,))})"


def _frames(record: RunRecord) -> Iterator[str]:
    """Frames that no claim rests on, by purpose."""
    if not record.frames:
        return
    used = {name for one in record.findings for name in one.finding.evidence}
    used |= {parent for name in used if (found := record.frame(name)) for parent in found.frame.parents}
    rest: dict[str, int] = {}
    for one in record.frames:
        if one.frame.id not in used:
            rest[one.frame.purpose] = rest.get(one.frame.purpose, 0) + 1
    if rest and record.findings:
        parts = ", ".join(f"{number} {purpose}" for purpose, number in rest.items())
        yield f"{sum(rest.values())} of {len(record.frames)} frames carry no count: {parts}"
