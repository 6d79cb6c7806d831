"""Is the twin what it says it is? Frame times, multislice, stage statistics, faults, replay, fits, real images."""

import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from eucentric.bench.contract import at_most, report
from eucentric.bench.frame import THERE, as_there
from eucentric.bench.frame import run as frames
from eucentric.bench.twins import fidelity as twin_fidelity
from eucentric.bench.twins import fit as twin_fit
from eucentric.bench.twins import real as twin_real
from eucentric.bench.twins import session as twin_session
from eucentric.bench.twins import stage as twin_stage
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import TwinDriver, load_world

_NEVER = threading.Event()
_PATTERN_BAR_MS, _PATTERNS = 50.0, 20


def shared_data(file: Path | None) -> Path:
    """Where public test data lie: given, in EUCENTRIC_SHARED_DATA, or beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    return file or Path(os.environ.get("EUCENTRIC_SHARED_DATA", beside))


def _pattern_ms(count: int, seed: int) -> list[float]:
    """CPU of one 256² diffraction pattern with bands, each of another orientation, through the driver."""
    world = load_world("polycrystal")
    twin, camera = TwinDriver(world, seed, stage="ideal"), next(iter(world.cameras))
    scan = ScanSpec(detectors=(camera,), rows=1, columns=1, fov_m=1e-9, dwell_s=0.1, pattern_px=256)
    twin.set_blank(False)
    spent = []
    for n in range(count + 1):
        twin.move({"x": 4e-6 * (n % 5), "y": 4e-6 * (n // 5), "alpha": 0.01 * (n % 7)}, _NEVER)
        begun = time.process_time()
        twin.acquire(scan, _NEVER)
        spent.append(1e3 * (time.process_time() - begun))
    return spent[1:]  # the first fills tables


def _times(quick: bool, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Frames and patterns; bars are those of a machine on which the reference kernel takes 40 ms."""
    timed, spent = frames(quick=quick, seed=seed), _pattern_ms(_PATTERNS, seed)
    middle = statistics.median(spent)
    claim = f"256 x 256 pattern with bands: median CPU ms on one thread{THERE}"
    pattern = at_most(claim, as_there() * middle, _PATTERN_BAR_MS, n=len(spent), n_needed=_PATTERNS)
    figures = timed["figures"] | {"pattern_256_ms": round(middle, 2), "reference_s": timed["reference_s"]}
    return figures, [*timed["bars"], pattern]


def run(quick: bool = False, seed: int = 7, file: Path | None = None) -> dict[str, Any]:
    """Every claim about the simulated microscope [DECISIONS 14]; FILE is the folder of public test data.

    Multislice frames of our own (`bench/twins/multislice_frames.py`) are read from FILE/multislice, if they are there.
    """
    shared = shared_data(file)
    figures: dict[str, Any] = {}
    figures["frame_ms"], bars = _times(quick, seed)
    for name, (found, more) in {
        "multislice": twin_fidelity.run(shared, quick),
        "stage": twin_stage.run(quick, seed),
        "faults": twin_session.faulted(quick, seed),
        "replay": twin_session.replayed(quick),
        "fitted_stages": twin_fit.stages(quick, seed),
        "fitted_images": twin_fit.images(quick, seed),
    }.items():
        figures[name] = found
        bars += more
    figures["real"] = {} if quick else twin_real.run(shared, quick, seed)
    return report("twin", seed, figures, bars)
