"""Why something was done: from a row back to sentence, plan and approval, and on to what it did."""

from collections.abc import Iterable
from typing import Any

from eucentric.core.base import Model
from eucentric.core.event import Event
from eucentric.core.rows import Rows
from eucentric.core.text import visible

_ENDS = ("returned", "failed", "in_doubt", "resolved")


class Why(Model):
    """The answer for one row. Texts are data: escape them where they are shown."""

    event: int
    ts: str
    what: str
    run: str
    step: str = ""
    asked_by: str = ""
    planned_by: str = ""
    allowed_by: str = ""
    because: tuple[str, ...] = ()
    did: tuple[str, ...] = ()


def why(ledger: Rows, event: Event) -> Why:
    """The causes of a row and its effect. What the ledger does not say stays empty.

    Parameters
    ----------
    event
        Any row; for an act, its 'intended' row.
    """
    rows = ledger.events(run=event.run_id)
    before = [row for row in rows if row.seq <= event.seq]
    call = _call_of(event, before)
    return Why(
        event=event.seq,
        ts=event.ts,
        what=f"{event.tool} → {event.summary}"
        if event.kind == "intended"
        else f"{event.kind}: {event.summary}",
        run=event.run_id,
        step=str(call.body["call"]["step"]) if call else str(event.body.get("step", "")),
        asked_by=_asked(before),
        planned_by=_planned(before),
        allowed_by=_allowed(before, rows),
        because=tuple(_because(call, before)),
        did=tuple(_did(event, rows)),
    )


def _call_of(event: Event, before: list[Event]) -> Event | None:
    name = str(event.action_id or event.body.get("call") or "").partition("#")[0]
    return next((row for row in reversed(before) if row.kind == "called" and row.action_id == name), None)


def _newest(rows: Iterable[Event], kind: str) -> Event | None:
    return next((row for row in reversed(list(rows)) if row.kind == kind), None)


def _asked(before: list[Event]) -> str:
    row = _newest(before, "requested")
    if row is None:
        return ""
    return f'request "{row.body.get("request", {}).get("text", row.summary)}" ({row.actor}), event {row.seq}'


def _planned(before: list[Event]) -> str:
    row = _newest(before, "planned")
    if row is None:
        return ""
    proposal = row.body.get("proposal", {})
    plan = proposal.get("plan") or {}
    prompt = proposal.get("evidence", {}).get("prompt", "")
    parts = [row.actor, f"prompt {prompt[:12]}…" if prompt else "no prompt"]
    if plan:
        parts.append(f"plan r{plan.get('revision', '?')} sha {str(row.body.get('plan_sha256', ''))[:12]}…")
    return f"{', '.join(parts)}, event {row.seq}"


def _allowed(before: list[Event], rows: list[Event]) -> str:
    row = _newest(before, "decided")
    if row is None:
        return "nobody was asked: it neither moves nor exposes" if before else ""
    body = row.body
    limits = rows[0].body.get("capabilities", {}).get("limits_version", "?")
    return (
        f"gate {body.get('gate')} {body.get('outcome')} {row.ts[11:19]} by {body.get('by')}, "
        f"{body.get('seconds_on_screen')} s on screen, card sha {str(body.get('card_sha256'))[:12]}…, limits {limits}, "
        f"event {row.seq}"
    )


def _because(call: Event | None, before: list[Event]) -> Iterable[str]:
    """The step's own reason, where its bound arguments came from, and the last judgement before it."""
    if call is None:
        return
    reason = call.body["call"].get("reason")
    if reason:
        yield str(reason)
    step = _step_named(before, str(call.body["call"]["step"]).partition(".")[0])
    for name, source in sorted((step.get("inputs") or {}).items() if step else ()):
        origin = _origin(source, step or {}, call, before)
        if origin is not None:
            yield f"{name} {_short(call.body['call']['args'].get(name))} from event {origin.seq}: {origin.summary}"
    judged = _newest(before, "judged")
    if judged is not None and judged.seq < call.seq:
        yield f"judged before it, event {judged.seq}: {judged.summary}"


def _step_named(before: list[Event], name: str) -> dict[str, Any] | None:
    """The step of the plan in force, with the loop around it as 'loop'."""
    row = _newest(before, "planned")
    plan = (row.body.get("proposal", {}).get("plan") or {}) if row else {}
    return _find(plan.get("steps", ()), name, "")


def _find(steps: Iterable[dict[str, Any]], name: str, loop: str) -> dict[str, Any] | None:
    for step in steps:
        if step.get("id") == name:
            return {**step, "loop": loop}
        inner = _find(step.get("do", ()), name, step.get("for_each") or loop)
        if inner is not None:
            return inner
    return None


def _origin(source: str, step: dict[str, Any], call: Event, before: list[Event]) -> Event | None:
    """The end of the call whose result was bound: 'item' stands for the list of the loop."""
    named = step.get("loop", "") if source.startswith("item") else source
    wanted = named.partition(".")[0]
    ends = [row for row in before if row.kind == "concluded" and row.seq < call.seq]
    same = [row for row in ends if str(row.body.get("step", "")).partition(".")[0] == wanted]
    return same[-1] if same else None


def _short(value: Any) -> str:
    if not isinstance(value, dict):
        return visible(str(value), limit=60)
    kept = [f"{key} {value[key]}" for key in value if isinstance(value[key], str | int | float)]
    return visible(f"({', '.join(kept)})", limit=160)


def _did(event: Event, rows: list[Event]) -> Iterable[str]:
    if event.kind != "intended":
        return
    for row in rows:
        if row.action_id == event.action_id and row.kind in _ENDS and row.seq > event.seq:
            yield from _effect(event, row)
    yield from _measured(event, rows)


def _effect(event: Event, row: Event) -> Iterable[str]:
    body = row.body
    if row.kind != "returned":
        yield f"{row.kind}: {row.summary} (event {row.seq})"
    elif "state" in body and event.body.get("act") == "move_stage":
        stage = body["state"].get("stage", {})
        for key in event.body.get("args", {}):
            if key in stage:
                yield (
                    f"{key}: commanded {stage[key]['commanded']:+g}, reported {stage[key]['reported']:+g} "
                    f"(event {row.seq})"
                )
    elif "frames" in body:
        for frame in body["frames"]:
            yield f"frame {frame['id']} (sha {frame['sha256'][:12]}…), {_dose(event, row)} (event {row.seq})"
    else:
        yield f"{row.summary} (event {row.seq})"


def _dose(event: Event, row: Event) -> str:
    charge = row.body.get("charge") or {}
    before = event.body.get("before_e_per_a2")
    given = f"charged {charge['dose_e_per_a2']:.3g} e/Å²" if "dose_e_per_a2" in charge else "no dose charged"
    return f"{given} on top of {before:.3g}" if isinstance(before, int | float) else given


def _measured(event: Event, rows: list[Event]) -> Iterable[str]:
    """Where the stage really stood after a move or under a scan, if an image told before it moved again."""
    name = (event.action_id or "").partition("#")[0]
    for row in (row for row in rows if row.seq > event.seq):
        if row.kind == "intended" and row.body.get("act") == "move_stage":
            return
        place = row.body.get("located")
        if row.kind == "returned" and place and (row.action_id or "").partition("#")[0] == name:
            yield (
                f"measured by image: {place['frame']} lies at x {place['x_um']:+.3f}, y {place['y_um']:+.3f} "
                f"± {place['uncertainty_um']:.2g} µm in the readings of {place['in_frame']} (event {row.seq})"
            )
