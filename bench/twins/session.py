"""Sessions at a twin: every fault struck once, and long command logs replayed in a fresh process."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from eucentric.bench.contract import at_least
from eucentric.core.errors import EucentricError
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin import twin_driver
from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.faults import KINDS, FaultKind
from eucentric.instruments.twin.oracle import Oracle

_NEVER, _STOPPED = threading.Event(), threading.Event()
_STOPPED.set()
Told = tuple[str, dict[str, Any]]
COMMANDS = 500
_SETTINGS = (
    {"seed": "11", "stage": "good"},
    {"seed": "12", "stage": "worn", "column": "tuned"},
    {"seed": "13", "stage": "piezo", "column": "uncorrected"},
)
_FAULTS = (
    "missed_move@9,stale_frame@14,vacuum_burst@300s,scan_glitch@20,emission_decay@500s,lost_connection@90"
)


def commands(seed: int, count: int) -> list[Told]:
    """A session as data: moves, optics, frames of many kinds, detectors, waits, blanking."""
    rng = np.random.default_rng([seed, 5])
    return [_command(rng, n) for n in range(count)]


def _command(rng: np.random.Generator, number: int) -> Told:
    kind = rng.choice(
        ["move", "set_optics", "acquire", "insert", "wait", "blank"], p=[0.3, 0.2, 0.3, 0.05, 0.1, 0.05]
    )
    if kind == "move":
        tilt = {"alpha": float(rng.uniform(-0.05, 0.05))} if rng.random() < 0.3 else {}
        return "move", {
            "x": float(rng.uniform(-1.5e-6, 1.5e-6)),
            "y": float(rng.uniform(-1.5e-6, 1.5e-6)),
        } | tilt
    if kind == "set_optics":
        name, reach = [("defocus", 2e-7), ("beam_shift_x", 5e-7), ("a1_x", 2e-8)][rng.integers(3)]
        return "set_optics", {name: float(rng.uniform(-reach, reach))}
    if kind == "acquire":
        fov = float(rng.choice([4e-9, 12e-9, 1e-6, 10e-6]))
        return "acquire", {
            "fov_m": fov,
            "rows": 48,
            "columns": 64,
            "dwell_s": float(rng.choice([1e-6, 2e-5])),
        }
    if kind == "insert":
        return "insert", {"inside": bool(number % 2)}
    return str(kind), {"seconds": float(rng.uniform(0, 20)), "on": bool(rng.random() < 0.3)}


def _obey(twin: TwinDriver, told: Told, stop: threading.Event = _NEVER) -> Iterator[bytes]:
    """Carry a command out; everything that was said and seen."""
    name, args = told
    try:
        if name == "acquire":
            frames, pixels = twin.acquire(ScanSpec(detectors=("haadf", "bf"), **args), _NEVER)
            yield frames.model_dump_json().encode()
            yield from (plane.tobytes() for plane in pixels)
        elif name in ("move", "set_optics"):
            getattr(twin, name)(args, stop)
        elif name == "insert":
            twin.insert("bf", args["inside"], _NEVER)
        elif name == "wait":
            twin.wait(args["seconds"], _NEVER)
        else:
            twin.set_blank(args["on"])
    except EucentricError as error:
        yield str(error).encode()
    yield twin.read().model_dump_json().encode()


def digest(setting: int, count: int) -> list[str]:
    """SHA-256 after each command of a session, and what the truth log holds at the end."""
    query = _SETTINGS[setting % len(_SETTINGS)]
    twin, seen = twin_driver("mxene", query | {"faults": _FAULTS}), hashlib.sha256()
    twin.set_blank(False)
    marks = []
    for told in commands(setting, count):
        for part in _obey(twin, told):
            seen.update(part)
        marks.append(seen.hexdigest())
    marks.append(json.dumps([[event.id, event.time_s, event.note] for event in Oracle(twin).faults]))
    return marks


def _elsewhere(setting: int, count: int) -> list[str]:
    """The same in a process of its own."""
    code = "import json; from eucentric.bench.twins.session import digest; "
    code += f"print(json.dumps(digest({setting}, {count})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [str(one) for one in json.loads(done.stdout)]


def replayed(quick: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Sessions of 500 commands here and in a fresh process."""
    count, settings = (60, 1) if quick else (COMMANDS, len(_SETTINGS))
    same, figures = 0, {}
    for setting in range(settings):
        here, there = digest(setting, count), _elsewhere(setting, count)
        alike = sum(one == other for one, other in zip(here, there, strict=True))
        same += alike == len(here)
        figures[f"session {setting + 1}"] = {
            "commands": count,
            "alike": alike,
            "of": len(here),
            "sha256": here[-2],
        }
    claim = "sessions whose bytes are the same, command by command, in a fresh process"
    bar = at_least(claim, same / settings, 1.0, n=settings * count, n_needed=COMMANDS)
    return figures, [bar]


def _struck(kind: FaultKind, seed: int, stage: str) -> tuple[int, bool]:
    """How often the truth log tells of a fault that is due at the second of its commands, and whether it shows."""
    query = {"seed": str(seed), "stage": stage}
    faulty, clean = twin_driver("mxene", query | {"faults": f"{kind}@2"}), twin_driver("mxene", query)
    seen = [_shown(twin, kind == "stop_ignored") for twin in (faulty, clean)]
    return sum(event.kind == kind for event in Oracle(faulty).faults), seen[0] != seen[1]


def _shown(twin: TwinDriver, stops: bool) -> list[bytes]:
    """What a short session shows, actual places included; its moves are stopped at once, if wanted."""
    twin.set_blank(False)
    oracle, seen = Oracle(twin), list[bytes]()
    spot = oracle.suspended((-60e-6, 60e-6, -60e-6, 60e-6))[0]
    twin.set_optics({"defocus": oracle.height(spot.x, spot.y)}, _STOPPED if stops else _NEVER)
    for n in range(1, 6):
        for told in (
            ("move", {"x": spot.x + (-1) ** n * 4e-7 * max(0, 3 - n), "y": spot.y}),
            ("acquire", {"fov_m": 4e-9 if n > 1 else 8e-6, "rows": 48, "columns": 48, "dwell_s": 2e-4}),
            ("wait", {"seconds": 2.0}),
        ):
            seen.extend(_obey(twin, told, _STOPPED if stops and told[0] == "move" else _NEVER))
        seen.append(json.dumps(oracle.actual()).encode())
    return seen


def faulted(quick: bool, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Every kind of fault on good and worn stages: in the truth log once, and in what the instrument does."""
    stages = ("good",) if quick else ("good", "worn", "ideal")
    cases = [(kind, seed + n, stage) for kind in KINDS for n, stage in enumerate(stages)]
    found = {case: _struck(*case) for case in cases}
    logged = sum(times == 1 for times, _ in found.values())
    silent = sorted({case[0] for case, (_, shows) in found.items() if not shows})
    shown = sum(shows for _, shows in found.values()) / len(cases)
    figures = {"kinds": len(KINDS), "cases": len(cases), "logged_once": logged, "show_nothing_here": silent}
    return figures, [
        at_least(
            "faults that are in the truth log once", logged / len(cases), 1.0, n=len(KINDS), n_needed=19
        ),
        at_least("faults that change what a short session shows", shown, 1.0, n=len(KINDS), n_needed=19),
    ]
