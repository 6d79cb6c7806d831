"""A list of atoms as a file gives it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.core.text import visible

Floats = NDArray[np.float64]
_MOST_ATOMS = 5_000_000
_FARTHEST_A = 1e6


@dataclass(frozen=True, eq=False)
class AtomList:
    """Atoms with or without a cell."""

    elements: NDArray[np.str_]
    """(N,)."""
    at: Floats
    """(N, 3) [Å]; z points to the gun unless `crystal`."""
    cell: Floats | None
    """(3, 3) rows are the edges [Å]."""
    periodic: tuple[bool, bool, bool]
    share: Floats
    """(N,) occupancy."""
    crystal: bool = False
    """The axes are those of a crystal and say nothing about how it lies."""

    @classmethod
    def of(
        cls,
        elements: NDArray[np.str_],
        at: Floats,
        cell: Floats | None,
        periodic: tuple[bool, bool, bool],
        path: Path,
    ) -> "AtomList":
        """A checked one, all atoms there; BadInput names the file."""
        if not 1 <= len(at) <= _MOST_ATOMS:
            raise refused(path, f"it has {len(at)} atoms; 1 to {_MOST_ATOMS} are shown")
        if not np.isfinite(at).all() or float(np.abs(at).max()) > _FARTHEST_A:
            raise refused(path, "a position is no number, or beyond 0.1 mm; positions are in Å")
        if cell is not None and not (np.isfinite(cell).all() and abs(float(np.linalg.det(cell))) > 1e-3):
            raise refused(path, "its cell has no volume")
        return cls(elements, at, cell, periodic, np.ones(len(at)))


def refused(path: Path, why: str) -> BadInput:
    """The error of a file that can't be shown."""
    return BadInput(
        f"no atoms from {visible(path.name, limit=120)!r}",
        why,
        "check the file; CIF, xyz and LAMMPS dumps are read",
    )
