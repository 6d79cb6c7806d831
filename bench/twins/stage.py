"""Do commanded, reported and actual positions differ as the preset says? Many stages, 24 moves each."""

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.bench.contract import at_least, at_most
from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.driver import _STAGE
from eucentric.instruments.twin.fitting.stage_fit import binomial_95
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.presets import PRESETS, StagePreset
from eucentric.instruments.twin.stage import Stage

Floats = NDArray[np.float64]

NAMES = ("good", "worn", "piezo")
STAGES, MOVES = 1000, 24
_ONE_WAY = 12
_GOLDEN = 0.6180339887
_NEVER = threading.Event()
_LATE = 20.0
"""After so many settling times nothing creeps any more."""


@dataclass(frozen=True)
class Path:
    """What one stage did on its moves, half of them one way and half back: x is driven."""

    thermal: float
    """Speed before the first move [m/s]."""
    jump: Floats
    """(24, 2) from just before to just after each move [m]."""
    creep: Floats
    """(24, 2) from just after to long after [m], drift taken off."""
    halfway: Floats
    """(24,) part of the creep along x that is done after one settling time."""
    read: Floats
    """(24,) reported minus commanded x [m]."""


def step_of(preset: StagePreset) -> float:
    """A period of the screw, or what the travel allows [m]."""
    return min(preset.screw_period_um, 0.08 * preset.travel_um) * 1e-6


def walk(preset: StagePreset, seed: int) -> Path:
    """The moves of the stage that the twin of this seed has."""
    stage, now = Stage(preset, np.random.default_rng([seed, _STAGE])), 0.0
    start = stage.actual(np.array([0.0, 1.0]))[:, :2]
    step, jump, creep, halfway, read = step_of(preset), [], [], [], []
    odd = preset.readback_nm * 1e-9 * ((_GOLDEN * seed) % 1.0)  # so that readings are rounded by every amount
    for n in range(MOVES):
        target = np.zeros(5)
        target[0] = step * (n + 1 if n < _ONE_WAY else 2 * _ONE_WAY - 1 - n) + odd
        now += stage.seconds(target)
        before = stage.actual(np.array([now]))[0, :2]
        missed = stage.draw_miss()
        stage.advance(now)
        stage.arrive(target, 1.0, missed)
        tau = preset.settle_s
        after = stage.actual(now + np.array([0.0, tau, _LATE * tau, (_LATE + 1) * tau]))[:, :2]
        drift = (after[3] - after[2]) / tau
        jump.append(after[0] - before)
        creep.append(after[2] - after[0] - drift * _LATE * tau)
        halfway.append((after[1] - after[0] - drift * tau)[0] / creep[-1][0] if creep[-1][0] else math.nan)
        read.append(stage.reported[0] - stage.commanded[0])
        now += _LATE * tau
        stage.advance(now)
    thermal = float(np.hypot(*(start[1] - start[0])))
    return Path(thermal, np.array(jump), np.array(creep), np.array(halfway), np.array(read))


def _same_as_the_driver(name: str, seed: int) -> bool:
    """Whether the driver of that seed goes the same way, told move by move."""
    twin = TwinDriver(load_world("mxene"), seed, stage=name)
    stage = Stage(PRESETS[name], np.random.default_rng([seed, _STAGE]))
    oracle, step = Oracle(twin), step_of(PRESETS[name])
    for n in range(4):
        target = np.zeros(5)
        target[0] = step * (n + 1)
        twin.move({"x": float(target[0])}, _NEVER)
        missed = stage.draw_miss()
        stage.advance(twin.read().time_s)
        stage.arrive(target, 1.0, missed)
        place = stage.actual(np.array([twin.read().time_s]))[0]
        if list(oracle.actual().values()) != place.tolist():
            return False
    return True


@dataclass(frozen=True)
class Measured:
    """A statistic and what the preset says it is."""

    name: str
    found: float
    wanted: float

    @property
    def off(self) -> float:
        """Relative deviation; an amount that should be none counts against a nanometre."""
        return abs(self.found - self.wanted) / self.wanted if self.wanted else abs(self.found) * 1e9


def statistics(preset: StagePreset, paths: list[Path]) -> tuple[list[Measured], int, int]:
    """Every figure of a preset, from paths alone; missed moves and moves for which a miss shows."""
    nm, step = 1e-9, step_of(preset)
    jumps = np.array([path.jump for path in paths])
    expected = np.full(MOVES, step)
    expected[_ONE_WAY] = max(step - preset.backlash_nm * nm, 0.0)
    missed = np.abs(jumps[:, :, 0]) < 0.5 * expected
    missed[:, [0, _ONE_WAY]] = (
        False  # the first move has a slack that nobody knows; of the reversal see below
    )
    steady = np.ones(MOVES, bool)
    steady[[0, _ONE_WAY]] = False
    good = ~missed.any(axis=1)
    forth, back = jumps[good, 1:_ONE_WAY], jumps[good, _ONE_WAY + 1 :]
    mean = (forth.mean(axis=1) - back.mean(axis=1)) / 2
    alike = _ONE_WAY - 1
    own = (forth - forth.mean(axis=1, keepdims=True))[:, :, 0]
    jitter = math.sqrt(float(np.mean(own**2)) * alike / (alike - 1))
    spread = mean.var(axis=0) - jitter**2 * np.array([0.5 / alike, 0.0])
    reversal = mean[:, 0] + jumps[good, _ONE_WAY, 0]
    usable = np.abs(reversal) < 0.5 * step + preset.backlash_nm * nm
    creep = np.array([path.creep for path in paths])[:, steady][~missed[:, steady]]
    halfway = np.array([path.halfway for path in paths])[:, steady][~missed[:, steady]]
    read = np.array([path.read for path in paths])
    found = [
        Measured("scale", math.sqrt(max(0.0, float(spread[0]))) / step, preset.scale),
        Measured("cross_axis", math.sqrt(float(spread[1])) / step, preset.cross_axis * math.hypot(1, 0.5)),
        Measured("jitter", jitter, preset.jitter_nm * nm),
        Measured("backlash", float(np.median(reversal[usable])), preset.backlash_nm * nm),
        Measured("settle", math.sqrt(2 * float(np.mean(creep[:, 0] ** 2))), preset.settle_nm * nm),
        Measured("settle share after one time", float(np.median(halfway)), 1 - math.exp(-1)),
        Measured("thermal", float(np.mean([path.thermal for path in paths])), preset.thermal_nm_per_s * nm),
        Measured("read-back", float(read.std()) * math.sqrt(12), preset.readback_nm * nm),
    ]
    return found, int(missed.sum()), int(np.count_nonzero(steady)) * len(paths)


def screw_amplitude(preset: StagePreset, seeds: int) -> Measured:
    """Root mean square of the screw's error over stages, times √2: from moves of a tenth of its period."""
    if not preset.screw_nm:
        return Measured("screw", 0.0, 0.0)
    quiet = preset.model_copy(
        update={"jitter_nm": 0, "settle_nm": 0, "miss": 0, "thermal_nm_per_s": 0, "scale": 0}
    )
    places = []
    for seed in range(seeds):
        stage, told = Stage(quiet, np.random.default_rng([seed, _STAGE])), []
        for n in range(12):
            target = np.zeros(5)
            target[0] = preset.screw_period_um * 1e-6 * (n + 1) / 10 + 2 * preset.backlash_nm * 1e-9
            stage.arrive(target, 1.0, False)
            told.append(stage.actual(np.array([0.0]))[0, 0] - target[0])
        places.append(np.array(told[1:11]))
    errors = np.array(places)
    return Measured("screw", float(np.sqrt(2 * errors.var(axis=1).mean())), preset.screw_nm * 1e-9)


def run(quick: bool, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Figures and bars."""
    stages = 60 if quick else STAGES
    figures: dict[str, Any] = {}
    bars = []
    for name in NAMES:
        figures[name], more = _judged(name, stages, seed)
        bars += more
    same = all(_same_as_the_driver(name, seed + n) for name in NAMES for n in range(2 if quick else 8))
    bars.append(at_least("the driver goes where its stage goes", float(same), 1, n=24, n_needed=6))
    return figures, bars


def _judged(name: str, stages: int, seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    preset, count, needed = PRESETS[name], stages * MOVES, STAGES * MOVES
    found, missed, moves = statistics(preset, [walk(preset, seed + n) for n in range(stages)])
    found.append(screw_amplitude(preset, max(20, stages // 20)))
    low, high = binomial_95(missed, moves)
    worst = max(found, key=lambda one: one.off)
    figures: dict[str, Any] = {one.name: {"found": one.found, "preset": one.wanted} for one in found}
    figures |= {
        "missed": missed,
        "of": moves,
        "miss_95": [low, high],
        "miss": preset.miss,
        "worst": worst.name,
    }
    inside = float(low <= preset.miss <= high)
    return figures, [
        at_most(
            f"{name}: worst deviation of a statistic from the preset",
            worst.off,
            0.1,
            n=count,
            n_needed=needed,
        ),
        at_least(
            f"{name}: the exact interval of missed moves holds the preset's",
            inside,
            1,
            n=count,
            n_needed=needed,
        ),
    ]
