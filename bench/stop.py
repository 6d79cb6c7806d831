"""From the command to a dark beam: cold starts of `eucentric stop` and stop keys, on a loaded machine."""

import contextlib
import random
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from eucentric.bench.contract import at_most, report
from eucentric.bench.own_state import own_state
from eucentric.bench.stopping.driver import DARK, LIGHT, switches
from eucentric.bench.stopping.load import busy_cores, hung_run
from eucentric.core import stop as stopping
from eucentric.core.errors import EucentricError
from eucentric.instruments.client import HostClient
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.launch import connect

STOPS, QUICK_STOPS = 500, 30
_P99_MS, _MAX_MS = 250.0, 500.0
_SCAN = ScanSpec(detectors=("haadf",), rows=4096, columns=4096, fov_m=2e-6, dwell_s=1e-6)
"""16.9 s of beam: no stop finds it at its end."""
_LIT_S = 30.0
"""How long to wait for the next scan's beam [s]."""
_COMMAND = [sys.executable, "-m", "eucentric", "stop"]
"""As it is typed, but for the shell."""


@dataclass
class Times:
    """Of one way to stop [ms]."""

    dark: list[float] = field(default_factory=list)
    """From the command to the blanker's read-back."""
    answered: list[float] = field(default_factory=list)
    """From the command to the verified answer on the screen."""
    unverified: int = 0
    """Stops whose answer did not say blanked."""
    missed: int = 0
    """Stops after which the log shows no dark beam."""


class Scanner:
    """A lease holder that scans on and on: whenever a hold is cleared, the next 4k frame begins."""

    def __init__(self, client: HostClient) -> None:
        self._client = client
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Clear the hold and start the next scan."""
        self._client.clear_hold("the bench")
        self._thread = threading.Thread(target=self._scan, daemon=True)
        self._thread.start()

    def _scan(self) -> None:
        with contextlib.suppress(EucentricError):
            self._client.acquire(_SCAN)

    def ended(self) -> None:
        """Wait for the scan that was stopped."""
        if self._thread is not None:
            self._thread.join()


def _typed() -> bool:
    """A new process, as a person's shell would start it; whether it reports a dark beam."""
    done = subprocess.run(
        _COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False, start_new_session=True
    )
    return done.returncode == 0


def _key() -> bool:
    """What the stop key of the terminal interface does."""
    reports = stopping.stop(None, "stop key")
    return bool(reports) and all(one["blanked"] for one in reports)


_WAYS = {"cold start of the stop command": _typed, "stop key": _key}


def _one(way: str, scanner: Scanner, log: str, rng: random.Random, times: Times) -> None:
    scanner.begin()
    _wait_for_light(log)
    time.sleep(rng.uniform(0.0, 0.25))
    start = time.monotonic_ns()
    verified = _WAYS[way]()
    answered = time.monotonic_ns()
    scanner.ended()
    dark = next((moment for moment, word in switches(log) if word == DARK and moment >= start), None)
    times.unverified += not verified
    if dark is None:
        times.missed += 1
        return
    times.dark.append((dark - start) / 1e6)
    times.answered.append((answered - start) / 1e6)


def _wait_for_light(log: str) -> None:
    end = time.monotonic() + _LIT_S
    while time.monotonic() < end:
        if (seen := switches(log)) and seen[-1][1] == LIGHT:
            return
        time.sleep(0.005)
    raise TimeoutError("the beam did not come on")


def _measured(count: int, seed: int, uri: str, log: str) -> dict[str, Times]:
    client = connect(uri)
    client.lease("the stop bench")
    rng, scanner = random.Random(seed), Scanner(client)
    results = {way: Times() for way in _WAYS}
    try:
        for _ in range(count):
            for way in _WAYS:
                _one(way, scanner, log, rng, results[way])
    finally:
        client.close()
    return results


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Milliseconds from command to blanker read-back, wall time under load [DECISIONS 14]."""
    count = QUICK_STOPS if quick else STOPS
    with own_state() as folder:
        log = str(folder / "blanker.log")
        uri = f"py:eucentric.bench.stopping.driver:logged?log={log}&seed={seed}"
        connect(uri).close()
        with hung_run(uri, folder) as waiting, busy_cores() as cores:
            results = _measured(count, seed, uri, log)
            still_hung = waiting.poll() is None
    figures: dict[str, Any] = {"busy_processes": cores, "run_still_waits_for_its_model": still_hung}
    for way, times in results.items():
        figures[way] = _figures(times)
    return report("stop", seed, figures, [bar for way, times in results.items() for bar in _bars(way, times)])


def _figures(times: Times) -> dict[str, Any]:
    return {
        "stops": len(times.dark),
        "median_ms": round(statistics.median(times.dark), 1),
        "p99_ms": round(_p99(times.dark), 1),
        "max_ms": round(max(times.dark), 1),
        "answer_median_ms": round(statistics.median(times.answered), 1),
        "answer_max_ms": round(max(times.answered), 1),
        "not_verified": times.unverified,
        "missed": times.missed,
    }


def _p99(values: list[float]) -> float:
    """Not interpolated: at most one in a hundred is longer."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-99 * len(ordered) // 100) - 1)]


def _bars(way: str, times: Times) -> list[dict[str, Any]]:
    n = len(times.dark)
    wrong = times.unverified + times.missed
    return [
        at_most(f"{way}: command to beam blanked, p99 [ms]", _p99(times.dark), _P99_MS, n=n, n_needed=STOPS),
        at_most(
            f"{way}: command to beam blanked, longest [ms]", max(times.dark), _MAX_MS, n=n, n_needed=STOPS
        ),
        at_most(f"{way}: not answered as verified, or no dark beam in the log", wrong, 0, n=n + times.missed),
    ]
