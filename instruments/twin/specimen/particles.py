"""Metal particles: spheres on the film, single ones from near and points from afar."""

import math

import numpy as np

from eucentric.instruments.twin.specimen.canvas import Box, Canvas, CrossSection
from eucentric.instruments.twin.specimen.nuclei import Nuclei, nuclei_in
from eucentric.instruments.twin.specimen.outline import around, places
from eucentric.instruments.twin.specimen_spec import ParticlesSpec

_SPREAD = 3.0
"""Sizes are clipped at so many sigmas."""
_AS_POINTS = 1.5
"""Particles of less than so many pixels are points."""


class Particles:
    """The particles of one specimen."""

    def __init__(self, spec: ParticlesSpec, seed: int, cross_section_a2: CrossSection) -> None:
        self.spec, self._seed = spec, seed
        self._per_m = spec.atoms_per_nm3 * 1e27 * cross_section_a2(spec.element) * 1e-20
        """Share of the beam for each metre of metal."""

    def towards(self, cross_section_a2: CrossSection) -> "Particles":
        """The same particles as another detector sees them."""
        return Particles(self.spec, self._seed, cross_section_a2)

    @property
    def largest(self) -> float:
        """Diameter that none passes [m]."""
        return self.spec.diameter_nm * 1e-9 * math.exp(_SPREAD * self.spec.log_sigma)

    def within(self, box: Box) -> Nuclei:
        """Those whose middle is in a box [m]; their draw is the diameter [m]."""
        found = nuclei_in(self._seed, self.spec.per_um2 * 1e12, box, 2)
        u = found.draws
        normal = np.sqrt(-2 * np.log1p(-u[:, 0])) * np.cos(2 * math.pi * u[:, 1])
        size = self.spec.diameter_nm * 1e-9 * np.exp(self.spec.log_sigma * np.clip(normal, -_SPREAD, _SPREAD))
        return Nuclei(found.x, found.y, size[:, None])

    def draw(self, canvas: Canvas) -> None:
        """All that the raster may touch."""
        x0, x1, y0, y1 = canvas.raster.box()
        pad = self.largest / 2
        found = self.within((x0 - pad, x1 + pad, y0 - pad, y1 + pad))
        size = found.draws[:, 0]
        small = size < _AS_POINTS * canvas.raster.pixel
        volume = math.pi / 6 * size[small] ** 3
        canvas.add_columns(found.x[small], found.y[small], volume * self._per_m)
        large = ~small
        for x, y, one in zip(found.x[large], found.y[large], size[large], strict=True):
            self._sphere(canvas, float(x), float(y), float(one) / 2)

    def _sphere(self, canvas: Canvas, x: float, y: float, radius: float) -> None:
        where = around(x, y, radius, canvas.raster)
        if where is None:
            return
        at_x, at_y = places(canvas.raster, where)
        chord = 2 * np.sqrt(np.maximum(radius**2 - (at_x - x) ** 2 - (at_y - y) ** 2, 0.0))
        canvas.share[where] += np.minimum(chord * self._per_m, 0.5).astype(np.float32)
