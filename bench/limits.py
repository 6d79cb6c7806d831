"""Random moves of all five stage axes, allowed or refused, against a brute-force swept volume.

A collision is a move that the check allows though brute force finds a setting on some way from start to target
with a body point nearer to an obstacle than the margin. A safe move is one where it finds none; *near* means
that the least distance it finds leaves at most 100 µm beyond the margin. Brute force can only overlook, so a
few "safe" moves refused may be collisions it missed; they count against the check all the same. How much it
overlooks is told by `brute_force_sees_further_um`: its least distance minus the one the check reckons with, found
by widening the margin until the check refuses.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from eucentric.bench.contract import at_most, report, share_at_most
from eucentric.bench.stages.moves import Pose, World, random_move, random_world, true_boxes
from eucentric.bench.stages.swept_volume import all_inside, least_gap
from eucentric.knowledge.clearance import AXES, check_path

_PATHS = 10_000
_QUICK = 1_200
_PER_WORLD = 25
_NEAR_UM = 100.0
_NEAR_DEG = 0.5
_ROUNDING_UM = 0.01
"""Less than this inside the margin is arithmetic, not a collision [µm]."""
_DEEP_UM = 200.0
"""Once a collision is this deep, brute force looks no further [µm]."""
_NEAR_NEEDED = 150
_COMPARED = 200
"""Near moves whose distance is compared with the check's own."""


@dataclass(frozen=True)
class Path:
    """One move and what brute force says of it."""

    world: World
    start: Pose
    target: Pose
    slack_um: float
    """Least distance found beyond the margin; negative: the margin is invaded."""


def _inside_table(world: World, start: Pose, target: Pose, wider: int = 0) -> bool:
    grown = (_NEAR_DEG if axis.endswith("deg") else _NEAR_UM for axis in AXES)
    pairs = zip(AXES, grown, strict=True)
    box = tuple(
        (min(start[axis], target[axis]) - wider * more, max(start[axis], target[axis]) + wider * more)
        for axis, more in pairs
    )
    return all_inside(box, np.array([row.box for row in world.holder.table]))


def slack_um(world: World, start: Pose, target: Pose, rng: np.random.Generator) -> float:
    """Least distance beyond the margin by brute force [µm].

    Where a measured table rules: -inf if a part of the box is in no row; at most 50 µm if it would be so with
    every range 100 µm or 0.5 degrees wider.
    """
    least = np.inf
    if world.holder.table:
        if not _inside_table(world, start, target):
            return -np.inf
        least = np.inf if _inside_table(world, start, target, 1) else _NEAR_UM / 2
    if world.solids:
        margin = world.holder.margin_um
        interest = (margin - _DEEP_UM, margin + _NEAR_UM)
        boxes = set(true_boxes(world, start, target))
        gaps = (least_gap(world.solids, world.body, box, rng, interest) for box in boxes)
        least = min(least, min(gaps) - margin)
    return float(least)


def random_paths(count: int, rng: np.random.Generator) -> Iterator[Path]:
    """Moves with the brute force's verdict, 25 in each random world."""
    for number in range(count):
        if number % _PER_WORLD == 0:
            world = random_world(rng)
        start, target = random_move(world, rng)
        yield Path(world, start, target, slack_um(world, start, target, rng))


def _allowed(path: Path, start: Pose, target: Pose) -> bool:
    return (
        check_path(path.world.clearance, path.world.holder.name, start, target, path.world.inserted) is None
    )


def _unknown_allowed(path: Path) -> int:
    """How many of four moves nobody can know to be safe are allowed all the same."""
    world = path.world
    only = world.clearance.model_copy(update={"holders": world.clearance.holders[:1]})
    tries = (
        check_path(only, "never seen", path.start, path.start, world.inserted),
        check_path(world.clearance, "A", path.start, path.start, ("never seen",)),
        check_path(world.clearance, "A", path.start, path.target | {"alpha_deg": float("nan")}),
        check_path(world.clearance, "A", path.start, {k: v for k, v in path.target.items() if k != "z_um"}),
    )
    return sum(refusal is None for refusal in tries)


def _own_slack_um(path: Path) -> float:
    """The margin at which the check starts to refuse the move, beyond the holder's own [µm]."""
    holder, low, high = path.world.holder, 0.0, 2000.0
    for _ in range(20):
        middle = (low + high) / 2
        changed = holder.model_copy(update={"margin_um": middle})
        only = path.world.clearance.model_copy(update={"holders": (changed,)})
        refusal = check_path(only, holder.name, path.start, path.target, path.world.inserted)
        low, high = (middle, high) if refusal is None else (low, middle)
    return low - holder.margin_um


def _judged(path: Path, number: int) -> dict[str, Any]:
    begun = time.process_time()
    allowed = _allowed(path, path.start, path.target)
    seconds = time.process_time() - begun
    slack = path.slack_um
    ends = _allowed(path, path.start, path.start) and _allowed(path, path.target, path.target)
    collision = slack < -_ROUNDING_UM
    return {
        "id": number,
        "outputs": {"allowed": allowed, "slack_um": slack if np.isfinite(slack) else None, "ends": ends},
        "deviation": None,
        "pass": not (allowed and collision) and (allowed or slack <= 0),
        "seconds": seconds,
        "collision": collision,
        "near": 0 < slack <= _NEAR_UM,
    }


def _slacks(cases: list[dict[str, Any]], allowed: bool) -> list[float]:
    outputs = [case["outputs"] for case in cases]
    return [o["slack_um"] for o in outputs if o["allowed"] is allowed and o["slack_um"] is not None]


def _figures(cases: list[dict[str, Any]]) -> dict[str, Any]:
    def count(collision: bool | None = None, near: bool | None = None, **outputs: bool) -> int:
        return sum(
            collision in (None, case["collision"])
            and near in (None, case["near"])
            and all(case["outputs"][key] is value for key, value in outputs.items())
            for case in cases
        )

    micros = sorted(1e6 * case["seconds"] for case in cases)
    return {
        "paths": len(cases),
        "with_collision": count(True),
        "collisions_allowed": count(True, allowed=True),
        "collisions_allowed_if_only_ends_were_checked": count(True, ends=True),
        "safe": count(False),
        "safe_refused": count(False, allowed=False),
        "safe_near": count(near=True),
        "safe_near_refused": count(near=True, allowed=False),
        "near_um": _NEAR_UM,
        "closest_allowed_um": min(_slacks(cases, True), default=None),
        "roomiest_refused_um": max(_slacks(cases, False), default=None),
        "median_us": round(statistics.median(micros), 1),
        "p95_us": round(micros[int(0.95 * len(micros))], 1),
        "max_us": round(micros[-1], 1),
    }


def _spread(values: list[float]) -> dict[str, float]:
    """Least, median, 95 % and largest: how far brute force stays from the distance the check reckons with."""
    shares = {"least": 0, "median": 50, "p95": 95, "largest": 100}
    return {name: round(float(np.percentile(values or [np.inf], share)), 3) for name, share in shares.items()}


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Collisions allowed, safe moves refused and CPU per check over 10,000 random moves [DECISIONS 14]."""
    rng = np.random.default_rng(seed)
    cases: list[dict[str, Any]] = []
    further: list[float] = []
    unknown, asked = 0, 0
    for number, path in enumerate(random_paths(_QUICK if quick else _PATHS, rng)):
        cases.append(_judged(path, number))
        if 0 < path.slack_um <= _NEAR_UM and not path.world.holder.table and len(further) < _COMPARED:
            further.append(path.slack_um - _own_slack_um(path))
        if number % 20 == 0:
            unknown, asked = unknown + _unknown_allowed(path), asked + 4
    figures = _figures(cases) | {"brute_force_sees_further_um": _spread(further)}
    allowed, near = figures["collisions_allowed"], figures["safe_near"]
    bars = [
        at_most(
            "moves allowed that brute force sees collide",
            allowed,
            0,
            n=len(cases),
            n_needed=1 if allowed else _PATHS,
        ),
        share_at_most(
            f"safe moves refused, of those that come within {_NEAR_UM:.0f} µm of the margin",
            figures["safe_near_refused"],
            near,
            0.02,
            n_needed=_NEAR_NEEDED,
        ),
        at_most("moves allowed that nobody can know to be safe", unknown, 0, n=asked),
        at_most("median CPU ms of a check", figures["median_us"] / 1e3, 0.3, n=len(cases), n_needed=1000),
    ]
    return report("limits", seed, figures, bars, cases=cases)
