"""Twins: exposures of a plan that this place has had before, with the same arguments.

Ids keep one act from happening twice. They do not help against a planner that asks for the same act again under
a new id, or a person who says the same sentence twice: that is found by what an act is, and shown.
"""

from collections.abc import Iterator
from typing import Any

from eucentric.agent.acting.exposure import centre_um
from eucentric.agent.dose.stage_errors import stage_error_um
from eucentric.agent.readback import named_state
from eucentric.agent.run import Run
from eucentric.core.base import Model
from eucentric.core.errors import EucentricError
from eucentric.core.event import Event
from eucentric.core.instrument import Frame, MicroscopeState
from eucentric.core.plan import Plan, Step
from eucentric.core.store import Store
from eucentric.core.text import visible
from eucentric.tools.base import Tool
from eucentric.tools.catalogue import CATALOGUE
from eucentric.tools.move_stage import target_of

_LOOKED_THROUGH = 2000
"""Calls of the store that are compared, newest first."""
_TOOLS: dict[str, Tool[Any, Any]] = {tool.name: tool for tool in CATALOGUE}
_Place = tuple[float, float] | None
"""Centre of the field [µm]; None where the plan goes to a place that is not known yet."""


class Twin(Model):
    """Something that was done already."""

    step: str
    """The step of the plan that would do it again."""
    what: str
    when: str
    run: str
    same_run: bool
    frames: tuple[str, ...]
    dose_e_per_a2: float
    """Sum over its frames, upper bound at any atom [e/Å²]."""


def find_twins(store: Store, run: Run, plan: Plan) -> tuple[Twin, ...]:
    """Exposing calls done before that the plan would repeat, in its order; a step is no twin of itself.

    In the run itself the same arguments are enough; of other runs only calls at the same place of the same
    specimen loading.
    """
    state = _state(run)
    earlier = _calls(store, state)
    found = []
    for step, place in _exposing(plan.steps, state, centre_um(state)):
        wanted = _same_words(step.tool, step.args)
        for row in earlier:
            call = row.body["call"]
            if _handed_back(row, run, step) or call["tool"] != step.tool:
                continue
            if _same_words(step.tool, call["args"]) != wanted:
                continue
            if (row.run_id == run.id or _near(run, row, place)) and (twin := _twin(store, run, step, row)):
                found.append(twin)
                break
    return tuple(found)


def twins(store: Store, run: Run, plan: Plan, *, limit: int = 3) -> list[str]:
    """The same as at most so many lines for a gate card."""
    found = find_twins(store, run, plan)
    lines = [_line(one) for one in found]
    if len(lines) > limit:
        lines = [*lines[: limit - 1], f"… and {len(lines) - limit + 1} more that were done before"]
    return lines


def repeats_itself(store: Store, run: Run, plan: Plan) -> bool:
    """Whether the plan would expose again what this very run has done: that always takes a new answer."""
    return any(one.same_run for one in find_twins(store, run, plan))


def _state(run: Run) -> MicroscopeState:
    caps = run.capabilities
    return named_state(caps.identity, caps.simulated, run.instrument.state(), run.instrument.held())


def _calls(store: Store, state: MicroscopeState) -> list[Event]:
    """Exposing calls on this instrument and loading, newest first."""
    rows = store.ledger.events(kinds=("called",), newest_first=True, limit=_LOOKED_THROUGH)
    return [row for row in rows if row.body.get("risk") == "expose" and _same_specimen(row, state)]


def _same_specimen(row: Event, state: MicroscopeState) -> bool:
    then = row.body.get("state") or {}
    return (then.get("instrument"), then.get("loading")) == (state.instrument, state.loading)


def _handed_back(row: Event, run: Run, step: Step) -> bool:
    """Whether this very step made the call: the ledger hands it back, it is not done again."""
    return row.run_id == run.id and str(row.body["call"]["step"]).partition(".")[0] == step.id


def _flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _flat(step.do)


def _exposing(
    steps: tuple[Step, ...], state: MicroscopeState, place: _Place
) -> Iterator[tuple[Step, _Place]]:
    """Steps that expose with literal arguments, and where."""
    for step in steps:
        if step.tool is None:
            place = place if not _moves(step.do) else None
            yield from _exposing(step.do, state, place)
            continue
        if not step.inputs and _TOOLS[step.tool].risk == "expose":
            yield step, place
        place = _after(step, state, place)


def _moves(steps: tuple[Step, ...]) -> bool:
    return any(step.tool in ("go_to_target", "move_stage", "survey") for step in _flat(steps))


def _after(step: Step, state: MicroscopeState, place: _Place) -> _Place:
    """Where the field is after a step; None if that is only known when it has run."""
    if step.tool != "move_stage":
        return None if _moves((step,)) or step.tool == "set_optics" else place
    try:
        args = _TOOLS["move_stage"].args.model_validate(step.args)
        target = target_of(args, state, {}) if not step.inputs else {}
    except (ValueError, EucentricError):
        return None
    absolute = getattr(args, "mode", "") == "absolute" and {"x_um", "y_um"} <= target.keys()
    here, stood = centre_um(state), state.stage
    if not absolute or not {"x_um", "y_um"} <= stood.keys():
        return None
    shift = here[0] - stood["x_um"].reported, here[1] - stood["y_um"].reported
    return target["x_um"] + shift[0], target["y_um"] + shift[1]


def _same_words(tool: str | None, args: dict[str, Any]) -> dict[str, Any]:
    """Arguments with defaults and units filled in: '8 nm' and 8.0 are the same."""
    try:
        checked: dict[str, Any] = _TOOLS[tool or ""].args.model_validate(args).model_dump(mode="json")
    except (KeyError, ValueError):
        return args
    return checked


def _near(run: Run, row: Event, place: _Place) -> bool:
    """Whether an earlier call stood where this one will, as well as the stage can tell."""
    then = row.body.get("state")
    if place is None or not then:
        return False
    x, y = centre_um(MicroscopeState.model_validate(then))
    return max(abs(x - place[0]), abs(y - place[1])) <= stage_error_um(run.capabilities)


def _twin(store: Store, run: Run, step: Step, row: Event) -> Twin | None:
    """What that call left; None if it exposed nothing."""
    rows = store.ledger.events(run=row.run_id, kinds=("returned",), after=row.seq)
    made = [
        Frame.model_validate(data)
        for one in rows
        if (one.action_id or "").startswith(f"{row.action_id}#") and one.body.get("act") == "acquire"
        for data in one.body.get("frames", ())
    ]
    if not made:
        return None
    return Twin(
        step=step.id,
        what=_what(step),
        when=row.ts,
        run=row.run_id,
        same_run=row.run_id == run.id,
        frames=tuple(frame.id for frame in made),
        dose_e_per_a2=sum(frame.dose_e_per_a2 or 0.0 for frame in made),
    )


def _what(step: Step) -> str:
    """The call in a few words."""
    args = _same_words(step.tool, step.args)
    detectors = args.get("detectors") or [args.get("detector") or ""]
    words = [str(step.tool), "+".join(str(one) for one in detectors)]
    if args.get("width_px"):
        words.append(f"{args['width_px']}×{args.get('height_px') or args['width_px']}")
    words += [
        f"{args[key]:g} {unit}" for key, unit in _SHOWN.items() if isinstance(args.get(key), int | float)
    ]
    return visible(" ".join(word for word in words if word), limit=120)


_SHOWN = {"fov_nm": "nm", "fov_um": "µm", "dwell_us": "µs", "frames": "frames"}


def _line(twin: Twin) -> str:
    where = "in this run" if twin.same_run else "at this place"
    frames = twin.frames[0] if len(twin.frames) == 1 else f"{len(twin.frames)} frames from {twin.frames[0]}"
    return (
        f"{twin.what} was done {where} at {visible(twin.when[11:16])} "
        f"({visible(twin.run)}, {frames}, {twin.dose_e_per_a2:.2g} e/Å²)"
    )
