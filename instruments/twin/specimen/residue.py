"""Small crystals on what is solid, such as salt that an etch has left."""

import math

import numpy as np

from eucentric.instruments.twin.specimen.canvas import Box, Canvas, CrossSection
from eucentric.instruments.twin.specimen.nuclei import Nuclei, nuclei_in
from eucentric.instruments.twin.specimen.outline import around, places
from eucentric.instruments.twin.specimen_spec import ResidueSpec

_DRAWS = 5
_SPREAD = 2.5
"""Sizes are clipped at so many sigmas."""


class Residue:
    """Cubes of all sizes, each with edges and height of its own."""

    def __init__(self, spec: ResidueSpec, seed: int, cross_section_a2: CrossSection) -> None:
        self._spec, self._seed = spec, seed
        total = sum(spec.elements.values())
        mean_a2 = sum(part * cross_section_a2(element) for element, part in spec.elements.items()) / total
        self._per_m = spec.atoms_per_nm3 * 1e27 * mean_a2 * 1e-20

    def towards(self, cross_section_a2: CrossSection) -> "Residue":
        """The same crystals as another detector sees them."""
        return Residue(self._spec, self._seed, cross_section_a2)

    def crystals(self, box: Box) -> Nuclei:
        """Those whose middle is in a box [m]; their draws are edge [m], slimness, turn, height [m]."""
        found = nuclei_in(self._seed, self._spec.per_um2 * 1e12, box, _DRAWS)
        u = found.draws
        normal = np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * math.pi * u[:, 1])
        edge = self._spec.size_nm * 1e-9 * np.exp(self._spec.log_sigma * np.clip(normal, -_SPREAD, _SPREAD))
        made = np.stack(
            [
                edge,
                0.6 + 0.4 * u[:, 2],
                math.pi / 2 * u[:, 3],
                edge * self._spec.height_share * (0.6 + 0.8 * u[:, 4]),
            ],
            axis=1,
        )
        return Nuclei(found.x, found.y, made)

    def draw(self, canvas: Canvas) -> None:
        """All that the raster may touch, where there is something to lie on."""
        raster = canvas.raster
        most = self._spec.size_nm * 1e-9 * math.exp(_SPREAD * self._spec.log_sigma)
        x0, x1, y0, y1 = raster.box()
        found = self.crystals((x0 - most, x1 + most, y0 - most, y1 + most))
        for x, y, (edge, slim, turn, height) in zip(found.x, found.y, found.draws.tolist(), strict=True):
            where = around(float(x), float(y), edge, raster)
            if where is None:
                continue
            at_x, at_y = places(raster, where)
            cos, sin = math.cos(turn), math.sin(turn)
            along, across = (at_x - x) * cos + (at_y - y) * sin, (at_y - y) * cos - (at_x - x) * sin
            depth = np.minimum(edge / 2 - np.abs(along), slim * edge / 2 - np.abs(across))
            share = np.clip(depth / raster.pixel + 0.5, 0, 1) * min(height * self._per_m, 0.5)
            canvas.share[where] += (share * np.minimum(canvas.solid[where], 1)).astype(np.float32)
