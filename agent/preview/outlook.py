"""What a tool may know of the way before it sends anything: the limits, the room in the gap, the travel left."""

from collections.abc import Sequence

from eucentric.agent.preview.legs import Leg, path_problems
from eucentric.core.instrument import MicroscopeState, Outlook, StageMove
from eucentric.core.units import STAGE
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.limits import Limits
from eucentric.knowledge.clearance import travel_at


def outlook(
    path: Sequence[StageMove], state: MicroscopeState, capabilities: Capabilities, limits: Limits
) -> Outlook:
    """Whether the stage may go a path from where it stands, and what x and y are left at its end.

    The guard checks each move again when it is sent; sums over a minute or a lease are only known then.
    """
    here = {key: reading.reported for key, reading in state.stage.items()}
    inserted = [name for name, inside in state.inserted.items() if inside]
    legs, at = [], here
    for move in path:
        there = {**at, **move.model_dump(exclude_none=True)}
        legs.append(Leg("tilt", at, there))
        at = there
    problems = [*_ranges(path, capabilities)]
    problems += path_problems(legs, here, capabilities, limits, state.holder, inserted)
    known = limits.clearance is not None and limits.clearance.holder(state.holder) is not None
    left = _left(at, state, capabilities, limits, inserted) if known else None
    return Outlook(
        problems=tuple(dict.fromkeys(problems)),
        clearance_known=known,
        x_um=left and left["x_um"],
        y_um=left and left["y_um"],
    )


def _ranges(path: Sequence[StageMove], capabilities: Capabilities) -> list[str]:
    """Targets out of travel, and axes that nobody may steer, in words."""
    found = []
    for key, row in STAGE.items():
        values = [value for move in path if (value := getattr(move, key)) is not None]
        spec, unit = capabilities.axis(row.si), "deg" if key.endswith("deg") else "µm"
        source = f"limits {capabilities.limits_version}"
        if values and (spec is None or not spec.steerable):
            found.append(
                f"{key.partition('_')[0]} can't be steered: nobody declared a limit for it ({source})"
            )
        elif values and spec is not None:
            low, high = spec.lower / row.factor, spec.upper / row.factor
            slack = 1e-9 * max(abs(low), abs(high))
            outside = [value for value in values if not low - slack <= value <= high + slack]
            if outside:
                worst = max(outside, key=abs)
                found.append(
                    f"{key.partition('_')[0]} to {worst:.2f} {unit}; limit {low:g} … {high:g} {unit} ({source})"
                )
    return found


def _left(
    at: dict[str, float],
    state: MicroscopeState,
    capabilities: Capabilities,
    limits: Limits,
    inserted: list[str],
) -> dict[str, tuple[float, float]] | None:
    bounds = {
        key: (spec.lower / STAGE[key].factor, spec.upper / STAGE[key].factor)
        for key in ("x_um", "y_um")
        if (spec := capabilities.axis(STAGE[key].si)) is not None
    }
    if limits.clearance is None or len(bounds) < 2:
        return None
    return travel_at(
        limits.clearance,
        state.holder,
        at.get("alpha_deg", 0.0),
        at.get("beta_deg", 0.0),
        at.get("z_um", 0.0),
        bounds,
        inserted,
        x_um=at.get("x_um", 0.0),
        y_um=at.get("y_um", 0.0),
    )
