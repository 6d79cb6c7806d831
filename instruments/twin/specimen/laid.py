"""Atoms of a file as they lie on the stage: turned, repeated, cut; the same ones however closely one looks."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput
from eucentric.instruments.twin.hashing import subseed, uniform
from eucentric.instruments.twin.specimen.canvas import Box, Floats
from eucentric.instruments.twin.specimen.listed import AtomList
from eucentric.instruments.twin.specimen_spec import AtomsSpec

Index = NDArray[np.int64]
_SHARED = 51
_SAME_A = 0.3
"""Atoms of one cell nearer than this share a site."""


@dataclass(frozen=True)
class Placed:
    """Atoms in a box."""

    x: Floats
    """(n,) [m]."""
    y: Floats
    z: Floats
    """(n,) over the specimen's surface [m]."""
    number: Index
    """(n,) of the atom in the file."""
    copy: Index
    """(n,) of the repetition it belongs to."""


class Laid:
    """A list of atoms at its place.

    Raises
    ------
    BadInput
        A direction is asked for of a list without a cell.
    """

    def __init__(self, atoms: AtomList, spec: AtomsSpec, seed: int) -> None:
        self.atoms, self.spec = atoms, spec
        self._seed = subseed(seed, _SHARED)
        turn = _turn(atoms, spec)
        self.cell = None if atoms.cell is None else atoms.cell @ turn.T
        self.upright = atoms.cell is None or spec.zone == (0, 0, 1)
        """Whether layers are counted along the third edge, not cut."""
        at = atoms.at @ turn.T
        self.repeats = self.cell is not None and atoms.periodic[0] and atoms.periodic[1]
        low, high = at.min(axis=0), at.max(axis=0)
        self.at = at - (np.array([0, 0, low[2]]) if self.repeats and self.upright else (low + high) / 2)
        """(N, 3) [Å] of the first copy, from the middle of the place."""
        self.layers = self._layer_count()
        self._low, self._group = _shares(atoms)

    def _layer_count(self) -> int:
        if self.cell is None or not (self.repeats and self.atoms.periodic[2] and self.upright):
            return 1
        return max(1, round(self.spec.thickness_nm * 10 / abs(float(self.cell[2, 2]))))

    @property
    def thickness_a(self) -> float:
        """[Å]."""
        if self.repeats and not self.upright:
            return self.spec.thickness_nm * 10
        return float(np.ptp(self.at[:, 2])) + (self.layers - 1) * (
            abs(float(self.cell[2, 2])) if self.cell is not None else 0
        )

    @property
    def half(self) -> tuple[float, float]:
        """Half of the extent along x and y [m]."""
        if self.repeats:
            return self.spec.width_nm * 0.5e-9, self.spec.width_nm * 0.5e-9
        x, y, _ = ((np.abs(self.at).max(axis=0) + _SAME_A) * 1e-10).tolist()
        return x, y

    @property
    def box(self) -> Box:
        """Where anything is [m]."""
        x, y = (at * 1e-6 for at in self.spec.centre_um)
        return x - self.half[0], x + self.half[0], y - self.half[1], y + self.half[1]

    def per_area(self, weight: Floats) -> float:
        """Sum of a weight of each atom over the area of what repeats, thickness included [weight/Å²]."""
        assert self.cell is not None
        total = float((weight * self.atoms.share).sum())
        if not self.upright:
            return total / abs(float(np.linalg.det(self.cell))) * self.thickness_a
        across = self.cell[0, 0] * self.cell[1, 1] - self.cell[0, 1] * self.cell[1, 0]
        return total * self.layers / abs(float(across))

    def within(self, box: Box) -> Placed:
        """Atoms in a box [m]; where occupancies share a site, one of them is there."""
        own = self.box
        box = max(box[0], own[0]), min(box[1], own[1]), max(box[2], own[2]), min(box[3], own[3])
        centre = np.array([*self.spec.centre_um, 0.0]) * 1e4  # [Å]
        corners = np.array(box) * 1e10 - np.repeat(centre[:2], 2)
        shifts = self._shifts(corners) if box[0] < box[1] and box[2] < box[3] else np.zeros((0, 3), np.int64)
        lateral = shifts @ self.cell if self.cell is not None else np.zeros((len(shifts), 3))
        at = (lateral[:, None, :] + self.at[None, :, :]).reshape(-1, 3)
        number = np.tile(np.arange(len(self.at)), len(shifts))
        copy = np.repeat(_one(shifts), len(self.at))
        keep = (at[:, 0] >= corners[0]) & (at[:, 0] < corners[1])
        keep &= (at[:, 1] >= corners[2]) & (at[:, 1] < corners[3])
        if self.repeats and not self.upright:
            keep &= np.abs(at[:, 2]) < self.thickness_a / 2
        keep[keep] &= self._there(number[keep], copy[keep])
        at = (at[keep] + centre) * 1e-10
        return Placed(at[:, 0], at[:, 1], at[:, 2], number[keep], copy[keep])

    def _there(self, number: Index, copy: Index) -> NDArray[np.bool_]:
        if bool((self.atoms.share >= 1).all()):
            return np.ones(len(number), dtype=np.bool_)
        draw = uniform(self._seed, self._group[number], copy)
        low = self._low[number]
        return np.asarray((draw >= low) & (draw < low + self.atoms.share[number]))

    def _shifts(self, corners: Floats) -> Index:
        """(n, 3) repetitions whose atoms may lie between the corners (x low, x high, y low, y high) [Å]."""
        if not self.repeats or self.cell is None:
            return np.zeros((1, 3), dtype=np.int64)
        half = self.thickness_a / 2
        tall = np.array([0.0, self.layers * self.cell[2, 2]] if self.upright else [-half, half])
        reach = np.abs(self.at).max(axis=0) + _SAME_A
        sides = np.outer(reach, [-1.0, 1.0]) + np.array([corners[:2], corners[2:], tall])
        grid = np.array(np.meshgrid(*sides)).reshape(3, -1).T
        steps = grid @ np.linalg.inv(self.cell)
        low, high = np.floor(steps.min(axis=0)).astype(int), np.ceil(steps.max(axis=0)).astype(int)
        if self.upright:
            low[2], high[2] = 0, self.layers - 1
        spans = [np.arange(a, b + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
        found = np.stack(np.meshgrid(*spans, indexing="ij"), axis=-1).reshape(-1, 3)
        at = found @ self.cell
        near = ((at > sides[:, 0]) & (at < sides[:, 1])).all(axis=1)
        return np.asarray(found[near], dtype=np.int64)


def _one(shifts: Index) -> Index:
    """One number for each repetition."""
    return np.asarray((shifts[:, 0] * 1_000_003 + shifts[:, 1]) * 1_000_003 + shifts[:, 2])


def _turn(atoms: AtomList, spec: AtomsSpec) -> Floats:
    """(3, 3) from the file's axes to the stage's."""
    angle = math.radians(spec.turn_deg)
    about = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]]
    )
    if atoms.cell is None:
        if spec.zone != (0, 0, 1):
            raise BadInput(
                f"zone {list(spec.zone)} of {spec.file!r}",
                "the file has no cell",
                "turn the atoms in the file",
            )
        return about
    if not atoms.crystal and spec.zone == (0, 0, 1):
        return about
    up = np.array(spec.zone) @ atoms.cell
    up = up / np.linalg.norm(up)
    edges = atoms.cell / np.linalg.norm(atoms.cell, axis=1)[:, None]
    along = next(edge for edge in edges if abs(float(edge @ up)) < 0.99)
    along = along - (along @ up) * up
    along = along / np.linalg.norm(along)
    return np.asarray(about @ np.array([along, np.cross(up, along), up]))


def _shares(atoms: AtomList) -> tuple[Floats, Index]:
    """Where the interval of each atom's occupancy begins, and which site it shares."""
    low, group = np.zeros(len(atoms.at)), np.arange(len(atoms.at), dtype=np.int64)
    partial = np.flatnonzero(atoms.share < 1)
    for n, atom in enumerate(partial.tolist()):
        before = partial[:n]
        near = before[np.linalg.norm(atoms.at[before] - atoms.at[atom], axis=1) < _SAME_A]
        if len(near):
            group[atom] = group[near[0]]
            low[atom] = float(atoms.share[near].sum())
    return low, group


def checked(spec: AtomsSpec, path: Path, sha256: str) -> None:
    """BadInput if the file is not the one that the world was declared with."""
    if spec.sha256 is not None and spec.sha256 != sha256:
        raise BadInput(
            f"the atoms in {path.name!r} are others than the world declares",
            f"SHA-256 {sha256[:12]}…, declared {spec.sha256[:12]}…",
            "restore the file, or correct the declaration",
        )
