"""Golden cases of crystallography: `eucentric bench crystal FILE --out OUT.json` [DECISIONS 14]."""

import math
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from eucentric.bench.contract import at_most, report, share_at_least
from eucentric.bench.crystals.golden_cases import outputs_of
from eucentric.bench.crystals.golden_file import SCHEMA, judged, read_cases
from eucentric.core.errors import BadInput, EucentricError


def run(quick: bool = False, seed: int = 7, file: Path | None = None) -> dict[str, Any]:
    """Every case of a golden file, computed and compared; `quick` and `seed` change nothing.

    Raises
    ------
    BadInput
        If no file is given, or it is no file of golden cases.
    """
    if file is None:
        raise BadInput(
            "the benchmark crystal needs a file of golden cases",
            f"a JSON file of the schema {SCHEMA}; none is shipped",
            "write `eucentric bench crystal FILE --out OUT.json`",
        )
    cases = [_one(case) for case in read_cases(file)]
    judged_cases = [case for case in cases if case["pass"] is not None]
    passed = sum(case["pass"] for case in judged_cases)
    slowest = max((case["seconds"] for case in cases), default=math.nan)
    bars = [
        share_at_least("golden cases within tolerance", passed, len(judged_cases), 1.0),
        at_most("slowest case, CPU s", slowest, 1.0, n=len(cases)),
    ]
    figures = {
        "cases": len(cases),
        "passed": passed,
        "by_kind": _by_kind(cases),
        "failed": [case["id"] for case in judged_cases if not case["pass"]],
    }
    shown = [{key: value for key, value in case.items() if key != "kind"} for case in cases]
    return report("crystal", seed, figures, bars, cases=shown)


def _one(case: dict[str, Any]) -> dict[str, Any]:
    start = time.process_time()
    try:
        outputs = outputs_of(case)
        deviation, passed = judged(case, outputs)
    except EucentricError as error:
        outputs, deviation, passed = {"error": error.as_dict()}, None, False
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
    ) as error:  # a garbled case fails, the others still run
        outputs, deviation, passed = (
            {"error": {"type": type(error).__name__, "what": str(error)[:200]}},
            None,
            False,
        )
    return {
        "id": case["id"],
        "kind": case["kind"],
        "outputs": outputs,
        "deviation": None if deviation is None or not math.isfinite(deviation) else deviation,
        "pass": passed,
        "seconds": round(time.process_time() - start, 6),
    }


def _by_kind(cases: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for case in cases:
        groups[case["kind"]].append(case)
    return {
        kind: {
            "n": len(group),
            "passed": sum(bool(case["pass"]) for case in group),
            "worst_deviation": max(
                (c["deviation"] for c in group if c["deviation"] is not None), default=None
            ),
        }
        for kind, group in groups.items()
    }
