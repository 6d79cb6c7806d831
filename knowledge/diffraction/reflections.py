"""All reflections of a crystal out to a largest g, with their strengths; systematic extinctions are left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.crystal.indices import Integers, plane_indices
from eucentric.knowledge.crystal.rotation import Array, Chosen
from eucentric.knowledge.diffraction.factors import Complex, structure_factors_a
from eucentric.knowledge.diffraction.structure import Structure

_MOST = 400_000
_EXTINCT = 1e-5
"""Of the forward amplitude: less is zero but for rounding of printed coordinates."""


@dataclass(frozen=True, eq=False)
class Reflections:
    """Reflections of one crystal, shortest g first."""

    structure: Structure
    largest: float
    """|g| up to which they are listed [1/Å]."""
    hkl: Integers
    """(n, 3)."""
    g: Array
    """(n, 3) [1/Å], crystal Cartesian."""
    length: Array
    """(n,) [1/Å]."""
    factor: Complex
    """(n,) [Å] structure factors at rest mass."""

    @property
    def crystal(self) -> Crystal:
        """The crystal they are of."""
        return self.structure.crystal

    def __len__(self) -> int:
        return len(self.hkl)

    @cached_property
    def strength(self) -> Array:
        """(n,) |F| over that of the strongest."""
        size = np.abs(self.factor)
        return np.asarray(size / size.max())

    def part(self, chosen: Chosen) -> "Reflections":
        """Those of a boolean or index array (m,)."""
        return Reflections(
            self.structure,
            self.largest,
            self.hkl[chosen],
            self.g[chosen],
            self.length[chosen],
            self.factor[chosen],
        )


@lru_cache(maxsize=32)
def reflections(structure: Structure, largest: float = 2.0) -> Reflections:
    """All reflections with |g| up to `largest` [1/Å] that are not extinct.

    Raises
    ------
    BadInput
        If the range is not 0.1 ... 6 1/Å, the cell has more than 400,000 points in it, or nothing is left.
    """
    if not 0.1 <= largest <= 6:
        raise BadInput(
            f"reflections up to {largest:g} per Å", "0.1 ... 6 are listed", "give a range of |g| in 1/Å"
        )
    cell = structure.crystal.cell
    _check_count(cell.volume_a3, largest)
    bound = [int(largest * edge) + 1 for edge in (cell.a_angstrom, cell.b_angstrom, cell.c_angstrom)]
    spans = [np.arange(-n, n + 1) for n in bound]
    hkl = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(hkl @ cell.reciprocal.T, axis=1)
    inside = (length <= largest) & (length > 0)
    hkl, length = hkl[inside], length[inside]
    order = np.lexsort((hkl[:, 2], hkl[:, 1], hkl[:, 0], np.round(length, 9)))[::1]
    hkl, length = hkl[order].astype(np.int64), length[order]
    factor = structure_factors_a(structure, hkl, length)
    there = np.abs(factor) > _EXTINCT * forward_a(structure)
    if not there.any():
        raise BadInput(
            f"no reflection up to {largest:g} per Å", "the cell is too small for it", "ask for a larger |g|"
        )
    return Reflections(
        structure, largest, hkl[there], hkl[there] @ cell.reciprocal.T, length[there], factor[there]
    )


def forward_a(structure: Structure) -> float:
    """Amplitude straight on, F(000) [Å]."""
    return float(abs(structure_factors_a(structure, np.zeros((1, 3)), np.zeros(1))[0]))


def is_extinct(structure: Structure, hkl: Sequence[int]) -> bool:
    """True if all atoms together scatter nothing into (hkl)."""
    indices = np.array([plane_indices(hkl)])
    length = np.linalg.norm(indices @ structure.crystal.cell.reciprocal.T, axis=1)
    return bool(abs(structure_factors_a(structure, indices, length)[0]) <= _EXTINCT * forward_a(structure))


def _check_count(volume_a3: float, largest: float) -> None:
    count = 4.19 * largest**3 * volume_a3
    if count > _MOST:
        fitting = (_MOST / 4.19 / volume_a3) ** (1 / 3)
        raise BadInput(
            f"about {count:.0f} reflections up to {largest:g} per Å",
            f"at most {_MOST} are listed",
            f"ask for |g| up to {fitting:.2f} per Å",
        )
