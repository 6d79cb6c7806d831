"""The specimen that a world and a seed make: what scatters where, at what height."""

import copy
import math

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import draws, subseed
from eucentric.instruments.twin.optics.splat import MARGIN, splat
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen import texture
from eucentric.instruments.twin.specimen.film import Hole, film_coverage, holes_in
from eucentric.instruments.twin.specimen.flakes import Flake, FlakeBed, coverage, sow
from eucentric.instruments.twin.specimen.lattice import Columns, Vacancies, columns_in, make_material
from eucentric.instruments.twin.specimen_spec import TextureSpec
from eucentric.instruments.twin.world import WorldSpec
from eucentric.knowledge.scattering import CARBON_FILM_ATOMS_PER_A3, haadf_cross_section_a2, screened_ratio

Plane = NDArray[np.float32]
Annulus = tuple[float, float]

REFERENCE_MRAD: Annulus = (60.0, 140.0)
"""Cross-sections are known for this annulus; `Specimen.towards` derives those of others."""
_MOST_ANNULI = 8
_FLAKES, _FILM, _FILM_TEXTURE, _DIRT, _HEIGHT, _TILT = range(1, 7)


def _octaves(spec: TextureSpec, unit: float = 1.0) -> tuple[texture.Octave, ...]:
    cells = zip(spec.cells_nm, spec.sigmas, strict=True)
    return tuple(texture.Octave(cell * 1e-9, sigma * unit) for cell, sigma in cells)


class Specimen:
    """A world with its seed. Nothing here is visible through the driver but by imaging."""

    def __init__(self, world: WorldSpec, seed: int) -> None:
        self.world = world
        self._seeds = {label: subseed(seed, label) for label in range(_FLAKES, _TILT + 1)}
        self.bed = FlakeBed.of(sow(world.flakes, self._seeds[_FLAKES]))
        self.vacancies = Vacancies(world.vacancy_fraction, world.vacancy_pairing)
        self._annuli: dict[Annulus, Specimen] = {}
        self._weigh(REFERENCE_MRAD)
        self.dirt_fraction = world.contamination.share_of_monolayer * self.layer_fraction
        self._film_octaves = _octaves(world.film.texture)
        self._dirt_octaves = _octaves(world.contamination.texture)
        self._height_octaves = _octaves(world.height.texture, 1e-9)
        self._slope = self._draw_slope()

    def _weigh(self, annulus: Annulus) -> None:
        """How much of the beam each part sends into the annulus."""
        world, kv = self.world, self.world.optics.voltage_kv

        def cross_section_a2(element: str) -> float:
            known = haadf_cross_section_a2(element, kv, *REFERENCE_MRAD)
            return known if annulus == REFERENCE_MRAD else known * screened_ratio(element, kv, *annulus)

        self.material = make_material(world.material, cross_section_a2)
        self.layer_fraction = self.material.layer_fraction(world.vacancy_fraction)
        thickness_a = world.film.thickness_nm * 10
        self.film_fraction = CARBON_FILM_ATOMS_PER_A3 * thickness_a * cross_section_a2("C")

    def towards(self, annulus: Annulus) -> "Specimen":
        """The same specimen, its `scattered` shares being those that go to another annulus [mrad]."""
        if annulus == REFERENCE_MRAD:
            return self
        if annulus not in self._annuli:
            if len(self._annuli) >= _MOST_ANNULI:
                self._annuli.clear()
            other = copy.copy(self)
            other._weigh(annulus)
            other.dirt_fraction *= screened_ratio("C", self.world.optics.voltage_kv, *annulus)
            self._annuli[annulus] = other
        return self._annuli[annulus]

    def _draw_slope(self) -> tuple[float, float]:
        size, turn = draws(self._seeds[_TILT], 2)
        slope = math.tan(math.radians(self.world.height.max_tilt_deg * math.sqrt(size)))
        return slope * math.cos(2 * math.pi * turn), slope * math.sin(2 * math.pi * turn)

    def height(self, x: float, y: float) -> float:
        """Height over the eucentric plane [m]."""
        bumps = texture.at_point(self._seeds[_HEIGHT], self._height_octaves, x, y)
        return self._slope[0] * x + self._slope[1] * y + bumps

    def scattered(self, raster: Raster, *, atoms: bool) -> Plane:
        """Share of the beam that each pixel sends to 60-140 mrad (or see `towards`), unblurred.

        (rows, columns) float32. With `atoms` the flakes are single columns, otherwise sheets of the same mean.
        """
        film = film_coverage(self.world.film, self._seeds[_FILM], raster)
        solid = film.copy()
        sheets = np.zeros(raster.shape, dtype=np.float32)
        touched = [f for f in self.bed.near(raster.box()) if self._sheet(f, raster, solid, sheets, atoms)]
        total = self._carbon(film, raster)
        total += sheets
        total += self._dirt(solid, raster)
        total = raster.shifted(total)
        if atoms and touched:
            total += self._splat(raster, [self.columns(f, raster.box()) for f in touched])
        total *= np.float32(raster.step_x * raster.step_y / raster.pixel**2)  # a tilted sheet is thicker
        return total

    def _sheet(self, flake: Flake, raster: Raster, solid: Plane, sheets: Plane, atoms: bool) -> bool:
        patch = coverage(flake, raster)
        if patch is None:
            return False
        solid[patch.where] += patch.share
        if not atoms:
            sheets[patch.where] += patch.share * np.float32(flake.layers * self.layer_fraction)
        return True

    def _carbon(self, film: Plane, raster: Raster) -> Plane:
        if not film.any():
            return film
        grain = texture.lognormal(self._seeds[_FILM_TEXTURE], self._film_octaves, raster)
        grain *= film
        grain *= np.float32(self.film_fraction)
        return grain

    def _dirt(self, solid: Plane, raster: Raster) -> Plane:
        mean = self.dirt_fraction
        if not (mean and solid.any()):
            return np.zeros(raster.shape, dtype=np.float32)
        dirt = texture.lognormal(self._seeds[_DIRT], self._dirt_octaves, raster)
        dirt *= np.minimum(solid, 1)
        dirt *= np.float32(mean)
        return dirt

    def holes(self, box: tuple[float, float, float, float]) -> list[Hole]:
        """Holes of the film that may touch a box [m]."""
        return holes_in(self.world.film, self._seeds[_FILM], box)

    def columns(self, flake: Flake, box: tuple[float, float, float, float]) -> Columns:
        """The atomic columns of a flake within a box [m]."""
        return columns_in(flake, self.material, self.vacancies, box)

    def _splat(self, raster: Raster, groups: list[Columns]) -> Plane:
        """Columns as points, shared among pixels, as fractions of the beam."""
        weights = np.concatenate([group.weight for group in groups]) / (raster.step_x * raster.step_y)
        row, column = raster.locate(
            np.concatenate([group.x for group in groups]), np.concatenate([group.y for group in groups])
        )
        rows, columns = raster.shape
        inside = (row >= MARGIN) & (column >= MARGIN) & (row < rows - MARGIN) & (column < columns - MARGIN)
        return splat(row[inside], column[inside], weights[inside], raster.shape)
