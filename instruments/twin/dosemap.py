"""The dose that the specimen has had, by tiles of true specimen: what changes it, and no predictor knows of it.

Tiles of 1, 4, 16, 64 nm … are filled when they are looked at, from the electrons of every scan and spot in their order
(`tiles`), so that the map costs nothing where nobody looks and is the same whenever it is asked.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.exposure_log import Exposure, ExposureLog, LineScan
from eucentric.instruments.twin.tiles import electrons_of_scan, electrons_of_spot, extent

Grid = NDArray[np.float64]
Index = NDArray[np.int64]
Box = tuple[float, float, float, float]
"""(x low, x high, y low, y high) [m]."""

TILE = 1e-9
"""Edge of the finest tiles [m]."""
_COARSER = 4
_BLOCK = 64
"""Tiles along the edge of a block, the unit that is filled at once."""
_MOST_TILES = 320
"""Along an edge of a view; wider views take coarser tiles."""


def level_for(width: float) -> int:
    """The finest level at which a view of that width [m] has no more than a few hundred tiles."""
    level = 0
    while width / (TILE * _COARSER**level) > _MOST_TILES:
        level += 1
    return level


def edge_of(level: int) -> float:
    """Edge of a tile [m]."""
    return float(TILE * _COARSER**level)


@dataclass
class _Block:
    dose: Grid
    """(tiles, tiles) [e/Å²]."""
    scans: int = 0
    spots: int = 0
    """So many of each are in it."""


class _Register:
    """Extents of scans or spots, and the largest dose each can leave in a tile of 1 nm."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float, float, float]] = []
        self._table = np.zeros((0, 5))

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, box: Box, peak: float) -> None:
        """The next one."""
        self._rows.append((*box, peak))

    def near(self, box: Box, first: int = 0) -> Index:
        """Numbers, from `first` on, of those that may reach the box."""
        rows = self._all()[first:]
        touch = (rows[:, 0] < box[1]) & (rows[:, 1] > box[0]) & (rows[:, 2] < box[3]) & (rows[:, 3] > box[2])
        return np.asarray(np.flatnonzero(touch) + first, dtype=np.int64)

    def peaks(self, numbers: Index) -> float:
        """Sum of their peaks [e/Å²]."""
        return float(self._all()[numbers, 4].sum())

    def _all(self) -> Grid:
        if len(self._table) < len(self._rows):
            self._table = np.array(self._rows)
        return self._table


class DoseMap:
    """The map of one specimen; not locked: whoever calls it holds the instrument's state lock."""

    def __init__(self, log: ExposureLog) -> None:
        self._log = log
        self._blocks: dict[tuple[int, int, int], _Block] = {}
        self._scans, self._spots = _Register(), _Register()

    def _register(self) -> None:
        for scan in self._log.scans[len(self._scans) :]:
            self._scans.add(extent(scan), _peak(scan))
        for spot in self._log.spots[len(self._spots) :]:
            self._spots.add(_around(spot), _spot_peak(spot))

    def highest(self, box: Box) -> float:
        """No tile of 1 nm in a box can have had more [e/Å²]; a quick bound, often far too high."""
        self._register()
        return self._scans.peaks(self._scans.near(box)) + self._spots.peaks(self._spots.near(box))

    def at(self, x: Grid, y: Grid, level: int = 0) -> Grid:
        """Dose of the tiles that hold the points x, y [e/Å²]; they broadcast."""
        edge = edge_of(level)
        column, row = np.floor(x / edge).astype(np.int64), np.floor(y / edge).astype(np.int64)
        if not (column.size and row.size):
            return np.zeros(np.broadcast_shapes(x.shape, y.shape))
        left, top = int(column.min()), int(row.min())
        tiles = self.tiles(level, (left, int(column.max()) + 1), (top, int(row.max()) + 1))
        return np.asarray(tiles[row - top, column - left])

    def tiles(self, level: int, columns: tuple[int, int], rows: tuple[int, int]) -> Grid:
        """(rows, columns) [e/Å²] of tiles by number: tile n covers n … n + 1 edges from the stage's origin."""
        found = np.zeros((rows[1] - rows[0], columns[1] - columns[0]))
        for j in range(rows[0] // _BLOCK, (rows[1] - 1) // _BLOCK + 1):
            for i in range(columns[0] // _BLOCK, (columns[1] - 1) // _BLOCK + 1):
                block = self._filled(level, i, j)
                r, c = j * _BLOCK - rows[0], i * _BLOCK - columns[0]
                inner_r = slice(max(0, -r), min(_BLOCK, found.shape[0] - r))
                inner_c = slice(max(0, -c), min(_BLOCK, found.shape[1] - c))
                outer = slice(r + inner_r.start, r + inner_r.stop), slice(c + inner_c.start, c + inner_c.stop)
                found[outer] = block[inner_r, inner_c]
        return found

    def _filled(self, level: int, i: int, j: int) -> Grid:
        """A block with all that has happened since it was last looked at."""
        self._register()
        block = self._blocks.get((level, i, j))
        if block is None:
            block = self._blocks[level, i, j] = _Block(np.zeros((_BLOCK, _BLOCK)))
        edge = edge_of(level)
        x, y = (np.arange(n * _BLOCK, (n + 1) * _BLOCK + 1, dtype=np.float64) * edge for n in (i, j))
        box, area_a2 = (x[0], x[-1], y[0], y[-1]), (edge * 1e10) ** 2
        for n in self._scans.near(box, block.scans):
            block.dose += electrons_of_scan(self._log.scans[n], x, y) / area_a2
        for n in self._spots.near(box, block.spots):
            block.dose += electrons_of_spot(self._log.spots[n], x, y) / area_a2
        block.scans, block.spots = len(self._scans), len(self._spots)
        return block.dose


def _around(spot: Exposure) -> Box:
    half = spot.width / 2, spot.height / 2
    return spot.x - half[0], spot.x + half[0], spot.y - half[1], spot.y + half[1]


def _spot_peak(spot: Exposure) -> float:
    return spot.electrons / (max(spot.width, TILE) * max(spot.height, TILE) * 1e20)


def _peak(scan: LineScan) -> float:
    """Largest dose that a scan can leave in a tile of 1 nm [e/Å²]: pixels, flyback, parked beam."""
    step, pitch = max(scan.step, scan.probe), max(scan.pitch, scan.probe)
    per_tile = max(1.0, TILE / step + 1) * max(1.0, TILE / pitch + 1)
    swept = scan.flyback_electrons / (scan.columns * step)
    pixels = scan.pixel_electrons * per_tile + swept * TILE * max(1.0, TILE / pitch + 1)
    return float((pixels + 2 * scan.parked_electrons) / (TILE * 1e10) ** 2)
