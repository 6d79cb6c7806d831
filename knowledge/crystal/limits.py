"""What a goniometer may reach: a box, the paper's superellipse, or a measured polygon of readings."""

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.value import Value

Range = tuple[float, float]
_EDGE_DEG = 1e-9
"""Limits are inclusive, also after rounding."""


class Box(Value):
    """Each axis on its own, inclusive."""

    type: Literal["box"] = "box"
    alpha: Range
    """Lowest and highest reading of the first axis [degree]."""
    beta: Range
    """Lowest and highest reading of the second axis [degree]."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _check_ranges((self.alpha, self.beta))
        return self

    def contains(self, alpha_deg: float, beta_deg: float) -> bool:
        """True inside or on the edge."""
        (a0, a1), (b0, b1) = self.alpha, self.beta
        e = _EDGE_DEG
        return a0 - e <= alpha_deg <= a1 + e and b0 - e <= beta_deg <= b1 + e

    def contains_many(self, readings: Array) -> Any:
        """(n,) bool for readings (n, 2)."""
        low = np.array([self.alpha[0], self.beta[0]]) - _EDGE_DEG
        high = np.array([self.alpha[1], self.beta[1]]) + _EDGE_DEG
        return ((readings >= low) & (readings <= high)).all(axis=1)

    @cached_property
    def corners(self) -> Array:
        """(4, 2) readings, in order around the box."""
        (a0, a1), (b0, b1) = self.alpha, self.beta
        return np.array([[a0, b0], [a1, b0], [a1, b1], [a0, b1]])

    def boundary(self, t: ArrayLike) -> Array:
        """(n, 2) readings around the edge for t (n,) in 0 ... 1."""
        return _around(self.corners, np.asarray(t, dtype=np.float64))


class Superellipse(Model):
    """|alpha/a|^r + |beta/b|^r <= 1, the shape measured for a JEOL double-tilt holder (Olszta & Fiedler 2024)."""

    type: Literal["superellipse"] = "superellipse"
    a: float = Field(gt=0, le=180)
    b: float = Field(gt=0, le=180)
    r: float = Field(gt=0.5, le=200)

    def contains(self, alpha_deg: float, beta_deg: float) -> bool:
        """True inside or on the edge."""
        u, v = abs(alpha_deg) / self.a, abs(beta_deg) / self.b
        return max(u, v) <= 1 + 1e-11 and float(u**self.r + v**self.r) <= 1 + 1e-11

    def contains_many(self, readings: Array) -> Any:
        """(n,) bool for readings (n, 2)."""
        scaled = np.abs(readings) / (self.a, self.b)
        return (np.minimum(scaled, 2.0) ** self.r).sum(axis=1) <= 1 + 1e-11

    def boundary(self, t: ArrayLike) -> Array:
        """(n, 2) readings around the edge for t (n,) in 0 ... 1."""
        angle = 2 * np.pi * np.asarray(t, dtype=np.float64)
        u, v = np.cos(angle), np.sin(angle)
        largest = np.maximum(np.abs(u), np.abs(v))  # keeps the powers from underflowing at a large r
        radius = ((np.abs(u) / largest) ** self.r + (np.abs(v) / largest) ** self.r) ** (
            -1 / self.r
        ) / largest
        return np.stack([self.a * radius * u, self.b * radius * v], axis=-1)


class Polygon(Value):
    """A measured outline of readings (alpha, beta), closed, edges not crossing."""

    type: Literal["polygon"] = "polygon"
    vertices: tuple[Range, ...] = Field(min_length=3, max_length=1000)
    """Corners (alpha, beta) [degree] in order around the outline."""

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        x, y = self.corners.T
        area = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
        if area < 1e-6:
            raise BadInput(
                "the polygon of tilt limits has no area", "its corners are on a line", "give an outline"
            )
        return self

    @cached_property
    def corners(self) -> Array:
        """(n, 2) readings."""
        return np.array(self.vertices)

    def contains(self, alpha_deg: float, beta_deg: float) -> bool:
        """True inside or on the edge."""
        return bool(self.contains_many(np.array([[alpha_deg, beta_deg]]))[0])

    def contains_many(self, readings: Array) -> Any:
        """(n,) bool for readings (n, 2): crossings of a ray, and the edge itself."""
        start, end = self.corners[:, None, :], np.roll(self.corners, -1, axis=0)[:, None, :]
        step, off = end - start, readings[None, :, :] - start
        length = np.maximum((step**2).sum(axis=2), 1e-300)
        along = np.clip((off * step).sum(axis=2) / length, 0, 1)[..., None]
        on_edge = (((off - along * step) ** 2).sum(axis=2) < _EDGE_DEG**2).any(axis=0)
        # heights are compared as they are, not as differences: rounding would count a corner for one side only
        crosses = (readings[None, :, 1] < start[..., 1]) != (readings[None, :, 1] < end[..., 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            left = off[..., 0] < off[..., 1] * step[..., 0] / step[..., 1]
        return on_edge | ((crosses & left).sum(axis=0) % 2 == 1)

    def boundary(self, t: ArrayLike) -> Array:
        """(n, 2) readings around the edge for t (n,) in 0 ... 1."""
        return _around(self.corners, np.asarray(t, dtype=np.float64))


Limits = Annotated[Box | Superellipse | Polygon, Field(discriminator="type")]


def _around(corners: Array, t: Array) -> Array:
    place = (t % 1.0) * len(corners)
    index = np.minimum(place.astype(int), len(corners) - 1)
    part = (place - index)[..., None]
    return np.asarray(corners[index] * (1 - part) + corners[(index + 1) % len(corners)] * part)


def _check_ranges(ranges: Iterable[Range]) -> None:
    for low, high in ranges:
        if low > high or low < -360 or high > 360:
            raise BadInput(
                f"tilt limits {low:g} ... {high:g}",
                "the lower is not above the upper, and both are within ±360°",
                "give [lowest, highest] in degrees",
            )
