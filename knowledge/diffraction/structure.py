"""A crystal with its atoms, as diffraction needs it; those that ship, by name."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.crystal.cif import crystal_in, data_block, operations
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.value import Value
from eucentric.knowledge.phases import FOLDER

_MOST_ATOMS = 2000
_SAME_ANGSTROM = 0.1
"""Images of an atom nearer than this are one atom on a special position."""
_DEFAULT_B = 0.5
"""B where a CIF states none [Å²]: typical of hard crystals at room temperature."""
_ALIASES = {
    "silicon": "Si", "aluminium": "Al", "aluminum": "Al", "copper": "Cu", "gold": "Au", "iron": "Fe", "sto": "SrTiO3",
    "titanium": "Ti", "magnesium": "Mg", "rutile": "TiO2", "bto": "BaTiO3", "sapphire": "Al2O3", "corundum": "Al2O3",
    "zirconia": "ZrO2", "baddeleyite": "ZrO2", "sio2": "quartz", "ti3c2tx": "Ti3C2", "mxene": "Ti3C2",
    "strontiumtitanate": "SrTiO3", "bariumtitanate": "BaTiO3", "molybdite": "MoO3", "alumina": "Al2O3",
}  # fmt: skip


class Atom(Model):
    """One atom of the unit cell."""

    element: str = Field(min_length=1, max_length=2)
    at: tuple[float, float, float]
    """Fractions of the edges."""
    occupancy: float = Field(1.0, gt=0, le=1)
    b_a2: float = Field(_DEFAULT_B, ge=0, le=20)
    """Isotropic displacement factor B [Å²]."""


class Structure(Value):
    """A crystal and all atoms of its cell."""

    crystal: Crystal
    atoms: tuple[Atom, ...] = Field(min_length=1, max_length=_MOST_ATOMS)

    @property
    def name(self) -> str:
        """Of the crystal."""
        return self.crystal.name


def known_structures() -> tuple[str, ...]:
    """Names that `structure_named` knows."""
    return tuple(sorted((path.stem for path in FOLDER.glob("*.cif")), key=str.lower))


@lru_cache(maxsize=64)
def structure_named(name: str) -> Structure:
    """A structure that ships, by formula or common name, whatever its letters' case.

    Raises
    ------
    BadInput
        If there is none of that name; what is known is listed.
    """
    key = "".join(name.split()).lower()
    known = {one.lower(): one for one in known_structures()}
    stem = known.get(key) or _ALIASES.get(key)
    if stem is None:
        raise BadInput(
            f"no structure {visible(name, limit=60)!r} is known",
            f"known: {', '.join(known_structures())}",
            "use one of these, or give a CIF",
        )
    found = read_structure(FOLDER / f"{stem}.cif")
    return found.model_copy(update={"crystal": found.crystal.model_copy(update={"name": stem})})


def read_structure(path: str | Path) -> Structure:
    """The structure in the first block of a CIF that has a cell, in the setting of the file.

    Raises
    ------
    BadInput
        If the file cannot be read, has no or an impossible cell, no symmetry, no atoms, or more than 2000 in the cell.
    """
    block, filename = data_block(path), Path(path).name
    crystal = crystal_in(block, filename)
    return structure_of(crystal, _sites(block, filename), operations(block, crystal.space_group))


def structure_of(crystal: Crystal, sites: Iterable[Atom], operators: Sequence[Any] = ()) -> Structure:
    """A structure from the atoms of the asymmetric unit and the operations (`gemmi.Op`) that repeat them."""
    atoms: list[Atom] = []
    for site in sites:
        for at in _orbit(crystal, np.array(site.at), operators):
            x, y, z = at.tolist()
            atoms.append(site.model_copy(update={"at": (x, y, z)}))
            if len(atoms) > _MOST_ATOMS:
                raise BadInput(
                    f"more than {_MOST_ATOMS} atoms in the cell",
                    "patterns of larger cells are not simulated",
                    "give the structure without its solvent, or a smaller cell",
                )
    return Structure(crystal=crystal, atoms=tuple(atoms))


def _orbit(crystal: Crystal, at: Array, operators: Sequence[Any]) -> list[Array]:
    """Distinct images of a position in the cell."""
    images = [at, *(np.array(op.apply_to_xyz(at.tolist())) for op in operators)]
    kept: list[Array] = []
    for image in images:
        image = np.where(image % 1.0 > 1 - 1e-9, 0.0, image % 1.0)
        apart = np.array(kept).reshape(-1, 3) - image
        apart = (apart - np.round(apart)) @ crystal.cell.structure.T
        if not len(kept) or float(np.linalg.norm(apart, axis=1).min()) > _SAME_ANGSTROM:
            kept.append(image)
    return kept


def _sites(block: Any, filename: str) -> list[Atom]:
    import gemmi

    small = gemmi.make_small_structure_from_block(block)
    found = []
    for site in small.sites:
        if site.element.atomic_number == 0 or site.occ <= 0:
            continue
        u = site.u_iso if site.u_iso > 0 else 0.0
        found.append(
            Atom(
                element=site.element.name,
                at=(site.fract.x, site.fract.y, site.fract.z),
                occupancy=min(site.occ, 1.0),
                b_a2=min(8 * np.pi**2 * u, 20.0) if u else _DEFAULT_B,
            )
        )
    if not found:
        raise BadInput(
            f"{visible(filename)} holds no atoms",
            "intensities need positions; a cell alone gives directions and angles only",
            "give a CIF with atom sites",
        )
    return found
