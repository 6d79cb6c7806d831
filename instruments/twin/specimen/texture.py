"""Smooth random fields in specimen coordinates: hashed value noise in octaves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.hashing import subseed, uniform, uniform_at
from eucentric.instruments.twin.raster import Raster
from eucentric.instruments.twin.specimen_spec import TextureSpec

Plane = NDArray[np.float32]

_UNIT = 3**0.5 / (26 / 35)
"""Brings value noise to unit variance: uniform knots have 1/3, smoothstep keeps 26/35 per axis."""
_COARSE = 4
"""Octaves of at least four times this many pixels a cell are evaluated on every fourth pixel."""


@dataclass(frozen=True)
class Octave:
    """One scale of a texture."""

    cell: float
    """Distance of the knots [m]."""
    sigma: float
    """Standard deviation."""


def octaves(spec: TextureSpec, unit: float = 1.0) -> tuple[Octave, ...]:
    """The octaves that a world declares; `unit` is that of its sigmas."""
    cells = zip(spec.cells_nm, spec.sigmas, strict=True)
    return tuple(Octave(cell * 1e-9, sigma * unit) for cell, sigma in cells)


def _smooth(position: NDArray[np.float64]) -> tuple[NDArray[np.int64], Plane]:
    knot = np.floor(position)
    t = (position - knot).astype(np.float32)
    return knot.astype(np.int64), t * t * (3 - 2 * t)


def _knots(seed: int, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Plane:
    knots: Plane = (2 * uniform(seed, rows, columns) - 1).astype(np.float32)
    return knots


def _separable(seed: int, cell: float, x: NDArray[np.float64], y: NDArray[np.float64]) -> Plane:
    column, fx = _smooth(x / cell)
    row, fy = _smooth(y / cell)
    left, top = int(column.min()), int(row.min())
    knots = _knots(
        seed,
        np.arange(top, int(row.max()) + 2, dtype=np.int64)[:, None],
        np.arange(left, int(column.max()) + 2, dtype=np.int64)[None, :],
    )
    upper, lower = knots[row - top], knots[row - top + 1]
    lines = upper + (lower - upper) * fy[:, None]
    first = np.take(lines, column - left, axis=1)
    first += (np.take(lines, column - left + 1, axis=1) - first) * fx[None, :]
    return first


def _sheared(seed: int, cell: float, x: NDArray[np.float64], y: NDArray[np.float64]) -> Plane:
    column, fx = _smooth(np.broadcast_to(x, y.shape) / cell)
    row, fy = _smooth(y / cell)
    top = _knots(seed, row, column) * (1 - fx) + _knots(seed, row, column + 1) * fx
    below = _knots(seed, row + 1, column) * (1 - fx) + _knots(seed, row + 1, column + 1) * fx
    return np.asarray(top + (below - top) * fy, dtype=np.float32)


def _octave(seed: int, cell: float, raster: Raster) -> Plane:
    if raster.shear:
        return _sheared(seed, cell, raster.x[None, :], raster.y2d())
    return _separable(seed, cell, raster.x, raster.y)


def _seen(octaves: Sequence[Octave], pixel: float) -> list[tuple[int, Octave, float]]:
    """Octaves that a pixel resolves, fading out between two pixels a cell and one (no jump on zooming)."""
    faded = ((index, octave, min(1.0, octave.cell / pixel - 1.0)) for index, octave in enumerate(octaves))
    return [(index, octave, octave.sigma * fade) for index, octave, fade in faded if fade > 0]


def _total(seed: int, parts: list[tuple[int, Octave, float]], raster: Raster) -> Plane:
    total = np.zeros(raster.shape, dtype=np.float32)
    for index, octave, sigma in parts:
        total += np.float32(sigma * _UNIT) * _octave(subseed(seed, index), octave.cell, raster)
    return total


def _upsample(plane: Plane, shape: tuple[int, int]) -> Plane:
    at = [np.arange(n, dtype=np.float64) / _COARSE for n in shape]
    knot = [np.minimum(position.astype(np.int64), plane.shape[axis] - 2) for axis, position in enumerate(at)]
    fy, fx = ((position - low).astype(np.float32) for position, low in zip(at, knot, strict=True))
    lines: Plane = plane[knot[0]] + (plane[knot[0] + 1] - plane[knot[0]]) * fy[:, None]
    first: Plane = np.take(lines, knot[1], axis=1)
    first += (np.take(lines, knot[1] + 1, axis=1) - first) * fx[None, :]
    return first


def noise(seed: int, octaves: Sequence[Octave], raster: Raster) -> Plane:
    """Zero-mean noise of the octaves that the raster resolves, (rows, columns) float32."""
    seen = _seen(octaves, raster.pixel)
    wide = [part for part in seen if part[1].cell >= 4 * _COARSE * raster.pixel]
    fine = [part for part in seen if part[1].cell < 4 * _COARSE * raster.pixel]
    total = _total(seed, fine, raster)
    if wide:
        total += _upsample(_total(seed, wide, raster.every(_COARSE)), raster.shape)
    return total


def lognormal(seed: int, octaves: Sequence[Octave], raster: Raster) -> Plane:
    """A positive field of mean 1 at every magnification, (rows, columns) float32."""
    variance = sum(sigma**2 for _, _, sigma in _seen(octaves, raster.pixel))
    field = noise(seed, octaves, raster)
    field -= np.float32(variance / 2)
    return np.asarray(np.exp(field, out=field))


def at_point(seed: int, octaves: Sequence[Octave], x: float, y: float) -> float:
    """The zero-mean noise at one place, all octaves."""
    return float(
        sum(
            octave.sigma * _UNIT * _single(subseed(seed, index), x / octave.cell, y / octave.cell)
            for index, octave in enumerate(octaves)
        )
    )


def _single(seed: int, x: float, y: float) -> np.float32:
    """`_separable` for one place, in the same arithmetic."""
    (left, fx), (top, fy) = _between(x), _between(y)
    (a, b), (c, d) = (
        [np.float32(2 * uniform_at(seed, row, column) - 1) for column in (left, left + 1)]
        for row in (top, top + 1)
    )
    first, second = a + (c - a) * fy, b + (d - b) * fy
    return first + (second - first) * fx


def _between(position: float) -> tuple[int, np.float32]:
    knot = math.floor(position)
    t = np.float32(position - knot)
    return knot, t * t * (np.float32(3) - np.float32(2) * t)
