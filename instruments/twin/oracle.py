"""Truth about a twin, for bench and tests. Nothing else may import this."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.instruments.driver import ScanSpec
from eucentric.instruments.twin.dosemap import TILE
from eucentric.instruments.twin.driver import TwinDriver
from eucentric.instruments.twin.exposure_log import LineScan
from eucentric.instruments.twin.faults import FaultEvent
from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.optics.aberrations import Aberrations
from eucentric.instruments.twin.polepiece import clearance
from eucentric.instruments.twin.render import View, centre_of, scattered_shares
from eucentric.instruments.twin.scanner import view_of
from eucentric.instruments.twin.specimen import Specimen
from eucentric.instruments.twin.specimen.flakes import Block, Flake
from eucentric.instruments.twin.specimen.grains import Grain
from eucentric.instruments.twin.specimen.lattice import Columns
from eucentric.instruments.twin.stage import AXES
from eucentric.instruments.twin.tiles import electrons_in_tiles

Box = tuple[float, float, float, float]
"""(x low, x high, y low, y high) [m]."""


@dataclass(frozen=True)
class Sites:
    """True sites in a field: one row for each column of each layer that holds atoms of the truth's element.

    That is the element that may be vacant, or the column's first one where it has none of that.
    """

    x: NDArray[np.float64]
    """(N,) [m]."""
    y: NDArray[np.float64]
    vacant: NDArray[np.bool_]
    """All of these atoms are missing."""
    missing: NDArray[np.int64]
    """(N,) how many of them are."""
    swapped: NDArray[np.int64]
    """(N,) how many are of another element."""
    added: NDArray[np.bool_]
    """(N,) an adatom sits on the column; told with its highest layer."""
    layer: NDArray[np.int64]
    sublattice: NDArray[np.int64]
    flake: NDArray[np.int64]

    @property
    def vacancy_fraction(self) -> float:
        """Realised share of empty sites (nan without sites)."""
        return float(self.vacant.mean()) if self.vacant.size else float("nan")


@dataclass(frozen=True)
class Suspended:
    """A part of a flake over a hole."""

    flake: int
    layers: int
    x: float
    y: float
    radius: float
    """Of a circle that is free of film and covered by the flake [m]."""


def _inside(flake: Flake, x: float, y: float) -> float:
    """Distance of a point inside the flake's edge and outside its flap; negative: not there [m]."""
    place = np.array([x]), np.array([y])
    inside = float(flake.depth(*place)[0])
    return inside if flake.fold is None else min(inside, -float(flake.fold.flap.depth(*place)[0]))


def _site_rows(number: int, block: Block, c: Columns) -> list[tuple[NDArray[Any], ...]]:
    """The fields of `Sites` for each layer of a block."""
    rows: list[tuple[NDArray[Any], ...]] = []
    for row, layer in enumerate(block.layers):
        held = c.missing[row] >= 0
        top = row == len(block.layers) - 1
        rows.append(
            (
                c.x[held], c.y[held], c.vacant[row][held], c.missing[row][held].astype(np.int64),
                c.swapped[row][held].astype(np.int64), c.added[held] & top,
                np.full(int(held.sum()), layer), c.sublattice[held], np.full(int(held.sum()), number),
            )
        )  # fmt: skip
    return rows


@dataclass(frozen=True)
class AtomsThere:
    """True atoms of a file's structure in a field."""

    x: NDArray[np.float64]
    """(N,) [m]."""
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    element: NDArray[np.str_]
    missing: NDArray[np.bool_]
    """Taken by the beam."""


class Oracle:
    """Reads and, where an operator could, repairs a twin in this process."""

    def __init__(self, twin: TwinDriver) -> None:
        self._twin = twin

    @property
    def _specimen(self) -> Specimen:
        return self._twin._specimen

    @property
    def vacancy_fraction(self) -> float:
        """Share of empty sites that the world was made with."""
        return self._specimen.world.vacancy_fraction

    @property
    def layer_fraction(self) -> float:
        """Share of the beam that one layer of the flakes sends to 60-140 mrad; 0 without flakes."""
        flakes = self._specimen.flakes
        return flakes.layer_fraction if flakes else 0.0

    @property
    def flakes(self) -> tuple[Flake, ...]:
        """All flakes."""
        return self._specimen.flakes.bed.flakes if self._specimen.flakes else ()

    @property
    def aberrations(self) -> Aberrations:
        """True C1 (over the eucentric plane), A1, B2, A2 now [m]."""
        return self._twin._column.aberrations(self._twin._clock.now())

    @property
    def faults(self) -> tuple[FaultEvent, ...]:
        """Faults that struck, in order."""
        return tuple(self._twin._faults.log)

    def actual(self) -> dict[str, float]:
        """True stage position now [m, rad]."""
        now = np.array([self._twin._clock.now()])
        return dict(zip(AXES, self._twin._stage.actual(now)[0].tolist(), strict=True))

    def height(self, x: float, y: float) -> float:
        """Specimen height at a point [m]; the defocus that focuses it at zero tilt and z = 0."""
        return self._specimen.height(x, y)

    def layers_at(self, x: float, y: float) -> int:
        """Layers of all flakes over a point [m]."""
        return sum(flake.layers_at(x, y) for flake in self._near((x, x, y, y)))

    def _near(self, box: Box) -> list[Flake]:
        flakes = self._specimen.flakes
        return flakes.bed.near(box) if flakes else []

    def on_film(self, x: float, y: float) -> bool:
        """True if carbon lies under a point [m]."""
        place = np.array([x]), np.array([y])
        holes = self._specimen.holes((x, x, y, y))
        return self._specimen.film is not None and not any(
            hole.depth(place[0] - hole.x, place[1] - hole.y)[0] > 0 for hole in holes
        )

    def suspended(self, box: Box, layers: int = 1, radius: float = 0.2e-6) -> list[Suspended]:
        """Places where exactly `layers` layers span a hole, at least `radius` wide, largest first."""
        found = []
        for hole in self._specimen.holes(box):
            if self._specimen.opaque(hole.x, hole.y):
                continue
            for flake in self._near((hole.x, hole.x, hole.y, hole.y)):
                free = min(_inside(flake, hole.x, hole.y), hole.inner)
                if flake.layers == layers == self.layers_at(hole.x, hole.y) and free >= radius:
                    found.append(Suspended(self.flakes.index(flake), layers, hole.x, hole.y, free))
        return sorted(found, key=lambda place: -place.radius)

    def sites(self, box: Box) -> Sites:
        """Every site in a box (x low, x high, y low, y high) [m]."""
        rows = [row for number, block, c in self._columns(box) for row in _site_rows(number, block, c)]
        if not rows:
            none, index = np.zeros(0), np.zeros(0, dtype=np.int64)
            never = none.astype(np.bool_)
            return Sites(none, none, never, index, index, never, index, index, index)
        return Sites(*(np.concatenate(column) for column in zip(*rows, strict=True)))

    def atoms(self, box: Box) -> AtomsThere:
        """Every atom of a file's structure in a box [m]."""
        atoms = self._specimen.atoms
        if atoms is None:
            none = np.zeros(0)
            return AtomsThere(none, none, none, none.astype(np.str_), none.astype(np.bool_))
        placed = atoms.laid.within(box)
        elements = atoms.laid.atoms.elements[placed.number]
        return AtomsThere(placed.x, placed.y, placed.z, elements, atoms.missing(placed, box))

    def grain(self, x: float, y: float) -> Grain:
        """The grain at a place [m], with the orientation that it truly has."""
        grains = self._specimen.grains
        if grains is None:
            raise BadInput("this world has no grains")
        return grains.at(x, y)

    def tilted(self, alpha: float, beta: float) -> NDArray[np.float64]:
        """(3, 3) specimen to lab at a true tilt [rad]."""
        return np.array(Tilt(alpha, beta).rows)

    def to_lab(self, grain: Grain, alpha: float, beta: float) -> NDArray[np.float64]:
        """(3, 3) crystal Cartesian to lab at a true tilt [rad]."""
        return np.asarray(self.tilted(alpha, beta) @ grain.to_specimen)

    def middle(self) -> tuple[float, float]:
        """The specimen's point under the middle of a field now [m]."""
        position = np.array([list(self.actual().values())])
        x, y, _ = centre_of(self._specimen, View(position, self._twin._column.beam_shift, 0.0))
        return x, y

    def particles(self, box: Box) -> NDArray[np.float64]:
        """(n, 3) x, y, diameter [m] of the metal particles in a box [m]."""
        found = self._specimen.particles.within(box)
        return np.column_stack([found.x, found.y, found.draws[:, 0]])

    def dose_per_tile(self, box: Box) -> NDArray[np.float64]:
        """(rows, columns) [e/Å²] of the true 1 nm tiles that a box [m] touches, as the specimen has had it."""
        first = [math.floor(low / TILE) for low in (box[0], box[2])]
        last = [math.ceil(high / TILE) for high in (box[1], box[3])]
        return self._specimen.change.dose.tiles(0, (first[0], last[0]), (first[1], last[1]))

    def _columns(self, box: Box) -> list[tuple[int, Block, Columns]]:
        flakes = self._specimen.flakes
        if flakes is None:
            return []
        return [
            (self.flakes.index(flake), block, columns)
            for flake in flakes.bed.near(box)
            for block, columns in flakes.columns(flake, box)
        ]

    def field(self, scan: ScanSpec) -> tuple[float, float, float, float]:
        """The box that a scan from here would show, at zero tilt [m]."""
        place, shift = self.actual(), self._twin._column.beam_shift
        half = (scan.fov_m / 2, scan.rows * scan.pixel_m / 2)
        x, y = place["x"] + shift[0], place["y"] + shift[1]
        return x - half[0], x + half[0], y - half[1], y + half[1]

    def noiseless(self, scan: ScanSpec) -> NDArray[np.float32]:
        """Share of the beam at 60-140 mrad that a frame taken now would expect, (rows, columns)."""
        now = self._twin._clock.now()
        positions = np.repeat(self._twin._stage.actual(np.array([now])), scan.rows, axis=0)
        view = view_of(self._twin._column, self._twin._world.scan, scan, positions, now)
        return scattered_shares(self._specimen, scan, view)

    def dose_e_per_a2(self, x: float, y: float) -> float:
        """What a point [m] has had [e/Å²]."""
        return self._twin._exposures.dose_e_per_a2(x, y)

    @property
    def scans(self) -> tuple[LineScan, ...]:
        """Every scan that exposed the specimen, in order."""
        return tuple(self._twin._exposures.scans)

    def electrons_in_tiles(
        self, x: NDArray[np.float64], y: NDArray[np.float64], first: int = 0, last: int | None = None
    ) -> NDArray[np.float64]:
        """Electrons in each tile between the edges x and y [m], (ny, nx); of some scans only, if a slice is given."""
        return electrons_in_tiles(self._twin._exposures, x, y, first, last)

    @property
    def electrons(self) -> float:
        """All electrons that reached the specimen."""
        return sum(entry.electrons for entry in self._twin._exposures.entries)

    def restore_beam(self) -> None:
        """What an operator does after a trip or an interlock."""
        self._twin._health.restore(self._twin._clock.now())

    def repair_detectors(self) -> None:
        """What an operator does to detectors that see nothing or too much."""
        self._twin._detectors.repair()

    def clearance(self) -> float:
        """True distance of the holder from the nearer pole piece now [m]."""
        return clearance(self._twin._world.pole_piece, np.array(list(self.actual().values())))
