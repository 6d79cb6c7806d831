"""Atoms of a file, drawn: one by one from near, in their mean from afar."""

import math

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed
from eucentric.instruments.twin.specimen.canvas import Box, Canvas, CrossSection, Floats, Points
from eucentric.instruments.twin.specimen.change import Change
from eucentric.instruments.twin.specimen.laid import Laid, Placed

_MOST_POINTS = 300_000
"""A list that does not repeat is drawn atom by atom up to so many, however small the scale."""
_BIN_A = 5.0
_LOST = 52


class Atoms:
    """The atoms of one specimen."""

    def __init__(self, laid: Laid, seed: int, change: Change, cross_section_a2: CrossSection) -> None:
        self.laid, self._seed, self._change = laid, seed, change
        names = laid.atoms.elements
        known = {str(name): cross_section_a2(str(name)) for name in np.unique(names)}
        self.weight = np.array([known[str(name)] for name in names])
        """(N,) of each atom of the file [Å²]."""

    def towards(self, cross_section_a2: CrossSection) -> "Atoms":
        """The same atoms as another detector sees them."""
        return Atoms(self.laid, self._seed, self._change, cross_section_a2)

    def missing(self, placed: Placed, box: Box) -> NDArray[np.bool_]:
        """(n,) which of the atoms the beam has taken."""
        gone = np.zeros(len(placed.x), dtype=np.bool_)
        dose = self._change.dose_at(placed.x, placed.y, box)
        if dose is None:
            return gone
        elements = self.laid.atoms.elements[placed.number]
        for element in np.unique(elements).tolist():
            of_it = np.flatnonzero(elements == element)
            lost = self._change.lost(
                element, subseed(self._seed, _LOST), 0, placed.number[of_it], placed.copy[of_it], dose[of_it]
            )
            if lost is not None:
                gone[of_it] = lost
        return gone

    def draw(self, canvas: Canvas) -> None:
        """All that the raster may touch."""
        if canvas.atoms or not (self.laid.repeats or len(self.laid.at) > _MOST_POINTS):
            self._points(canvas)
        elif self.laid.repeats:
            self._sheet(canvas)
        else:
            self._bins(canvas)
        self._cover(canvas)

    def _points(self, canvas: Canvas) -> None:
        box = _padded(canvas, self.laid.thickness_a)
        placed = self.laid.within(box)
        weight = self.weight[placed.number] * 1e-20
        weight[self.missing(placed, box)] = 0.0
        canvas.points.append(Points(placed.x, placed.y, placed.z, weight))

    def _share(self, canvas: Canvas) -> Floats:
        """Covered share of each pixel."""
        raster, (x0, x1, y0, y1) = canvas.raster, self.laid.box
        y = raster.y2d()
        inside = np.minimum(
            np.minimum(raster.x[None, :] - x0, x1 - raster.x[None, :]), np.minimum(y - y0, y1 - y)
        )
        return np.asarray(np.clip(inside / raster.pixel + 0.5, 0, 1))

    def _sheet(self, canvas: Canvas) -> None:
        sheet = self._share(canvas) * min(self.laid.per_area(self.weight), 0.5)
        canvas.share += sheet.astype(np.float32) * self._left(canvas)

    def _left(self, canvas: Canvas) -> NDArray[np.float32]:
        left = np.ones(1, np.float32)
        if canvas.dose is None:
            return left
        whole = float((self.weight * self.laid.atoms.share).sum())
        for element in np.unique(self.laid.atoms.elements).tolist():
            gone = self._change.lost_share(element, canvas.dose)
            if gone is not None:
                of_it = self.laid.atoms.elements == element
                part = float((self.weight * self.laid.atoms.share)[of_it].sum()) / whole
                left = left - np.float32(part) * gone
        return left

    def _bins(self, canvas: Canvas) -> None:
        """Sums of the atoms in cubes of half a nanometre."""
        x, y, z, total = _binned(self.laid.at, self.weight)
        centre = np.array(self.laid.spec.centre_um) * 1e-6
        canvas.points.append(Points(x + centre[0], y + centre[1], z, total))

    def _cover(self, canvas: Canvas) -> None:
        if self.laid.repeats:
            canvas.solid += self._share(canvas).astype(np.float32)


def _binned(at: Floats, weight: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Middle [m] and weight [m²] of what is in each cube that holds anything."""
    cube = np.floor((at - at.min(axis=0)) / _BIN_A).astype(np.int64)
    size = cube.max(axis=0) + 1
    _, which = np.unique((cube[:, 0] * size[1] + cube[:, 1]) * size[2] + cube[:, 2], return_inverse=True)
    total = np.bincount(which, weight).astype(np.float64)
    x, y, z = (np.asarray(np.bincount(which, weight * at[:, n]) / total * 1e-10) for n in range(3))
    return x, y, z, total * 1e-20


def _padded(canvas: Canvas, thickness_a: float) -> Box:
    """The raster's box, and what a tilted view shifts into it [m]."""
    x0, x1, y0, y1 = canvas.raster.box()
    pad = math.hypot(*canvas.raster.lean) * thickness_a * 1e-10
    return x0 - pad, x1 + pad, y0 - pad, y1 + pad
