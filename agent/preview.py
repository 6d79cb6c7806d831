"""What a plan will cost, from declared timings only: it must not know the future."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from eucentric.agent.executor import validated
from eucentric.core.base import Model
from eucentric.core.calls import Cost, Envelope
from eucentric.core.errors import BadInput, EucentricError
from eucentric.core.instrument import MicroscopeState, Reading
from eucentric.core.plan import Plan, Step
from eucentric.core.units import STAGE
from eucentric.tools.base import Setting, Tool
from eucentric.tools.catalogue import tool_named
from eucentric.tools.move_stage import target_of


class Row(Model):
    """One line of the preview."""

    step: str
    what: str
    times: int
    each: Cost
    reason: str = ""
    risk: str = "read"


class Preview(Model):
    """The whole rehearsal."""

    rows: tuple[Row, ...]
    seconds: float
    frames: int
    megabytes: float
    dose_e_per_a2: float
    """Worst case at any atom of a target, with what comes before it in the plan [e/Å²]."""
    elsewhere_e_per_a2: float
    """Worst case beside the targets (focus areas) [e/Å²]."""
    x_um: tuple[float, float]
    y_um: tuple[float, float]
    """Stage positions the plan may reach [µm]."""
    z_um: tuple[float, float]
    alpha_deg: tuple[float, float]
    beta_deg: tuple[float, float]
    probe_current_pa: float
    budget_e_per_a2: float
    before_e_per_a2: float = 0.0
    """What the present place had before [e/Å²]."""
    problems: tuple[str, ...] = ()
    """Why it can't be approved as it is."""
    asks: bool = False
    """Whether anything in it moves or exposes."""


@dataclass
class _Walk:
    setting: Setting
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    megabytes: float = 0.0
    shared: float = 0.0
    """Dose that any place may have had from surveys."""
    place: float = 0.0
    """Dose at the present place since the last move."""
    worst: float = 0.0
    elsewhere: float = 0.0
    reach: dict[str, list[float]] = field(default_factory=dict)
    current_pa: float = 0.0
    problems: list[str] = field(default_factory=list)
    asks: bool = False
    grid: list[tuple[float, float]] = field(default_factory=list)


def preview(plan: Plan, setting: Setting, budget_e_per_a2: float, before_e_per_a2: float = 0.0) -> Preview:
    """Walk the plan once with every loop at its bound.

    Parameters
    ----------
    before_e_per_a2
        What the present place has had already [e/Å²].
    budget_e_per_a2
        Most any place may receive: the smaller of the specimen card's and the request's.
    """
    walk = _Walk(setting, current_pa=setting.state.optics["probe_current_pa"], place=before_e_per_a2)
    walk.reach = {key: [reading.reported] for key, reading in setting.state.stage.items()}
    _steps(plan.steps, walk, 1)
    _check_limits(walk)
    worst = max(walk.worst, walk.shared)
    if worst > budget_e_per_a2:
        walk.problems.append(
            f"worst case {worst:.3g} e/Å² at an atom of a target passes the budget of {budget_e_per_a2:.3g}"
        )
    if walk.elsewhere > budget_e_per_a2:
        walk.problems.append(
            f"{walk.elsewhere:.3g} e/Å² beside a target passes the budget of {budget_e_per_a2:.3g}"
        )
    return Preview(
        rows=tuple(walk.rows),
        seconds=walk.seconds,
        frames=walk.frames,
        megabytes=walk.megabytes,
        dose_e_per_a2=worst,
        elsewhere_e_per_a2=walk.elsewhere,
        **{key: (min(values), max(values)) for key, values in walk.reach.items()},
        probe_current_pa=walk.current_pa,
        budget_e_per_a2=budget_e_per_a2,
        before_e_per_a2=before_e_per_a2,
        problems=tuple(walk.problems),
        asks=walk.asks,
    )


def _steps(steps: tuple[Step, ...], walk: _Walk, times: int) -> None:
    for step in steps:
        if step.tool is None:
            _loop(step, walk, times)
        else:
            _call(step, walk, times)


def _loop(step: Step, walk: _Walk, times: int) -> None:
    rounds = step.times or step.at_most
    before = walk.place
    moves = any(inner.tool in ("go_to_target", "move_stage") for inner in step.do)
    start = walk.seconds
    _steps(step.do, walk, times * rounds)
    if moves:
        walk.place = before
    elif rounds > 1:  # the same place again and again
        walk.place = before + (walk.place - before) * rounds
        walk.worst = max(walk.worst, walk.shared + walk.place)
    if step.every_s is not None:
        walk.seconds = max(walk.seconds, start + step.every_s * (rounds - 1) * times)


def _call(step: Step, walk: _Walk, times: int) -> None:
    try:
        tool = tool_named(step.tool or "")
        args = _args(tool, step)
        cost = tool.cost(args, walk.setting)
    except EucentricError as error:
        walk.problems.append(f"step {step.id}: {error}")
        return
    walk.asks |= tool.risk in ("control", "expose")
    walk.rows.append(
        Row(step=step.id, what=_what(tool, step), times=times, each=cost, reason=step.reason, risk=tool.risk)
    )
    walk.seconds += cost.seconds * times
    walk.frames += cost.frames * times
    walk.megabytes += cost.megabytes * times
    _effects(tool.name, args, walk)
    _dose(tool.name, cost, walk)


def _args(tool: Tool[Any, Any], step: Step) -> Model:
    """The step's arguments; what is bound later keeps its default, the rest is validated now."""
    if not step.inputs:
        return validated(tool, step.args)
    unknown = [name for name in (*step.args, *step.inputs) if name not in tool.args.model_fields]
    if unknown:
        raise BadInput(f"{tool.name} has no argument {unknown[0]!r}")
    return tool.args.model_construct(**{name: _field(tool, name, value) for name, value in step.args.items()})


def _field(tool: Tool[Any, Any], name: str, value: Any) -> Any:
    field = tool.args.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise BadInput(f"{tool.name}: {name}: {error.errors()[0]['msg']}", "nothing was sent") from error


def _what(tool: Tool[Any, Any], step: Step) -> str:
    shown = ", ".join(
        f"{key} {value}" for key, value in step.args.items() if not isinstance(value, dict | list)
    )
    return f"{tool.name} {shown}".strip()


def _effects(name: str, args: Any, walk: _Walk) -> None:
    """Track where the plan may go and what it sets, so that later steps are costed rightly."""
    if name == "set_optics":
        changed = args.model_dump(exclude_none=True)
        _set(walk, optics=changed)
        walk.current_pa = max(walk.current_pa, changed.get("probe_current_pa", 0.0))
    elif name == "move_stage":
        _moved(args, walk)
    elif name == "survey":
        half = (args.half_width_um(args.tiles_x), args.half_width_um(args.tiles_y))
        stage = walk.setting.state.stage
        cx = stage["x_um"].reported if args.centre_x_um is None else args.centre_x_um
        cy = stage["y_um"].reported if args.centre_y_um is None else args.centre_y_um
        margin = args.fov_um / 2 + 3.0  # targets are found anywhere in the tiles
        walk.reach["x_um"] += [cx - half[0] - margin, cx + half[0] + margin]
        walk.reach["y_um"] += [cy - half[1] - margin, cy + half[1] + margin]
    elif name == "grid_positions":
        stage = walk.setting.state.stage
        cx = stage["x_um"].reported if args.centre_x_um is None else args.centre_x_um
        cy = stage["y_um"].reported if args.centre_y_um is None else args.centre_y_um
        for key, centre, count in (("x_um", cx, args.nx), ("y_um", cy, args.ny)):
            half_width = (count - 1) / 2 * args.pitch_um
            walk.reach[key] += [centre - half_width, centre + half_width]


def _moved(args: Any, walk: _Walk) -> None:
    if args.mode == "saved":
        return
    target = target_of(args, walk.setting.state, {})
    for key, value in target.items():
        walk.reach[key].append(value)
    stage = {
        key: Reading(commanded=target[key], reported=target[key]) if key in target else reading
        for key, reading in walk.setting.state.stage.items()
    }
    walk.place = 0.0
    _set(walk, stage=stage)


def _set(
    walk: _Walk, *, optics: dict[str, float] | None = None, stage: dict[str, Reading] | None = None
) -> None:
    state = walk.setting.state
    update: dict[str, Any] = {}
    if optics:
        update["optics"] = {**state.optics, **optics}
    if stage:
        update["stage"] = stage
    new: MicroscopeState = state.model_copy(update=update)
    walk.setting = Setting(walk.setting.capabilities, new, walk.setting.specimen)


def _dose(name: str, cost: Cost, walk: _Walk) -> None:
    if name == "survey":
        walk.shared += cost.dose_e_per_a2
        return
    if name == "go_to_target":
        walk.place = 0.0
    walk.place += cost.dose_e_per_a2
    if cost.elsewhere_e_per_a2:
        walk.elsewhere = max(walk.elsewhere, walk.shared + walk.place + cost.elsewhere_e_per_a2)
    walk.worst = max(walk.worst, walk.shared + walk.place)


def _check_limits(walk: _Walk) -> None:
    for key, values in walk.reach.items():
        spec = walk.setting.capabilities.axis(STAGE[key].si)
        for value in (min(values), max(values)):
            plain = value * STAGE[key].factor
            if spec and not spec.lower <= plain <= spec.upper:
                low, high = spec.lower / STAGE[key].factor, spec.upper / STAGE[key].factor
                unit = "µm" if key.endswith("um") else "deg"
                walk.problems.append(
                    f"the stage would have to go to {key.split('_')[0]} {value:+.1f} {unit}; limit {low:g} … {high:g} "
                    f"({walk.setting.capabilities.limits_version}, {walk.setting.capabilities.measured_by})"
                )


def envelope_for(plan: Plan, shown: Preview) -> Envelope:
    """The bounds an approval of this plan grants: its worst case with a little slack in time and frames."""

    def widened(bounds: tuple[float, float], slack: float) -> tuple[float, float]:
        return (bounds[0] - slack, bounds[1] + slack)

    return Envelope(
        tools=tuple(sorted({row.what.split(" ")[0] for row in shown.rows})),
        max_frames=int(shown.frames * 1.1) + 1,
        max_dose_e_per_a2=min(
            shown.budget_e_per_a2, 1.05 * max(shown.dose_e_per_a2, shown.elsewhere_e_per_a2)
        ),
        x_um=widened(shown.x_um, 3.0),
        y_um=widened(shown.y_um, 3.0),
        z_um=widened(shown.z_um, 0.1),
        alpha_deg=widened(shown.alpha_deg, 0.01),
        beta_deg=widened(shown.beta_deg, 0.01),
        max_probe_current_pa=shown.probe_current_pa * 1.05,
        max_seconds=max(60.0, shown.seconds * 2.0),
    )
