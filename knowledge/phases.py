"""Phases seen in plan view: which columns a cell has, of what, and how bright each state of a column is.

The lattice constant comes from a CIF, the only place where it is written (Ti3C2: a = 3.0505 Å).
"""

from functools import lru_cache
from pathlib import Path

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.column_states import State, brightness, states_of
from eucentric.knowledge.plan_lattice import PLAN_LATTICES, Kind, PlanLattice
from eucentric.knowledge.plan_view import PlanView, plan_view
from eucentric.knowledge.scattering import atomic_number

__all__ = ["FOLDER", "Column", "Phase", "State", "known_phases", "phase"]

FOLDER = Path(__file__).parent / "phases"

_NAMES = {
    "Ti3C2": ("ti3c2", "ti3c2tx", "ti3c2tz", "ti3c2o2", "ti3c2(oh)2", "ti3c2f2", "mxene", "ti3c2mxene", "ti3c2txmxene",
              "ti3c2o2mxene"),
    "MoS2": ("mos2", "2h-mos2", "molybdenumdisulfide", "molybdenumdisulphide", "mos2monolayer", "v-mos2", "v:mos2"),
    "MoSe2": ("mose2", "2h-mose2", "mose2monolayer"),
    "WS2": ("ws2", "2h-ws2", "ws2monolayer"),
    "WSe2": ("wse2", "2h-wse2", "wse2monolayer"),
    "graphene": ("graphene", "graphenemonolayer"),
    "SrTiO3": ("srtio3", "sto", "strontiumtitanate", "nb:srtio3", "nb-srtio3", "la:srtio3"),
    "BaTiO3": ("batio3", "bto", "bariumtitanate"),
}  # fmt: skip


class Column(Model):
    """One column of atoms of the 2D cell, looking down c."""

    u: float
    v: float
    """Position in the 2D cell, fractions of a1 and a2 (120° apart in a hexagonal cell, 90° in a square one)."""
    elements: tuple[str, ...]
    """Heaviest first; one entry for each atom of one layer, or of one period along c."""
    weight: float = Field(gt=0)
    """HAADF brightness over that of the brightest column of the cell."""
    states: tuple[State, ...]


class Phase(Model):
    """A phase in plan view: a hexagonal layer, or a cubic or tetragonal crystal down [001]."""

    name: str
    formula: str
    a_angstrom: float = Field(gt=1.5, lt=8.0)
    """Edge of the cell that holds one column of each sublattice."""
    columns: tuple[Column, ...] = Field(min_length=1, max_length=3)
    """On the sites (0, 0), (1/3, 2/3), (2/3, 1/3), or (0, 0), (1/2, 1/2), relative to each other, brightest first."""
    source: str = ""
    kind: Kind = "hexagonal"

    @property
    def lattice(self) -> PlanLattice:
        """The lattice of its column sites."""
        return PLAN_LATTICES[self.kind]

    @property
    def spacing_angstrom(self) -> float:
        """Distance of neighbouring column sites, a/√3 or a/√2 [Å]."""
        return self.a_angstrom / self.lattice.root

    @property
    def site_area_a2(self) -> float:
        """Area of one column site, √3a²/6 or a²/2 [Å²]."""
        return self.lattice.site_area(self.a_angstrom)

    @property
    def equal_columns(self) -> bool:
        """True if all sites hold columns of about one brightness: the image repeats at their spacing."""
        return len(self.columns) == self.lattice.parts and self.alike

    @property
    def alike(self) -> bool:
        """True if there are several columns, all of about one brightness, whether on every site or not."""
        return len(self.columns) > 1 and min(c.weight for c in self.columns) > 0.7

    @property
    def occupied_fraction(self) -> float:
        """Share of the sites of the cell that hold a column."""
        return len(self.columns) / self.lattice.parts


def known_phases() -> tuple[str, ...]:
    """Names that `phase` knows without a CIF."""
    return tuple(_NAMES)


def phase(name_or_cif: str | Path) -> Phase:
    """A phase by name or alias ('Ti3C2Tx MXene', 'MoS2', 'SrTiO3'), or from a CIF.

    Raises
    ------
    BadInput
        If the name is not known, the CIF cannot be read, or its plan view is neither hexagonal nor square.
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
    view = plan_view(path)
    title = name or view.title
    reference = max((elements[0] for elements in view.piles.values()), key=atomic_number)
    brightest = max(brightness(elements, reference) for elements in view.piles.values())
    columns = [
        Column(
            u=u, v=v, elements=elements, weight=brightness(elements, reference) / brightest,
            states=states_of(title, elements, reference, view.kind == "square"),
        )
        for (u, v), elements in view.piles.items()
    ]  # fmt: skip
    columns.sort(key=lambda c: (-round(c.weight, 3), c.u, c.v))
    return Phase(
        name=title, formula=_formula(view), a_angstrom=view.a_angstrom, columns=tuple(columns), source=path.name,
        kind=view.kind,
    )  # fmt: skip


def _formula(view: PlanView) -> str:
    """Of what is seen in plan view."""
    atoms = [element for pile in view.piles.values() for element in pile]
    kinds = sorted(set(atoms), key=lambda e: -atomic_number(e))
    return "".join(f"{kind}{atoms.count(kind) if atoms.count(kind) > 1 else ''}" for kind in kinds)
