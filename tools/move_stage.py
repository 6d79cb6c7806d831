"""Move the stage, absolutely, relatively or to a saved place."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import BadInput
from eucentric.core.instrument import MicroscopeState, StageMove
from eucentric.core.units import STAGE, Unit
from eucentric.tools.base import Context, Setting, Tool

Um = Annotated[float, Field(ge=-5000, le=5000), Unit("um")]
Deg = Annotated[float, Field(ge=-90, le=90), Unit("deg")]
_ABSOLUTE = ("x_um", "y_um", "z_um", "alpha_deg", "beta_deg")
_RELATIVE = {f"d{name}": name for name in _ABSOLUTE}


class Args(Model):
    """Where to. Axes that are left out stay."""

    mode: Literal["absolute", "relative", "saved"] = "absolute"
    """absolute: x_um … beta_deg; relative: dx_um … dbeta_deg; saved: name."""
    x_um: Um | None = None
    """Target x [µm], stage frame."""
    y_um: Um | None = None
    """Target y [µm], stage frame."""
    z_um: Um | None = None
    """Target height [µm]."""
    alpha_deg: Deg | None = None
    """Target tilt about the holder axis [deg]."""
    beta_deg: Deg | None = None
    """Target second tilt [deg]."""
    dx_um: Um | None = None
    """Change of x [µm]."""
    dy_um: Um | None = None
    """Change of y [µm]."""
    dz_um: Um | None = None
    """Change of height [µm]."""
    dalpha_deg: Deg | None = None
    """Change of alpha [deg]."""
    dbeta_deg: Deg | None = None
    """Change of beta [deg]."""
    name: str | None = Field(None, max_length=40)
    """A saved place."""

    @model_validator(mode="after")
    def _one_way(self) -> "Args":
        absolute = [key for key in _ABSOLUTE if getattr(self, key) is not None]
        relative = [key for key in _RELATIVE if getattr(self, key) is not None]
        given = {"absolute": absolute, "relative": relative, "saved": [self.name] if self.name else []}
        wrong = [mode for mode, keys in given.items() if keys and mode != self.mode]
        if wrong or not given[self.mode]:
            raise ValueError(f"mode {self.mode!r} needs its own fields and no others (got {given})")
        return self


class Result(Model):
    """The three positions after the move."""

    state: MicroscopeState
    target: dict[str, float]


def target_of(args: Args, state: MicroscopeState, saved: dict[str, dict[str, float]]) -> dict[str, float]:
    """The absolute target by field; a relative move counts from the *reported* position."""
    if args.mode == "saved":
        place = saved.get(args.name or "")
        if place is None:
            known = ", ".join(sorted(saved)) or "none yet"
            raise BadInput(f"no saved place {args.name!r}", f"known: {known}", "save one with save_position")
        return place
    if args.mode == "absolute":
        return {key: value for key in _ABSOLUTE if (value := getattr(args, key)) is not None}
    return {
        key: state.stage[key].reported + value
        for name, key in _RELATIVE.items()
        if (value := getattr(args, name)) is not None
    }


def saved_places(events: list[dict[str, Any]], loading: str) -> dict[str, dict[str, float]]:
    """Places that save_position kept for a specimen loading, from rows newest first; the newest wins."""
    places: dict[str, dict[str, float]] = {}
    for event in events:
        value = event["body"].get("value", {})
        if event["tool"] == "save_position" and value.get("loading") == loading:
            places.setdefault(value["name"], value["place"])
    return places


def places_now(context: Context) -> dict[str, dict[str, float]]:
    """Saved places of the present specimen loading."""
    rows = context.records.events(kind="concluded", limit=2000)
    return saved_places(rows, context.microscope.state().loading)


def run(args: Args, context: Context) -> Result:
    """Move once and read back."""
    state = context.microscope.state()
    target = target_of(args, state, places_now(context) if args.mode == "saved" else {})
    after = context.microscope.move_stage(StageMove.model_validate(target))
    return Result(state=after, target=target)


def cost(args: Args, setting: Setting) -> Cost:
    """Time by declared speed; a saved place counts as a move across the travel."""
    if args.mode == "saved":
        axis = setting.capabilities.axis("x")
        return Cost(seconds=axis.overhead_s + (axis.upper - axis.lower) / axis.speed if axis else 0.0)
    seconds = 0.0
    for key, value in target_of(args, setting.state, {}).items():
        spec = setting.capabilities.axis(STAGE[key].si)
        way = abs(value - setting.state.stage[key].reported) * STAGE[key].factor
        seconds = max(seconds, spec.overhead_s + way / spec.speed if spec else 0.0)
    return Cost(seconds=seconds)


def summary(result: Result) -> str:
    """Commanded and reported, per axis moved."""
    parts = []
    for key in result.target:
        reading = result.state.stage[key]
        unit = "µm" if key.endswith("um") else "deg"
        parts.append(
            f"{key.split('_')[0]} {reading.commanded:+.3f} → reported {reading.reported:+.3f} {unit}"
        )
    return "; ".join(parts)


TOOL: Tool[Args, Result] = Tool(
    "move_stage",
    "Move the stage to an absolute place, by a relative step, or to a saved place, then read back. Refuses "
    "(never clamps) what is outside the limits. The reported position is not a measurement.",
    "control",
    Args,
    Result,
    run,
    cost,
    summary,
)
