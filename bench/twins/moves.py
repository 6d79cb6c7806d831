"""Logs of moves as a site would measure them on its stage: images find where it is, with an error."""

import threading

import numpy as np

from eucentric.instruments.twin import TwinDriver, load_world
from eucentric.instruments.twin.fitting.moves import Looks
from eucentric.instruments.twin.oracle import Oracle
from eucentric.instruments.twin.presets import StagePreset

_NEVER = threading.Event()
_LOOKS = np.array([0.0, 0.3, 0.7, 1.2, 2.0, 3.5, 6.0, 20.0])
"""When an image is taken after a move, in settling times."""


def _next(here: np.ndarray, step: float, reach: float, rng: np.random.Generator) -> np.ndarray:
    """A step of random length and direction, within the travel that is used."""
    way = step * rng.exponential(1.0, 2) * rng.choice([-1.0, 1.0], 2)
    there = here + way
    return np.asarray(np.clip(np.where(np.abs(there) > reach, here - way, there), -reach, reach))


def measured_log(
    preset: StagePreset, seed: int, moves: int, noise_nm: float
) -> tuple[TwinDriver, list[Looks]]:
    """Moves of a stage through its driver, each looked at eight times; the error of an image is normal."""
    world = load_world("mxene").model_copy(update={"stages": {"measured": preset}})
    twin = TwinDriver(world, seed, stage="measured")
    oracle, rng = Oracle(twin), np.random.default_rng([seed, 77])
    reach = min(40e-6, 0.9 * preset.travel_um * 1e-6)
    here, log = np.zeros(2), []
    for _ in range(moves):
        here = _next(here, 0.2 * reach, reach, rng)
        begun = twin.read().time_s
        twin.move({"x": float(here[0]), "y": float(here[1])}, _NEVER)
        log.append(_looked(twin, oracle, here, begun, preset.settle_s, noise_nm * 1e-9, rng))
    return twin, log


def _looked(
    twin: TwinDriver, oracle: Oracle, told: np.ndarray, begun: float, settle_s: float, noise: float,
    rng: np.random.Generator,
) -> Looks:  # fmt: skip
    arrived, places = twin.read().time_s, []
    for since in _LOOKS * settle_s:
        twin.wait(arrived + since - twin.read().time_s, _NEVER)
        place = oracle.actual()
        places.append([place["x"], place["y"]])
    reported = twin.read().reported
    return Looks(
        time_s=arrived + _LOOKS * settle_s,
        since_s=_LOOKS * settle_s,
        took_s=arrived - begun,
        commanded=told.copy(),
        reported=np.array([reported["x"], reported["y"]]),
        measured=np.array(places) + noise * rng.standard_normal((len(places), 2)),
    )
