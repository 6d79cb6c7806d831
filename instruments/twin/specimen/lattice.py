"""Atomic columns of a flake: the same atoms whenever and however closely one looks."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed
from eucentric.instruments.twin.specimen.change import Change
from eucentric.instruments.twin.specimen.defects import Imperfections, either
from eucentric.instruments.twin.specimen.flakes import Block
from eucentric.instruments.twin.specimen.material import Floats, Material, Species

Box = tuple[float, float, float, float]
"""(x low, x high, y low, y high) [m]."""
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Heights:
    """Atoms of columns, one by one."""

    column: Index
    """(M,) number of the column that the atom is in."""
    z: Floats
    """(M,) over the middle of the block's lowest layer [m]."""
    weight: Floats
    """(M,) cross-section [m²]."""


@dataclass(frozen=True)
class Columns:
    """Atomic columns of one block inside a box."""

    x: Floats
    """(N,) [m]."""
    y: Floats
    i: Index
    """(N,) cell index."""
    j: Index
    sublattice: Index
    """(N,) number of the site."""
    missing: NDArray[np.int8]
    """(layers, N) main atoms of the column that are not there: those of the element that may be vacant, else of the
    first that the column lists; -1 where the layer has no atom on this site."""
    present: NDArray[np.int8]
    """(layers, N) main atoms that are there."""
    swapped: NDArray[np.int8]
    """(layers, N) main atoms that are of another element."""
    added: Mask
    """(N,) an adatom sits on top."""
    weight: Floats
    """(N,) cross-section of all layers together [m²]."""
    atoms: "Heights | None" = None
    """The same atom by atom with heights, if they were asked for."""

    @property
    def vacant(self) -> Mask:
        """(layers, N): no main atom of that layer is left."""
        return np.asarray((self.missing > 0) & (self.present == 0))


def _cells(block: Block, a: float, box: Box) -> tuple[Index, Index]:
    """Indices of all cells that may touch the box, as flat arrays."""
    cos, sin = math.cos(block.rotation), math.sin(block.rotation)
    corners = np.array([box[0], box[1], box[0], box[1]]), np.array([box[2], box[2], box[3], box[3]])
    x, y = _mirrored(block, *corners)
    x, y = x - block.origin[0], y - block.origin[1]
    along, across = x * cos + y * sin, y * cos - x * sin
    j = across / (a * math.sqrt(3) / 2)
    i = along / a + j / 2
    rows = np.arange(math.floor(j.min()) - 1, math.ceil(j.max()) + 2, dtype=np.int64)
    columns = np.arange(math.floor(i.min()) - 1, math.ceil(i.max()) + 2, dtype=np.int64)
    grid_i, grid_j = np.meshgrid(columns, rows)
    return grid_i.ravel(), grid_j.ravel()


def _mirrored(block: Block, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Mirror images in the block's line, its own inverse; the points themselves if it has none."""
    if block.mirror is None:
        return x, y
    angle, distance = block.mirror
    cos, sin = math.cos(angle), math.sin(angle)
    twice = 2 * ((x - block.outline.x) * cos + (y - block.outline.y) * sin - distance)
    return x - twice * cos, y - twice * sin


def _places(block: Block, a: float, site: tuple[float, float], i: Index, j: Index) -> tuple[Floats, Floats]:
    cos, sin = math.cos(block.rotation), math.sin(block.rotation)
    along = a * (i + site[0] - 0.5 * (j + site[1]))
    across = a * math.sqrt(3) / 2 * (j + site[1])
    x, y = block.origin[0] + along * cos - across * sin, block.origin[1] + along * sin + across * cos
    return _mirrored(block, x, y)


@dataclass(frozen=True)
class Look:
    """What is asked of a block."""

    material: Material
    imperfections: Imperfections
    box: Box
    change: Change | None = None
    heights: bool = False
    """Whether the view is tilted, so that heights matter."""


class _Pile:
    """Adds the layers of one site up."""

    def __init__(
        self, block: Block, look: Look, number: int, cells: tuple[Index, Index], places: tuple[Floats, Floats]
    ) -> None:
        self.block, self.look, self.number = block, look, number
        (self.i, self.j), self.places = cells, places
        i = self.i
        self.dose = look.change.dose_at(*places, look.box) if look.change is not None else None
        shape = len(block.layers), len(i)
        self.missing, self.present = np.zeros(shape, np.int8), np.zeros(shape, np.int8)
        self.swapped = np.zeros(shape, np.int8)
        self.weight, self.heights = np.zeros(len(i)), list[tuple[float, Floats]]()
        self.added = np.zeros(len(i), dtype=np.bool_)
        for row, layer in enumerate(block.layers):
            self._layer(row, layer)
        if block.topmost:
            self._on_top()

    def _seed(self, layer: int) -> int:
        return subseed(self.block.flake.seed, layer, self.number)

    def _layer(self, row: int, layer: int) -> None:
        atoms = self.look.material.species[self.number][layer % 2]
        if not atoms:
            self.missing[row] = -1
            return
        main = main_of(atoms, self.look.material.vacant_element)
        floor = self.look.material.height * row
        sign = -1 if self.block.mirror is not None else 1
        for one in atoms:
            for copy in range(one.copies):
                height = floor + sign * (one.heights[copy] if one.heights else 0.0)
                self._atom(row, self._seed(layer), one, copy, height, one is main)

    def _atom(self, row: int, seed: int, one: Species, copy: int, height: float, main: bool) -> None:
        imperfections, change = self.look.imperfections, self.look.change
        gone = imperfections.missing(one.element, seed, copy, self.i, self.j)
        if main and one.element == self.look.material.vacant_element:
            gone = either(
                gone,
                imperfections.clustered(
                    self.block.flake.seed, self.block.layers[row], self.places, self.look.box
                ),
            )
        if change is not None and self.dose is not None:
            gone = either(gone, change.lost(one.element, seed, copy, self.i, self.j, self.dose))
        weight = np.full(len(self.i), one.each)
        for element, where in imperfections.swapped(one.element, seed, copy, self.i, self.j):
            weight[where] = self.look.material.cross_section(element) * one.count / one.copies
            if main:
                self.swapped[row] += where if gone is None else where & ~gone
        if gone is not None:
            weight[gone] = 0.0
        if main:
            self.missing[row] += 0 if gone is None else gone.astype(np.int8)
            self.present[row] += 1 if gone is None else (~gone).astype(np.int8)
        self._add(height, weight)

    def _on_top(self) -> None:
        row = len(self.block.layers) - 1
        layer = self.block.layers[row]
        elements = [one.element for one in self.look.material.species[self.number][layer % 2]]
        found = self.look.imperfections.on_top(elements, self._seed(layer), self.i, self.j)
        for element, where in found:
            self.added |= where
            weight = where.astype(np.float64) * self.look.material.cross_section(element)
            self._add(self.look.material.height * (row + 0.5), weight)

    def _add(self, height: float, weight: Floats) -> None:
        self.weight += weight
        if self.look.heights:
            self.heights.append((height, weight))

    def atoms(self) -> Heights | None:
        """Atom by atom, those that are not there left out."""
        if not self.look.heights:
            return None
        weight = np.array([one for _, one in self.heights]).reshape(len(self.heights), -1)
        at, column = np.nonzero(weight)
        return Heights(column, np.array([z for z, _ in self.heights])[at], weight[at, column])


def main_of(atoms: tuple[Species, ...], vacant_element: str) -> Species:
    """The atoms of a column that its truth is about."""
    return next((one for one in atoms if one.element == vacant_element), atoms[0])


def _site(block: Block, look: Look, number: int) -> Columns:
    i, j = _cells(block, look.material.a, look.box)
    x, y = _places(block, look.material.a, look.material.sites[number], i, j)
    box = look.box
    keep = (x >= box[0]) & (x <= box[1]) & (y >= box[2]) & (y <= box[3])
    keep[keep] = block.outline.depth(x[keep], y[keep]) >= 0
    i, j, x, y = i[keep], j[keep], x[keep], y[keep]
    pile = _Pile(block, look, number, (i, j), (x, y))
    if look.change is not None and pile.dose is not None:
        x, y = look.change.thrown(subseed(block.flake.seed, number), i, j, (x, y), pile.dose)
    return Columns(
        x, y, i, j, np.full(x.shape, number, dtype=np.int64), pile.missing, pile.present, pile.swapped,
        pile.added, pile.weight, pile.atoms(),
    )  # fmt: skip


def columns_in(block: Block, look: Look) -> Columns:
    """All columns of a block within a box; what lies in a pore is gone.

    Seen along the layer normal, the layers of a block add to the same columns.
    """
    found = _joined([_site(block, look, number) for number in range(len(look.material.sites))])
    return _without_pores(block, look, found) if look.change is not None else found


def _joined(parts: list[Columns]) -> Columns:
    first = np.cumsum([0, *(len(part.x) for part in parts)])
    atoms = [
        (part.atoms, n) for part, n in zip(parts, first.tolist(), strict=False) if part.atoms is not None
    ]
    return Columns(
        **{
            name: np.concatenate([getattr(part, name) for part in parts], axis=-1)
            for name in ("x", "y", "i", "j", "sublattice", "missing", "present", "swapped", "added", "weight")
        },
        atoms=Heights(
            np.concatenate([one.column + n for one, n in atoms]),
            np.concatenate([one.z for one, _ in atoms]),
            np.concatenate([one.weight for one, _ in atoms]),
        )
        if atoms
        else None,
    )


def _without_pores(block: Block, look: Look, columns: Columns) -> Columns:
    assert look.change is not None
    pores = look.change.pores(look.box, block.flake.layers)
    gone = np.zeros(columns.x.shape, dtype=np.bool_)
    for x, y, radius in zip(pores.x, pores.y, pores.draws[:, 0], strict=True):
        gone |= (columns.x - x) ** 2 + (columns.y - y) ** 2 < radius**2
    if not gone.any():
        return columns
    there = columns.present >= 0
    lost = np.where(gone & there & (columns.missing >= 0), columns.present, 0)
    atoms = columns.atoms
    if atoms is not None:
        atoms = replace(atoms, weight=np.where(gone[atoms.column], 0.0, atoms.weight))
    return replace(
        columns,
        missing=columns.missing + lost,
        present=columns.present - lost,
        swapped=np.where(gone, 0, columns.swapped).astype(np.int8),
        added=columns.added & ~gone,
        weight=np.where(gone, 0.0, columns.weight),
        atoms=atoms,
    )
