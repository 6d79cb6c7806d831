"""The one shape of a benchmark's answer: claims with their figures, and whether they hold."""

import math
import os
import platform
from importlib import metadata
from typing import Any

from eucentric.bench.reference import reference_seconds

_PACKAGES = ("eucentric", "numpy", "scipy", "scikit-image", "torch", "langgraph", "pydantic")
_Z95 = 1.959963984540054


def wilson(successes: int, n: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927); (0, 1) without trials."""
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def _bar(claim: str, figure: float, bar: float, holds: bool, n: int, n_needed: int) -> dict[str, Any]:
    finite = math.isfinite(figure)
    return {
        "claim": claim,
        "figure": float(figure) if finite else None,
        "bar": float(bar),
        "n": n,
        "n_needed": n_needed,
        "holds": (bool(holds) and finite) if n >= n_needed else None,
    }


def at_most(claim: str, figure: float, bar: float, *, n: int, n_needed: int = 1) -> dict[str, Any]:
    """A claim that a figure does not exceed a bar; `holds` is None when n < n_needed."""
    return _bar(claim, figure, bar, figure <= bar, n, n_needed)


def at_least(claim: str, figure: float, bar: float, *, n: int, n_needed: int = 1) -> dict[str, Any]:
    """A claim that a figure reaches a bar; `holds` is None when n < n_needed."""
    return _bar(claim, figure, bar, figure >= bar, n, n_needed)


def share_at_least(claim: str, successes: int, n: int, bar: float, *, n_needed: int = 1) -> dict[str, Any]:
    """A claim about a proportion, with its 95 % Wilson interval as `low` and `high`."""
    figure = successes / n if n else math.nan
    low, high = wilson(successes, n)
    return at_least(claim, figure, bar, n=n, n_needed=n_needed) | {"low": low, "high": high}


def share_at_most(claim: str, successes: int, n: int, bar: float, *, n_needed: int = 1) -> dict[str, Any]:
    """A claim that a proportion stays below a bar, with its 95 % Wilson interval as `low` and `high`."""
    figure = successes / n if n else math.nan
    low, high = wilson(successes, n)
    return at_most(claim, figure, bar, n=n, n_needed=n_needed) | {"low": low, "high": high}


def versions() -> dict[str, str]:
    """Versions of what the figures depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What it ran on, without the machine's name."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count() or 0,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def report(
    name: str, seed: int, figures: dict[str, Any], bars: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """The object that goes to stdout; times the reference kernel now, in the same process."""
    return {
        "name": name,
        "seed": seed,
        "versions": versions(),
        "machine": machine(),
        "reference_s": reference_seconds(),
        "figures": figures,
        "bars": bars,
        **more,
    }


def failed(answer: dict[str, Any]) -> bool:
    """True if a claim was tested and does not hold; an untested one (None) does not fail."""
    return any(bar["holds"] is False for bar in answer["bars"])
