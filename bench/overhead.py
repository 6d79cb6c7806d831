"""What the executor costs per tool call: validation, limits, dose, approval, intent, read-back, result."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from eucentric.agent.acting.acts import named_state
from eucentric.agent.consent.permit import Permit, Terms, binding_of, expiry
from eucentric.agent.executor import Executor
from eucentric.agent.pricing import priced
from eucentric.agent.run import Run
from eucentric.bench.approved import on_record
from eucentric.bench.contract import at_most, report
from eucentric.core.calls import Approval, Envelope, ToolCall
from eucentric.core.plan import Plan, Step
from eucentric.core.store import Store
from eucentric.instruments.cards import card_of_twin
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.uri import guarded
from eucentric.tools.catalogue import CATALOGUE

_NEEDED = 100
_BAR_MS = 10.0
_WIDE = Envelope(
    tools=tuple(tool.name for tool in CATALOGUE),
    max_frames=10**6,
    max_dose_e_per_a2=1e9,
    x_um=(-900.0, 900.0),
    y_um=(-900.0, 900.0),
    max_probe_current_pa=100.0,
    max_seconds=1e9,
)


def _executor(folder: Path, seed: int) -> Executor:
    guard = guarded("twin://mxene", TwinDriver(load_world("mxene"), seed, stage="ideal"))
    card = card_of_twin("twin://mxene")
    store = Store(folder)
    run = Run(store, "r-0001", guard, card.model_copy(update={"dose_budget_e_per_a2": 1e9}) if card else None)
    executor = Executor(run, lambda: (folder, folder))
    state = named_state(run.capabilities.identity, True, guard.state(), guard.held())
    binding = binding_of(Terms("bench", run.capabilities.limits_version), state).sha256
    approval = Approval(
        gate="g1", outcome="approved", by="bench", binding=binding, envelope=_WIDE, expires_utc=expiry(1)
    )
    guard.lease("bench")
    executor.permit = Permit(
        on_record(run, approval), Terms("bench", run.capabilities.limits_version), state.time_s
    )
    return executor


def _args(tool: str, number: int) -> dict[str, Any]:
    if tool == "move_stage":
        return {"x_um": (number % 40) * 0.5, "y_um": (number // 40) * 0.5}
    if tool == "set_optics":
        return {"defocus_nm": float(number % 50)}
    if tool == "acquire_image":
        return {"width_px": 16, "height_px": 16, "fov_nm": 1000.0, "dwell_us": 0.1}
    return {}


def _spent(executor: Executor, tool: str, count: int) -> list[float]:
    times = []
    for number in range(count):
        call = ToolCall(
            id=f"r-0001/{tool}{number}", step=f"{tool}{number}", tool=tool, args=_args(tool, number)
        )
        start = time.process_time()
        executor.call(call)
        times.append(1e3 * (time.process_time() - start))
    return times


def _long_plan() -> Plan:
    """A hundred steps that move, set and expose."""
    steps: list[Step] = []
    for number in range(34):
        place = {"x_um": 2.0 * number, "y_um": -float(number)}
        steps += [
            Step(id=f"m{number}", tool="move_stage", args=place),
            Step(id=f"o{number}", tool="set_optics", args={"defocus_nm": float(number)}),
            Step(id=f"i{number}", tool="acquire_image", args={"fov_nm": 100.0}),
        ]
    return Plan(title="a hundred steps", steps=tuple(steps[:100]))


def _preview_seconds(executor: Executor, repeats: int = 5) -> float:
    """Median CPU seconds to price a plan of a hundred steps, after all the exposures above."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        priced(executor.run, _long_plan(), 1e9)
        times.append(time.process_time() - start)
    return statistics.median(times)


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Median CPU milliseconds of a call of four tools, twin included [DECISIONS 14]."""
    count = _NEEDED if quick else 3 * _NEEDED
    figures: dict[str, Any] = {}
    bars = []
    with tempfile.TemporaryDirectory() as folder:
        executor = _executor(Path(folder), seed)
        for tool in ("get_state", "move_stage", "set_optics", "acquire_image"):
            times = _spent(executor, tool, count)
            figures[f"{tool}_ms"] = round(statistics.median(times), 3)
            figures[f"{tool}_p95_ms"] = round(sorted(times)[int(0.95 * count)], 3)
            claim = f"{tool}: median CPU ms of a call, executor and twin"
            bars.append(at_most(claim, statistics.median(times), _BAR_MS, n=count, n_needed=_NEEDED))
        figures["preview_100_steps_s"] = _preview_seconds(executor)
        claim = "CPU seconds to preview a plan of 100 steps"
        bars.append(at_most(claim, figures["preview_100_steps_s"], 2.0, n=5))
        executor.run.store.close()
    return report("overhead", seed, figures, bars, calls=count)
