"""Rotations of the Laue group in the very setting of the cell, from operators or from a space group.

Operators act on fractional coordinates and are conjugated into Cartesian axes by the cell. Nothing
here assumes that the principal axis is along z: monoclinic cells with unique b and rhombohedral axes
are where tables per crystal system go wrong.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.crystal.cell import Cell
from eucentric.knowledge.crystal.indices import Integers
from eucentric.knowledge.crystal.rotation import Array

_LARGEST = 24
"""Proper rotations of m-3m, the largest Laue group."""
_METRIC_TOLERANCE = 4e-3
"""Relative: cells are printed with rounded edges and angles."""


def laue_rotations(operators: Iterable[ArrayLike]) -> Integers:
    """Proper rotations (n, 3, 3) of the Laue group that `operators` generate, identity first.

    Parameters
    ----------
    operators
        Rotation parts (3, 3) on fractional coordinates, translations dropped; a part of the group is enough.

    Raises
    ------
    BadInput
        If they are not unimodular integers or generate no crystallographic group.
    """
    found = {_key(np.eye(3, dtype=np.int64))}
    generators = []
    for operator in operators:
        matrix = np.asarray(operator)
        whole = np.rint(matrix).astype(np.int64)
        determinant = round(float(np.linalg.det(whole)))
        if np.abs(matrix - whole).max() > 1e-9 or abs(determinant) != 1:
            raise BadInput(
                f"{matrix.tolist()} is no symmetry operator of a lattice",
                "its elements are integers and its determinant is ±1",
                "check the list of symmetry operators in the CIF",
            )
        generators.append(whole * determinant)  # the inversion belongs to every Laue group
    fresh = [np.eye(3, dtype=np.int64)]
    while fresh:
        products = [a @ g for a in fresh for g in generators]
        fresh = []
        for matrix in products:
            if _key(matrix) not in found:
                found.add(_key(matrix))
                fresh.append(matrix)
        if len(found) > _LARGEST:
            raise BadInput(
                "the symmetry operators generate no crystallographic point group",
                f"more than {_LARGEST} rotations came out",
                "check the list of symmetry operators in the CIF",
            )
    identity = _key(np.eye(3, dtype=np.int64))
    ordered = [identity, *sorted(found - {identity})]
    return np.array(ordered, dtype=np.int64).reshape(-1, 3, 3)


def fits(cell: Cell, rotations: Integers) -> bool:
    """True if every rotation leaves the lengths and angles of the cell as they are, within rounding."""
    change = rotations.transpose(0, 2, 1) @ cell.metric @ rotations - cell.metric
    edges = np.sqrt(np.diag(cell.metric))
    return bool((np.abs(change) <= _METRIC_TOLERANCE * np.outer(edges, edges)).all())


def space_group(cell: Cell, group: int | str) -> tuple[str, Integers]:
    """Symbol and Laue rotations of a space group in the setting that fits the cell.

    Parameters
    ----------
    group
        Number 1 ... 230 (the first setting that fits the cell is taken, the standard one first), or a
        Hermann-Mauguin or Hall symbol.

    Raises
    ------
    BadInput
        If there is no such group, or none of its settings fits the cell.
    """
    named = _named(cell, group)
    settings = [named] if isinstance(group, str) else _settings(named.number)
    for setting in settings:
        rotations = _rotations(setting)
        if fits(cell, rotations):
            return str(setting.xhm()), rotations
    fitting = [s.xhm() for s in _settings(named.number) if fits(cell, _rotations(s))]
    advice = (
        f"the cell fits {fitting[0]}"
        if fitting
        else "check the edges and angles, or give another space group"
    )
    six = " ".join(f"{x:g}" for x in cell.model_dump().values())
    raise BadInput(
        f"the cell {six} has not the symmetry of {named.xhm()}",
        "symmetry operators of the group would change its edges or angles",
        advice,
    )


def _named(cell: Cell, group: int | str) -> Any:
    import gemmi  # only a space group needs its table

    found: Any
    if isinstance(group, str):
        found = gemmi.find_spacegroup_by_name(group, cell.alpha_deg, cell.gamma_deg)
        found = found or gemmi.find_spacegroup_by_ops(_hall_operations(group))
    else:
        found = gemmi.find_spacegroup_by_number(group) if 1 <= group <= 230 else None
    if found is None:
        raise BadInput(
            f"there is no space group {visible(str(group), limit=40)!r}",
            "a number 1 ... 230, or a symbol such as 'F d -3 m', 'P 1 21/c 1' or 'R -3 m:R', is known",
            "give the number from the CIF",
        )
    return found


def _hall_operations(text: str) -> Any:
    import gemmi

    try:
        return gemmi.symops_from_hall(text)
    except (RuntimeError, ValueError):
        return gemmi.GroupOps([])


def _settings(number: int) -> list[Any]:
    import gemmi

    found = [entry for entry in gemmi.spacegroup_table() if entry.number == number]
    return sorted(found, key=lambda entry: not entry.is_reference_setting())


def _rotations(setting: Any) -> Integers:
    import gemmi

    return laue_rotations([np.array(op.rot) // gemmi.Op.DEN for op in setting.operations().sym_ops])


def cartesian(cell: Cell, rotations: Integers) -> Array:
    """The rotations (n, 3, 3) in crystal Cartesian axes, A W A^-1, made exactly orthogonal."""
    raw = cell.structure @ rotations @ np.linalg.inv(cell.structure)
    u, _, vt = np.linalg.svd(raw)
    return np.asarray(u @ vt)


def _key(matrix: Integers) -> tuple[int, ...]:
    return tuple(int(x) for x in matrix.ravel())
