"""Flakes: where they lie, how they are turned, how many layers they have, which are twisted or folded."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import draws, subseed
from eucentric.instruments.twin.specimen.outline import Outline
from eucentric.instruments.twin.specimen_spec import FlakesSpec

_TWIST, _FOLD = 11, 12


@dataclass(frozen=True)
class Fold:
    """A side that was folded over: the line, and what was there before."""

    angle: float
    """Direction of its normal, outward."""
    line: float
    """Its distance from the flake's (x, y) [m]."""
    whole: Outline
    """The flake before it was folded."""

    @property
    def flap(self) -> Outline:
        """The part that lies on the flake now."""
        return self.whole.mirrored(self.angle, self.line).cut(self.angle, self.line)


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
    twist: float = 0.0
    """By which the upper half of the layers is turned against the lower one."""
    fold: Fold | None = None

    @property
    def reach(self) -> float:
        """Radius of a circle around it [m]."""
        return self.width * 0.75

    @property
    def outline(self) -> Outline:
        """Its edge."""
        return Outline(self.x, self.y, self.reach, self.normals, self.sides)

    def depth(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance inside the nearest side, negative outside [m]; x and y broadcast."""
        return self.outline.depth(x, y)

    def layers_at(self, x: float, y: float) -> int:
        """Layers over a point [m], those of a flap included."""
        place = np.array([x]), np.array([y])
        flap = self.fold is not None and bool(self.fold.flap.depth(*place)[0] >= 0)
        return self.layers * (int(self.depth(*place)[0] >= 0) + int(flap))


@dataclass(frozen=True)
class Block:
    """Layers of a flake that share a lattice and an outline."""

    flake: Flake
    outline: Outline
    layers: tuple[int, ...]
    """Numbers of the layers in the flake, from below as they lie here."""
    lowest: int
    """How many layers are under them."""
    rotation: float
    origin: tuple[float, float]
    topmost: bool = False
    """Whether nothing of the flake lies on it but perhaps a flap."""
    mirror: tuple[float, float] | None = None
    """(angle, distance from the flake's centre) of the line in which they are mirrored."""


def blocks_of(flake: Flake) -> tuple[Block, ...]:
    """The blocks that make a flake, from below."""
    layers = tuple(range(flake.layers))
    cut = flake.layers // 2 if flake.twist else flake.layers
    turned = (flake.rotation + flake.twist, _turned_origin(flake))
    parts = [(layers[:cut], flake.rotation, flake.origin), (layers[cut:], *turned)]
    below = [
        Block(flake, flake.outline, part, part[0], angle, origin, part[-1] == layers[-1])
        for part, angle, origin in parts
        if part
    ]
    return (*below, *_flap(flake, below))


def _flap(flake: Flake, below: list[Block]) -> list[Block]:
    """The same layers upside down on top, inside the flap."""
    fold = flake.fold
    if fold is None:
        return []
    top = 2 * flake.layers - 1
    line = fold.angle, fold.line
    return [
        replace(
            block,
            outline=fold.flap,
            layers=block.layers[::-1],
            lowest=top - block.layers[-1],
            topmost=False,
            mirror=line,
        )
        for block in reversed(below)
    ]


def _turned_origin(flake: Flake) -> tuple[float, float]:
    across, down = draws(subseed(flake.seed, _TWIST, 1), 2).tolist()
    return flake.origin[0] + across * 1e-9, flake.origin[1] + down * 1e-9


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
    flat = Flake(
        seed=seed, x=x, y=y, width=width, layers=layers,
        rotation=float(rng.uniform(0, math.pi / 3)),
        origin=(x + rng.uniform(0, 1e-9), y + rng.uniform(0, 1e-9)),
        normals=tuple((angles + rng.uniform(0, 2 * math.pi)).tolist()), sides=tuple(sides.tolist()),
    )  # fmt: skip
    return _folded(spec, replace(flat, twist=_twist(spec, flat)))


def _twist(spec: FlakesSpec, flake: Flake) -> float:
    chosen, angle, sense = draws(subseed(flake.seed, _TWIST), 3).tolist()
    if flake.layers < 2 or chosen >= spec.twist.share:
        return 0.0
    size = spec.twist.low_deg + (spec.twist.high_deg - spec.twist.low_deg) * angle
    return math.radians(size) * (1 if sense < 0.5 else -1)


def _folded(spec: FlakesSpec, flake: Flake) -> Flake:
    """One side folded over, perhaps: the outline ends at the line, and a flap lies on it."""
    chosen, which, width = draws(subseed(flake.seed, _FOLD), 3).tolist()
    if chosen >= spec.fold.share:
        return flake
    side = int(which * len(flake.sides))
    flap = (spec.fold.low + (spec.fold.high - spec.fold.low) * width) * flake.width
    line = flake.sides[side] - flap
    if line <= 0:  # nothing would be left under the flap
        return flake
    sides = tuple(line if n == side else distance for n, distance in enumerate(flake.sides))
    return replace(flake, sides=sides, fold=Fold(flake.normals[side], line, flake.outline))


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
