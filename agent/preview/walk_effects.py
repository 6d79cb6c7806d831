"""What a step does to the walk: where the stage and the optics would be afterwards, and how far it reaches."""

from typing import Any

from eucentric.agent.preview.legs import Leg
from eucentric.agent.preview.walk import Walk
from eucentric.agent.preview.walk_dose import centre_of
from eucentric.core.instrument import Reading
from eucentric.core.plan import Step
from eucentric.tools.go_to_target import settled_s
from eucentric.tools.move_stage import target_of
from eucentric.tools.tilting.arrive import TiltArgs, tilt_reach


def take_effects(step: Step, name: str, args: Any, walk: Walk) -> None:
    """Track where the plan may go and what it sets, so that later steps are costed rightly."""
    if name == "set_optics":
        changed = args.model_dump(exclude_none=True)
        walk.set(optics=changed)
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
    reach, here = tilt_reach(args, walk.setting), walk.readings()
    for key, ends in reach.items():
        walk.reach[key] += ends
    told = {"alpha_deg": args.expect_alpha_deg, "beta_deg": args.expect_beta_deg}
    at = {key: value for key, value in told.items() if value is not None and key in here}
    walk.settle(0.0)
    stage = {
        key: Reading(commanded=at[key], reported=at[key]) if key in at else reading
        for key, reading in walk.setting.state.stage.items()
    }
    walk.set(stage=stage)


def _reach_around(step: str, args: Any, half_um: tuple[float, float], walk: Walk) -> None:
    low, high = walk.readings(), walk.readings()
    centres = zip(centre_of(args), walk.xy(), strict=True)
    for key, (asked, here), half in zip(("x_um", "y_um"), centres, half_um, strict=True):
        centre = here if asked is None else asked
        low[key], high[key] = centre - half, centre + half
        walk.reach[key] += [low[key], high[key]]
    walk.legs.append(Leg(step, low, high, exact=False))


def _moved(step: str, args: Any, walk: Walk) -> None:
    walk.leave()
    walk.settle(0.0)
    if args.mode == "saved":
        walk.place = sum(dose for _, _, dose in walk.visited)  # it may be any of them
        return
    target = target_of(args, walk.setting.state, {})
    start = walk.readings()
    walk.legs.append(Leg(step, start, {**start, **target}))
    for key, value in target.items():
        walk.reach[key].append(value)
    stage = {
        key: Reading(commanded=target[key], reported=target[key]) if key in target else reading
        for key, reading in walk.setting.state.stage.items()
    }
    walk.set(stage=stage)
    if target:
        walk.arrive()
