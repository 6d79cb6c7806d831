"""Crystals from CIF files, in any setting: the file's own operators come first."""

from pathlib import Path
from typing import Any

import numpy as np

from eucentric.core.errors import BadInput, EucentricError
from eucentric.core.text import visible
from eucentric.knowledge.crystal.cell import Cell
from eucentric.knowledge.crystal.crystal import Crystal, as_nines
from eucentric.knowledge.crystal.indices import Integers
from eucentric.knowledge.crystal.symmetry import laue_rotations, space_group

_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_OPERATORS = (
    "_space_group_symop_operation_xyz",
    "_space_group_symop.operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
)
_HALL = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
_SYMBOL = ("_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M")
_NUMBER = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
_LARGEST_BYTES = 50_000_000


def read_crystal(path: str | Path) -> Crystal:
    """The crystal in the first block of a CIF that has a cell.

    Raises
    ------
    BadInput
        If the file cannot be read, is no CIF, has no or an impossible cell, or states no symmetry or one
        that the cell has not.
    """
    return crystal_in(data_block(path), Path(path).name)


def crystal_in(block: Any, filename: str) -> Crystal:
    """The crystal of one data block; `filename` is for the words of errors."""
    cell = _cell(block, filename)
    try:
        symbol, rotations = _symmetry(block, cell)
        return Crystal(name=_name(block), cell=cell, space_group=symbol, rotations=as_nines(rotations))
    except EucentricError as error:
        raise BadInput(f"{visible(filename)}: {error.what}", error.why, error.remedy) from error


def operations(block: Any, symbol: str) -> list[Any]:
    """All symmetry operations with their translations: the block's own list, else those of the space group.

    Parameters
    ----------
    symbol
        Space group with setting, as `crystal_in` found it.
    """
    import gemmi

    listed = _listed(block)
    if listed is not None:
        return [gemmi.Op(gemmi.cif.as_string(text)) for text in listed]
    group = gemmi.find_spacegroup_by_name(symbol)
    return list(group.operations()) if group else [gemmi.Op("x,y,z")]


def data_block(path: str | Path) -> Any:
    """The block of a CIF that has a cell.

    Raises
    ------
    BadInput
        If the file cannot be read, is no CIF, or not exactly one block has a cell.
    """
    import gemmi  # only a CIF needs it

    path = Path(path)
    if not path.is_file():
        raise BadInput(
            f"there is no file {visible(str(path), limit=300)}", remedy="check the path of the CIF"
        )
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ValueError(f"larger than {_LARGEST_BYTES} bytes")
        document = gemmi.cif.read(str(path))
    except Exception as error:  # gemmi raises several kinds for what is one problem to a user
        raise BadInput(
            f"cannot read the CIF {visible(str(path))}",
            visible(str(error), limit=160),
            "check the path and that it is a structure CIF",
        ) from error
    found = [one for one in document if one.find_value("_cell_length_a") or one.find_value("_cell.length_a")]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(visible(f"data_{one.name}", limit=40) for one in found[:6])
        raise BadInput(
            f"{visible(path.name)} holds {len(found)} structures",
            f"which one is meant is not said: {names}",
            "keep one of these data blocks in the file",
        )
    raise BadInput(
        f"{visible(path.name)} holds no unit cell",
        "_cell_length_a is missing in every data block",
        "give a CIF of a crystal structure",
    )


def _cell(block: Any, filename: str) -> Cell:
    import gemmi

    numbers = []
    for key in _CELL:
        text = block.find_value(f"_cell_{key}") or block.find_value(f"_cell.{key}")
        value = gemmi.cif.as_number(text) if text else float("nan")
        if not np.isfinite(value):
            raise BadInput(
                f"{visible(filename)}: _cell_{key} is {visible(str(text), limit=40)!r}",
                "all three edges and angles are needed as numbers",
                "complete the cell in the CIF",
            )
        numbers.append(float(value))
    a, b, c, alpha, beta, gamma = numbers
    return Cell(a_angstrom=a, b_angstrom=b, c_angstrom=c, alpha_deg=alpha, beta_deg=beta, gamma_deg=gamma)


def _listed(block: Any) -> Any:
    return next((found for key in _OPERATORS if len(found := block.find_loop(key))), None)


def _symmetry(block: Any, cell: Cell) -> tuple[str, Integers]:
    import gemmi

    operators = _listed(block)
    if operators is not None:
        return _symbol(block), laue_rotations([_rotation(gemmi.cif.as_string(text)) for text in operators])
    for keys in (_HALL, _SYMBOL):
        if text := _value(block, keys):
            return space_group(cell, text)
    if text := _value(block, _NUMBER):
        return space_group(cell, int(text) if text.isdecimal() else text)
    raise BadInput(
        "states no symmetry",
        f"none of {_OPERATORS[0]}, {_SYMBOL[0]}, {_NUMBER[0]} is there",
        "add the space group to the CIF; for none, 'P 1'",
    )


def _rotation(text: str) -> Integers:
    import gemmi

    try:
        return np.asarray(np.array(gemmi.Op(text).rot) // gemmi.Op.DEN)
    except (RuntimeError, ValueError) as error:
        raise BadInput(
            f"{visible(text, limit=60)!r} is no symmetry operator",
            visible(str(error), limit=80),
            "operators look like '-y, x-y, z+1/2'",
        ) from error


def _symbol(block: Any) -> str:
    return visible(_value(block, _SYMBOL) or _value(block, _HALL), limit=40)


def _value(block: Any, keys: tuple[str, ...]) -> str:
    import gemmi

    for key in keys:
        text = block.find_value(key)
        if text and text not in ("?", "."):
            return str(gemmi.cif.as_string(text)).strip()
    return ""


def _name(block: Any) -> str:
    given = _value(block, ("_chemical_name_mineral", "_chemical_formula_sum", "_chemical_name_common"))
    return visible(given or block.name, limit=60)
