"""Phases seen in plan view: which columns one layer has, of what, and how bright each state of a column is.

The lattice constant comes from a CIF, the only place where it is written (Ti3C2: a = 3.0505 Å).
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.scattering import haadf_cross_section_a2

FOLDER = Path(__file__).parent / "phases"

_NAMES = {
    "Ti3C2": ("ti3c2", "ti3c2tx", "ti3c2tz", "ti3c2o2", "ti3c2(oh)2", "ti3c2f2", "mxene", "ti3c2mxene", "ti3c2txmxene",
              "ti3c2o2mxene"),
    "MoS2": ("mos2", "2h-mos2", "molybdenumdisulfide", "molybdenumdisulphide", "mos2monolayer", "v-mos2", "v:mos2"),
    "MoSe2": ("mose2", "2h-mose2", "mose2monolayer"),
    "WS2": ("ws2", "2h-ws2", "ws2monolayer"),
    "WSe2": ("wse2", "2h-wse2", "wse2monolayer"),
    "graphene": ("graphene", "graphenemonolayer"),
}  # fmt: skip

_RELATIVE = {("O", "Ti"): 0.108, ("C", "Ti"): 0.108, ("F", "Ti"): 0.13, ("S", "Mo"): 0.195}
"""Measured HAADF ratios (60-140 mrad, 60 kV, fit to multislice images); other pairs follow the cross-sections."""

_SUBSTITUTES = {"Mo": ("V", "W"), "W": ("V", "Mo"), "S": ("Se",), "C": ("N", "Si")}
"""What is known to take the place of one atom of an element: a dim V on a Mo site is no vacancy. A lighter atom on a
site of two (S on Se2) is left out: it looks like half a vacancy, and is called one."""

_TERMINATION = {"Ti3C2": 0.10}
"""Light atoms of unknown terminations (Tx), as a share of a full column, that stay where a Ti is missing."""


class State(Model):
    """What one site may hold, seen by its brightness."""

    name: str
    relative: float = Field(ge=0)
    """Brightness over that of the full column."""
    spread: float = Field(gt=0)
    """Standard deviation of `relative` among sites, apart from noise."""
    vacancy: bool = False
    """Something is missing here."""
    column_left: bool = True
    """A heavy column is still there (half an S2 column is a vacancy and a column)."""
    holds: str = ""
    """Elements of the heavy column that is seen, such as 'S+S'; empty where none is."""


class Column(Model):
    """One column of atoms of the 2D cell, looking down c."""

    u: float
    v: float
    """Position in the 2D cell, fractions of a1 and a2 (120° apart)."""
    elements: tuple[str, ...]
    """Heaviest first; one entry for each atom of one layer."""
    weight: float = Field(gt=0)
    """HAADF brightness over that of the brightest column of the cell."""
    states: tuple[State, ...]


class Phase(Model):
    """A layered hexagonal phase in plan view."""

    name: str
    formula: str
    a_angstrom: float = Field(gt=1.5, lt=8.0)
    columns: tuple[Column, ...] = Field(min_length=1, max_length=3)
    """On the sites (0, 0), (1/3, 2/3) and (2/3, 1/3) relative to each other, brightest first."""
    source: str = ""

    @property
    def spacing_angstrom(self) -> float:
        """Distance of neighbouring column sites, a/√3 [Å]."""
        return self.a_angstrom / math.sqrt(3)

    @property
    def site_area_a2(self) -> float:
        """Area of one column site, √3a²/6 [Å²]."""
        return math.sqrt(3) * self.a_angstrom**2 / 6

    @property
    def equal_columns(self) -> bool:
        """True if all three sites hold columns of about one brightness: the image repeats at a/√3."""
        return len(self.columns) == 3 and min(c.weight for c in self.columns) > 0.7

    @property
    def occupied_fraction(self) -> float:
        """Share of the three sites of the cell that hold a column."""
        return len(self.columns) / 3


def known_phases() -> tuple[str, ...]:
    """Names that `phase` knows without a CIF."""
    return tuple(_NAMES)


def phase(name_or_cif: str | Path) -> Phase:
    """A phase by name or alias ('Ti3C2Tx MXene', 'MoS2'), or from a CIF of a hexagonal layered crystal.

    Raises
    ------
    BadInput
        If the name is not known, the CIF cannot be read, or its plan view is not a hexagonal one.
    """
    text = str(name_or_cif)
    key = "".join(text.lower().split()).replace("_", "").replace("₂", "2").replace("₃", "3")
    for name, aliases in _NAMES.items():
        if key in aliases:
            return _from_cif(FOLDER / f"{name}.cif", name)
    if text.lower().endswith(".cif"):
        return _from_cif(Path(text), None)
    raise BadInput(
        f"material {visible(text, limit=80)!r} is not known",
        f"known here: {', '.join(known_phases())}",
        "use one of these, or give the path of a CIF file",
    )


@lru_cache(maxsize=32)
def _from_cif(path: Path, name: str | None) -> Phase:
    crystal = _read(path)
    cell = crystal.cell
    if abs(cell.a - cell.b) > 1e-3 * cell.a or abs(cell.gamma - 120) > 0.1:
        raise BadInput(
            f"{visible(path.name)} has a = {cell.a:.4f} Å, b = {cell.b:.4f} Å, gamma = {cell.gamma:.1f}°",
            "the lattice step reads hexagonal layers in plan view only (a = b, gamma = 120°)",
            f"give a hexagonal phase, or one of {', '.join(known_phases())}",
        )
    piles = _piles(_one_layer(crystal), path.name)
    title = name or visible(crystal.name or path.stem, limit=60)
    brightest = max(_brightness(elements, _heaviest(piles)) for elements in piles.values())
    columns = [_column(title, uv, elements, _heaviest(piles), brightest) for uv, elements in piles.items()]
    columns.sort(key=lambda c: (-round(c.weight, 3), c.u, c.v))
    atoms = [element for pile in piles.values() for element in pile]
    return Phase(
        name=title, formula=_formula(atoms), a_angstrom=cell.a, columns=tuple(columns), source=path.name
    )


def _read(path: Path) -> Any:
    import gemmi  # only a CIF needs it

    try:
        return gemmi.read_small_structure(str(path))
    except Exception as error:  # gemmi raises several kinds for what is one problem to a user
        raise BadInput(
            f"cannot read the CIF {visible(str(path))}",
            visible(str(error), limit=160),
            "check the path and that it is a structure CIF",
        ) from error


def _one_layer(crystal: Any) -> list[Any]:
    """Atoms of one layer: cut where the planes of the heaviest element are farthest apart."""
    atoms = [(site, site.fract) for site in crystal.get_all_unit_cell_sites()]
    if not atoms:
        raise BadInput("the CIF holds no atoms", remedy="give a CIF with atom positions")
    heavy = max(site.element.atomic_number for site, _ in atoms)
    z = sorted({round(f.z % 1.0, 4) % 1.0 for site, f in atoms if site.element.atomic_number == heavy})
    gaps = [((b - a) % 1.0 or 1.0, a) for a, b in zip(z, [*z[1:], z[0]], strict=True)]
    widest = max(gap for gap, _ in gaps)
    cuts = sorted((start + gap / 2) % 1.0 for gap, start in gaps if gap > 0.9 * widest)
    low, high = (cuts[0], cuts[1]) if len(cuts) > 1 else (cuts[0], cuts[0] + 1.0)
    return [site for site, f in atoms if (f.z - low) % 1.0 < high - low]


def _piles(sites: list[Any], filename: str) -> dict[tuple[float, float], tuple[str, ...]]:
    """Elements by site of the triangular lattice a/√3, counted from the first atom."""
    origin = sites[0].fract
    piles: dict[tuple[float, float], list[Any]] = {}
    for site in sites:
        u, v = (3 * (site.fract.x - origin.x)) % 3, (3 * (site.fract.y - origin.y)) % 3
        place = (round(u) % 3, round(v) % 3)
        off = max(abs(u - round(u)), abs(v - round(v)))
        if place not in ((0, 0), (1, 2), (2, 1)) or off > 0.06:
            raise BadInput(
                f"{visible(filename)}: an atom lies off the three column sites of a hexagonal layer",
                "columns are read on (0, 0), (1/3, 2/3) and (2/3, 1/3) only",
                "give a phase of the Ti3C2 or MoS2 kind",
            )
        piles.setdefault((round(place[0] / 3, 6), round(place[1] / 3, 6)), []).append(site.element)
    return {
        uv: tuple(e.name for e in sorted(elements, key=lambda e: -e.atomic_number))
        for uv, elements in piles.items()
    }


def _heaviest(piles: dict[tuple[float, float], tuple[str, ...]]) -> str:
    return max((elements[0] for elements in piles.values()), key=_atomic_number)


def _atomic_number(element: str) -> int:
    import gemmi

    return int(gemmi.Element(element).atomic_number)


def _relative(element: str, reference: str) -> float:
    measured = _RELATIVE.get((element, reference))
    if measured:
        return measured
    try:
        return float(haadf_cross_section_a2(element) / haadf_cross_section_a2(reference))
    except BadInput:  # an element that the table lacks
        return float((_atomic_number(element) / _atomic_number(reference)) ** 1.7)


def _brightness(elements: tuple[str, ...], reference: str) -> float:
    return sum(_relative(element, reference) for element in elements)


def _column(
    name: str, uv: tuple[float, float], elements: tuple[str, ...], reference: str, brightest: float
) -> Column:
    total = _brightness(elements, reference)
    return Column(
        u=uv[0],
        v=uv[1],
        elements=elements,
        weight=total / brightest,
        states=_states(name, elements, reference, total),
    )


def _states(name: str, elements: tuple[str, ...], reference: str, total: float) -> tuple[State, ...]:
    """Full, each number of missing heavy atoms, one atom too many, and the known substitutes."""
    heavy = elements[0]
    count, one = elements.count(heavy), _relative(heavy, reference) / total
    states = [State(name="full", relative=1.0, spread=0.02, holds="+".join([heavy] * count))]
    for missing in range(1, count + 1):
        left = 1 - missing * one + (_TERMINATION.get(name, 0.0) if missing == count else 0.0)
        kind = f"V_{heavy}{missing if missing > 1 else ''}"
        spread = 0.08 if missing == count else 0.04
        states.append(
            State(
                name=kind,
                relative=max(0.0, round(left, 6)),
                spread=spread,
                vacancy=True,
                column_left=missing < count,
                holds="+".join([heavy] * (count - missing)),
            )
        )
    more = "+".join([heavy] * (count + 1))
    states.append(State(name=f"extra {heavy}", relative=1 + one, spread=0.25, holds=more))
    states += [_substituted(new, heavy, count, one) for new in _SUBSTITUTES.get(heavy, ())]
    return tuple(states)


def _substituted(new: str, heavy: str, count: int, one: float) -> State:
    """One atom of the heavy element replaced; `one` is the share of such an atom in the column's brightness."""
    relative = 1 + one * (_relative(new, heavy) - 1)
    holds = "+".join(sorted([new] + [heavy] * (count - 1)))
    return State(name=f"{new} on {heavy}", relative=relative, spread=0.015 + 0.09 * relative, holds=holds)


def _formula(atoms: list[str]) -> str:
    kinds = sorted(set(atoms), key=lambda e: -_atomic_number(e))
    return "".join(f"{kind}{atoms.count(kind) if atoms.count(kind) > 1 else ''}" for kind in kinds)
