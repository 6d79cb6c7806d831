"""Holey amorphous carbon: irregular holes at irregular places, so that registration is not periodic."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import draws, subseed
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen import texture
from eucentric.instruments.twin.specimen.canvas import Box, Canvas, CrossSection, Plane
from eucentric.instruments.twin.specimen.outline import around, places
from eucentric.instruments.twin.specimen_spec import FilmSpec
from eucentric.knowledge.scattering import CARBON_FILM_ATOMS_PER_A3

_WAVES = (2, 3, 5)


@dataclass(frozen=True)
class Hole:
    """r(θ) = radius·(1 + Σ a_k cos(kθ + φ_k)) about (x, y) [m]."""

    x: float
    y: float
    radius: float
    amplitudes: tuple[float, ...]
    phases: tuple[float, ...]

    @property
    def reach(self) -> float:
        """Radius of the circle around it [m]."""
        return self.radius * (1 + sum(self.amplitudes))

    @property
    def inner(self) -> float:
        """Radius of a circle inside it [m]."""
        return self.radius * (1 - sum(self.amplitudes))

    def depth(self, dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance inside the rim along the radius, negative outside [m]."""
        angle = np.arctan2(dy, dx)
        rim = np.ones_like(angle)
        for wave, amplitude, phase in zip(_WAVES, self.amplitudes, self.phases, strict=True):
            rim += amplitude * np.cos(wave * angle + phase)
        return np.asarray(self.radius * rim - np.hypot(dx, dy))


def _hole(spec: FilmSpec, seed: int, column: int, row: int) -> Hole:
    u = draws(subseed(seed, column, row), 3 + 2 * len(_WAVES)).tolist()
    jitter = spec.hole_jitter_um * 1e-6
    share = spec.hole_irregularity / len(_WAVES)
    return Hole(
        x=(column + 0.5) * spec.hole_pitch_um * 1e-6 + jitter * (2 * u[0] - 1),
        y=(row + 0.5) * spec.hole_pitch_um * 1e-6 + jitter * (2 * u[1] - 1),
        radius=spec.hole_diameter_um * 0.5e-6 * (1 + spec.hole_spread * (2 * u[2] - 1)),
        amplitudes=tuple(2 * share * v for v in u[3 : 3 + len(_WAVES)]),
        phases=tuple(2 * math.pi * v for v in u[3 + len(_WAVES) :]),
    )


def holes_in(spec: FilmSpec, seed: int, box: Box) -> list[Hole]:
    """Holes that may touch the box (x low, x high, y low, y high) [m]."""
    if spec.hole_diameter_um <= 0:
        return []
    pitch = spec.hole_pitch_um * 1e-6
    reach = spec.hole_diameter_um * 1e-6 * (1 + spec.hole_spread) + spec.hole_jitter_um * 1e-6
    columns = range(math.floor((box[0] - reach) / pitch), math.floor((box[1] + reach) / pitch) + 1)
    rows = range(math.floor((box[2] - reach) / pitch), math.floor((box[3] + reach) / pitch) + 1)
    return [_hole(spec, seed, column, row) for row in rows for column in columns]


_COARSE = 9


def _side(hole: Hole, dx: NDArray[np.float64], dy: NDArray[np.float64], pad: float) -> int:
    """1 if a window lies all inside the hole, -1 if all outside, 0 if its rim may cross it.

    The depth is known on a coarse grid; between its points it changes no faster than `steep` allows.
    """
    rows = np.unique(np.linspace(0, dy.shape[0] - 1, _COARSE).astype(int))
    columns = np.unique(np.linspace(0, dx.size - 1, _COARSE).astype(int))
    x = dx[columns][None, :]
    y = dy[rows][:, columns if dy.shape[1] > 1 else slice(None)]
    x, y = np.broadcast_arrays(x, y)
    depth = hole.depth(x, y)
    near = max(float(np.hypot(x, y).min()), 0.3 * hole.radius)
    waves = sum(wave * amplitude for wave, amplitude in zip(_WAVES, hole.amplitudes, strict=True))
    steep = 1 + hole.radius * waves / near
    gap = math.hypot(float(np.ptp(x)) / (columns.size - 1 or 1), float(np.ptp(y)) / (rows.size - 1 or 1))
    slack = pad + steep * gap
    return int(depth.min() > slack) - int(depth.max() < -slack)


def _open(hole: Hole, raster: Raster, coverage: Plane) -> None:
    """Take the hole out of `coverage`, rims anti-aliased."""
    where = around(hole.x, hole.y, hole.reach, raster)
    if where is None:
        return
    x, y = places(raster, where)
    dx, dy = x - hole.x, y - hole.y
    side = _side(hole, dx.ravel(), dy, raster.pixel)
    if side > 0:
        coverage[where] = 0.0
    if side:
        return
    inside = hole.depth(*np.broadcast_arrays(dx, dy)) / raster.pixel + 0.5
    coverage[where] *= 1 - np.clip(inside, 0, 1).astype(np.float32)


def film_coverage(spec: FilmSpec, seed: int, raster: Raster) -> Plane:
    """Share of each pixel that carbon covers, (rows, columns) float32."""
    coverage = np.ones(raster.shape, dtype=np.float32)
    for hole in holes_in(spec, seed, raster.box()):
        _open(hole, raster, coverage)
    return coverage


class Film:
    """The film of one specimen.

    Parameters
    ----------
    seeds
        Of the holes and of the texture.
    """

    def __init__(self, spec: FilmSpec, seeds: tuple[int, int], cross_section_a2: CrossSection) -> None:
        self.spec, self._seeds = spec, seeds
        self._octaves = texture.octaves(spec.texture)
        self.fraction = CARBON_FILM_ATOMS_PER_A3 * spec.thickness_nm * 10 * cross_section_a2("C")
        """Share of the beam that it sends onto the detector."""

    @property
    def seed(self) -> int:
        """Of its texture."""
        return self._seeds[1]

    def towards(self, cross_section_a2: CrossSection) -> "Film":
        """The same film as another detector sees it."""
        return Film(self.spec, self._seeds, cross_section_a2)

    def holes(self, box: Box) -> list[Hole]:
        """Holes that may touch a box [m]."""
        return holes_in(self.spec, self._seeds[0], box)

    def cover(self, raster: Raster) -> Plane:
        """Share of each pixel that carbon covers, (rows, columns) float32."""
        return film_coverage(self.spec, self._seeds[0], raster)

    def draw(self, canvas: Canvas) -> None:
        """Carbon with its grain, but for the holes."""
        film = self.cover(canvas.raster)
        canvas.solid += film
        if film.any():
            grain = texture.lognormal(self._seeds[1], self._octaves, canvas.raster)
            grain *= film
            grain *= np.float32(self.fraction)
            canvas.share += grain
