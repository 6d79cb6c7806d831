"""Brute force beside the clearance check: rotate, move and measure a great many points of a body.

Its own code throughout: matrices multiplied out, points sampled, distances measured; nothing from the closed
forms it judges. It looks at a grid of tilts and of the body's surface at the corners of the travel, at random
orders of the axes, then closes in on the worst places by random search in a shrinking window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Box = tuple[tuple[float, float], ...]
"""(low, high) of x, y, z [µm], alpha, beta [deg]; true directions."""

_STARTS = 3
_SAMPLES = 100
_LEVELS = 24
_SHRINK = 0.68
_TILTS = 9
_CLOSE_UM = 1200.0
"""So far beyond the interesting range, a grid's distance is not looked at more closely [µm]."""
_CLOSER_UM = 500.0
"""So far, a finer grid's is not."""


@dataclass(frozen=True)
class Body:
    """A box: half extents, and its middle above the tilt axes [µm]."""

    half: tuple[float, float, float]
    lift: float


@dataclass(frozen=True)
class Solid:
    """All above (up = 1) or below (up = -1) a height, where given only beyond an edge across axis 0 (x) or 1 (y)."""

    up: int
    height: float
    axis: int | None = None
    side: int = 1
    at: float = 0.0


def turns(alpha_deg: Floats, beta_deg: Floats) -> Floats:
    """Rotations Rx(alpha) Ry(beta), (N, 3, 3)."""
    a, b = np.radians(alpha_deg), np.radians(beta_deg)
    turned = np.empty((a.size, 3, 3))
    tilted = np.array([[np.cos(b), 0 * b, np.sin(b)], [-np.sin(b), 0 * b, np.cos(b)]])  # rows x and z of Ry
    turned[:, 0] = tilted[0].T
    turned[:, 1] = (-np.sin(a) * tilted[1]).T
    turned[:, 2] = (np.cos(a) * tilted[1]).T
    turned[:, 1, 1], turned[:, 2, 1] = np.cos(a), np.sin(a)
    return turned


def distance(solid: Solid, x: Floats, y: Floats, z: Floats) -> Floats:
    """Signed distance of points from a solid [µm]; negative inside."""
    above: Floats = solid.up * (solid.height - z)
    if solid.axis is None:
        return above
    before = solid.side * (solid.at - (x if solid.axis == 0 else y))
    outside = np.sqrt(np.maximum(above, 0.0) ** 2 + np.maximum(before, 0.0) ** 2)
    return np.where((above > 0) | (before > 0), outside, np.maximum(above, before))


def surface(body: Body, per_edge: int, layers: int = 3) -> Floats:
    """Points of the body's surface, (3, N): its two faces and its rim."""
    along = np.linspace(-1, 1, per_edge)
    grid = np.array(np.meshgrid(along, along, np.linspace(-1, 1, layers), indexing="ij")).reshape(3, -1)
    points = grid[:, np.abs(grid).max(axis=0) == 1.0]
    placed: Floats = points * np.array(body.half)[:, None] + np.array([0.0, 0.0, body.lift])[:, None]
    return placed


def _ticks(span: tuple[float, float], count: int) -> Floats:
    return np.linspace(*span, count) if span[0] < span[1] else np.array([span[0]])


def _on_grid(solid: Solid, body: Body, box: Box, tilts: int, per_edge: int) -> tuple[Floats, Floats]:
    """Distances at a grid, and the worst settings: (settings (S, 8), distances (S,)), one for each tilt."""
    alpha, beta = (m.ravel() for m in np.meshgrid(_ticks(box[3], tilts), _ticks(box[4], tilts)))
    points = surface(body, per_edge)
    shifts = np.array(np.meshgrid(_ticks(box[0], 2), _ticks(box[1], 2))).reshape(2, -1)
    moved = points[:, :, None] + np.vstack([shifts, np.zeros_like(shifts[0])])[:, None, :]
    x, y, z = np.moveaxis(turns(alpha, beta) @ moved.reshape(3, -1), 1, 0)
    best = np.full(alpha.size, np.inf)
    found = np.zeros((alpha.size, 8))
    for lift in _ticks(box[2], 2):
        gaps = distance(solid, x, y, z + lift)
        index = gaps.argmin(axis=1)
        least = np.take_along_axis(gaps, index[:, None], 1)[:, 0]
        point, shift = np.unravel_index(index, moved.shape[1:])
        settings = np.column_stack(
            [shifts[:, shift].T, np.full(alpha.size, lift), alpha, beta, points[:, point].T]
        )
        better = least < best
        best[better], found[better] = least[better], settings[better]
    return found, best


def _at(solid: Solid, settings: Floats) -> Floats:
    """Distance of one body point for each row of settings (x, y, z, alpha, beta, vx, vy, vz)."""
    point = settings[:, 5:].copy()
    point[:, :2] += settings[:, :2]
    lab = np.einsum("nij,nj->ni", turns(settings[:, 3], settings[:, 4]), point)
    return distance(solid, lab[:, 0], lab[:, 1], lab[:, 2] + settings[:, 2])


def _at_corners(solid: Solid, body: Body, box: Box) -> tuple[Floats, Floats]:
    """Distances at every corner of the box of settings, with the body's surface sampled finely."""
    corners = np.array(np.meshgrid(*(_ticks(span, 2) for span in box), indexing="ij")).reshape(5, -1).T
    points = surface(body, 9, 9).T
    settings = np.concatenate(
        [np.repeat(corners, len(points), 0), np.tile(points, (len(corners), 1))], axis=1
    )
    gaps = _at(solid, settings).reshape(len(corners), -1)
    index = gaps.argmin(axis=1)
    return settings.reshape(len(corners), -1, 8)[np.arange(len(corners)), index], gaps.min(axis=1)


def _close_in(solid: Solid, body: Body, box: Box, starts: Floats, rng: np.random.Generator) -> float:
    """The least distance found from a few starts, in windows that shrink around the best so far."""
    middle = np.array([0.0, 0.0, body.lift])
    low = np.concatenate([[span[0] for span in box], middle - body.half])
    high = np.concatenate([[span[1] for span in box], middle + body.half])
    window = (high - low) / np.array([2, 2, 2, _TILTS - 1, _TILTS - 1, 3, 3, 2])
    best, gaps = starts, _at(solid, starts)
    for _ in range(_LEVELS):
        shape = (len(best), _SAMPLES, 8)
        some = rng.random(shape) < rng.uniform(0.15, 0.8, (*shape[:2], 1))  # steps along few settings or many
        tried = best[:, None, :] + window * rng.uniform(-1, 1, shape) * some
        tried = np.clip(tried, low, high)
        found = _at(solid, tried.reshape(-1, 8)).reshape(len(best), _SAMPLES)
        index = found.argmin(axis=1)
        least = found[np.arange(len(best)), index]
        better = least < gaps
        best = np.where(better[:, None], tried[np.arange(len(best)), index], best)
        gaps = np.minimum(gaps, least)
        window = window * _SHRINK
    return float(gaps.min())


def random_ways(
    start: Sequence[float], target: Sequence[float], ways: int, steps: int, rng: np.random.Generator
) -> Floats:
    """Settings on random ways from start to target, (ways·steps, 5): every axis starts and stops when it likes."""
    begin = rng.uniform(0, 1, (ways, 1, 5))
    length = rng.uniform(0.02, 1, (ways, 1, 5))
    share = np.clip((np.linspace(0, 2, steps)[None, :, None] - begin) / length, 0, 1)
    settings: Floats = np.array(start) + share * (np.array(target) - np.array(start))
    return settings.reshape(-1, 5)


def _on_ways(solid: Solid, body: Body, box: Box, rng: np.random.Generator) -> float:
    lows, highs = zip(*box, strict=True)
    flip = rng.random(5) < 0.5
    settings = random_ways(np.where(flip, lows, highs), np.where(flip, highs, lows), 6, 20, rng)  # type: ignore[arg-type]
    points = surface(body, 5)[None, :, :] + np.pad(settings[:, :2], ((0, 0), (0, 1)))[:, :, None]
    lab = turns(settings[:, 3], settings[:, 4]) @ points
    return float(distance(solid, lab[:, 0], lab[:, 1], lab[:, 2] + settings[:, 2:3]).min())


def rough_gap(solids: Sequence[Solid], body: Body, box: Box) -> float:
    """Least distance on a coarse grid only [µm]: quick, and never too small."""
    return min(float(_on_grid(solid, body, box, 5, 5)[1].min()) for solid in solids)


def least_gap(
    solids: Sequence[Solid],
    body: Body,
    box: Box,
    rng: np.random.Generator,
    interest: tuple[float, float] = (-np.inf, np.inf),
) -> float:
    """Least distance of body and solids that was found anywhere in the box [µm]; it can only be too large.

    Below the interesting range it does not look for an even smaller one; above it, no closer.
    """
    return min(_least(solid, body, box, rng, interest) for solid in solids)


def _least(
    solid: Solid, body: Body, box: Box, rng: np.random.Generator, interest: tuple[float, float]
) -> float:
    settings, gaps = _on_grid(solid, body, box, _TILTS, 7)
    found = min(float(gaps.min()), _on_ways(solid, body, box, rng))
    if not interest[0] < found < interest[1] + _CLOSE_UM:
        return found
    ends, at_ends = _at_corners(solid, body, box)
    found = min(found, float(at_ends.min()))
    if not interest[0] < found < interest[1] + _CLOSER_UM:
        return found
    order = np.argsort(gaps)
    further = rng.choice(order[: len(order) // 4 + 1], _STARTS)
    starts = [settings[order[:_STARTS]], settings[further], ends[np.argsort(at_ends)[:_STARTS]]]
    return min(found, _close_in(solid, body, box, np.concatenate(starts), rng))


def all_inside(box: Box, blocks: Floats) -> bool:
    """Whether every point of the box lies in some block (N, 5, 2): the middles of all cells the ends cut it into."""
    ticks = []
    for axis, (low, high) in enumerate(box):
        cuts = np.unique(np.clip(np.append(blocks[:, axis].ravel(), [low, high]), low, high))
        ticks.append((cuts[1:] + cuts[:-1]) / 2 if low < high else np.array([low]))
    points = np.array(np.meshgrid(*ticks, indexing="ij")).reshape(5, -1).T
    inside = np.zeros(len(points), bool)
    for block in blocks:
        inside |= ((points >= block[:, 0]) & (points <= block[:, 1])).all(axis=1)
    return bool(inside.all())
