"""Random gaps, holders and devices, and moves in them that are often close to a touch."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from eucentric.bench.stages.swept_volume import Body, Box, Solid, rough_gap
from eucentric.knowledge.clearance import AXES, Clearance, Device, Edge, Holder, PolePiece, TravelRow

Pose = dict[str, float]
"""The five readings of a stage."""


@dataclass(frozen=True)
class World:
    """A gap with a holder and devices; `solids` and `body` are the same for the brute force."""

    clearance: Clearance
    holder: Holder
    inserted: tuple[str, ...]
    body: Body
    solids: tuple[Solid, ...]
    signs: tuple[tuple[int, int, int], ...]
    """Every meaning of (alpha, beta, z) readings that the calibration leaves open."""


def _device(rng: np.random.Generator, number: int, gap: float, holder: Holder) -> Device:
    up = rng.random() < 0.5
    kind = rng.choice(["plane", "x", "y"], p=[0.2, 0.4, 0.4])
    room = gap / 2 - holder.thickness_um / 2 - holder.margin_um - abs(holder.z_offset_um)
    height = holder.thickness_um / 2 + holder.margin_um + room * rng.uniform(0.15, 0.95)
    along = holder.half_length_um if kind == "x" else holder.half_width_um
    towards: Any = rng.choice(["+", "-"])
    edge = None
    if kind != "plane":
        at = along * rng.uniform(0.2, 1.3) * (1 if towards == "+" else -1)
        edge = Edge(axis="x" if kind == "x" else "y", at_um=at, towards=towards)
    return Device(
        name=f"device {number}",
        side="above" if up else "below",
        z_um=height if up else -height,
        edge=edge,
        when_inserted=bool(rng.random() < 0.8),
    )


def _table(rng: np.random.Generator) -> tuple[TravelRow, ...]:
    """Blocks of tilt that share edges, each with its own travel, some missing."""
    alphas = np.sort(rng.uniform(-40, 40, rng.integers(3, 6)))
    betas = np.sort(rng.uniform(-30, 30, rng.integers(2, 5)))
    rows = []
    for a, b in product(range(len(alphas) - 1), range(len(betas) - 1)):
        x, y, z = rng.uniform(200, 1000, 3).round(1)
        rows.append(
            TravelRow(
                alpha_deg=(alphas[a], alphas[a + 1]),
                beta_deg=(betas[b], betas[b + 1]),
                x_um=(-x, x),
                y_um=(-y, y),
                z_um=(-z, z),
            )
        )
    return tuple(row for row in rows if rng.random() < 0.9) or (rows[0],)


def _holder(rng: np.random.Generator, name: str, gap: float) -> Holder:
    margin, offset = rng.uniform(0, 150), rng.uniform(-100, 100)
    thickness = rng.uniform(0.05, 0.75) * (gap - 2 * margin - 2 * abs(offset))
    return Holder(
        name=name,
        half_width_um=rng.uniform(1000, 4000),
        half_length_um=rng.uniform(800, 3000),
        thickness_um=thickness,
        z_offset_um=offset,
        margin_um=margin,
        measured_by="bench",
        table=_table(rng) if rng.random() < 0.1 else (),
    )


def _sign(rng: np.random.Generator) -> Any:
    return None if rng.random() < 0.07 else int(rng.choice([-1, 1]))


def _solid(device: Device) -> Solid:
    up = 1 if device.side == "above" else -1
    if device.edge is None:
        return Solid(up, device.z_um)
    edge = device.edge
    return Solid(up, device.z_um, "xy".index(edge.axis), 1 if edge.towards == "+" else -1, edge.at_um)


def random_world(rng: np.random.Generator) -> World:
    """A gap of 4 to 11 mm, three holders (one of them in use), up to three devices, signs mostly calibrated."""
    gap, centre = rng.uniform(4000, 11000), rng.uniform(-100, 100)
    holders = tuple(_holder(rng, name, gap - 2 * abs(centre)) for name in ("A", "B", "*"))
    holder = holders[rng.integers(3)]
    devices = tuple(_device(rng, n, gap, holder) for n in range(rng.choice([0, 1, 1, 2, 3])))
    clearance = Clearance(
        pole_piece=PolePiece(gap_um=gap, centre_um=centre),
        holders=holders,
        devices=devices,
        outside_gap=("haadf",),
        alpha_sign=_sign(rng),
        beta_sign=_sign(rng),
        z_sign=_sign(rng),
    )
    inserted = (*(device.name for device in devices if rng.random() < 0.7), "haadf")
    there = [d for d in devices if not d.when_inserted or d.name in inserted]
    faces = [] if holder.table else [Solid(1, centre + gap / 2), Solid(-1, centre - gap / 2)]
    half = (holder.half_length_um, holder.half_width_um, holder.thickness_um / 2)
    known = (clearance.alpha_sign, clearance.beta_sign, clearance.z_sign)
    return World(
        clearance,
        holder,
        inserted,
        Body(half, holder.z_offset_um),
        (*faces, *map(_solid, there)),
        tuple(product(*((1, -1) if sign is None else (sign,) for sign in known))),  # type: ignore[arg-type]
    )


def true_boxes(world: World, start: Pose, target: Pose) -> Iterator[Box]:
    """What the move covers in true directions, for every meaning of the readings."""
    for alpha, beta, z in world.signs:
        turn = dict(zip(AXES, (1, 1, z, alpha, beta), strict=True))
        ends = [(turn[axis] * start[axis], turn[axis] * target[axis]) for axis in AXES]
        yield tuple((min(pair), max(pair)) for pair in ends)


def _rough(world: World, start: Pose, target: Pose) -> float:
    if not world.solids:
        return np.inf
    box = next(true_boxes(world, start, target))
    return rough_gap(world.solids, world.body, box) - world.holder.margin_um


def _pose(rng: np.random.Generator, tilt: float, travel: float) -> Pose:
    moved = rng.uniform(-1, 1, 5) * np.array([travel, travel, travel / 5, tilt, 0.8 * tilt])
    moved *= rng.random(5) < 0.8  # some axes rest at zero
    return dict(zip(AXES, moved.tolist(), strict=True))


def _toward(start: Pose, target: Pose, share: float) -> Pose:
    return {axis: start[axis] + share * (target[axis] - start[axis]) for axis in AXES}


def _brought_near(world: World, start: Pose, target: Pose, rng: np.random.Generator) -> Pose:
    """A target on the same line whose swept volume is about at the margin, if the move crosses it at all."""
    wanted = rng.uniform(-40, 120)
    low, high = 0.0, 1.0
    if not _rough(world, start, target) < wanted < _rough(world, start, start):
        return target
    for _ in range(11):
        middle = (low + high) / 2
        if _rough(world, start, _toward(start, target, middle)) > wanted:
            low = middle
        else:
            high = middle
    return _toward(start, target, low)


def random_move(world: World, rng: np.random.Generator) -> tuple[Pose, Pose]:
    """A move with small or large tilts; every other one starts near zero and ends near the margin."""
    if rng.random() < 0.5:
        tilt = rng.choice([3.0, 15.0, 60.0])
        return _pose(rng, tilt, rng.choice([50.0, 500.0])), _pose(rng, tilt, rng.choice([50.0, 1000.0]))
    start, target = _pose(rng, rng.choice([0.0, 4.0, 15.0]), 300.0), _pose(rng, 89.0, 1000.0)
    if world.holder.table:
        row = world.holder.table[rng.integers(len(world.holder.table))]
        inside = [low + (high - low) * rng.uniform(-0.01, 1.01) for low, high in row.box]
        return {axis: (row.box[i][0] + row.box[i][1]) / 2 for i, axis in enumerate(AXES)}, dict(
            zip(AXES, inside, strict=True)
        )
    return start, _brought_near(world, start, target, rng)
