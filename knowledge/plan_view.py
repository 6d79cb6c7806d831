"""What a CIF shows down c: the piles of atoms over each other, and the lattice that they form."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.plan_lattice import HEXAGONAL, SQUARE, Kind

Array = NDArray[np.float64]
Place = tuple[float, float]

_LIGHT = 10
"""Columns of nothing but lighter elements than this are too faint to be read beside heavier ones (O in perovskites)."""
_SAME_PLACE = 0.03
"""Atoms nearer than this [fraction of the cell] are one column: a polar shift is no column of its own."""


@dataclass(frozen=True)
class PlanView:
    """The columns of one cell."""

    kind: Kind
    a_angstrom: float
    """Edge of the cell in which the columns are the sublattices; it may be a part of the CIF's."""
    piles: dict[Place, tuple[str, ...]]
    """Elements by place in that cell, heaviest first, one for each atom."""
    title: str


def plan_view(path: Path) -> PlanView:
    """Read the columns of a CIF: one layer of a hexagonal crystal, or one period of a tetragonal or cubic one.

    Raises
    ------
    BadInput
        If the file cannot be read, or its columns form neither lattice.
    """
    crystal = read_structure(path)
    cell = crystal.cell
    title = visible(crystal.name or path.stem, limit=60)
    if abs(cell.a - cell.b) <= 1e-3 * cell.a and abs(cell.gamma - 120) <= 0.1:
        return PlanView("hexagonal", cell.a, _hexagonal_piles(_one_layer(crystal), path.name), title)
    right = all(abs(angle - 90) <= 0.1 for angle in (cell.alpha, cell.beta, cell.gamma))
    if abs(cell.a - cell.b) <= 0.012 * cell.a and right:
        return _square_view(_sites(crystal), math.sqrt(cell.a * cell.b), path.name, title)
    raise BadInput(
        f"{visible(path.name)} has a = {cell.a:.4f} Å, b = {cell.b:.4f} Å, gamma = {cell.gamma:.1f}°",
        "the lattice step reads hexagonal layers (a = b, gamma = 120°) and tetragonal or cubic crystals down [001]",
        "give such a phase, with c along the beam",
    )


def read_structure(path: Path) -> Any:
    """A CIF as gemmi reads it; BadInput if it can't."""
    import gemmi  # only a CIF needs it

    if not path.is_file():
        raise BadInput(
            f"there is no file {visible(str(path), limit=300)}", remedy="check the path of the CIF"
        )
    try:
        return gemmi.read_small_structure(str(path))
    except Exception as error:  # gemmi raises several kinds for what is one problem to a user
        raise BadInput(
            f"cannot read the CIF {visible(str(path))}",
            visible(str(error), limit=160),
            "check the path and that it is a structure CIF",
        ) from error


def _sites(crystal: Any) -> list[Any]:
    sites = list(crystal.get_all_unit_cell_sites())
    if not sites:
        raise BadInput("the CIF holds no atoms", remedy="give a CIF with atom positions")
    return sites


def _one_layer(crystal: Any) -> list[Any]:
    """Atoms of one layer: cut where the planes of the heaviest element are farthest apart."""
    atoms = [(site, site.fract) for site in _sites(crystal)]
    heavy = max(site.element.atomic_number for site, _ in atoms)
    z = sorted({round(f.z % 1.0, 4) % 1.0 for site, f in atoms if site.element.atomic_number == heavy})
    gaps = [((b - a) % 1.0 or 1.0, a) for a, b in zip(z, [*z[1:], z[0]], strict=True)]
    widest = max(gap for gap, _ in gaps)
    cuts = sorted((start + gap / 2) % 1.0 for gap, start in gaps if gap > 0.9 * widest)
    low, high = (cuts[0], cuts[1]) if len(cuts) > 1 else (cuts[0], cuts[0] + 1.0)
    return [site for site, f in atoms if (f.z - low) % 1.0 < high - low]


def _hexagonal_piles(sites: list[Any], filename: str) -> dict[Place, tuple[str, ...]]:
    """Elements by site of the triangular lattice a/√3, counted from the first atom."""
    origin, parts = sites[0].fract, HEXAGONAL.parts
    piles: dict[Place, list[Any]] = {}
    for site in sites:
        u, v = (
            (parts * (site.fract.x - origin.x)) % parts,
            (parts * (site.fract.y - origin.y)) % parts,
        )
        place = (round(u) % parts, round(v) % parts)
        off = max(abs(u - round(u)), abs(v - round(v)))
        if place not in ((0, 0), (1, 2), (2, 1)) or off > 0.06:
            raise BadInput(
                f"{visible(filename)}: an atom lies off the three column sites of a hexagonal layer",
                "columns are read on (0, 0), (1/3, 2/3) and (2/3, 1/3) only",
                "give a phase of the Ti3C2 or MoS2 kind",
            )
        piles.setdefault((round(place[0] / parts, 6), round(place[1] / parts, 6)), []).append(site.element)
    return {uv: _heaviest_first(elements) for uv, elements in piles.items()}


def _heaviest_first(elements: list[Any]) -> tuple[str, ...]:
    return tuple(e.name for e in sorted(elements, key=lambda e: -e.atomic_number))


def _square_view(sites: list[Any], edge: float, filename: str, title: str) -> PlanView:
    """Columns that are not faint, on a square lattice where they are all alike or two kinds alternate."""
    places, columns = _columns(sites)
    spacing = 1 / math.sqrt(len(places))
    kinds = list(dict.fromkeys(columns))
    for place, kind in zip(places, columns, strict=True):
        around = _neighbours(place, places, spacing)
        alike = [columns[i] == kind for i in around]
        if len(around) != SQUARE.fold or (len(kinds) == 2 and any(alike)) or len(kinds) > 2:
            raise BadInput(
                f"{visible(filename)}: down c its {len(places)} columns form no square lattice of one or two kinds",
                "read are square lattices whose columns are alike or alternate, as A and B-O in a perovskite",
                "give such a phase with c along the beam, or a hexagonal layer (gamma = 120°)",
            )
    piles = {(0.0, 0.0): kinds[0], (0.5, 0.5): kinds[-1]}
    return PlanView("square", edge * spacing * SQUARE.root, piles, title)


def _columns(sites: list[Any]) -> tuple[Array, list[tuple[str, ...]]]:
    """Places (n, 2) in fractions of the cell, and elements, of the columns that are not faint."""
    places: list[Array] = []
    elements: list[list[Any]] = []
    for site in sites:
        here = np.array([site.fract.x, site.fract.y]) % 1.0
        near = [i for i, place in enumerate(places) if np.abs(_wrapped(here - place)).max() < _SAME_PLACE]
        if near:
            elements[near[0]].append(site.element)
        else:
            places.append(here)
            elements.append([site.element])
    heaviest = [max(e.atomic_number for e in pile) for pile in elements]
    seen = [i for i, z in enumerate(heaviest) if z >= _LIGHT or max(heaviest) < _LIGHT]
    return np.array([places[i] for i in seen]), [_heaviest_first(elements[i]) for i in seen]


def _wrapped(step: Array) -> Array:
    shortest: Array = step - np.round(step)
    return shortest


def _neighbours(place: Array, places: Array, spacing: float) -> list[int]:
    """Rows of the columns at the spacing of the lattice, once for every periodic image."""
    images = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1)), -1).reshape(-1, 2)
    step = places[:, None] + images[None] - place
    rows, _ = np.nonzero(np.abs(np.hypot(step[..., 0], step[..., 1]) - spacing) < 0.06 * spacing)
    return [int(row) for row in rows]
