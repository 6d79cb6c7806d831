"""The specimen that a world and a seed make: what scatters where, at what height."""

import copy
import math
from typing import Any

import numpy as np

from eucentric.instruments.twin.exposure_log import ExposureLog
from eucentric.instruments.twin.hashing import draws, subseed
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen import texture
from eucentric.instruments.twin.specimen.atomfile import find_atoms, read_atoms
from eucentric.instruments.twin.specimen.atoms import Atoms
from eucentric.instruments.twin.specimen.bars import Bars
from eucentric.instruments.twin.specimen.canvas import Box, Canvas, CrossSection, Part, Plane
from eucentric.instruments.twin.specimen.change import Change
from eucentric.instruments.twin.specimen.defects import Imperfections
from eucentric.instruments.twin.specimen.dirt import Dirt
from eucentric.instruments.twin.specimen.film import Film, Hole
from eucentric.instruments.twin.specimen.flakes import FlakeBed, sow
from eucentric.instruments.twin.specimen.grains import Grains
from eucentric.instruments.twin.specimen.grating import Grating
from eucentric.instruments.twin.specimen.laid import Laid, checked
from eucentric.instruments.twin.specimen.particles import Particles
from eucentric.instruments.twin.specimen.residue import Residue
from eucentric.instruments.twin.specimen.sheets import Flakes
from eucentric.instruments.twin.world import WorldSpec
from eucentric.knowledge.diffraction import atomic_factor_a
from eucentric.knowledge.scattering import atomic_number, haadf_cross_section_a2, screened_ratio

Annulus = tuple[float, float]

REFERENCE_MRAD: Annulus = (60.0, 140.0)
"""Cross-sections are known for this annulus; `Specimen.towards` derives those of others."""
_MOST_ANNULI = 8
_FLAKES, _FILM, _FILM_TEXTURE, _DIRT, _HEIGHT, _TILT, _RESIDUE, _CHANGE = range(1, 9)
_GRATING, _PARTICLES, _ATOMS, _GRAINS = range(9, 13)


class Specimen:
    """A world with its seed. Nothing here is visible through the driver but by imaging.

    Parameters
    ----------
    exposures
        What the beam does is written there; it changes the specimen as the world's `damage` says.
    """

    def __init__(self, world: WorldSpec, seed: int, exposures: ExposureLog | None = None) -> None:
        self.world = world
        self._seeds = {label: subseed(seed, label) for label in range(_FLAKES, _GRAINS + 1)}
        log = ExposureLog() if exposures is None else exposures
        self.change = Change(world.damage, world.optics.voltage_kv, self._seeds[_CHANGE], log)
        self._annuli: dict[Annulus, Specimen] = {}
        seen = self._cross_section(REFERENCE_MRAD)
        self.film = self._make_film(seen)
        self.flakes = self._make_flakes(seen)
        self.grains = Grains(world.grains, self._seeds[_GRAINS], world.optics, seen) if world.grains else None
        self.grating = Grating(world.grating, self._seeds[_GRATING], seen) if world.grating else None
        self.particles = Particles(world.particles, self._seeds[_PARTICLES], seen)
        self.atoms = self._make_atoms(seen)
        self._residue = Residue(world.residue, self._seeds[_RESIDUE], seen)
        self.dirt = Dirt(world.contamination, self._seeds[_DIRT], self.change, self._monolayer(), 1.0)
        self._bars = Bars(world.bars, world.optics.voltage_kv, seen) if world.bars else None
        self._height_octaves = texture.octaves(world.height.texture, 1e-9)
        self._slope = self._draw_slope()

    def _cross_section(self, annulus: Annulus) -> CrossSection:
        kv = self.world.optics.voltage_kv

        def cross_section_a2(element: str) -> float:
            known = haadf_cross_section_a2(element, kv, *REFERENCE_MRAD)
            return known if annulus == REFERENCE_MRAD else known * screened_ratio(element, kv, *annulus)

        return cross_section_a2

    def _make_film(self, seen: CrossSection) -> Film | None:
        spec = self.world.film
        return Film(spec, (self._seeds[_FILM], self._seeds[_FILM_TEXTURE]), seen) if spec else None

    def _make_flakes(self, seen: CrossSection) -> Flakes | None:
        world = self.world
        if world.flakes is None or world.material is None:
            return None
        imperfections = Imperfections.of(
            world.defects, world.clusters, world.material.vacant_element, world.vacancy_fraction,
            world.vacancy_pairing,
        )  # fmt: skip
        bed = FlakeBed.of(sow(world.flakes, self._seeds[_FLAKES]))
        return Flakes(bed, world.material, imperfections, self.change, seen)

    def _make_atoms(self, seen: CrossSection) -> Atoms | None:
        spec = self.world.atoms
        if spec is None:
            return None
        found = find_atoms(spec.file)
        checked(spec, found.path, found.sha256)
        seed = self._seeds[_ATOMS]
        return Atoms(Laid(read_atoms(found.path, spec.elements), spec, seed), seed, self.change, seen)

    def _monolayer(self) -> float:
        """What contamination is measured by: a layer of the flakes, or of Ti3C2O2 where there are none."""
        return self.flakes.layer_fraction if self.flakes else 0.0047

    def towards(self, annulus: Annulus) -> "Specimen":
        """The same specimen, its `scattered` shares being those that go to another annulus [mrad]."""
        if annulus == REFERENCE_MRAD:
            return self
        if annulus not in self._annuli:
            if len(self._annuli) >= _MOST_ANNULI:
                self._annuli.clear()
            self._annuli[annulus] = self._seen_by(annulus)
        return self._annuli[annulus]

    def _seen_by(self, annulus: Annulus) -> "Specimen":
        seen = self._cross_section(annulus)
        other = self._with(seen, screened_ratio("C", self.world.optics.voltage_kv, *annulus))
        other.grains = self.grains.seen_by(annulus, seen) if self.grains else None
        return other

    def _with(self, seen: CrossSection, carbon: float) -> "Specimen":
        """The same with another weight of each element; that of carbon is so many times the reference's."""
        other = copy.copy(self)
        for name in ("film", "grating", "flakes", "atoms", "particles", "_residue", "_bars"):
            part: Any = getattr(self, name)
            setattr(other, name, part and part.towards(seen))
        other.dirt = self.dirt.times(carbon)
        return other

    def by_amplitude(self) -> "Specimen":
        """The same specimen, its `scattered` being the density of scattering amplitude straight on [1/Å]."""

        def amplitude_a(element: str) -> float:
            return float(atomic_factor_a(element, np.zeros(1))[0])

        carbon = amplitude_a("C") / self._cross_section(REFERENCE_MRAD)("C")
        other = self._with(amplitude_a, carbon)
        other._bars = None  # no wave comes through
        return other

    @property
    def heaviest(self) -> str:
        """The heaviest element of its crystals; carbon if there are none."""
        found = set(self.world.material.contained) if self.world.material else set[str]()
        if self.atoms is not None:
            found |= {str(name) for name in np.unique(self.atoms.laid.atoms.elements)}
        return max(found, key=atomic_number, default="C")

    def _draw_slope(self) -> tuple[float, float]:
        size, turn = draws(self._seeds[_TILT], 2)
        slope = math.tan(math.radians(self.world.height.max_tilt_deg * math.sqrt(size)))
        return slope * math.cos(2 * math.pi * turn), slope * math.sin(2 * math.pi * turn)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All parts, in the order in which they are drawn: bars darken what was drawn before them."""
        on_film = (
            self.film,
            self.grains,
            self.grating,
            self.flakes,
            self.atoms,
            self.particles,
            self._residue,
        )
        every = (*on_film, self.dirt, self._bars)
        return tuple(part for part in every if part is not None)

    def height(self, x: float, y: float) -> float:
        """Height over the eucentric plane [m]."""
        bumps = texture.at_point(self._seeds[_HEIGHT], self._height_octaves, x, y)
        return self._slope[0] * x + self._slope[1] * y + bumps

    def scattered(self, raster: Raster, *, atoms: bool) -> Plane:
        """Share of the beam that each pixel sends to 60-140 mrad (or see `towards`), unblurred.

        (rows, columns) float32. With `atoms` the flakes are single columns, otherwise sheets of the same mean.
        """
        canvas = Canvas.of(raster, atoms=atoms, dose=self.change.dose_on(raster))
        for part in self.parts:
            part.draw(canvas)
        total = raster.shifted(canvas.share)
        columns = canvas.splat()
        if columns is not None:
            total += columns if canvas.shade is None else columns * canvas.shade
        total *= np.float32(raster.step_x * raster.step_y / raster.pixel**2)  # a tilted sheet is thicker
        return self._but_for_holes(total, raster)

    def _but_for_holes(self, total: Plane, raster: Raster) -> Plane:
        for x, y, radius in self.change.holes:
            depth = radius - np.hypot(raster.x[None, :] - x, raster.y2d() - y)
            total *= 1 - np.clip(depth / raster.pixel + 0.5, 0, 1).astype(np.float32)
        return total

    def thick(self, box: Box) -> bool:
        """Whether anything in a box [m] takes electrons out of the bright disc besides what `scattered` takes."""
        return self.grains is not None or (self._bars is not None and self._bars.near(box))

    def lost(self, raster: Raster, disc_mrad: float) -> Plane:
        """(rows, columns) float32 share of the bright disc that bars stop and Bragg reflections take out of it.

        Parameters
        ----------
        disc_mrad
            What goes to a smaller angle is still in the disc.
        """
        lost = np.zeros(raster.shape, np.float32)
        if self.grains is not None:
            lost = self.grains.lost(raster, disc_mrad)
        metal = self._bars.thickness(raster) if self._bars else None
        if metal is not None and self._bars is not None:
            lost = 1 - (1 - lost) * self._bars.passed(metal)
        return raster.shifted(lost)

    def holes(self, box: Box) -> list[Hole]:
        """Holes of the film that may touch a box [m]."""
        return self.film.holes(box) if self.film else []

    def opaque(self, x: float, y: float) -> bool:
        """True if a bar of the grid lies over a point [m]."""
        return self._bars is not None and bool(self._bars.depth(np.array([x]), np.array([y]))[0] > 0)
