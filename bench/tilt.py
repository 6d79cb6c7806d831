"""CPU of the tilt mathematics: one solve, ten thousand axes, an orientation with all candidates, a disorientation."""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from eucentric.bench.contract import at_most, report
from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.closed_form import double_tilt
from eucentric.knowledge.crystal.rotation import Array, matrix_of
from eucentric.knowledge.crystal.tilts import axes_within_reach

_LIMITS = cr.Superellipse(a=36, b=32, r=3.3)
_AXES = 10_000
_CELLS = {
    "cubic": ((5.431, 5.431, 5.431, 90, 90, 90), 227),
    "monoclinic": ((5.1505, 5.2116, 5.3173, 90, 99.23, 90), 14),
    "trigonal": ((4.7458, 4.7458, 4.7458, 57.23, 57.23, 57.23), 166),
}


def _microseconds(call: Callable[[int], object], rounds: int, inner: int) -> float:
    """Median CPU microseconds of one call, over batches so that the clock's step does not show."""
    times = []
    for r in range(rounds):
        start = time.process_time()
        for k in range(inner):
            call(r * inner + k)
        times.append((time.process_time() - start) / inner)
    return 1e6 * statistics.median(times)


def _random_orientations(seed: int, count: int) -> list[cr.Orientation]:
    rng = np.random.default_rng(seed)
    four = rng.normal(size=(count, 4))
    return [cr.orientation_of(matrix_of(q / np.linalg.norm(q))) for q in four]


def _core_solve(directions: Array) -> Callable[[int], object]:
    vectors = [tuple(v) for v in directions.tolist()]
    contains = _LIMITS.contains

    def one(k: int) -> bool:
        x, y, z = vectors[k % len(vectors)]
        return contains(*double_tilt(x, y, z))

    return one


def _observations(crystal: cr.Crystal, orientation: cr.Orientation) -> tuple[cr.Observation, ...]:
    """Two axes known by their families only, read without error."""
    tilts = [cr.tilt_to_axis(crystal, orientation, uvw, cr.Stage()) for uvw in ((1, 1, 2), (1, 2, 3))]
    return tuple(
        cr.Observation(uvw=t.uvw, family=True, reading=cr.Reading(alpha_deg=t.alpha_deg, beta_deg=t.beta_deg))
        for t in tilts
    )


def _near_beam(crystal: cr.Crystal, orientation: cr.Orientation) -> cr.Orientation:
    """The same crystal put in so that [112] is 9 degrees from the beam at zero tilt."""
    tilt = cr.tilt_to_axis(crystal, orientation, (1, 1, 2), cr.Stage())
    reading = cr.Reading(alpha_deg=tilt.alpha_deg - 9, beta_deg=tilt.beta_deg)
    return cr.orientation_of(cr.rotation(cr.Stage(), reading) @ orientation.array)


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Median CPU times on cubic, monoclinic and rhombohedral cells; the slowest cell counts [DECISIONS 14]."""
    rounds = 5 if quick else 25
    stage = cr.Stage(limits=_LIMITS)
    orientations = _random_orientations(seed, 32)
    directions = np.random.default_rng(seed).normal(size=(256, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    figures: dict[str, Any] = {"core_solve_us": _microseconds(_core_solve(directions), rounds, 2000)}
    for name, (cell, group) in _CELLS.items():
        crystal = cr.crystal_of(cell, group)
        figures |= {
            f"{key}_{name}_us": value for key, value in _timed(crystal, orientations, stage, rounds).items()
        }
    bars = [
        at_most("scalar solve with limits in the core, CPU us", figures["core_solve_us"], 5.0, n=rounds),
        at_most(
            "solve through validated models, orientation included, CPU us",
            _slowest(figures, "model_from_json"),
            50.0,
            n=rounds,
        ),
        at_most("tilts and limits of 10,000 axes, CPU us", _slowest(figures, "many_axes"), 5000.0, n=rounds),
        at_most("two families, all candidates, CPU us", _slowest(figures, "orientation"), 2000.0, n=rounds),
        at_most("disorientation, CPU us", _slowest(figures, "disorientation"), 100.0, n=rounds),
    ]
    return report("tilt", seed, {k: round(v, 3) for k, v in figures.items()}, bars)


def _timed(
    crystal: cr.Crystal, orientations: list[cr.Orientation], stage: cr.Stage, rounds: int
) -> dict[str, float]:
    axes = cr.low_indices(14)[:_AXES]
    pick = [_near_beam(crystal, o) for o in orientations]
    plain = [o.model_dump() for o in pick]
    pairs = [_observations(crystal, o) for o in orientations]
    between = [cr.misorientation(a, b) for a, b in pairwise(orientations)]
    n = len(orientations)
    return {
        "model_solve": _microseconds(
            lambda k: cr.tilt_to_axis(crystal, pick[k % len(pick)], (1, 1, 2), stage), rounds, 200
        ),
        "model_from_json": _microseconds(
            lambda k: cr.tilt_to_axis(
                crystal, cr.Orientation.model_validate(plain[k % len(plain)]), (1, 1, 2), stage
            ),
            rounds,
            100,
        ),
        "model_nearest": _microseconds(
            lambda k: cr.tilt_to_axis(crystal, orientations[k % n], (1, 2, 3), stage), rounds, 50
        ),
        "many_axes": _microseconds(
            lambda k: axes_within_reach(crystal, orientations[k % n], stage, axes), rounds, 4
        ),
        "orientation": _microseconds(lambda k: cr.solve_orientation(crystal, pairs[k % n]), rounds, 8),
        "disorientation": _microseconds(
            lambda k: cr.disorientation_angle_deg(crystal, crystal, between[k % (n - 1)]), rounds, 200
        ),
        "next_axis": _microseconds(
            lambda k: cr.next_axis(crystal, cr.solve_orientation(crystal, pairs[k % n]), stage),
            rounds,
            2,
        ),
    }


def _slowest(figures: dict[str, Any], key: str) -> float:
    return max(float(value) for name, value in figures.items() if name.startswith(key))
