"""A run as lists of things that can be laid beside those of another run: steps, calls, frames, findings.

Numbers of events, ids of frames and runs, and times of the day are different in any two runs and say nothing: frames
are named by the call that took them, and the rest is left out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.rows import Rows

_FRAME = re.compile(r"\bf-\d{5}(?:-[\w.]+)?\b")
_OF_FRAME = (
    "sha256", "detector", "shape", "pixel_pm", "dwell_us", "dose_e_per_a2", "mean_dose_e_per_a2", "probe_current_pa",
    "defocus_nm", "x_um", "y_um", "purpose",
)  # fmt: skip
_UNTOLD = ("time_s", "duration_s", "commands", "signals", "instrument", "simulated")
"""Of a read-back in a result."""
_SHORT = 8
"""Longest list of scalars that is one value."""


class Entry(Model):
    """One thing of a run."""

    key: str
    """What it is laid beside the other run's by."""
    label: str
    """What a person calls it."""
    values: dict[str, Any]
    """Flat: name and number, text or truth."""


class Side(Model):
    """One run."""

    run: str
    began: str
    outcome: str
    sections: dict[str, tuple[Entry, ...]]


def side_of(ledger: Rows, run: str) -> Side:
    """A run, from its rows.

    Raises
    ------
    BadInput
        There is no such run.
    """
    rows = ledger.events(run=run)
    if not rows or rows[0].kind != "requested":
        raise BadInput(f"there is no run {run!r} in {ledger.path}", remedy="see `eucentric audit list`")
    seen = _Seen(run, rows)
    ends = seen.of("finished")
    return Side(
        run=run,
        began=rows[0].ts,
        outcome=str(ends[-1].body.get("outcome")) if ends else "open",
        sections={name: tuple(find(seen)) for name, find in _SECTIONS.items()},
    )


class _Seen:
    """The rows of a run, and names for its frames."""

    def __init__(self, run: str, rows: list[Event]) -> None:
        self.run, self.rows = run, rows
        self.frames = dict(_named_frames(self.of("returned")))
        """By id: the call that took it, and which of its frames it is."""

    def of(self, *kinds: str) -> list[Event]:
        """Rows of these kinds."""
        return [row for row in self.rows if row.kind in kinds]

    def entry(self, key: str, label: str, values: Any) -> Entry:
        """With names for frames and runs that two runs can have in common."""
        flat = {
            name: self._plain(value) for name, value in flat_values(values) if value not in (None, "", [], ())
        }
        return Entry(key=key, label=self._plain(label), values=flat)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._plain(one) for one in value]
        if not isinstance(value, str):
            return value
        named = _FRAME.sub(lambda found: self.frames.get(found[0], found[0]), value)
        return re.sub(rf"[^\s\"']*\bruns/{self.run}/", "", named).replace(self.run, "RUN")


def flat_values(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """A JSON value as names and scalars: 'rows.0.each'."""
    inner: Iterable[tuple[Any, Any]]
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list | tuple) and not _is_short(value):
        inner = enumerate(value)
    else:
        yield name, value
        return
    for key, one in inner:
        yield from flat_values(one, f"{name}.{key}" if name else str(key))


def _is_short(value: Sequence[Any]) -> bool:
    return len(value) <= _SHORT and not any(isinstance(one, dict | list | tuple) for one in value)


def _named_frames(rows: Iterable[Event]) -> Iterator[tuple[str, str]]:
    count: dict[str, int] = {}
    for row in rows:
        call = _step_of(row)
        for frame in row.body.get("frames", ()):
            count[call] = count.get(call, 0) + 1
            yield str(frame["id"]), f"frame {count[call]} of {call}"


def _step_of(row: Event) -> str:
    return str(row.action_id or "").partition("/")[2].partition("#")[0]


# --- sections ---------------------------------------------------------------------------------------------


def _request(seen: _Seen) -> Iterator[Entry]:
    asked = seen.rows[0].body.get("request", {})
    for name in ("text", "who", "planner", "like"):
        yield seen.entry(name, name, {name: asked.get(name)})


def _specimen(seen: _Seen) -> Iterator[Entry]:
    card = seen.rows[0].body.get("specimen") or {}
    yield seen.entry("card", str(card.get("name", "no card")), card)


def _instrument(seen: _Seen) -> Iterator[Entry]:
    body = seen.rows[0].body
    yield seen.entry("address", "address", {"uri": body.get("request", {}).get("instrument")})
    yield seen.entry("declared", "declared", body.get("capabilities", {}))


def _made_with(seen: _Seen) -> Iterator[Entry]:
    body = seen.rows[0].body
    names = ("software", "versions", "sources", "in_force", "rules")
    yield seen.entry("made with", "made with", {name: body.get(name) for name in names})


def _plan(seen: _Seen) -> Iterator[Entry]:
    made = [(row.body.get("proposal") or {}).get("plan") for row in seen.of("planned")]
    plans = [one for one in made if one]
    if not plans:
        return
    about = {name: plans[-1].get(name) for name in ("title", "planner", "revision", "budget_e_per_a2")}
    yield seen.entry("about", "the plan", about)
    for step in _steps(plans[-1].get("steps", ())):
        inputs = {name: f"from {source}" for name, source in step.get("inputs", {}).items()}
        loop = {name: step.get(name) for name in ("for_each", "times", "every_s")}
        told = {"tool": step.get("tool"), **step.get("args", {}), **inputs, **loop}
        yield seen.entry(str(step["id"]), f"{step['id']} {step.get('tool') or 'loop'}", told)


def _steps(steps: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        yield step
        yield from _steps(step.get("do", ()))


def _approvals(seen: _Seen) -> Iterator[Entry]:
    names = ("outcome", "by", "role", "grant", "reason", "envelope")
    for row in seen.of("decided"):
        told = {name: row.body.get(name) for name in names}
        yield seen.entry(str(row.body.get("gate")), f"gate {row.body.get('gate')}", told)


def _calls(seen: _Seen) -> Iterator[Entry]:
    ends = {row.action_id: row for row in seen.of("concluded")}
    begun = [row for row in seen.of("called") if "call" in row.body]
    for name, row in {row.action_id: row for row in begun}.items():
        call, end = row.body["call"], ends.get(name)
        times = sum(one.action_id == name for one in begun)
        told = {**call["args"], "ended": _ended(end), "attempts": times if times > 1 else None}
        result = _told_of(end.body.get("value")) if end else None
        yield seen.entry(
            f"{call['step']} {call['tool']}", f"{call['step']} {call['tool']}", {**told, "result": result}
        )


def _ended(end: Event | None) -> str:
    if end is None:
        return "never"
    error = end.body.get("error") or {}
    return "well" if end.body.get("ok") else f"{error.get('code', '')} {error.get('what', '')}".strip()


def _told_of(value: Any) -> Any:
    """A result without the frames in it, which are told of by themselves, and without times and counts of commands."""
    if isinstance(value, dict):
        if "sha256" in value or "interval" in value:
            return None
        return {key: _told_of(one) for key, one in value.items() if key not in _UNTOLD}
    if isinstance(value, list):
        return [told for one in value if (told := _told_of(one)) is not None]
    return value


def _settings(seen: _Seen) -> Iterator[Entry]:
    for row in seen.of("leased")[:1]:
        yield seen.entry(
            "begin", "at the beginning", {**row.body.get("optics", {}), **row.body.get("stage", {})}
        )
    states = [row.body["state"] for row in seen.of("called", "returned") if row.body.get("state")]
    for state in states[-1:]:
        stage = {name: one["reported"] for name, one in state["stage"].items()}
        yield seen.entry("end", "last read back", {**state["optics"], **stage, **state.get("signals", {})})
    for row in seen.of("restored")[-1:]:
        told = {name: row.body.get(name) for name in ("put_back", "stays", "left", "why_left")}
        yield seen.entry("restored", "put back", told)


def _frames(seen: _Seen) -> Iterator[Entry]:
    for row in seen.of("returned"):
        for frame in row.body.get("frames", ()):
            name = seen.frames[str(frame["id"])]
            yield seen.entry(name, name, {key: frame.get(key) for key in _OF_FRAME})


def _findings(seen: _Seen) -> Iterator[Entry]:
    for row in seen.of("found"):
        finding = {key: value for key, value in row.body["finding"].items() if key not in ("id", "details")}
        yield seen.entry(f"{_step_of(row)} {finding['what']}", f"{_step_of(row)} {finding['what']}", finding)


def _left_out(seen: _Seen) -> Iterator[Entry]:
    for row in seen.of("excluded", "judged"):
        entry = seen.entry("", row.kind, {row.kind: row.summary})
        yield entry.model_copy(update={"key": str(entry.values)})


def _people(seen: _Seen) -> Iterator[Entry]:
    """Pauses and what ended them, stops, acts in doubt and what became of them, taking up."""
    for row in seen.of("control", "paused", "suspended", "in_doubt", "resolved", "resumed", "stopped"):
        told = row.body.get("words") or row.body.get("reason") or row.body.get("decision") or ""
        entry = seen.entry("", row.kind, {"by": row.actor, "what": told or row.summary})
        yield entry.model_copy(update={"key": f"{row.kind} {_step_of(row)}"})


def _ending(seen: _Seen) -> Iterator[Entry]:
    for row in seen.of("finished")[-1:]:
        told = {name: row.body.get(name) for name in ("outcome", "error", "beam")}
        yield seen.entry("end", "the end", told)


_SECTIONS = {
    "request": _request, "specimen": _specimen, "instrument": _instrument, "made with": _made_with, "plan": _plan,
    "approvals": _approvals, "calls": _calls, "settings": _settings, "frames": _frames, "findings": _findings,
    "left out": _left_out, "interruptions": _people, "ending": _ending,
}  # fmt: skip
