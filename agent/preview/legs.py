"""The stage path of a plan against the limits, before anybody is asked: steps, excursion, and room in the gap.

The guard checks every move again when it is sent; here a person learns it before approving.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from eucentric.core.units import STAGE
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.limits import Limits
from eucentric.knowledge.clearance import Clearance, check_path

_ROUNDING = 1 + 1e-9
_MOST = 4
"""Problems that are told; a plan with more has the same one many times."""


@dataclass(frozen=True)
class Leg:
    """One move of the stage, or a box in which a tool will move as it finds right."""

    step: str
    start: dict[str, float]
    """Readings by field (x_um … beta_deg)."""
    target: dict[str, float]
    exact: bool = True
    """False: a box from `start` to `target`, each corner of which may be reached, in no known order."""


def path_problems(
    legs: Iterable[Leg], origin: Mapping[str, float], capabilities: Capabilities, limits: Limits | None,
    holder: str, inserted: Collection[str],
) -> list[str]:  # fmt: skip
    """Why the path can't be gone, in words; empty if nothing speaks against it.

    Parameters
    ----------
    origin
        Where the stage stands now, by field.
    limits
        None: only the largest steps of the capabilities are known.
    inserted
        Names of what is driven in.
    """
    found: list[str] = []
    for leg in legs:
        found += _steps(leg, capabilities) if leg.exact else []
        found += _excursions(leg, origin, limits) if limits else []
        if limits is not None and limits.clearance is not None:
            found += _room(leg, limits.clearance, holder, inserted)
    told = list(dict.fromkeys(found))
    more = len(told) - _MOST
    return told[:_MOST] + ([f"and {more} more of the stage path"] if more > 0 else [])


def _steps(leg: Leg, capabilities: Capabilities) -> Iterable[str]:
    for key, to in leg.target.items():
        spec = capabilities.axis(STAGE[key].si)
        if spec is None:
            continue
        way, most = abs(to - leg.start.get(key, to)), spec.max_step / STAGE[key].factor
        if way > most * _ROUNDING:
            yield (
                f"step {leg.step} would move {_axis(key)} by {way:.4g} {_unit(key)} at once; largest step "
                f"{most:.4g} {_unit(key)} ({capabilities.limits_version}, {capabilities.measured_by})"
            )


def _excursions(leg: Leg, origin: Mapping[str, float], limits: Limits) -> Iterable[str]:
    for key, row in limits.axes.items():
        most = row.max_excursion or row.max_step
        ends = [
            abs(place[key] - origin[key])
            for place in (leg.start, leg.target)
            if key in place and key in origin
        ]
        if most is not None and ends and max(ends) > most * _ROUNDING:
            yield (
                f"step {leg.step} would take {_axis(key)} {max(ends):.4g} {_unit(key)} from where the run begins; "
                f"farthest {most:.4g} {_unit(key)} in one run ({limits.label}): begin a run nearer to there"
            )


def _room(leg: Leg, clearance: Clearance, holder: str, inserted: Collection[str]) -> Iterable[str]:
    refusal = check_path(clearance, holder, leg.start, leg.target, inserted)
    if refusal is not None:
        yield f"step {leg.step}: {refusal.what}: {refusal.why}"


def _axis(key: str) -> str:
    return key.partition("_")[0]


def _unit(key: str) -> str:
    return "µm" if key.endswith("um") else "deg"
