"""A polycrystalline foil: what each grain scatters where depends on how it lies to the beam.

Kinematic intensities of `knowledge.diffraction`, I/(1 + I) where they are strong: a grain near a zone axis is dark in
the bright field and bright in an annulus that its reflections reach. The brightening of the high-angle signal near an
axis is assumed (`channelling`); there is no multiple scattering and no bending.
"""

import copy
import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.geometry import Tilt
from eucentric.instruments.twin.hashing import draws, subseed
from eucentric.instruments.twin.optics.spec import OpticsSpec
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen import texture
from eucentric.instruments.twin.specimen.canvas import Canvas, CrossSection, Floats, Plane
from eucentric.instruments.twin.specimen.voronoi import Seeds
from eucentric.instruments.twin.specimen_spec import GrainsSpec
from eucentric.knowledge.diffraction import (
    Illumination,
    Reflections,
    Structure,
    excitation_errors,
    extinction_distance_a,
    inelastic_share,
    reflections,
    spots,
    structure_named,
)

_LARGEST = 2.0
"""Reflections that contribute to contrast: |g| up to here [1/Å]."""
_CHANNELS_A = 0.9
"""Reflections of an axis' zone that make it a channel: |g| up to here [1/Å]."""
_MOST_TAKEN = 0.85
_KEPT = 4096
_PLACES, _LIES, _PHASE, _TEXTURE = 61, 62, 63, 64


@dataclass(frozen=True, eq=False)
class Grain:
    """One grain."""

    cell: tuple[int, int]
    """Names it."""
    structure: Structure
    to_specimen: Floats
    """(3, 3) crystal Cartesian to specimen."""


@dataclass(frozen=True, eq=False)
class Bragg:
    """What a grain does with the beam at one tilt."""

    angle_mrad: Floats
    """(n,) of each reflection."""
    share: Floats
    """(n,) of the beam that goes there."""
    channelling: float
    """0 … 1."""


class Grains:
    """All grains of one specimen."""

    def __init__(
        self, spec: GrainsSpec, seed: int, optics: OpticsSpec, cross_section_a2: CrossSection
    ) -> None:
        self.spec, self._seed = spec, seed
        self.light = Illumination(
            voltage_kv=optics.voltage_kv, convergence_mrad=min(optics.convergence_mrad, 20.0)
        )
        self.structures = tuple(structure_named(name) for name in spec.phases)
        self.seeds = Seeds(subseed(seed, _PLACES), spec.size_um * 1e-6)
        self._octaves = texture.octaves(spec.texture)
        self._grains: dict[tuple[int, int], Grain] = {}
        self._bragg: OrderedDict[tuple[tuple[int, int], float, float], Bragg] = OrderedDict()
        self._annulus = (60.0, 140.0)
        self._per_m = {one.name: _per_m(one, cross_section_a2) for one in self.structures}

    def towards(self, cross_section_a2: CrossSection) -> "Grains":
        """The same grains for a detector at the same angles."""
        return self.seen_by(self._annulus, cross_section_a2)

    def seen_by(self, annulus: tuple[float, float], cross_section_a2: CrossSection) -> "Grains":
        """The same grains as a detector with other collection angles [mrad] sees them."""
        other = copy.copy(self)
        other._annulus = annulus
        other._per_m = {one.name: _per_m(one, cross_section_a2) for one in self.structures}
        return other

    # --- which -----------------------------------------------------------------------------------------------

    def grain(self, cell: tuple[int, int]) -> Grain:
        """The grain of a cell."""
        if cell not in self._grains:
            u = draws(subseed(self._seed, _LIES, *cell), 3)
            which = int(draws(subseed(self._seed, _PHASE, *cell), 1)[0] * len(self.structures))
            self._grains[cell] = Grain(cell, self.structures[which], _rotation(u))
        return self._grains[cell]

    def at(self, x: float, y: float) -> Grain:
        """The grain at a place [m]."""
        return self.grain(self.seeds.at(x, y))

    def thickness_nm(self, x: float, y: float) -> float:
        """Of the foil at a place, along its normal."""
        relief = (
            texture.at_point(subseed(self._seed, _TEXTURE), self._octaves, x, y) if self._octaves else 0.0
        )
        return self.spec.thickness_nm * max(0.05, 1 + relief)

    # --- contrast ------------------------------------------------------------------------------------------------

    def bragg(self, cell: tuple[int, int], tilt: Tilt) -> Bragg:
        """Spots of a grain at a tilt of the stage; kept, as frames at one tilt come in series."""
        key = cell, tilt.alpha, tilt.beta
        if key not in self._bragg:
            self._bragg[key] = self._reckoned(self.grain(cell), tilt)
            while len(self._bragg) > _KEPT:
                self._bragg.popitem(last=False)
        return self._bragg[key]

    def _reckoned(self, grain: Grain, tilt: Tilt) -> Bragg:
        known = reflections(grain.structure, _LARGEST)
        to_lab = np.array(tilt.rows) @ grain.to_specimen
        thickness = self.spec.thickness_nm / max(tilt.rows[2][2], 0.1)
        found = spots(known, to_lab, self.light, thickness, faintest=1e-4)
        taken = found.intensity / (1 + found.intensity)
        total = float(taken.sum())
        taken = taken * min(1.0, _MOST_TAKEN / total) if total > 0 else taken
        angle = 1e3 * np.hypot(*found.at.T) / self.light.k
        return Bragg(angle, np.asarray(taken), _channel(known, to_lab, self.light))

    def draw(self, canvas: Canvas) -> None:
        """Every grain with what it sends onto the detector at this tilt."""
        raster = canvas.raster
        cells, label = self.seeds.labels(raster)
        tilt = _tilt_of(raster)
        diffuse = np.array([self._diffuse(self.grain((i, j)), tilt) for i, j in cells.tolist()], np.float32)
        coherent = np.array([self._into(self.bragg((i, j), tilt)) for i, j in cells.tolist()], np.float32)
        thick = self._relief(raster)
        along = np.float32(raster.step_x * raster.step_y / raster.pixel**2)
        share = -np.expm1(-diffuse[label] * thick * along) + coherent[label]
        canvas.share += share / along  # `scattered` multiplies by the longer way
        canvas.solid += 1

    def _diffuse(self, grain: Grain, tilt: Tilt) -> float:
        """Along the foil's normal."""
        brighter = 1 + self.spec.channelling * self.bragg(grain.cell, tilt).channelling
        return self._per_m[grain.structure.name] * self.spec.thickness_nm * 1e-9 * brighter

    def _into(self, bragg: Bragg) -> float:
        inner, outer = self._annulus
        return float(bragg.share[(bragg.angle_mrad >= inner) & (bragg.angle_mrad < outer)].sum())

    def lost(self, raster: Raster, disc_mrad: float) -> Plane:
        """(rows, columns) share of the beam that Bragg reflections take out of the disc, inelastic losses apart."""
        cells, label = self.seeds.labels(raster)
        tilt = _tilt_of(raster)
        found = []
        for i, j in cells.tolist():
            bragg = self.bragg((i, j), tilt)
            found.append(float(bragg.share[bragg.angle_mrad > disc_mrad].sum()))
        gone = inelastic_share(self.spec.thickness_nm, self.light.voltage_kv)
        passed = np.exp(np.float32(math.log(1 - gone)) * self._relief(raster))
        return np.asarray(1 - (1 - np.array(found, np.float32)[label]) * passed)

    def _relief(self, raster: Raster) -> Plane:
        """(rows, columns) thickness over the mean one."""
        if not self._octaves:
            return np.ones(raster.shape, np.float32)
        relief = texture.noise(subseed(self._seed, _TEXTURE), self._octaves, raster)
        return np.asarray(np.maximum(np.float32(0.05), 1 + relief))


def _per_m(structure: Structure, cross_section_a2: CrossSection) -> float:
    """Share of the beam for each metre."""
    total = sum(atom.occupancy * cross_section_a2(atom.element) for atom in structure.atoms)
    return total / structure.crystal.cell.volume_a3 * 1e10


def _channel(known: Reflections, to_lab: Floats, light: Illumination) -> float:
    """0 … 1: how much of the zone's reflections are excited at once, as on an axis."""
    short = known.part(known.length < _CHANNELS_A)
    if len(short) == 0:
        return 0.0
    s = excitation_errors(short.g @ to_lab.T, light.k)
    distance = extinction_distance_a(short.factor, known.crystal.cell.volume_a3, light.voltage_kv)
    excited = 1 / (1 + (s * distance) ** 2)
    return float(1 - math.exp(-float((excited * short.strength).sum()) / 2))


def _tilt_of(raster: Raster) -> Tilt:
    """The stage's tilt from the lean of the view."""
    beta = math.atan(raster.lean[0])
    return Tilt(math.atan(-raster.lean[1] * math.cos(beta)), beta)


def _rotation(u: NDArray[np.float64]) -> Floats:
    """(3, 3) uniform among all rotations (Shoemake 1992)."""
    r1, r2 = math.sqrt(1 - u[0]), math.sqrt(u[0])
    a, b = 2 * math.pi * u[1], 2 * math.pi * u[2]
    x, y, z, w = r1 * math.sin(a), r1 * math.cos(a), r2 * math.sin(b), r2 * math.cos(b)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
