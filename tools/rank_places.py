"""Order the places of this run by what was found there."""

from typing import Any, Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Finding
from eucentric.tools.base import Context, Tool, free

By = Literal["vacancy_density", "quality"]


class Args(Model):
    """How to rank."""

    by: By = "vacancy_density"
    """vacancy_density: most vacancies per site first ('worst'); quality: best images first."""
    keep: int = Field(3, ge=1, le=1000, strict=True)
    """How many places to keep."""


class Place(Model):
    """One place, best first."""

    x_um: float
    y_um: float
    frame: str
    value: float


class Result(Model):
    """The kept places, and those that can't be ranked."""

    places: tuple[Place, ...]
    ranked: int
    excluded: tuple[str, ...]


def _value(finding: Finding, by: By) -> float | None:
    if finding.cannot_tell or finding.interval.value is None:
        return None
    return finding.interval.value if by == "vacancy_density" else float(finding.details.get("coherence", 0.0))


def run(args: Args, context: Context) -> Result:
    """Read the findings of this run; frames that could not be read are listed, not ranked last."""
    places, excluded = [], []
    findings: dict[str, Any] = {
        one.evidence[0]: one for one in context.records.findings() if len(one.evidence) == 1
    }
    for name, finding in findings.items():
        value, frame = _value(finding, args.by), context.records.frame(name)
        if value is None or frame.x_um is None or frame.y_um is None:
            excluded.append(f"{name}: {finding.cannot_tell or 'no value'}")
        else:
            places.append(Place(x_um=frame.x_um, y_um=frame.y_um, frame=name, value=value))
    places.sort(key=lambda place: -place.value)
    return Result(places=tuple(places[: args.keep]), ranked=len(places), excluded=tuple(excluded))


TOOL: Tool[Args, Result] = Tool(
    "rank_places",
    "Rank the places imaged in this run by vacancy density or image quality and keep the first few. Only places "
    "that were imaged can be returned.",
    "analyse",
    Args,
    Result,
    run,
    free,
    lambda result: "; ".join(f"{p.frame} {p.value:.3g}" for p in result.places) or "no place could be ranked",
)
