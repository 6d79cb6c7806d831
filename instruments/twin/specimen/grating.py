"""A cross-grating: ridges whose pitch and direction are certified, to calibrate magnification, rotation and stage."""

import math

import numpy as np

from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen import texture
from eucentric.instruments.twin.specimen.canvas import Canvas, CrossSection, Floats, Plane
from eucentric.instruments.twin.specimen.texture import Octave
from eucentric.instruments.twin.specimen_spec import GratingSpec

_ATOMS_PER_A3 = 0.059
"""Of gold; other metals that are shadowed with are within a third of it."""
_WANDER_NM = (30.0, 150.0)
"""Lengths over which edges wander [nm]."""
_GRAIN = (Octave(3e-9, 0.25), Octave(12e-9, 0.15))


class Grating:
    """The ridges of one specimen; a crossing is at the stage's origin."""

    def __init__(self, spec: GratingSpec, seed: int, cross_section_a2: CrossSection) -> None:
        self.spec, self._seed = spec, seed
        self.fraction = _ATOMS_PER_A3 * spec.thickness_nm * 10 * cross_section_a2(spec.element)
        """Share of the beam that a ridge sends onto the detector."""

    def towards(self, cross_section_a2: CrossSection) -> "Grating":
        """The same ridges as another detector sees them."""
        return Grating(self.spec, self._seed, cross_section_a2)

    def depth(self, x: Floats, y: Floats) -> Floats:
        """Distance inside the ideal edge of a ridge, negative between them [m]; x and y broadcast."""
        turn = math.radians(self.spec.turn_deg)
        cos, sin = math.cos(turn), math.sin(turn)
        pitch, half = self.spec.pitch_nm * 1e-9, self.spec.width_nm * 0.5e-9
        off = [
            np.abs((one / pitch + 0.5) % 1.0 - 0.5) * pitch for one in (x * cos + y * sin, y * cos - x * sin)
        ]
        return np.asarray(half - np.minimum(*off))

    def draw(self, canvas: Canvas) -> None:
        """Metal with its grain, edges as rough as they are."""
        raster = canvas.raster
        metal = np.clip(self._inside(raster) / np.float32(raster.pixel) + np.float32(0.5), 0, 1)
        if not metal.any():
            return
        canvas.solid += metal
        metal *= texture.lognormal(self._seed, _GRAIN, raster)
        metal *= np.float32(self.fraction)
        canvas.share += metal

    def _inside(self, raster: Raster) -> Plane:
        depth = self.depth(raster.x[None, :], raster.y2d()).astype(np.float32)
        sigma = self.spec.roughness_nm * 1e-9 / math.sqrt(len(_WANDER_NM))
        if sigma and raster.pixel < _WANDER_NM[-1] * 1e-9:
            wander = tuple(Octave(length * 1e-9, sigma) for length in _WANDER_NM)
            depth += texture.noise(self._seed + 1, wander, raster)
        return depth
