"""What a plan will cost, from declared timings only: it must not know the future."""

from collections.abc import Callable

from eucentric.agent.preview.legs import path_problems
from eucentric.agent.preview.rehearsal import take_steps
from eucentric.agent.preview.walk import Row as Row
from eucentric.agent.preview.walk import Walk
from eucentric.core.base import Model
from eucentric.core.calls import Envelope
from eucentric.core.plan import Plan
from eucentric.core.units import STAGE
from eucentric.instruments.limits import Limits
from eucentric.tools.base import Setting

_AXES = ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")


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
    electrons: float = 0.0
    """All that reach the specimen, wherever, at most."""
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
    notes: tuple[str, ...] = ()
    """What a person should know that is no problem."""
    asks: bool = False
    """Whether anything in it moves or exposes."""

    def joined_with(self, other: "Preview") -> "Preview":
        """This preview with a stage box that also holds the other's."""
        boxes = {name: (getattr(self, name), getattr(other, name)) for name in _AXES}
        return self.model_copy(update={k: (min(a[0], b[0]), max(a[1], b[1])) for k, (a, b) in boxes.items()})


Earlier = Callable[[float, float, float, float], float]
"""Centre and size of a field [µm] to the deepest dose that anything in it has had so far [e/Å²]."""


def _nothing(x_um: float, y_um: float, width_um: float, height_um: float) -> float:
    return 0.0


def preview(
    plan: Plan,
    setting: Setting,
    budget_e_per_a2: float,
    before_e_per_a2: float = 0.0,
    earlier: Earlier = _nothing,
    limits: Limits | None = None,
) -> Preview:
    """Walk the plan once with every loop at its bound.

    Parameters
    ----------
    before_e_per_a2
        What the present place has had already [e/Å²].
    budget_e_per_a2
        Most any place may receive: the smaller of the specimen card's and the request's.
    earlier
        Looks up what other places have had.
    limits
        For the stage's way: excursion, and room between the pole pieces.
    """
    current = setting.state.optics.get("probe_current_pa", 0.0)
    walk = Walk(setting, current_pa=current, place=before_e_per_a2, given=before_e_per_a2, earlier=earlier)
    stage = setting.state.stage
    walk.reach = {key: [stage[key].reported if key in stage else 0.0] for key in _AXES}
    take_steps(plan.steps, walk, 1)
    _check_limits(walk)
    _check_way(walk, limits)
    worst = max(walk.worst, walk.shared)
    _check_budget(walk, worst, budget_e_per_a2)
    return Preview(
        rows=tuple(walk.rows),
        seconds=walk.seconds,
        frames=walk.frames,
        megabytes=walk.megabytes,
        dose_e_per_a2=worst,
        elsewhere_e_per_a2=walk.elsewhere,
        electrons=walk.electrons,
        **{key: (min(values), max(values)) for key, values in walk.reach.items()},
        probe_current_pa=walk.current_pa,
        budget_e_per_a2=budget_e_per_a2,
        before_e_per_a2=before_e_per_a2,
        problems=tuple(walk.problems),
        notes=tuple(walk.notes),
        asks=walk.asks,
    )


def _check_way(walk: Walk, limits: Limits | None) -> None:
    """The stage's path as a whole: steps, excursion, room between the pole pieces."""
    state = walk.setting.state
    origin = {key: reading.reported for key, reading in state.stage.items()}
    inserted = [name for name, inside in state.inserted.items() if inside]
    walk.problems += path_problems(
        walk.legs, origin, walk.setting.capabilities, limits, state.holder, inserted
    )


def _check_budget(walk: Walk, worst: float, budget: float) -> None:
    if worst > budget:
        passed = f"worst case {worst:.3g} e/Å² at one place passes the budget of {budget:.3g}"
        walk.problems.append("; ".join([passed, *walk.notes]))
    if walk.elsewhere > budget:
        walk.problems.append(f"{walk.elsewhere:.3g} e/Å² beside a target passes the budget of {budget:.3g}")


def _check_limits(walk: Walk) -> None:
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


def _room(shown: Preview, bounds: tuple[float, float], missed: int) -> float:
    """Slack of the stage box [µm]: each missed move leaves the readings off by its length, at most the span."""
    finds_again = any(row.tool == "go_to_target" for row in shown.rows)
    return 3.0 + (max(0.5, missed) * (bounds[1] - bounds[0]) if finds_again else 0.0)


def _most_dose(plan: Plan, shown: Preview) -> float:
    """What the request itself allows at a place; if it says nothing, the worst case with a little slack."""
    if plan.budget_e_per_a2 is not None and shown.frames:
        return shown.budget_e_per_a2
    return min(shown.budget_e_per_a2, 1.05 * max(shown.dose_e_per_a2, shown.elsewhere_e_per_a2))


def envelope_for(plan: Plan, shown: Preview, missed: int = 0) -> Envelope:
    """The bounds an approval of this plan grants: its worst case with a little slack in time and frames.

    Parameters
    ----------
    missed
        How many moves in a row the stage may miss.
    """

    def widened(bounds: tuple[float, float], slack: float) -> tuple[float, float]:
        return (bounds[0] - slack, bounds[1] + slack)

    return Envelope(
        tools=tuple(sorted({row.tool for row in shown.rows})),
        max_frames=int(shown.frames * 1.1) + 1,
        max_dose_e_per_a2=_most_dose(plan, shown),
        max_electrons=1.1 * shown.electrons or None,
        x_um=widened(shown.x_um, _room(shown, shown.x_um, missed)),
        y_um=widened(shown.y_um, _room(shown, shown.y_um, missed)),
        z_um=widened(shown.z_um, 0.1),
        alpha_deg=widened(shown.alpha_deg, 0.01),
        beta_deg=widened(shown.beta_deg, 0.01),
        max_probe_current_pa=shown.probe_current_pa * 1.05,
        max_seconds=max(60.0, shown.seconds * 2.0),
    )
