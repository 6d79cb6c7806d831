"""A run's rows as lines a person can follow. Every word from a row is data: it is escaped."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from eucentric.core.event import Event
from eucentric.core.text import visible

if TYPE_CHECKING:
    from eucentric.agent.auditing import Why

_QUIET = ("intended", "returned", "called")
Body = dict[str, Any]


def lines(rows: list[Event], *, acts: bool, clocks: bool = False) -> Iterator[str]:
    """One line an event; details below it for requests, plans, gates and findings."""
    for row in rows:
        if row.kind in _QUIET and not acts:
            continue
        yield row_line(row)
        if clocks:
            yield f"{'':>29}{clocks_of(row)}"
        yield from (f"{'':>29}{visible(text, limit=400)}" for text in _readable(row))


def row_line(row: Event) -> str:
    """Number, UTC, kind, tool and summary."""
    tool = f" {visible(row.tool, limit=40)}" if row.tool and row.kind != "found" else ""
    clock = visible(row.ts[11:23])
    return f"{row.seq:>6}  {clock}  {row.kind:<9}{tool:<18} {visible(row.summary, limit=220)}"


def clocks_of(row: Event) -> str:
    """The clocks of a row besides UTC."""
    if row.clocks is None:
        return "no other clock: written before rows had them"
    instrument = row.clocks.instrument_s
    known = "not known" if instrument is None else f"{instrument:.3f} s when last read"
    return (
        f"boot {visible(row.clocks.boot, limit=20)} + {row.clocks.mono_s:.6f} s, instrument's clock {known}"
    )


def why_lines(answer: "Why", store: str = "") -> Iterator[str]:
    """The answer to 'why?', each cause on its line."""
    where = (f"store {store}, " if store else "") + f"run {answer.run}"
    where += f", step {answer.step}" if answer.step else ""
    yield f"{visible(answer.ts[11:23])}  {visible(answer.what, limit=200)}   {visible(where)}, event {answer.event}"
    told = [
        ("asked by", answer.asked_by),
        ("planned by", answer.planned_by),
        ("allowed by", answer.allowed_by),
    ]
    told += [("because", text) for text in answer.because] + [("did", text) for text in answer.did]
    last = ""
    for word, text in told:
        if text:
            yield f"  {word if word != last else '':<10} {visible(text, limit=400)}"
            last = word


def _readable(row: Event) -> Iterator[str]:
    """Details, or a word that they are not what this version writes: the other rows still matter."""
    try:
        yield from _details(row)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        yield f"(its details can't be read: {type(error).__name__} {error})"


def _details(row: Event) -> Iterator[str]:
    telling = _TELLING.get(row.kind)
    if telling is not None:
        yield from telling(row, row.body)


def _requested(row: Event, body: Body) -> Iterator[str]:
    card = body.get("specimen")
    yield f"by {row.actor} on {body['request']['instrument']}"
    yield (
        f"specimen {card['name']}, budget {card['dose_budget_e_per_a2']:g} e/Å²"
        if card
        else "no specimen card"
    )


def _planned(_: Event, body: Body) -> Iterator[str]:
    plan = body["proposal"].get("plan")
    if plan:
        yield f"planner {plan['planner']}, plan r{plan['revision']} sha {body['plan_sha256'][:12]}…"
        yield from _steps(plan["steps"], "")


def _asked(_: Event, body: Body) -> Iterator[str]:
    needs = body.get("needs")
    if needs:
        who = f"{needs['approvers']} × {needs['role']}"
        yield f"needs {who}, {needs['impact']} impact; beam {body.get('beam', '?')} while it waits"


def _decided(_: Event, body: Body) -> Iterator[str]:
    seen = f"card sha {body['card_sha256'][:12]}…, {body['seconds_on_screen']} s on screen"
    yield f"{seen}, until {body['expires_utc']}"
    if body.get("role", "user") != "user" or body.get("consents"):
        people = [*body.get("consents", ()), body]
        yield "proved: " + ", ".join(f"{one.get('name')} ({one.get('role')})" for one in people)
    if body.get("automatic"):
        yield "nobody was asked"
    if body.get("reason"):
        yield f"because {body['reason']}"


def _granted(_: Event, body: Body) -> Iterator[str]:
    grant = body["grant"]
    yield f"{grant['uses']} times until {grant['expires_utc']}, tools {', '.join(grant['envelope']['tools'])}"


def _resolved(row: Event, body: Body) -> Iterator[str]:
    yield f"decided by {row.actor}"
    yield from body.get("evidence", ())


def _concluded(_: Event, body: Body) -> Iterator[str]:
    frames = body.get("frames")
    if frames:
        shown = ", ".join(frames[:4]) + (f" … {frames[-1]}" if len(frames) > 4 else "")
        yield f"frames {shown}; {body['dose_e_per_a2']:.3g} e/Å² summed over its frames, {body['seconds']:.1f} s"


def _found(_: Event, body: Body) -> Iterator[str]:
    finding = body["finding"]
    yield f"from {', '.join(finding['evidence'])}; {finding['method']}"


_TELLING: dict[str, Callable[[Event, Body], Iterator[str]]] = {
    "requested": _requested,
    "planned": _planned,
    "asked": _asked,
    "decided": _decided,
    "granted": _granted,
    "resolved": _resolved,
    "concluded": _concluded,
    "found": _found,
}
"""By kind of event: what is told of it besides its summary."""


def _steps(steps: list[dict[str, object]], indent: str) -> Iterator[str]:
    for step in steps:
        inner = step.get("do")
        if step.get("tool"):
            yield f"{indent}{step['id']}  {step['tool']} {visible(str(step['args']), limit=140)}"
        else:
            many = f"each of {step['for_each']}" if step.get("for_each") else f"{step.get('times')} times"
            yield f"{indent}{step['id']}  for {many} (at most {step['at_most']})"
        if isinstance(inner, list):
            yield from _steps(inner, indent + "  ")
