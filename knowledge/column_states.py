"""What one column may hold, and how bright each of its states is in HAADF."""

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.scattering import atomic_number, haadf_cross_section_a2

_RELATIVE = {
    ("O", "Ti"): 0.108,
    ("C", "Ti"): 0.108,
    ("F", "Ti"): 0.13,
    ("S", "Mo"): 0.195,
    ("N", "C"): 1.29,
    ("O", "C"): 1.60,
    ("Si", "C"): 4.0,
}
"""Measured HAADF ratios (60-140 mrad, 60 kV, fit to multislice images); other pairs follow the cross-sections.
In graphene Z^1.64 holds (Krivanek et al., Nature 464 (2010) 571): the table's C is that of MXene columns."""

_SUBSTITUTES = {"Mo": ("V", "W"), "W": ("V", "Mo"), "S": ("Se",), "C": ("N", "Si")}
"""What is known to take the place of one atom of an element: a dim V on a Mo site is no vacancy. A lighter atom on a
site of two (S on Se2) is left out: it looks like half a vacancy, and is called one."""

_OXIDE_SUBSTITUTES = {"Sr": ("La",), "Ba": ("Sr",), "Ti": ("Nb",)}
"""The same for columns of a crystal with oxygen seen down [001]."""

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


def brightness(elements: tuple[str, ...], reference: str) -> float:
    """Sum over the atoms of a column, 1 for one atom of `reference`."""
    return sum(_relative(element, reference) for element in elements)


def _relative(element: str, reference: str) -> float:
    measured = _RELATIVE.get((element, reference))
    if measured:
        return measured
    try:
        return float(haadf_cross_section_a2(element) / haadf_cross_section_a2(reference))
    except BadInput:  # an element that the table lacks
        return float((atomic_number(element) / atomic_number(reference)) ** 1.7)


def states_of(name: str, elements: tuple[str, ...], reference: str, oxide: bool) -> tuple[State, ...]:
    """Full, each number of missing heavy atoms, one atom too many, and the known substitutes.

    Parameters
    ----------
    name
        Of the phase.
    elements
        Of the column, heaviest first.
    reference
        Element in whose brightness the others are given.
    oxide
        True for a crystal with oxygen down [001].
    """
    total, heavy = brightness(elements, reference), elements[0]
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
    known = _OXIDE_SUBSTITUTES if oxide else _SUBSTITUTES
    states += [_substituted(new, heavy, count, one) for new in known.get(heavy, ())]
    return tuple(states)


def _substituted(new: str, heavy: str, count: int, one: float) -> State:
    """One atom of the heavy element replaced; `one` is the share of such an atom in the column's brightness."""
    relative = 1 + one * (_relative(new, heavy) - 1)
    holds = "+".join(sorted([new] + [heavy] * (count - 1)))
    return State(name=f"{new} on {heavy}", relative=relative, spread=0.015 + 0.09 * relative, holds=holds)
