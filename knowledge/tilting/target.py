"""Where somebody wants to tilt to, in the brackets they would write it in."""

from collections.abc import Sequence
from typing import Literal

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal import (
    Crystal,
    direction_indices,
    four_direction_indices,
    four_plane_indices,
    parse_indices,
    plane_indices,
    shown,
)
from eucentric.knowledge.crystal.indices import Indices

Kind = Literal["axis", "family", "plane", "plane_family"]
_KINDS: dict[tuple[str, bool], Kind] = {
    ("direction", False): "axis",
    ("direction", True): "family",
    ("plane", False): "plane",
    ("plane", True): "plane_family",
}
_BRACKETS: dict[Kind, tuple[str, str]] = {
    "axis": ("[", "]"),
    "family": ("<", ">"),
    "plane": ("(", ")"),
    "plane_family": ("{", "}"),
}


class Target(Model):
    """A zone axis, any of its family, or a plane (any of its family) to be seen edge-on."""

    kind: Kind
    indices: Indices

    @property
    def label(self) -> str:
        """'[1 -1 0]', '<1 1 2>', '(1 0 0) edge-on'."""
        return bracketed(self.kind, self.indices) + (" edge-on" if self.is_plane else "")

    @property
    def is_plane(self) -> bool:
        """True if a plane is to be brought edge-on."""
        return self.kind in ("plane", "plane_family")


def target_of(text: str) -> Target:
    """[uvw] an axis, <uvw> any of its family, (hkl) a plane edge-on, {hkl} any of its family; four indices, too.

    Raises
    ------
    BadInput
        If it is none of them.
    """
    indices, what, family = parse_indices(text)
    kind = _KINDS[what, family]
    three = direction_indices(indices) if what == "direction" else plane_indices(indices)
    return Target(kind=kind, indices=three)


def bracketed(kind: Kind, indices: Sequence[int]) -> str:
    """Indices in the brackets of their kind."""
    left, right = _BRACKETS[kind]
    return left + shown(indices)[1:-1] + right


def name_of(crystal: Crystal, indices: Sequence[int], kind: Kind = "axis") -> str:
    """Indices as a microscopist of that crystal writes them: with four of them on hexagonal axes as well."""
    three = bracketed(kind, indices)
    if not on_hexagonal_axes(crystal):
        return three
    direction = kind in ("axis", "family")
    four = four_direction_indices(indices) if direction else four_plane_indices(indices)
    return f"{three} = {bracketed(kind, four)}"


def on_hexagonal_axes(crystal: Crystal) -> bool:
    """True for hexagonal and trigonal crystals whose three-fold is along c, a and b 120° apart."""
    cell = crystal.cell
    threefold = ((0, -1, 0), (1, -1, 0), (0, 0, 1))
    flat = tuple(x for row in threefold for x in row)
    return abs(cell.gamma_deg - 120) < 0.1 and flat in crystal.rotations


def check_on_plane(axis: Sequence[int], plane: Sequence[int]) -> None:
    """BadInput unless the axis lies in the plane: then the plane is edge-on along it."""
    if sum(u * h for u, h in zip(axis, plane, strict=True)):
        raise BadInput(
            f"{shown(axis)} does not lie in {shown(plane, 'plane')}",
            "an axis is on the band of a plane if h u + k v + l w = 0",
            "name an axis on the band, or leave it out to see which there are",
        )
