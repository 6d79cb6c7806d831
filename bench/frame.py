"""How long the twin takes for a frame: CPU seconds of one thread, noise included."""

import statistics
import threading
import time
from typing import Any

from eucentric.bench.contract import at_most, report
from eucentric.bench.reference import reference_seconds
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.oracle import Oracle

_NEVER = threading.Event()
_CASES = {  # name: (field of view [m], dwell [s], bar [ms] or None)
    "atomic_16nm": (16e-9, 2e-6, 40.0),
    "atomic_8nm": (8e-9, 2e-6, 40.0),
    "mid_1um": (1e-6, 10e-6, 100.0),
    "overview_20um": (20e-6, 10e-6, 100.0),
}
_NEEDED = 20
_REFERENCE_S = 0.04
THERE = ", where the reference kernel takes 40 ms"
"""Bars are those of a machine as fast as that."""


def as_there() -> float:
    """What a time of this machine, now, is to be multiplied by."""
    return _REFERENCE_S / reference_seconds()


def _place(seed: int) -> TwinDriver:
    """A twin that looks at a suspended monolayer in focus."""
    twin = TwinDriver(load_world("mxene"), seed, stage="ideal")
    oracle = Oracle(twin)
    spot = oracle.suspended((-100e-6, 100e-6, -100e-6, 100e-6))[0]
    twin.move({"x": spot.x, "y": spot.y}, _NEVER)
    twin.wait(60.0, _NEVER)
    twin.set_optics({"defocus": oracle.height(spot.x, spot.y)}, _NEVER)
    twin.set_blank(False)
    return twin


def _cpu_ms(twin: TwinDriver, fov_m: float, dwell_s: float, frames: int) -> list[float]:
    scan = ScanSpec(detectors=("haadf",), rows=512, columns=512, fov_m=fov_m, dwell_s=dwell_s)
    twin.acquire(scan, _NEVER)  # the first fills tables
    spent = []
    for _ in range(frames):
        start = time.process_time()
        twin.acquire(scan, _NEVER)
        spent.append(1e3 * (time.process_time() - start))
    return spent


def run(quick: bool = False, seed: int = 0) -> dict[str, Any]:
    """Median CPU milliseconds of 512² frames at four magnifications [DECISIONS 14]; figures are as measured."""
    frames = _NEEDED if quick else 5 * _NEEDED
    twin, scale = _place(seed), as_there()
    figures: dict[str, float] = {}
    bars = []
    for name, (fov_m, dwell_s, bar_ms) in _CASES.items():
        spent = _cpu_ms(twin, fov_m, dwell_s, frames)
        median = statistics.median(spent)
        figures[f"{name}_ms"] = round(median, 2)
        figures[f"{name}_p95_ms"] = round(sorted(spent)[int(0.95 * len(spent))], 2)
        claim = f"512 x 512 {name.replace('_', ' ')}: median CPU ms on one thread{THERE}"
        bars.append(at_most(claim, scale * median, bar_ms, n=frames, n_needed=_NEEDED))
    return report("frame", seed, figures, bars)
