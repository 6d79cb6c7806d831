"""Atoms from files of strangers: CIF, xyz (extended or not), LAMMPS dump. Nothing in a file is obeyed, only read."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.instruments.twin.specimen.dumpfile import read_dump
from eucentric.instruments.twin.specimen.listed import AtomList, Floats, refused
from eucentric.knowledge.crystal.cif import crystal_in, data_block, operations
from eucentric.knowledge.phases import FOLDER
from eucentric.knowledge.scattering import atomic_number, element_of

_LARGEST_BYTES = 300_000_000
_SAME_ANGSTROM = 0.1
"""Images of an atom nearer than this are one atom on a special position."""


@dataclass(frozen=True)
class Found:
    """A file of atoms."""

    path: Path
    sha256: str


def find_atoms(name: str, beside: Path | None = None) -> Found:
    """The file of that path (relative to `beside`), or of a shipped phase of that name.

    Raises
    ------
    BadInput
        There is none, it can't be read, or it is too large.
    """
    path = Path(name).expanduser()
    if beside is not None and not path.is_absolute():
        path = beside / path
    if not path.exists() and (FOLDER / f"{name}.cif").exists() and Path(name).name == name:
        path = FOLDER / f"{name}.cif"
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise OSError(f"larger than {_LARGEST_BYTES} bytes")
        return Found(path.resolve(), hashlib.sha256(path.read_bytes()).hexdigest())
    except (OSError, ValueError) as error:
        shipped = ", ".join(sorted(one.stem for one in FOLDER.glob("*.cif")))
        raise BadInput(
            f"no atoms in {visible(name, limit=200)!r}",
            visible(str(error), limit=200),
            f"give a CIF, xyz or LAMMPS dump file, or a shipped phase: {shipped}",
        ) from error


def read_atoms(path: Path, types: dict[int, str]) -> AtomList:
    """The atoms of a file, by what is in it and not by its name alone.

    Parameters
    ----------
    types
        Elements of the atom types of a LAMMPS dump that does not name them.

    Raises
    ------
    BadInput
        It is none of the three, or something in it is missing or wrong.
    """
    if path.suffix.lower() == ".cif":
        return _cif(path)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refused(path, visible(str(error), limit=200)) from error
    if text.lstrip().startswith("ITEM:"):
        return read_dump(text, path, types)
    return _xyz(text, path)


# --- CIF --------------------------------------------------------------------------------------------------------


def _cif(path: Path) -> AtomList:
    import gemmi

    block = data_block(path)
    crystal = crystal_in(block, path.name)
    turns = [_operator(op) for op in operations(block, crystal.space_group)]
    rotations, shifts = np.array([r for r, _ in turns]), np.array([t for _, t in turns])
    cell = crystal.cell.structure.T  # rows are a, b, c
    elements: list[str] = []
    at: list[Floats] = []
    share: list[float] = []
    for site in gemmi.make_small_structure_from_block(block).sites:
        if site.element.atomic_number and site.occ > 0:
            found = _orbit(np.array(site.fract.tolist()), rotations, shifts, cell)
            at.append(found)
            elements += [site.element.name] * len(found)
            share += [min(float(site.occ), 1.0)] * len(found)
    if not elements:
        raise refused(path, "it holds no atoms: give a CIF with atom sites")
    return AtomList(
        np.array(elements), np.concatenate(at) @ cell, cell, (True, True, True), np.array(share), True
    )


def _operator(op: object) -> tuple[Floats, Floats]:
    rotation, shift = getattr(op, "rot"), getattr(op, "tran")  # noqa: B009 - gemmi has no types
    return np.array(rotation) / 24.0, np.array(shift) / 24.0


def _orbit(at: Floats, rotations: Floats, shifts: Floats, cell: Floats) -> Floats:
    """Distinct images of a position in the cell, (n, 3) fractions."""
    images = (rotations @ at + shifts) % 1.0
    kept: list[Floats] = []
    for image in images:
        apart = np.array(kept).reshape(-1, 3) - image
        apart = (apart - np.round(apart)) @ cell
        if not kept or float(np.linalg.norm(apart, axis=1).min()) > _SAME_ANGSTROM:
            kept.append(image)
    return np.array(kept)


# --- xyz --------------------------------------------------------------------------------------------------------


def _xyz(text: str, path: Path) -> AtomList:
    lines = text.splitlines()
    try:
        count = int(lines[0].split()[0])
        rows = [line.split() for line in lines[2 : 2 + count]]
    except (IndexError, ValueError) as error:
        raise refused(
            path, "its first line is no number of atoms; CIF, xyz and LAMMPS dump are read"
        ) from error
    if count < 1 or len(rows) < count:
        raise refused(path, f"it promises {count} atoms and has {len(rows)}")
    columns = _columns(lines[1])
    try:
        symbols = [row[columns[0]] for row in rows]
        at = np.array([row[columns[1] : columns[1] + 3] for row in rows], dtype=np.float64).reshape(count, 3)
    except (IndexError, ValueError) as error:
        raise refused(path, "a line does not hold an element and three numbers") from error
    cell = _lattice(lines[1], path)
    return AtomList.of(named(symbols, path), at, cell, _periodic(lines[1], cell), path)


def _columns(comment: str) -> tuple[int, int]:
    """Columns of the element and of x: those of `Properties=species:S:1:pos:R:3:…`, else the first and the second."""
    found = re.search(r"Properties\s*=\s*\"?([^\s\"]+)", comment, re.IGNORECASE)
    at, place = {"species": 0, "pos": 1}, 0
    parts = found.group(1).split(":") if found else []
    for name, width in zip(parts[0::3], parts[2::3], strict=False):
        at[name.lower()] = place
        place += int(width) if width.isdigit() else 1
    return at["species"], at["pos"]


def _lattice(comment: str, path: Path) -> Floats | None:
    found = re.search(r"Lattice\s*=\s*\"([^\"]+)\"", comment, re.IGNORECASE)
    if found is None:
        return None
    try:
        return np.array([float(part) for part in found.group(1).split()]).reshape(3, 3)
    except ValueError as error:
        raise refused(path, "its Lattice is not nine numbers") from error


def _periodic(comment: str, cell: Floats | None) -> tuple[bool, bool, bool]:
    if cell is None:
        return False, False, False
    found = re.search(r"pbc\s*=\s*\"([TF1-9 0truefals]+)\"", comment, re.IGNORECASE)
    flags = [part[0].upper() in "T1" for part in found.group(1).split()] if found else []
    return (flags[0], flags[1], flags[2]) if len(flags) == 3 else (True, True, True)


def named(symbols: Sequence[str], path: Path) -> NDArray[np.str_]:
    """Elements of labels such as Ti, TI, Ti1, 22."""
    known: dict[str, str] = {}
    for symbol in symbols:
        if symbol not in known:
            known[symbol] = _element(symbol, path)
    return np.array([known[symbol] for symbol in symbols])


def _element(label: str, path: Path) -> str:
    try:
        if label.isdigit():
            return element_of(int(label))
        letters = re.match(r"[A-Za-z]{1,2}", label)
        symbol = letters.group(0).capitalize() if letters else label
        atomic_number(symbol)
    except BadInput as error:
        raise refused(path, f"{visible(label, limit=20)!r} is no element") from error
    return symbol
