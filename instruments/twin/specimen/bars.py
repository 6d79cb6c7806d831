"""The grid's bars: metal that stops the beam, with edges that taper to nothing."""

import math

import numpy as np

from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen.canvas import Box, Canvas, CrossSection, Floats, Plane
from eucentric.instruments.twin.specimen_spec import BarsSpec

_ATOMS_PER_A3 = 0.085
"""Of copper; other grid metals are within a third of it."""
_STOPS_NM_PER_KV = 1.6
"""Thickness that half the electrons do not pass into the cone of the detectors, in proportion to the voltage (assumed,
for copper)."""
_SATURATED = 0.5
"""Largest share of the beam that multiple scattering sends onto an annular detector (assumed)."""


class Bars:
    """Bars along both directions of a square mesh."""

    def __init__(self, spec: BarsSpec, voltage_kv: float, cross_section_a2: CrossSection) -> None:
        self._spec, self._voltage_kv = spec, voltage_kv
        self._per_m = _ATOMS_PER_A3 * 1e10 * cross_section_a2(spec.element)
        self._half = _STOPS_NM_PER_KV * voltage_kv * 1e-9

    def towards(self, cross_section_a2: CrossSection) -> "Bars":
        """The same bars as another detector sees them."""
        return Bars(self._spec, self._voltage_kv, cross_section_a2)

    def depth(self, x: Floats, y: Floats) -> Floats:
        """Distance inside the edge of a bar, negative in an opening [m]; x and y broadcast."""
        turn = math.radians(self._spec.turn_deg)
        cos, sin = math.cos(turn), math.sin(turn)
        pitch, opening = self._spec.pitch_um * 1e-6, (self._spec.pitch_um - self._spec.width_um) * 1e-6
        depth = None
        for along in (x * cos + y * sin, y * cos - x * sin):
            off = np.abs((along / pitch + 0.5) % 1.0 - 0.5) * pitch - opening / 2
            depth = off if depth is None else np.maximum(depth, off)
        assert depth is not None
        return depth

    def near(self, box: Box) -> bool:
        """Whether a bar may touch a box [m]."""
        x0, x1, y0, y1 = box
        corners = self.depth(np.array([[x0, (x0 + x1) / 2, x1]]), np.array([[y0], [(y0 + y1) / 2], [y1]]))
        return float(corners.max()) >= -0.3 * math.hypot(x1 - x0, y1 - y0)

    def thickness(self, raster: Raster) -> Plane | None:
        """Metal in each pixel [m]; None if the raster sees none."""
        if not self.near(raster.box()):
            return None
        depth = self.depth(raster.x[None, :], raster.y2d())
        if float(depth.max()) <= 0:
            return None
        taper = np.clip(depth / (self._spec.taper_um * 1e-6), 0, 1)
        return np.asarray(taper * (self._spec.thickness_um * 1e-6), dtype=np.float32)

    def passed(self, thickness: Plane) -> Plane:
        """Share of the electrons that come through."""
        return np.asarray(np.exp2(-thickness / np.float32(self._half)))

    def draw(self, canvas: Canvas) -> None:
        """Bright where the metal is thin, black where it is thick, whatever lies on it."""
        metal = self.thickness(canvas.raster)
        if metal is None:
            return
        scattered = _SATURATED * -np.expm1(metal * np.float32(-self._per_m / _SATURATED))
        passed = self.passed(metal)
        canvas.share += scattered
        canvas.share *= passed
        canvas.shade = passed
