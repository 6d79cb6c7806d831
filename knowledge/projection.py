"""A crystal seen along c: the two-dimensional cell and its columns, for any lattice a CIF can hold."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.plan_view import read_structure
from eucentric.knowledge.scattering import haadf_cross_section_a2

FOLDER = Path(__file__).parent / "phases"
Array = NDArray[np.float64]

_ONE_COLUMN_A = 0.35
"""Atoms that lie closer in projection are one column [Å]."""
_LAYER_GAP_A = 2.3
"""Planes of atoms farther apart than this belong to different layers [Å]."""
_SEEN = 0.10
"""A column dimmer than this part of the brightest is not counted as one (O in an oxide)."""


class Pile(Model):
    """Atoms over each other."""

    u: float
    v: float
    """Place in the projected cell, fractions."""
    elements: tuple[str, ...] = Field(min_length=1)
    """Brightest first; one entry for each atom of one layer."""

    @property
    def weight(self) -> float:
        """Cross-section of all atoms for HAADF [Å²]."""
        return sum(haadf_cross_section_a2(element) for element in self.elements)


class ProjectedCell(Model):
    """What repeats in the image."""

    name: str
    a1: tuple[float, float]
    a2: tuple[float, float]
    """[Å]"""
    piles: tuple[Pile, ...] = Field(min_length=1)
    """Brightest first."""

    @property
    def vectors(self) -> Array:
        """(2, 2) float64 [Å]: rows a1, a2."""
        return np.array([self.a1, self.a2])

    @property
    def seen(self) -> tuple[bool, ...]:
        """Which piles are bright enough to be called a column."""
        brightest = self.piles[0].weight
        return tuple(pile.weight >= _SEEN * brightest for pile in self.piles)

    @property
    def spacing_angstrom(self) -> float:
        """Distance of the nearest two columns [Å]."""
        seen = [pile for pile, good in zip(self.piles, self.seen, strict=True) if good]
        uv = np.array([(pile.u, pile.v) for pile in seen])
        steps = np.stack(np.meshgrid((-1, 0, 1), (-1, 0, 1)), -1).reshape(-1, 2)
        gap = (uv[:, None, None] - uv[None, :, None] + steps) @ self.vectors
        length = np.hypot(gap[..., 0], gap[..., 1])
        return float(length[length > _ONE_COLUMN_A].min())


def projected(name_or_cif: str | Path) -> ProjectedCell:
    """The cell of a known crystal (a CIF in `knowledge/phases`) or of a CIF file, seen along c.

    One layer is taken where the crystal has layers, else the whole cell.

    Raises
    ------
    BadInput
        If there is no such crystal, or its CIF cannot be read.
    """
    text = str(name_or_cif)
    known = {path.stem.lower(): path for path in FOLDER.glob("*.cif")}
    if text.lower() in known:
        return _projected(known[text.lower()])
    if text.lower().endswith(".cif"):
        return _projected(Path(text))
    raise BadInput(
        f"crystal {visible(text, limit=80)!r} is not known", f"known here: {', '.join(sorted(known))}",
        "use one of these, or give the path of a CIF file",
    )  # fmt: skip


@lru_cache(maxsize=32)
def _projected(path: Path) -> ProjectedCell:
    crystal = read_structure(path)
    atoms = crystal.get_all_unit_cell_sites()
    if not atoms:
        raise BadInput(f"{visible(path.name)} holds no atoms", remedy="give a CIF with atom positions")
    layer = _one_layer(atoms, crystal.cell.c)
    matrix = np.array(crystal.cell.orth.mat.tolist())  # columns: a, b, c in space [Å]
    along = matrix[:, 2] / np.linalg.norm(matrix[:, 2])
    first = matrix[:, 0] - (matrix[:, 0] @ along) * along
    first /= np.linalg.norm(first)
    plane = np.stack([first, np.cross(along, first)])
    (x1, y1), (x2, y2) = (plane @ matrix[:, k] for k in (0, 1))
    piles = _piles([(site.fract.x % 1.0, site.fract.y % 1.0, site.element.name) for site in layer],
                   np.array([[x1, y1], [x2, y2]]))  # fmt: skip
    name = visible(crystal.name or path.stem, limit=60) if path.parent != FOLDER else path.stem
    return ProjectedCell(name=name, a1=(float(x1), float(y1)), a2=(float(x2), float(y2)), piles=piles)


def _one_layer(atoms: list[Any], c_angstrom: float) -> list[Any]:
    """Atoms between two gaps wider than a bond; all of them if there is no such gap."""
    z = sorted({round(site.fract.z % 1.0, 4) % 1.0 for site in atoms})
    ends = [*z[1:], z[0]]
    gaps = [((b - a) % 1.0 or 1.0, a) for a, b in zip(z, ends, strict=True)]
    cuts = sorted((start + gap / 2) % 1.0 for gap, start in gaps if gap * c_angstrom > _LAYER_GAP_A)
    if not cuts or (len(z) == 1 and c_angstrom <= 2 * _LAYER_GAP_A):
        return atoms
    low = cuts[0]
    thickness = (cuts[1] - low) if len(cuts) > 1 else 1.0
    return [site for site in atoms if (site.fract.z - low) % 1.0 < thickness]


def _piles(places: list[tuple[float, float, str]], vectors: Array) -> tuple[Pile, ...]:
    grouped: list[tuple[float, float, list[str]]] = []
    for u, v, element in places:
        for at_u, at_v, elements in grouped:
            gap = np.array([(u - at_u + 0.5) % 1.0 - 0.5, (v - at_v + 0.5) % 1.0 - 0.5]) @ vectors
            if math.hypot(*gap) < _ONE_COLUMN_A:
                elements.append(element)
                break
        else:
            grouped.append((u, v, [element]))
    piles = [
        Pile(u=u, v=v, elements=tuple(sorted(elements, key=lambda e: -haadf_cross_section_a2(e))))
        for u, v, elements in grouped
    ]
    return tuple(sorted(piles, key=lambda pile: (-round(pile.weight, 6), pile.u, pile.v)))
