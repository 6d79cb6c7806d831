"""Coincidence site lattices of cubic crystals, from integer quaternions (Grimmer 1974; Brandon 1966).

A rotation is a coincidence if its quaternion is a multiple of integers (m, k u, k v, k w); Sigma is the odd part
of m² + k²(u² + v² + w²). Near-coincidences of hexagonal crystals depend on c/a and are not treated here.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations_with_replacement, permutations, product

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.rotation import Array, angle_of, axis_angle, quaternion
from eucentric.knowledge.crystal.rotation import product as times

_LARGEST = 101
_EXACT_DEG = 0.01


class Coincidence(Model):
    """A coincidence site lattice, and how far a boundary is from it."""

    sigma: int
    label: str
    """'Sigma13b': letters in the order of the disorientation, where a Sigma has several."""
    axis: tuple[int, int, int]
    """Of the disorientation, u >= v >= w >= 0."""
    angle_deg: float
    """Of the disorientation."""
    deviation_deg: float
    brandon_limit_deg: float

    @property
    def holds(self) -> bool:
        """True within Brandon's limit."""
        return self.deviation_deg <= self.brandon_limit_deg


def brandon_limit_deg(sigma: int) -> float:
    """15° / sqrt(Sigma)."""
    if sigma < 1:
        raise BadInput(f"Sigma {sigma}", "Sigma is 1, 3, 5 ...", "give an odd number")
    return 15.0 / math.sqrt(sigma)


def identify(between: Array) -> Coincidence | None:
    """The coincidence lattice (Sigma up to 101) that a misorientation (3, 3) is exactly, within 0.01°; else None."""
    q = quaternion(between)
    norm = np.arange(1, 4 * _LARGEST + 1)
    whole = np.rint(q * np.sqrt(norm)[:, None])
    lengths = (whole**2).sum(axis=1)
    unit = whole / np.sqrt(np.maximum(lengths, 1))[:, None]
    chord = np.linalg.norm(unit - q, axis=1)
    off = np.degrees(4 * np.arcsin(np.minimum(chord / 2, 1)))
    for index in np.flatnonzero((lengths == norm) & (off <= _EXACT_DEG)).tolist():
        sigma = _odd_part(int(norm[index]))
        if sigma <= _LARGEST:
            found = _named(sigma, whole[index])
            return _measured(found, float(off[index]))
    return None


def nearest_coincidence(between: Array, max_sigma: int = 29) -> Coincidence | None:
    """The lattice whose deviation is the smallest part of its Brandon limit, if it is within it; else None."""
    images = _images(quaternion(between))
    best: Coincidence | None = None
    for sigma in range(1, max_sigma + 1, 2):
        for entry in classes(sigma):
            off = _least_angle(images, _unit(entry))
            if off <= entry.brandon_limit_deg and (
                best is None or off / entry.brandon_limit_deg < best.deviation_deg / best.brandon_limit_deg
            ):
                best = _measured(entry, off)
    return best


def deviation_deg(between: Array, axis: Sequence[int], angle_deg: float) -> float:
    """Smallest angle of M M_CSL^-1 over all equivalents of a cubic misorientation M (3, 3), both grain orders."""
    return _least_angle(_images(quaternion(between)), quaternion(axis_angle(axis, angle_deg)))


@lru_cache(maxsize=128)
def classes(sigma: int) -> tuple[Coincidence, ...]:
    """The distinct coincidence lattices of one Sigma, by disorientation angle, then by axis.

    Raises
    ------
    BadInput
        If Sigma is even or not 1 ... 101.
    """
    if sigma % 2 == 0 or not 1 <= sigma <= _LARGEST:
        raise BadInput(
            f"Sigma {sigma}", f"cubic coincidences have odd Sigma, here up to {_LARGEST}", "give an odd one"
        )
    found: dict[tuple[int, ...], tuple[float, tuple[int, int, int]]] = {}
    top = math.isqrt(sigma)
    for four in combinations_with_replacement(range(top, -1, -1), 4):
        if sum(x * x for x in four) == sigma and math.gcd(*four) == 1:
            key = _disoriented(four)
            axis = _primitive(key[1:])
            found[key] = (round(angle_of(key), 9), axis)
    ordered = sorted(found.values(), key=lambda entry: (entry[0], sum(entry[1])))
    letters = [""] if len(ordered) == 1 else [chr(ord("a") + i) for i in range(len(ordered))]
    return tuple(
        Coincidence(
            sigma=sigma,
            label=f"Sigma{sigma}{letter}",
            axis=axis,
            angle_deg=angle,
            deviation_deg=0.0,
            brandon_limit_deg=brandon_limit_deg(sigma),
        )
        for letter, (angle, axis) in zip(letters, ordered, strict=True)
    )


def _named(sigma: int, whole: Array) -> Coincidence:
    w, x, y, z = (abs(int(v)) for v in whole)
    key = _disoriented((w, x, y, z))
    angle, axis = round(angle_of(key), 9), _primitive(key[1:])
    for entry in classes(sigma):
        if entry.axis == axis and abs(entry.angle_deg - angle) < 1e-6:
            return entry
    raise AssertionError("every integer quaternion belongs to a class")  # pragma: no cover


def _disoriented(four: Sequence[int]) -> tuple[int, int, int, int]:
    """Integers along the equivalent quaternion of least angle, b >= c >= d >= 0 (Grimmer 1974).

    The cubic group permutes the components, changes their signs, and mixes them by (1 + i) and (1 + i + j + k)/2.
    """
    a, b, c, d = sorted((abs(x) for x in four), reverse=True)
    forms = (
        (2 * a, 2 * b, 2 * c, 2 * d, 4),
        (a + b, a - b, c + d, c - d, 2),
        (a + b + c + d, a + b - c - d, a - b + c - d, a - b - c + d, 4),
    )
    # compare squared scalar parts over squared norms: norms are 4 N, 2 N and 4 N
    best = max(forms, key=lambda f: (f[0] ** 2 / f[4], -_spread(f[1:4])))
    w, rest = best[0], sorted((abs(x) for x in best[1:4]), reverse=True)
    divisor = math.gcd(w, *rest)
    return w // divisor, rest[0] // divisor, rest[1] // divisor, rest[2] // divisor


def _spread(three: Sequence[int]) -> float:
    """Prefers one axis where several equivalents have the least angle, whatever the integers' common factor."""
    u, v, w = _primitive(sorted((abs(x) for x in three), reverse=True))
    return u * u + v * v + w * w


def _primitive(three: Sequence[int]) -> tuple[int, int, int]:
    u, v, w = (int(x) for x in three)
    divisor = math.gcd(u, v, w) or 1
    return u // divisor, v // divisor, w // divisor


def _odd_part(number: int) -> int:
    while number % 2 == 0:
        number //= 2
    return number


def _unit(entry: Coincidence) -> Array:
    return (
        quaternion(axis_angle(entry.axis, entry.angle_deg)) if entry.sigma > 1 else np.array([1.0, 0, 0, 0])
    )


@lru_cache(maxsize=1)
def _group() -> Array:
    """(24, 4) the rotations of a cube."""
    units = [np.eye(4)[i] for i in range(4)]
    halves = [np.array(s) / 2 for s in product((1, -1), repeat=4) if s[0] > 0]
    pairs = {tuple(sorted(p)) for p in permutations(range(4), 2)}
    mixed = [(np.eye(4)[i] + sign * np.eye(4)[j]) / math.sqrt(2) for i, j in pairs for sign in (1, -1)]
    return np.array([*units, *halves, *mixed])


def _images(q: Array) -> Array:
    """(1152, 4) all equivalents of a misorientation, both grain orders."""
    group = _group()
    both = np.stack([q, q * (1, -1, -1, -1)])
    left = times(group[:, None], both[None]).reshape(-1, 1, 4)
    return times(left, group[None]).reshape(-1, 4)


def _least_angle(images: Array, target: Array) -> float:
    best = images[int(np.abs(images @ target).argmax())]
    return angle_of(times(best, target * (1, -1, -1, -1)))


def _measured(entry: Coincidence, off_deg: float) -> Coincidence:
    return entry.model_copy(update={"deviation_deg": off_deg})
