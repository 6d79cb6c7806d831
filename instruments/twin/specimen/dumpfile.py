"""LAMMPS dumps in text form: the last snapshot."""

from pathlib import Path

import numpy as np

from eucentric.core.text import visible
from eucentric.instruments.twin.specimen.listed import AtomList, Floats, refused
from eucentric.knowledge.scattering import atomic_number

_PLACES = (("x", "y", "z"), ("xu", "yu", "zu"), ("xs", "ys", "zs"), ("xsu", "ysu", "zsu"))


def read_dump(text: str, path: Path, types: dict[int, str]) -> AtomList:
    """The atoms of the last snapshot; lengths are taken as Å (units metal or real).

    Parameters
    ----------
    types
        Elements by atom type, where the dump has no column `element`.

    Raises
    ------
    BadInput
        A part is missing or wrong, or an atom type has no element.
    """
    sections = _sections(text[text.rindex("ITEM: TIMESTEP") :] if "ITEM: TIMESTEP" in text else text)
    box = next((key for key in sections if key.startswith("BOX BOUNDS")), None)
    atoms = next((key for key in sections if key.startswith("ATOMS")), None)
    if box is None or atoms is None:
        raise refused(path, "the dump has no BOX BOUNDS or no ATOMS")
    columns = atoms.split()[1:]
    rows = [line.split() for line in sections[atoms]]
    if not rows or any(len(row) < len(columns) for row in rows):
        raise refused(path, "a line of ATOMS is too short, or there is none")
    origin, cell = _box(box, sections[box], path)
    at = _at(columns, rows, origin, cell, path)
    flags = [word.startswith("p") for word in box.split()[2:] if word[0] in "pfsm" and len(word) == 2]
    periodic = (flags[-3], flags[-2], flags[-1]) if len(flags) >= 3 else (True, True, True)
    return AtomList.of(_elements(columns, rows, types, path), at, cell, periodic, path)


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("ITEM:"):
            lines = found.setdefault(line.removeprefix("ITEM:").strip(), [])
        elif line.strip():
            lines.append(line)
    return found


def _box(head: str, lines: list[str], path: Path) -> tuple[Floats, Floats]:
    """Origin (3,) and edges (3, 3) [Å]: orthogonal, or tilted as `xy xz yz` says (LAMMPS manual, Howto_triclinic)."""
    try:
        bounds = np.array([[float(part) for part in line.split()] for line in lines[:3]])
    except ValueError as error:
        raise refused(path, "its BOX BOUNDS are no numbers") from error
    tilted = bounds.shape == (3, 3)
    if not (tilted or bounds.shape == (3, 2)) or "abc" in head:
        raise refused(path, "its BOX BOUNDS are not three lines of two or three numbers")
    xy, xz, yz = bounds[:, 2] if tilted else np.zeros(3)
    low, high = bounds[:, 0].copy(), bounds[:, 1].copy()
    low[0] -= min(0.0, xy, xz, xy + xz)
    high[0] -= max(0.0, xy, xz, xy + xz)
    low[1] -= min(0.0, yz)
    high[1] -= max(0.0, yz)
    edges = high - low
    return low, np.array([[edges[0], 0, 0], [xy, edges[1], 0], [xz, yz, edges[2]]])


def _at(columns: list[str], rows: list[list[str]], origin: Floats, cell: Floats, path: Path) -> Floats:
    names = next((names for names in _PLACES if set(names) <= set(columns)), None)
    if names is None:
        raise refused(path, "ATOMS has no columns x y z (or xu, xs, xsu)")
    where = [columns.index(name) for name in names]
    try:
        at = np.array([[row[n] for n in where] for row in rows], dtype=np.float64)
    except ValueError as error:
        raise refused(path, "a position is no number") from error
    return np.asarray(origin + at @ cell if "s" in names[0] else at)


def _elements(
    columns: list[str], rows: list[list[str]], types: dict[int, str], path: Path
) -> "np.ndarray[tuple[int], np.dtype[np.str_]]":
    if "element" in columns:
        labels = [row[columns.index("element")] for row in rows]
        known = {label: label for label in set(labels)}
    elif "type" in columns:
        labels = [row[columns.index("type")] for row in rows]
        known = {label: types.get(int(label) if label.isdigit() else -1, "") for label in set(labels)}
    else:
        raise refused(path, "ATOMS has neither a column element nor a column type")
    for label, element in sorted(known.items()):
        try:
            atomic_number(element)
        except Exception as error:
            raise refused(
                path,
                f"nothing says which element {visible(label, limit=20)!r} is: declare elements = {{ 1 = ... }}",
            ) from error
    return np.array([known[label] for label in labels])
