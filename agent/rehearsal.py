"""Walking a plan without an instrument: where it may go, what it costs, what each place receives.

One round of a loop stands for all; what can happen at one place again is multiplied.
"""

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from eucentric.agent.dosebook import stage_error_um
from eucentric.agent.executor import validated
from eucentric.agent.figures import figures_of
from eucentric.agent.legs import Leg
from eucentric.core.base import Model
from eucentric.core.calls import Cost, Risk
from eucentric.core.errors import BadInput, EucentricError
from eucentric.core.instrument import MicroscopeState, Reading
from eucentric.core.plan import Step
from eucentric.core.text import named
from eucentric.core.units import echo
from eucentric.tools.base import Setting, Tool
from eucentric.tools.catalogue import tool_named
from eucentric.tools.go_to_target import settled_s
from eucentric.tools.move_stage import target_of
from eucentric.tools.scanning import predicted_dose
from eucentric.tools.tilting.arrive import TiltArgs, tilt_reach
from eucentric.tools.tilting.follow import tracking_fov_nm

_UNITS = ("um", "nm", "us", "pa", "pm", "deg", "kv", "mrad", "px", "a2")
_MOVERS = ("go_to_target", "move_stage", "survey")
_FIELDS_UM = {"go_to_target": 5.0, "autofocus": 2.0}
"""Widest field of tools that choose it themselves [µm]."""


class Row(Model):
    """One line of the preview."""

    step: str
    what: str
    tool: str = ""
    times: int
    each: Cost
    reason: str = ""
    risk: Risk = "read"
    figures: dict[str, float | str | None] = Field(default_factory=dict)
    """What rules may ask about the call; None: known when it is made."""


@dataclass
class Walk:
    """Where the plan has come to, and what it has cost so far."""

    setting: Setting
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    megabytes: float = 0.0
    electrons: float = 0.0
    shared: float = 0.0
    """Dose that any place may have had from surveys."""
    place: float = 0.0
    """Dose at the present place."""
    base: float = 0.0
    """What it had before the loop that the plan is in, which counts anew."""
    given: float = 0.0
    """The part of it that was given since the stage came here."""
    visited: list[tuple[float, float, float]] = field(default_factory=list)
    """Places left behind: x, y [µm] and the dose that was given there."""
    worst: float = 0.0
    elsewhere: float = 0.0
    reach: dict[str, list[float]] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)
    """The stage's way, for the limits that depend on it."""
    current_pa: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a person should know that is no problem."""
    asks: bool = False
    field_um: float = 0.0
    """Widest field exposed so far."""
    pitches: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    """Grids by the id of their step: pitch [µm], nx, ny."""
    earlier: Callable[[float, float, float, float], float] = lambda x, y, width, height: 0.0
    """What earlier runs gave to a field: centre and size [µm] to the deepest dose in it [e/Å²]."""

    @property
    def near_um(self) -> float:
        """Two fields whose centres are farther apart than this can't overlap."""
        return self.field_um + stage_error_um(self.setting.capabilities)

    def copy(self) -> "Walk":
        """A walk that goes its own way; what it looks things up in stays shared."""
        return copy.deepcopy(self, {id(self.earlier): self.earlier})

    def xy(self) -> tuple[float, float]:
        """Where the stage would stand [µm]."""
        stage = self.setting.state.stage
        x, y = (stage[name].reported if name in stage else 0.0 for name in ("x_um", "y_um"))
        return x, y

    def leave(self) -> None:
        """Remember what this place had."""
        self.visited.append((*self.xy(), self.given))
        self.place = self.given = 0.0

    def arrive(self) -> None:
        """Take up again what places near this one had before."""
        x, y = self.xy()
        near = [dose for vx, vy, dose in self.visited if max(abs(vx - x), abs(vy - y)) < self.near_um]
        self.place = sum(near) + self.earlier(x, y, self.field_um, self.field_um) + self.if_missed()

    def if_missed(self) -> float:
        """What the last places had: where the stage still is if it missed its moves."""
        missed = self.setting.capabilities.position_errors.missed_moves
        return sum(dose for _, _, dose in self.visited[-missed:]) if missed else 0.0

    def settle(self, seconds: float | None) -> None:
        """How long the stage will have stood."""
        self.setting = dataclasses.replace(self.setting, settled_s=seconds)


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
        walk.worst = max(walk.worst, min(1, _missable(walk)) * walk.given + approach)
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
    _set(walk, stage=stage)
    return max((abs(steps[key]) for key in ("x_um", "y_um") if key in steps), default=0.0)


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def _rounds_at_one_place(step: Step, walk: Walk, rounds: int, drift_um: float) -> int:
    """How often one place can be exposed by the rounds of a loop."""
    if not _moves(step):
        return rounds
    missed = _missable(walk)
    return max(
        _rounds_as_told(step, walk, rounds, drift_um), min(rounds, 1 + (0 if _looks(step) else missed))
    )


def _missable(walk: Walk) -> int:
    return walk.setting.capabilities.position_errors.missed_moves


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
    return min(rounds, _deep(walk.near_um, pitch, nx) * _deep(walk.near_um, pitch, ny))


def _deep(near_um: float, pitch_um: float, count: int) -> int:
    """Fields of a row that can cover one place."""
    return min(count, 1 + int(near_um / pitch_um))


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
    _effects(step, tool.name, args, walk)
    _dose(tool.name, args, cost, walk)


def _shown(name: str, args: Any, cost: Cost, walk: Walk) -> Cost:
    """The cost of a line: a survey's bound is that of its deepest corner, not of a place that is chosen in it."""
    deep = _survey_dose(args, cost, walk) if name == "survey" else cost.dose_e_per_a2
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


def _effects(step: Step, name: str, args: Any, walk: Walk) -> None:
    """Track where the plan may go and what it sets, so that later steps are costed rightly."""
    if name == "set_optics":
        changed = args.model_dump(exclude_none=True)
        _set(walk, optics=changed)
        walk.current_pa = max(walk.current_pa, changed.get("probe_current_pa", 0.0))
    elif name == "move_stage":
        _moved(step.id, args, walk)
    elif name == "go_to_target":
        walk.leave()
        walk.settle(settled_s(walk.setting.capabilities) if getattr(args, "settle", True) else 0.0)
    elif isinstance(args, TiltArgs):
        _tilted(args, walk)
    elif name == "survey":
        margin = args.fov_um / 2 + 3.0  # targets are found anywhere in the tiles
        half = (args.half_width_um(args.tiles_x), args.half_width_um(args.tiles_y))
        _reach_around(step.id, args, (half[0] + margin, half[1] + margin), walk)
    elif name == "grid_positions":
        counts = (getattr(args, "nx", 1), getattr(args, "ny", 1))
        pitch = getattr(args, "pitch_um", 0.0) or 1e-9
        _reach_around(step.id, args, ((counts[0] - 1) / 2 * pitch, (counts[1] - 1) / 2 * pitch), walk)
        walk.pitches[step.id] = (pitch, *counts)


def _tilted(args: TiltArgs, walk: Walk) -> None:
    """Anywhere between here and the tilt that is told, or within the limits if none is; x and y follow the feature.

    It is no leg of the stage's way: the tool itself looks at its way, when it is foreseen and before it sends anything.
    """
    reach, here = tilt_reach(args, walk.setting), _readings(walk)
    for key, ends in reach.items():
        walk.reach[key] += ends
    told = {"alpha_deg": args.expect_alpha_deg, "beta_deg": args.expect_beta_deg}
    at = {key: value for key, value in told.items() if value is not None and key in here}
    walk.settle(0.0)
    stage = {
        key: Reading(commanded=at[key], reported=at[key]) if key in at else reading
        for key, reading in walk.setting.state.stage.items()
    }
    _set(walk, stage=stage)


def _reach_around(step: str, args: Any, half_um: tuple[float, float], walk: Walk) -> None:
    low, high = _readings(walk), _readings(walk)
    centres = zip(_centre(args), walk.xy(), strict=True)
    for key, (asked, here), half in zip(("x_um", "y_um"), centres, half_um, strict=True):
        centre = here if asked is None else asked
        low[key], high[key] = centre - half, centre + half
        walk.reach[key] += [low[key], high[key]]
    walk.legs.append(Leg(step, low, high, exact=False))


def _readings(walk: Walk) -> dict[str, float]:
    """Where the stage would stand, by field."""
    return {key: reading.reported for key, reading in walk.setting.state.stage.items()}


def _moved(step: str, args: Any, walk: Walk) -> None:
    walk.leave()
    walk.settle(0.0)
    if args.mode == "saved":
        walk.place = sum(dose for _, _, dose in walk.visited)  # it may be any of them
        return
    target = target_of(args, walk.setting.state, {})
    start = _readings(walk)
    walk.legs.append(Leg(step, start, {**start, **target}))
    for key, value in target.items():
        walk.reach[key].append(value)
    stage = {
        key: Reading(commanded=target[key], reported=target[key]) if key in target else reading
        for key, reading in walk.setting.state.stage.items()
    }
    _set(walk, stage=stage)
    if target:
        walk.arrive()


def _set(
    walk: Walk, *, optics: dict[str, float] | None = None, stage: dict[str, Reading] | None = None
) -> None:
    state = walk.setting.state
    update: dict[str, Any] = {}
    if optics:
        update["optics"] = {**state.optics, **optics}
    if stage:
        update["stage"] = stage
    new: MicroscopeState = state.model_copy(update=update)
    walk.setting = dataclasses.replace(walk.setting, state=new)


def _dose(name: str, args: Any, cost: Cost, walk: Walk) -> None:
    if name == "go_to_target":  # until the place is found again, it may be the last one
        walk.worst = max(walk.worst, walk.shared + walk.if_missed() + cost.dose_e_per_a2)
    if name == "survey":
        deep = _survey_dose(args, cost, walk)
        before = max(walk.place, _before_survey(args, walk))
        walk.worst = max(walk.worst, walk.shared + before + deep)
        walk.shared += cost.dose_e_per_a2
    else:
        given = _given(cost, walk)
        walk.place += given
        walk.given += given
    if cost.elsewhere_e_per_a2:
        walk.elsewhere = max(walk.elsewhere, walk.shared + walk.place + cost.elsewhere_e_per_a2)
    walk.worst = max(walk.worst, walk.shared + walk.place)


def _given(cost: Cost, walk: Walk) -> float:
    """What a step gives to the present place; one that looks stops in time, but for its first frame."""
    if cost.stops_at_e_per_a2 is None:
        return cost.dose_e_per_a2
    room = cost.stops_at_e_per_a2 - walk.base - walk.shared - walk.place
    return min(cost.dose_e_per_a2, max(room, cost.dose_e_per_a2 / max(cost.frames, 1)))


def _before_survey(args: Any, walk: Walk) -> float:
    """What earlier runs gave to the deepest place of the area; a survey over it can't pass the budget either."""
    x, y = (here if asked is None else asked for asked, here in zip(_centre(args), walk.xy(), strict=True))
    width, height = (2 * args.half_width_um(count) + args.fov_um for count in (args.tiles_x, args.tiles_y))
    before = walk.earlier(x, y, width, height)
    if before:
        walk.notes.append(
            f"earlier runs gave up to {before:.3g} e/Å² to a place of the survey area (upper bound, stage error "
            f"included); a fresh area begins {max(width, height):.0f} µm away"
        )
    return before


def _centre(args: Any) -> tuple[float | None, float | None]:
    return args.centre_x_um, args.centre_y_um


def _survey_dose(args: Any, cost: Cost, walk: Walk) -> float:
    """At the corners of tiles; targets are chosen off the edges, so that what they had is the tool's own cost.

    Neighbouring tiles lie over each other by their overlap and by the error of the stage; after a move that was
    missed, one more lies on them.
    """
    one = predicted_dose(args.scan(), walk.setting).bound_e_per_a2
    near = args.fov_um + stage_error_um(walk.setting.capabilities)
    deep = _deep(near, args.pitch_um, args.tiles_x) * _deep(near, args.pitch_um, args.tiles_y)
    tiles: int = args.tiles_x * args.tiles_y
    return max(cost.dose_e_per_a2, one * min(deep + _missable(walk), tiles))
