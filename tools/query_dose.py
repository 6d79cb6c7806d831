"""What dose has this spot had so far? Read from the ledger's charges; nothing is exposed to find out."""

from pydantic import Field

from eucentric.core.base import Model
from eucentric.knowledge.dose import PlaceDose, PlaceExposure
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.grid_positions import Um


class Args(Model):
    """Which spot."""

    x_um: Um | None = None
    """Stage position, beam shift included [µm]; left out: where the beam would fall now."""
    y_um: Um | None = None
    """As x_um."""
    limit: int = Field(20, ge=1, le=500, strict=True)
    """Most exposures that are listed, newest first."""


class Result(Model):
    """The dose of the spot."""

    dose: PlaceDose
    left_e_per_a2: float | None
    """What is left of the budget there; None without a specimen card."""


def run(args: Args, context: Context) -> Result:
    """Read only."""
    dose = context.records.dose_of(args.x_um, args.y_um)
    listed = dose.exposures[::-1][: args.limit]
    return Result(dose=dose.model_copy(update={"exposures": listed}), left_e_per_a2=dose.left_e_per_a2)


def summary(result: Result) -> str:
    """Bound, estimate, budget, and the exposures behind them."""
    dose = result.dose
    left = (
        ""
        if result.left_e_per_a2 is None
        else f", {result.left_e_per_a2:.3g} left of {dose.budget_e_per_a2:.3g}"
    )
    lines = [
        f"({dose.x_um:+.3f}, {dose.y_um:+.3f}) µm has had at most {dose.bound_e_per_a2:.4g} e/Å² at any atom, "
        f"{dose.estimate_e_per_a2:.3g} by the best estimate{left}"
    ]
    return "\n".join([*lines, *(_line(one) for one in dose.exposures)])


def _line(one: PlaceExposure) -> str:
    sure = "" if one.by_readings else "  (only if the stage stood elsewhere than it said)"
    frames = ", ".join(one.frames) or "no frame kept"
    return (
        f"  {one.utc[:19]}  {one.run} event {one.event}  {one.purpose:<8} {frames}  "
        f"≤ {one.bound_e_per_a2:.3g}, about {one.estimate_e_per_a2:.3g}{sure}"
    )


TOOL: Tool[Args, Result] = Tool(
    "query_dose",
    "What dose has a spot had so far: upper bound, best estimate, what is left of the budget, and which exposures it "
    "is from. Reads the ledger; exposes nothing.",
    "read",
    Args,
    Result,
    run,
    free,
    summary,
)
