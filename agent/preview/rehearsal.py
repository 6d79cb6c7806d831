"""Walking a plan without an instrument: where it may go, what it costs, what each place receives.

One round of a loop stands for all; what can happen at one place again is multiplied.
"""

from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from eucentric.agent.consent.figures import figures_of
from eucentric.agent.preview.legs import Leg
from eucentric.agent.preview.walk import Row, Walk
from eucentric.agent.preview.walk_dose import book_dose, fields_deep, survey_dose
from eucentric.agent.preview.walk_effects import take_effects
from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import BadInput, EucentricError
from eucentric.core.instrument import Reading
from eucentric.core.plan import Step
from eucentric.core.text import named
from eucentric.core.units import echo
from eucentric.knowledge.phases import phase
from eucentric.knowledge.recommendation import coarsest_pixel_pm
from eucentric.tools.arguments import validated
from eucentric.tools.base import Tool
from eucentric.tools.catalogue import tool_named
from eucentric.tools.tilting.arrive import TiltArgs
from eucentric.tools.tilting.follow import tracking_fov_nm

_UNITS = ("um", "nm", "us", "pa", "pm", "deg", "kv", "mrad", "px", "a2")
_IMAGES = ("acquire_image", "acquire_series")
_READ_COLUMNS = ("detect_defects", "measure_lattice")
_MOVERS = ("go_to_target", "move_stage", "survey")
_FIELDS_UM = {"go_to_target": 5.0, "autofocus": 2.0}
"""Widest field of tools that choose it themselves [µm]."""


def take_steps(steps: tuple[Step, ...], walk: Walk, times: int) -> None:
    """Walk steps that run `times` times in all."""
    for step in steps:
        if step.tool is None:
            _loop(step, walk, times)
        else:
            _call(step, walk, times)


def _loop(step: Step, walk: Walk, times: int) -> None:
    """One round stands for all; what happens at the same places again is multiplied."""
    rounds, start = step.times or step.at_most, walk.seconds
    before, given, shared, visited = walk.place, walk.given, walk.shared, len(walk.visited)
    worst, elsewhere, base = walk.worst, walk.elsewhere, walk.base
    walk.base = base + shared + before
    walk.place = walk.given = walk.shared = walk.worst = walk.elsewhere = 0.0
    take_steps(step.do, walk, times * rounds)
    if rounds > 1 and _looks(step):
        approach = max(row.each.dose_e_per_a2 for row in walk.rows if row.tool == "go_to_target")
        walk.worst = max(walk.worst, min(1, walk.missable()) * walk.given + approach)
    again = _rounds_at_one_place(step, walk, rounds, _drift(step, walk, rounds))
    walk.base = base
    walk.visited[visited:] = [(x, y, dose * again) for x, y, dose in walk.visited[visited:]]
    walk.worst = max(worst, shared + before + walk.worst * again) if walk.worst else worst
    walk.elsewhere = max(elsewhere, shared + before + walk.elsewhere * again) if walk.elsewhere else elsewhere
    walk.shared = shared + walk.shared * again
    stays = not _moves(step)
    walk.given = walk.given * again + (given if stays else 0.0)
    walk.place = walk.place * again + (before if stays else 0.0)
    if step.every_s is not None:
        walk.seconds = max(walk.seconds, start + step.every_s * (rounds - 1) * times)


def _moves(step: Step) -> bool:
    return any(inner.tool in _MOVERS or _moves(inner) for inner in step.do)


def _drift(step: Step, walk: Walk, rounds: int) -> float:
    """How far relative moves carry the stage on in each round [µm]; the reach of all rounds is entered."""
    if rounds == 1 or not _moves(step):
        return 0.0
    once = walk.setting.state.stage
    second = walk.copy()
    take_steps(step.do, second, 1)
    twice = second.setting.state.stage
    steps = {key: twice[key].reported - once[key].reported for key in once}
    last = {key: once[key].reported + steps[key] * (rounds - 1) for key in once}
    for key in once:
        walk.reach[key] += [
            low_or_high + steps[key] * (rounds - 2) for low_or_high in _ends(second.reach[key])
        ]
        walk.reach[key].append(last[key])
    walk.legs.append(Leg(step.id, {key: once[key].reported for key in once}, last, exact=False))
    stage = {key: Reading(commanded=last[key], reported=last[key]) for key in once}
    walk.set(stage=stage)
    return max((abs(steps[key]) for key in ("x_um", "y_um") if key in steps), default=0.0)


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def _rounds_at_one_place(step: Step, walk: Walk, rounds: int, drift_um: float) -> int:
    """How often one place can be exposed by the rounds of a loop."""
    if not _moves(step):
        return rounds
    missed = walk.missable()
    return max(
        _rounds_as_told(step, walk, rounds, drift_um), min(rounds, 1 + (0 if _looks(step) else missed))
    )


def _looks(step: Step) -> bool:
    """Whether each round finds its place by image, so that a missed move is noticed."""
    return any(inner.tool == "go_to_target" or _looks(inner) for inner in step.do)


def _rounds_as_told(step: Step, walk: Walk, rounds: int, drift_um: float) -> int:
    if step.for_each is None:
        return rounds if drift_um < walk.near_um else 1
    grid = walk.pitches.get(step.for_each.partition(".")[0])
    if grid is None:  # targets that are apart, by the tool that chose them
        return 1
    pitch, nx, ny = grid
    return min(rounds, fields_deep(walk.near_um, pitch, nx) * fields_deep(walk.near_um, pitch, ny))


def _call(step: Step, walk: Walk, times: int) -> None:
    try:
        tool = tool_named(step.tool or "")
        args = _args(tool, step)
        cost = tool.cost(args, walk.setting)
    except EucentricError as error:
        walk.problems.append(f"step {step.id}: {error}")
        return
    walk.asks |= tool.risk in ("control", "expose")
    what = _what(tool, step)
    walk.rows.append(
        Row(
            step=step.id,
            what=what,
            tool=tool.name,
            times=times,
            each=_shown(tool.name, args, cost, walk),
            reason=step.reason,
            risk=tool.risk,
            figures=figures_of(tool, args, walk.setting.state, cost, step.inputs),
        )
    )
    walk.seconds += cost.seconds * times
    walk.frames += cost.frames * times
    walk.megabytes += cost.megabytes * times
    walk.electrons += cost.electrons * times
    _widest(tool.name, args, walk)
    if walk.setting.settled_s is not None:
        walk.settle(walk.setting.settled_s + cost.seconds)
    _looked_at(step, tool.name, args, walk)
    take_effects(step, tool.name, args, walk)
    book_dose(tool.name, args, cost, walk)


def _looked_at(step: Step, name: str, args: Any, walk: Walk) -> None:
    """A frame in which no column can be told from the next is hardly worth its dose: whoever approves it is told."""
    if name in _IMAGES:
        field_nm = getattr(args, "fov_nm", None) or walk.setting.state.optics.get("fov_nm")
        width = getattr(args, "width_px", None)
        if field_nm and width:
            walk.pixels_pm[step.id] = 1e3 * field_nm / width
        return
    pixel_pm = walk.pixels_pm.get(step.inputs.get("frame", "").partition(".")[0])
    if name not in _READ_COLUMNS or pixel_pm is None:
        return
    try:
        material = phase(getattr(args, "material", None) or walk.setting.specimen.material)
    except BadInput:
        return
    if pixel_pm > (coarsest := coarsest_pixel_pm(material)):
        walk.notes.append(
            f"step {step.id}: nothing can be counted in pixels of {pixel_pm:,.0f} pm: columns of {material.name} are "
            f"seen in {coarsest:.0f} pm or less, {1e-3 * coarsest * 512:.0f} nm at 512 px"
        )


def _shown(name: str, args: Any, cost: Cost, walk: Walk) -> Cost:
    """The cost of a line: a survey's bound is that of its deepest corner, not of a place that is chosen in it."""
    deep = survey_dose(args, cost, walk) if name == "survey" else cost.dose_e_per_a2
    return cost.model_copy(update={"dose_e_per_a2": deep})


def _widest(name: str, args: Any, walk: Walk) -> None:
    """Keep track of the widest field."""
    present = walk.setting.state.optics.get("fov_nm", 0.0) * 1e-3
    if isinstance(args, TiltArgs) and args.fov_nm is None:
        present = tracking_fov_nm(walk.setting.capabilities) * 1e-3
    asked = getattr(args, "fov_um", None) or (getattr(args, "fov_nm", None) or 0.0) * 1e-3
    if tool_named(name).risk == "expose":
        walk.field_um = max(walk.field_um, asked or _FIELDS_UM.get(name, present))


def _args(tool: Tool[Any, Any], step: Step) -> Model:
    """The step's arguments; what is bound later keeps its default, the rest is validated now."""
    if not step.inputs:
        return validated(tool, step.args)
    unknown = [name for name in (*step.args, *step.inputs) if name not in tool.args.model_fields]
    if unknown:
        raise BadInput(f"{tool.name} has no argument {unknown[0]!r}")
    given = {name: _field(tool, name, value) for name, value in step.args.items()}
    made: Model = tool.args.model_construct(**given)
    return made


def _field(tool: Tool[Any, Any], name: str, value: Any) -> Any:
    field = tool.args.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise BadInput(f"{tool.name}: {name}: {error.errors()[0]['msg']}", "nothing was sent") from error


def _what(tool: Tool[Any, Any], step: Step) -> str:
    names = sorted(
        step.args, key=list(tool.args.model_fields).index
    )  # a plan read back from its row: by letters
    shown = ", ".join(_argument(name, step.args[name]) for name in names)
    return f"{tool.name}  {shown}".strip()


def _argument(key: str, value: Any) -> str:
    """One argument as a person reads it, quantities in two forms where that catches a slip of a power of ten."""
    stem, _, unit = key.rpartition("_")
    if isinstance(value, int | float) and not isinstance(value, bool) and unit in _UNITS:
        return f"{stem.removesuffix('_e_per').replace('_', ' ')} {echo(key, value)}"
    several = value if isinstance(value, list | tuple) else (value,)
    text = ", ".join(named(str(one)) for one in several)  # words of a person or a model: quoted
    return f"{key.replace('_', ' ')} {text}"
