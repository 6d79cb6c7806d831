"""Flakes: where they lie, how they are turned, how many layers they have."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen.film import window
from eucentric.instruments.twin.specimen_spec import FlakesSpec

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Flake:
    """A convex polygon of `layers` layers [m, rad]."""

    seed: int
    x: float
    y: float
    width: float
    layers: int
    rotation: float
    """Angle of the lattice vector a from the x axis."""
    origin: tuple[float, float]
    """A lattice point [m]."""
    normals: tuple[float, ...]
    """Directions of the sides."""
    sides: tuple[float, ...]
    """Their distances from (x, y) [m]."""

    @property
    def reach(self) -> float:
        """Radius of a circle around it [m]."""
        return self.width * 0.75

    def depth(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance inside the nearest side, negative outside [m]; x and y broadcast."""
        dx, dy = x - self.x, y - self.y
        depth: NDArray[np.float64] | None = None
        for angle, side in zip(self.normals, self.sides, strict=True):
            inside = (side - dx * math.cos(angle)) - dy * math.sin(angle)
            depth = inside if depth is None else np.minimum(depth, inside, out=depth)
        assert depth is not None
        return depth


def _width(spec: FlakesSpec, rng: np.random.Generator) -> float:
    drawn = spec.width_um.median * math.exp(spec.width_um.log_sigma * rng.standard_normal())
    return 1e-6 * min(max(drawn, spec.width_um.low), spec.width_um.high)


def _flake(
    spec: FlakesSpec, rng: np.random.Generator, seed: int, cell: tuple[float, float], layers: int
) -> Flake:
    width, count = _width(spec, rng), int(rng.integers(5, 9))
    angles = 2 * math.pi * (np.arange(count) + 0.5 * spec.irregularity * rng.uniform(-1, 1, count)) / count
    sides = 0.5 * width * (1 - spec.irregularity * rng.random(count))
    free = max(0.0, spec.pitch_um * 1e-6 - 0.5 * width) / 2
    x, y = cell[0] + rng.uniform(-free, free), cell[1] + rng.uniform(-free, free)
    return Flake(
        seed=seed, x=x, y=y, width=width, layers=layers,
        rotation=float(rng.uniform(0, math.pi / 3)),
        origin=(x + rng.uniform(0, 1e-9), y + rng.uniform(0, 1e-9)),
        normals=tuple((angles + rng.uniform(0, 2 * math.pi)).tolist()), sides=tuple(sides.tolist()),
    )  # fmt: skip


def _deck(spec: FlakesSpec, rng: np.random.Generator, side: int) -> list[tuple[int, int, int]]:
    """(column, row, layers): blocks of neighbours share one shuffled deck, so that no region is without."""
    tall = max(1, math.isqrt(len(spec.layers)))
    wide = -(-len(spec.layers) // tall)
    cards = []
    for top in range(0, side, tall):
        for left in range(0, side, wide):
            deck = rng.permutation(spec.layers)
            cells = [(left + n % wide, top + n // wide) for n in range(len(deck))]
            cards += [
                (c, r, int(card)) for (c, r), card in zip(cells, deck, strict=True) if c < side and r < side
            ]
    return cards


def sow(spec: FlakesSpec, seed: int) -> tuple[Flake, ...]:
    """All flakes of a world."""
    rng = np.random.default_rng(subseed(seed, 1))
    side = max(1, int(spec.extent_um / spec.pitch_um))
    pitch = spec.pitch_um * 1e-6
    edge = (side - 1) / 2 * pitch
    return tuple(
        _flake(spec, rng, subseed(seed, number), (column * pitch - edge, row * pitch - edge), layers)
        for number, (column, row, layers) in enumerate(_deck(spec, rng, side))
    )


@dataclass(frozen=True)
class FlakeBed:
    """All flakes, with a quick answer to which of them a box touches."""

    flakes: tuple[Flake, ...]
    centres: NDArray[np.float64]
    """(N, 3): x, y, reach [m]."""

    @classmethod
    def of(cls, flakes: tuple[Flake, ...]) -> "FlakeBed":
        """Index the flakes."""
        rows = [(flake.x, flake.y, flake.reach) for flake in flakes]
        return cls(flakes, np.array(rows, dtype=np.float64).reshape(-1, 3))

    def near(self, box: tuple[float, float, float, float]) -> list[Flake]:
        """Flakes whose circle touches the box (x low, x high, y low, y high) [m]."""
        x, y, reach = self.centres.T
        touch = (x + reach > box[0]) & (x - reach < box[1]) & (y + reach > box[2]) & (y - reach < box[3])
        return [self.flakes[index] for index in np.flatnonzero(touch)]


@dataclass(frozen=True)
class Patch:
    """The part of a raster that a flake covers."""

    where: tuple[slice, slice]
    share: Plane
    """Covered share of each pixel there; one number if all are wholly covered."""


def coverage(flake: Flake, raster: Raster) -> Patch | None:
    """What the flake covers, edges anti-aliased; None if it does not touch the raster."""
    pad = raster.pixel
    across = window(flake.x - flake.reach - pad, flake.x + flake.reach + pad, raster.x)
    slack = pad + (abs(raster.shear) * float(np.ptp(raster.x)) if raster.shear else 0.0)
    down = window(flake.y - flake.reach - slack, flake.y + flake.reach + slack, raster.y)
    if across.start == across.stop or down.start == down.stop:
        return None
    y = raster.y2d()[down]
    y = y[:, across] if raster.shear else y
    x = raster.x[across][None, :]
    if (y.shape[1] == 1) and float(flake.depth(x[:, [0, 0, -1, -1]], y[[0, -1, 0, -1]].T).min()) > pad:
        return Patch((down, across), np.ones(1, dtype=np.float32))  # convex: the corners decide
    share = np.clip(flake.depth(x, y) / raster.pixel + 0.5, 0, 1).astype(np.float32)
    return Patch((down, across), share) if share.any() else None
