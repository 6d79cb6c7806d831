"""Arrival at zone axes on the twin's polycrystal: two noisy observations, backlash on, patterns to centre by.

Each case has a grain of one phase that lies as chance wants, at a height that the tilt axes miss, on a stage of one
preset. Two axes within reach are "read" with 0.2° of error each way; then `tilt_to_zone_axis` is asked for another one.
It is judged by the true orientation, the true stage and the true place of the feature.
"""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from eucentric.bench.contract import at_most, report, share_at_least
from eucentric.bench.stages.zone_cases import STAGES, Case, Row, Uvw, make_case, repeatability_deg
from eucentric.core.errors import BadInput, EucentricError, LimitRefused, Refused
from eucentric.tools import tilt_to_zone_axis

_NEEDED = 300
_IDEAL_DEG = 0.1


def allowed_deg(stage: str) -> float:
    """The bar of a preset."""
    return _IDEAL_DEG if stage in ("ideal", "piezo") else max(_IDEAL_DEG, 1.5 * repeatability_deg(stage))


# --- judging ----------------------------------------------------------------------------------------------------


def _off_deg(case: Case, uvw: Uvw) -> float:
    """True angle of the nearest axis of a family to the beam now."""
    actual = case.port.oracle.actual()
    turn = case.port.oracle.tilted(actual["alpha"], actual["beta"]) @ case.to_specimen
    family = case.crystal.direction_family(uvw).tolist()
    along = max(abs(float((turn @ case.crystal.direction(one))[2])) for one in family)
    return math.degrees(math.acos(min(1.0, along)))


def _go(case: Case, uvw: Uvw, readings: list[Row]) -> dict[str, Any]:
    """Ask for an axis of a family; what became of it."""
    case.port.watch()
    start = time.process_time()
    args = {
        "target": "<" + " ".join(map(str, uvw)) + ">", "crystal": case.phase, "readings": readings, "refine": True,
        "tolerance_deg": 0.05,
    }  # fmt: skip
    said = _ended(args, case)
    return said | {
        "id": f"{case.number} {case.phase} {case.stage} {args['target']}",
        "stage": case.stage,
        "off_deg": _off_deg(case, uvw),
        "allowed_deg": allowed_deg(case.stage),
        "feature_off": case.port.farthest,
        "moves": case.port.moves,
        "missed": case.port.missed,
        "seconds": round(time.process_time() - start, 3),
    }


def _ended(args: dict[str, Any], case: Case) -> dict[str, Any]:
    try:
        done = tilt_to_zone_axis.TOOL.run(tilt_to_zone_axis.TOOL.args.model_validate(args), case.port.context)
    except LimitRefused as error:
        return {"ended": "out of reach", "why": str(error)}
    except (Refused, BadInput) as error:  # several fit, or what was read contradicts itself
        return {"ended": "asked", "why": str(error)}
    except EucentricError as error:
        return {"ended": type(error).__name__, "why": str(error)}
    return {"ended": "arrived", "why": done.travelled.note, "measured_deg": done.off_deg}


def _arrivals(case: Case, rng: np.random.Generator) -> list[Row]:
    """With two readings; where they leave the answer open it must ask, and with a third it must go."""
    if not case.inside:
        return []
    uvw = case.inside[int(rng.integers(len(case.inside)))]
    found = [_go(case, uvw, case.readings)]
    if found[0]["ended"] == "asked" and case.third is not None:
        found.append(_go(case, uvw, [*case.readings, case.third]))
    return [
        one | {"pass": one["ended"] == "arrived" and one["off_deg"] <= one["allowed_deg"]} for one in found
    ]


def _refusal(case: Case, rng: np.random.Generator) -> dict[str, Any] | None:
    """A family out of reach: refused with the number and the nearest tilt, before anything moves."""
    if not case.outside:
        return None
    readings = case.readings if case.third is None else [*case.readings, case.third]
    found = _go(case, case.outside[int(rng.integers(len(case.outside)))], readings)
    told = "nearest: alpha" in found["why"] and "° off" in found["why"]
    right = found["ended"] == "out of reach" and told
    return found | {"pass": (right or found["ended"] == "asked") and found["moves"] == 0}


def run(quick: bool = False, seed: int = 7) -> Row:
    """Arrivals, refusals, questions and the feature on the way [DECISIONS 14]."""
    count = 16 if quick else _NEEDED + 80
    arrivals, refusals = [], []
    for number in range(count):
        rng = np.random.default_rng([seed, number, 1])
        case = make_case(number, seed)
        refused = _refusal(case, rng) if number % 3 == 0 else None
        refusals += [refused] if refused else []
        arrivals += _arrivals(case, rng)
    asked = [one for one in arrivals if one["ended"] == "asked"]
    gone = [one for one in arrivals if one["ended"] != "asked" and not one["missed"]]
    missed = [one for one in arrivals if one["missed"]]
    return report(
        "zone-axis",
        seed,
        _figures(gone, asked, missed),
        _bars(gone, asked, missed, refusals),
        cases=arrivals + refusals,
    )


def _figures(gone: list[Row], asked: list[Row], missed: list[Row]) -> dict[str, float]:
    figures: dict[str, float] = {"went": len(gone), "asked": len(asked), "missed": len(missed)}
    for stage in STAGES:
        off = sorted(one["off_deg"] for one in gone if one["stage"] == stage and one["ended"] == "arrived")
        if off:
            figures[f"{stage}_off_median_deg"] = round(statistics.median(off), 4)
            figures[f"{stage}_off_p95_deg"] = round(off[int(0.95 * (len(off) - 1))], 4)
            figures[f"{stage}_allowed_deg"] = round(allowed_deg(stage), 4)
    figures["cpu_s_per_case"] = round(statistics.median(one["seconds"] for one in gone), 3)
    return figures


def _bars(gone: list[Row], asked: list[Row], missed: list[Row], refusals: list[Row]) -> list[Row]:
    def share(claim: str, which: Callable[[Row], bool], rows: list[Row], bar: float, n: int) -> Row:
        return share_at_least(claim, sum(map(which, rows)), len(rows), bar, n_needed=n)

    arrived = [one for one in gone if one["ended"] == "arrived"]
    moved = [one["moves"] for one in asked]
    claimed = sum(
        one["measured_deg"] is not None and not one["pass"] for one in missed if one["ended"] == "arrived"
    )
    return [
        share("arrived within the bar of the preset", lambda one: one["pass"], gone, 0.95, _NEEDED),
        share("the feature never left the field", lambda one: one["feature_off"] < 1, arrived, 1.0, 100),
        share(
            "out of reach: refused with the nearest tilt, nothing sent",
            lambda one: one["pass"],
            refusals,
            1.0,
            60,
        ),
        at_most(
            "said to have arrived elsewhere after tilts that the stage missed", claimed, 0, n=len(missed)
        ),
        at_most(
            "moves before an ambiguous orientation was asked about", max(moved, default=0), 0, n=len(asked)
        ),
    ]
