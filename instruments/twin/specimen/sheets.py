"""The flakes of a specimen, drawn: sheets from afar, columns from near, as the beam has left them."""

import math

import numpy as np

from eucentric.instruments.twin.specimen.canvas import Box, Canvas, CrossSection, Plane, Points
from eucentric.instruments.twin.specimen.change import Change
from eucentric.instruments.twin.specimen.defects import Imperfections
from eucentric.instruments.twin.specimen.flakes import Block, Flake, FlakeBed, blocks_of
from eucentric.instruments.twin.specimen.lattice import Columns, Look, columns_in
from eucentric.instruments.twin.specimen.material import make_material
from eucentric.instruments.twin.specimen.outline import around, coverage, places
from eucentric.instruments.twin.specimen_spec import MaterialSpec

_UPRIGHT = 3e-12
"""A stack whose top is seen no further to the side than this is taken as seen along its normal [m]."""
_SEEN_PORES = 1e-9
"""Pixels above this edge show pores as a thinner sheet [m]."""


class Flakes:
    """All flakes of one specimen."""

    def __init__(
        self,
        bed: FlakeBed,
        material: MaterialSpec,
        imperfections: Imperfections,
        change: Change | None,
        cross_section_a2: CrossSection,
    ) -> None:
        self.bed, self.imperfections = bed, imperfections
        self._spec, self._change = material, change
        self.material = make_material(material, cross_section_a2)
        self.layer_fraction = self.material.layer_fraction(imperfections)
        """Share of the beam that one undamaged layer sends onto the detector."""

    def towards(self, cross_section_a2: CrossSection) -> "Flakes":
        """The same flakes as another detector sees them."""
        return Flakes(self.bed, self._spec, self.imperfections, self._change, cross_section_a2)

    def columns(self, flake: Flake, box: Box, *, heights: bool = False) -> list[tuple[Block, Columns]]:
        """The atomic columns of a flake within a box [m], block by block from below."""
        look = Look(self.material, self.imperfections, box, self._change, heights)
        return [(block, columns_in(block, look)) for block in blocks_of(flake)]

    def draw(self, canvas: Canvas) -> None:
        """Every flake that the raster may touch."""
        box = canvas.raster.box()
        for flake in self.bed.near(box):
            touched = self._cover(flake, canvas)
            if touched and canvas.atoms:
                self._columns(flake, canvas, box)

    def _cover(self, flake: Flake, canvas: Canvas) -> bool:
        """Mark what it covers; as sheets, if atoms are not seen."""
        outlines = [flake.outline, *([flake.fold.flap] if flake.fold else [])]
        touched = False
        for outline in outlines:
            patch = coverage(outline, canvas.raster)
            if patch is None:
                continue
            touched = True
            canvas.solid[patch.where] += patch.share
            if not canvas.atoms:
                sheet = patch.share * np.float32(flake.layers * self.layer_fraction)
                canvas.share[patch.where] += sheet * self._left(flake, canvas, patch.where)
        return touched

    def _left(self, flake: Flake, canvas: Canvas, where: tuple[slice, slice]) -> Plane:
        """What the beam has left of a sheet, as a share; one number where it has done nothing."""
        if canvas.dose is None or self._change is None:
            return np.ones(1, np.float32)
        dose = canvas.dose[where]
        left = np.ones_like(dose)
        atoms = [one for even, _ in self.material.species for one in even]
        whole = sum(one.sigma * one.count for one in atoms)
        for one in atoms:
            gone = self._change.lost_share(one.element, dose)
            if gone is not None:
                left -= np.float32(one.sigma * one.count / whole) * gone
        return self._with_pores(left, flake, canvas, where, dose)

    def _with_pores(
        self, left: Plane, flake: Flake, canvas: Canvas, where: tuple[slice, slice], dose: Plane
    ) -> Plane:
        assert self._change is not None
        raster = canvas.raster
        if raster.pixel > _SEEN_PORES:
            open_ = self._change.porosity(dose, flake.layers)
            return left if open_ is None else left * (1 - open_)
        mask = np.ones(raster.shape, np.float32)
        pores = self._change.pores(raster.box(), flake.layers)
        for x, y, radius in zip(pores.x, pores.y, pores.draws[:, 0], strict=True):
            if (spot := around(x, y, radius, raster)) is not None:
                at_x, at_y = places(raster, spot)
                inside = (radius - np.hypot(at_x - x, at_y - y)) / raster.pixel + 0.5
                mask[spot] *= 1 - np.clip(inside, 0, 1).astype(np.float32)
        return left * mask[where]

    def _columns(self, flake: Flake, canvas: Canvas, box: Box) -> None:
        lean = math.hypot(*canvas.raster.lean)
        thickness = self.material.height * flake.layers * (2 if flake.fold else 1)
        tilted = lean * thickness > _UPRIGHT
        for block, columns in self.columns(flake, box, heights=tilted):
            atoms = columns.atoms
            if atoms is None:
                canvas.add_columns(columns.x, columns.y, columns.weight)
            else:
                z = atoms.z + block.lowest * self.material.height
                canvas.points.append(
                    Points(columns.x[atoms.column], columns.y[atoms.column], z, atoms.weight)
                )
