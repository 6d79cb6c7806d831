"""Golden cases of crystallography: reading the file, and comparing what was computed with what is expected.

A tolerance on a key holds for every float inside it; integers, booleans and strings are exact; a float without
a tolerance is compared to its printed digits. Angles are compared on the circle where the key says so.
"""

import json
import math
from pathlib import Path
from typing import Any

from eucentric.core.errors import BadInput
from eucentric.core.text import visible

SCHEMA = "crystal-golden/1"
_SETS = {"list": ("uvw",), "pairs": ("uvw_A", "uvw_B")}
"""Lists of entries that are compared as sets, and the keys of an entry."""
_LARGEST_BYTES = 200_000_000


def read_cases(path: Path) -> list[dict[str, Any]]:
    """The cases of a golden file.

    Raises
    ------
    BadInput
        If the file cannot be read, is no JSON, or has not the schema.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError("the file is too large")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"cannot read the cases in {visible(str(path))}",
            visible(str(error), limit=160),
            f"give a JSON file of the schema {SCHEMA}",
        ) from error
    cases = data.get("cases") if isinstance(data, dict) else None
    if not isinstance(cases, list) or data.get("schema") != SCHEMA:
        raise BadInput(
            f"{visible(path.name)} is no file of golden cases",
            f"it holds schema {SCHEMA!r} and a list of cases",
            "check which file was given",
        )
    for case in cases:
        if not isinstance(case, dict) or not {"id", "kind", "inputs"} <= case.keys():
            raise BadInput(
                f"{visible(path.name)}: a case lacks id, kind or inputs", "each has them", "repair the file"
            )
    return cases


def judged(case: dict[str, Any], outputs: dict[str, Any]) -> tuple[float | None, bool | None]:
    """Largest deviation from the expected numbers, and whether all are within tolerance; None without expected."""
    expected = case.get("expected")
    if not expected:
        return None, None
    tolerances = case.get("tolerance") or {}
    worst, passed = 0.0, True
    for key, wanted in expected.items():
        if key not in outputs:
            return math.inf, False
        off, fits = _compared(key, wanted, outputs[key], tolerances.get(key))
        worst, passed = max(worst, off), passed and fits
    return worst, passed


def _compared(key: str, wanted: Any, got: Any, tolerance: float | None) -> tuple[float, bool]:
    if key in _SETS and isinstance(wanted, list):
        return _as_sets(key, wanted, got, tolerance)
    if isinstance(wanted, dict):
        if not isinstance(got, dict) or not wanted.keys() <= got.keys():
            return math.inf, False
        return _all([_compared(k, v, got[k], tolerance) for k, v in wanted.items()])
    if isinstance(wanted, list):
        if not isinstance(got, list) or len(got) != len(wanted):
            return math.inf, False
        return _all([_compared(key, v, g, tolerance) for v, g in zip(wanted, got, strict=True)])
    return _scalar(key, wanted, got, tolerance)


def _as_sets(key: str, wanted: list[Any], got: Any, tolerance: float | None) -> tuple[float, bool]:
    def name(entry: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(tuple(entry[k]) for k in _SETS[key])

    found = {name(entry): entry for entry in got}
    if len(got) != len(wanted) or {name(entry) for entry in wanted} != set(found):
        return math.inf, False
    return _all([_compared("", entry, found[name(entry)], tolerance) for entry in wanted])


def _scalar(key: str, wanted: Any, got: Any, tolerance: float | None) -> tuple[float, bool]:
    exact = isinstance(wanted, bool | str) or wanted is None or not tolerance
    whole = isinstance(wanted, int) and isinstance(got, int)
    if whole or (exact and not isinstance(wanted, float)):
        same = wanted == got and isinstance(wanted, bool) == isinstance(got, bool)
        return 0.0 if same else math.inf, same
    if not isinstance(got, int | float) or isinstance(got, bool) or not math.isfinite(got):
        return math.inf, False
    off = abs(float(wanted) - got)
    if period := _period(key):
        off = abs((off + period / 2) % period - period / 2)
    return off, off <= (tolerance if tolerance else _half_digit(wanted))


def _period(key: str) -> float | None:
    """Of angles on a circle; a line has the same direction after half a turn."""
    if "mod180" in key:
        return 180.0
    return 360.0 if "psi" in key or key in ("alpha_deg", "beta_deg") else None


def _half_digit(number: float) -> float:
    """Half of the last digit that is printed."""
    digits = repr(float(number))
    if "e" in digits:
        return abs(float(number)) * 1e-6
    return 0.5 * 10.0 ** -len(digits.split(".")[1]) * (1 + 1e-6)


def _all(parts: list[tuple[float, bool]]) -> tuple[float, bool]:
    return max((off for off, _ in parts), default=0.0), all(fits for _, fits in parts)
