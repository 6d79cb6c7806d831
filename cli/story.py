"""A run's rows as lines a person can follow."""

from collections.abc import Iterator

from eucentric.core.event import Event
from eucentric.core.text import visible

_QUIET = ("intended", "returned", "called")


def lines(rows: list[Event], *, acts: bool) -> Iterator[str]:
    """One line an event; details below it for requests, plans, gates and findings."""
    for row in rows:
        if row.kind in _QUIET and not acts:
            continue
        tool = f" {row.tool}" if row.tool and row.kind not in ("found",) else ""
        yield f"{row.seq:>6}  {row.ts[11:23]}  {row.kind:<9}{tool:<18} {visible(row.summary, limit=220)}"
        yield from (f"{'':>29}{text}" for text in _details(row))


def _details(row: Event) -> Iterator[str]:
    body = row.body
    if row.kind == "requested":
        card = body.get("specimen")
        yield f"by {visible(row.actor)} on {visible(body['request']['instrument'])}"
        yield (
            f"specimen {visible(card['name'])}, budget {card['dose_budget_e_per_a2']:g} e/Å²"
            if card
            else "no specimen card"
        )
    elif row.kind == "planned" and body["proposal"].get("plan"):
        plan = body["proposal"]["plan"]
        yield f"planner {visible(plan['planner'])}, plan r{plan['revision']} sha {body['plan_sha256'][:12]}…"
        yield from _steps(plan["steps"], "")
    elif row.kind == "decided":
        yield f"card sha {body['card_sha256'][:12]}…, {body['seconds_on_screen']} s on screen, until {body['expires_utc']}"
        if body.get("reason"):
            yield f"because {visible(body['reason'])}"
    elif row.kind == "concluded" and body.get("frames"):
        frames = body["frames"]
        shown = ", ".join(frames[:4]) + (f" … {frames[-1]}" if len(frames) > 4 else "")
        yield f"frames {shown}; ≤ {body['dose_e_per_a2']:.3g} e/Å² charged, {body['seconds']:.1f} s"
    elif row.kind == "found":
        finding = body["finding"]
        yield f"from {', '.join(finding['evidence'])}; {visible(finding['method'])}"


def _steps(steps: list[dict[str, object]], indent: str) -> Iterator[str]:
    for step in steps:
        inner = step.get("do")
        if step.get("tool"):
            yield f"{indent}{step['id']}  {step['tool']} {visible(str(step['args']), limit=140)}"
        else:
            yield f"{indent}{step['id']}  for each of {step.get('for_each') or step.get('times')} (at most {step['at_most']})"
        if isinstance(inner, list):
            yield from _steps(inner, indent + "  ")
