"""Does the answer hold? The demonstration request over many worlds and true vacancy densities."""

import time
from typing import Any

import numpy as np

from eucentric.bench.campaign import REQUEST, run_request
from eucentric.bench.contract import at_least, at_most, report
from eucentric.bench.own_state import own_state
from eucentric.core.calls import Finding
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.specimen_spec import ClusterSpec

_DENSITIES = (0.0, 0.004, 0.03, 0.08)
_STAGES = ("good", "worn")
_NEEDED = 40


def _case(number: int, seed: int) -> dict[str, Any]:
    density = _DENSITIES[number % len(_DENSITIES)]
    stage = _STAGES[(number // len(_DENSITIES)) % len(_STAGES)]
    alone = {
        "vacancy_fraction": density,
        "clusters": ClusterSpec(),
    }  # nothing else may be empty where it is 0
    world = load_world("mxene").model_copy(update=alone)
    start = time.process_time()
    outcome = run_request(TwinDriver(world, seed + number, stage=stage))
    found = [one for one in outcome.findings if not one.cannot_tell]
    finding = found[-1] if found else None
    return {
        "id": f"seed {seed + number}, {stage}, {100 * density:g} %",
        "outputs": _outputs(finding) | {"outcome": outcome.outcome, "skipped": len(outcome.skipped)},
        "truth_percent": 100 * density,
        "deviation": None if finding is None else _estimate(finding) - 100 * density,
        "pass": finding is not None and _covers(finding, 100 * density),
        "seconds": round(time.process_time() - start, 2),
    }


def _outputs(finding: Finding | None) -> dict[str, Any]:
    if finding is None:
        return {"value": None, "low": None, "high": None, "only_upper": None, "sites": 0}
    interval = finding.interval
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "only_upper": interval.only_upper,
        "sites": finding.of,
    }


def _estimate(finding: Finding) -> float:
    return finding.interval.value or 0.0


def _covers(finding: Finding, truth_percent: float) -> bool:
    low = 0.0 if finding.interval.only_upper else finding.interval.low
    return low <= truth_percent <= finding.interval.high


def _slope(cases: list[dict[str, Any]]) -> float:
    """Least-squares slope through the origin is not assumed: a line with offset."""
    pairs = [(c["truth_percent"], c["outputs"]["value"] or 0.0) for c in cases if c["deviation"] is not None]
    if len({truth for truth, _ in pairs}) < 2:
        return float("nan")
    truth, value = np.array(pairs).T
    return float(np.polyfit(truth, value, 1)[0])


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Interval coverage, slope, and the answer where there is nothing to find [DECISIONS 14]."""
    with own_state():
        cases = [_case(number, seed) for number in range(4 if quick else _NEEDED)]
    n = len(cases)
    covered = sum(case["pass"] for case in cases)
    empty = [case for case in cases if case["truth_percent"] == 0]
    upper = sum(bool(case["outputs"]["only_upper"]) for case in empty)
    slope = _slope(cases)
    figures = {
        "runs": n,
        "covered": covered,
        "answered": sum(case["deviation"] is not None for case in cases),
        "only_upper_at_zero": upper,
        "slope": round(slope, 4),
        "cpu_s_per_run": round(float(np.median([case["seconds"] for case in cases])), 2),
        "skipped_targets": sum(case["outputs"]["skipped"] for case in cases),
    }
    bars = [
        at_least("95 % interval covers the true density (of 40)", covered, 35, n=n, n_needed=_NEEDED),
        at_least(
            "density 0 gives only an upper bound (share)", upper / len(empty), 1.0, n=len(empty), n_needed=10
        ),
        at_most("|slope of estimate against truth - 1|", abs(slope - 1), 0.15, n=n, n_needed=_NEEDED),
    ]
    return report("demo", seed, figures, bars, request=REQUEST, cases=cases)
