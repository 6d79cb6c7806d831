"""Orientation from two or more readings: every candidate that survives, never a silent choice.

Weighted least squares on the sphere (Kabsch 1976; Markley 1988), over all senses and family members whose
mutual angles agree with the readings, reduced by the rotations of the Laue group.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.fit import fit, residuals_deg, with_azimuths
from eucentric.knowledge.crystal.indices import Indices, Integers, low_indices, shown
from eucentric.knowledge.crystal.observation import (
    Observation,
    information,
    options_of,
    pair_sigma_deg,
    seen_direction,
    vectors_of,
)
from eucentric.knowledge.crystal.orientation import Orientation, as_matrix
from eucentric.knowledge.crystal.rotation import Array, angle_between, quaternion
from eucentric.knowledge.crystal.stage import Stage
from eucentric.knowledge.crystal.uncertainty import covariance_of_readings

_MIN_SPREAD_DEG = 5.0
"""Nearer than this to parallel, two axes say nothing about the turn around them."""
_SIGMAS = 3.0
_SIGMAS_2D = 3.44
"""Of the radial residual: as rare as three standard deviations on a line."""
_SAME_DEG = 1e-3
_MANY = 20_000


class Candidate(Model):
    """One orientation that explains all readings."""

    orientation: Orientation
    indices: tuple[Indices, ...]
    """What each observation then was, three-index, with its sense."""
    misfit_deg: float
    """Root mean square angle between predicted and seen directions."""
    worst_sigmas: float
    """Largest residual over its standard deviation."""


def solve_orientation(
    crystal: Crystal, observations: Sequence[Observation], stage: Stage | None = None
) -> tuple[Candidate, ...]:
    """All orientations that fit two or more observations, best first, with covariance.

    Two axes alone always leave a twin (both senses reversed) unless a two-fold of the crystal removes it;
    a third axis that is not in their plane, or the azimuth of a g, decides.

    Raises
    ------
    BadInput
        If there are fewer than two observations, all are collinear, or no choice of sense and family member
        fits: then the index of one is wrong, or the foil is bent between them.
    Refused
        If an azimuth on the screen is used that was never calibrated.
    """
    stage = stage or Stage()
    seen = _seen(stage, observations)
    options = [options_of(crystal, observation) for observation in observations]
    if all(observation.family for observation in observations):
        options[0] = options[0][_first_of_family(options[0])]
    vectors = [vectors_of(crystal, o, k) for o, k in zip(observations, options, strict=True)]
    choices = _consistent(vectors, seen, observations)
    if not len(choices):
        raise _inconsistent(crystal, observations, seen)
    chosen = np.stack([v[choices[:, i]] for i, v in enumerate(vectors)], axis=1)
    info = information(stage, observations, seen)
    covariance = covariance_of_readings(info)
    weights = np.array([1 / o.sigma_deg**2 for o in observations])
    matrices = fit(chosen, seen, weights)
    if any(o.azimuth_deg is not None for o in observations):
        matrices = with_azimuths(stage, observations, matrices, chosen, seen, covariance)
    residuals = residuals_deg(stage, observations, matrices, chosen, seen)
    scaled = residuals / np.array([o.sigma_deg for o in observations])
    fitting = np.flatnonzero(scaled.max(axis=1) <= _SIGMAS_2D)
    if not len(fitting):
        raise _inconsistent(crystal, observations, seen)
    order = fitting[np.lexsort((fitting, np.round((scaled[fitting] ** 2).sum(axis=1), 6)))]
    kept = _without_equivalents(crystal, matrices, order)
    cov = as_matrix(covariance)
    return tuple(
        Candidate(
            orientation=Orientation(matrix=as_matrix(matrices[k]), covariance_rad2=cov),
            indices=tuple(_indices(option[n]) for option, n in zip(options, choices[k], strict=True)),
            misfit_deg=float(np.sqrt((residuals[k] ** 2).mean())),
            worst_sigmas=float(scaled[k].max()),
        )
        for k in kept
    )


def twin_of(orientation: Array, seen: Array) -> Array:
    """(3, 3): the orientation (3, 3) with both of two seen axes (2, 3) reversed, half a turn about their normal."""
    normal = np.cross(seen[0], seen[1])
    normal = normal / np.linalg.norm(normal)
    return np.asarray((2 * np.outer(normal, normal) - np.eye(3)) @ orientation)


def equivalent(crystal: Crystal, first: Array, second: Array, tolerance_deg: float = _SAME_DEG) -> bool:
    """True if a rotation of the Laue group takes one orientation (3, 3) into the other."""
    between = quaternion(first.T @ second)
    alike = float(np.abs(crystal.quaternions @ between).max())
    return math.degrees(2 * math.acos(min(1.0, alike))) <= max(tolerance_deg, 1e-5)


def _seen(stage: Stage, observations: Sequence[Observation]) -> Array:
    """(n, 3) directions in the specimen, if there are enough of them and not on one line."""
    if len(observations) < 2:
        raise BadInput(
            f"{len(observations)} observation fixes no orientation",
            "two are needed",
            "tilt to a second zone axis, or add the azimuth of a g at the first",
        )
    seen = np.array([seen_direction(stage, observation) for observation in observations])
    _check_spread(seen, observations)
    return seen


def _check_spread(seen: Array, observations: Sequence[Observation]) -> None:
    cosines = np.clip(np.abs(seen @ seen.T), 0, 1)
    spread = math.degrees(math.acos(float(cosines.min())))
    if spread < _MIN_SPREAD_DEG:
        names = ", ".join(o.label for o in observations[:4])
        raise BadInput(
            f"the readings of {names} are collinear: {spread:.2f}° apart at most",
            f"axes less than {_MIN_SPREAD_DEG:g}° apart (or opposite) leave the turn about them open",
            "tilt to an axis farther away, or add the azimuth of a g",
        )


def _first_of_family(options: Integers) -> NDArray[np.intp]:
    """One representative with both senses: the others only rename the axes of the crystal."""
    return np.flatnonzero((options == options[0]).all(axis=1) | (options == -options[0]).all(axis=1))


def _consistent(vectors: Sequence[Array], seen: Array, observations: Sequence[Observation]) -> Integers:
    """(m, n) which option of each observation, all mutual angles within three standard deviations."""
    rows = np.arange(len(vectors[0]))[:, None]
    for new in range(1, len(vectors)):
        allowed = np.ones((len(rows), len(vectors[new])), dtype=bool)
        for old in range(new):
            angle = angle_between(seen[old], seen[new])
            tolerance = _SIGMAS * pair_sigma_deg(observations[old], observations[new])
            cosines = np.clip(vectors[old] @ vectors[new].T, -1, 1)
            fits = np.abs(np.degrees(np.arccos(cosines)) - angle) <= tolerance
            allowed &= fits[rows[:, old]]
        row, option = np.nonzero(allowed)
        rows = np.concatenate([rows[row], option[:, None]], axis=1)
        if len(rows) > _MANY:
            raise BadInput(
                f"the readings fit {len(rows)} choices of family members",
                f"at most {_MANY} are compared",
                "give definite indices for one axis, or smaller errors",
            )
    return rows.astype(np.int64)


def _without_equivalents(crystal: Crystal, matrices: Array, order: NDArray[np.intp]) -> list[int]:
    kept: list[int] = []
    threshold = math.cos(math.radians(_SAME_DEG) / 2)
    for k in order.tolist():
        if not any(
            float(np.abs(crystal.quaternions @ quaternion(matrices[j].T @ matrices[k])).max()) >= threshold
            for j in kept
        ):
            kept.append(k)
    return kept


def _inconsistent(crystal: Crystal, observations: Sequence[Observation], seen: Array) -> BadInput:
    """Name the pair whose angle is farthest from every reading of its indices, and what would fit."""
    worst = (-1.0, 0, 1, 0.0, 0.0)
    for i in range(len(observations)):
        for j in range(i + 1, len(observations)):
            angle = angle_between(seen[i], seen[j])
            nearest = min(
                _pair_angles(crystal, observations[i], observations[j]), key=lambda a: abs(a - angle)
            )
            sigma = pair_sigma_deg(observations[i], observations[j])
            worst = max(worst, (abs(angle - nearest) / sigma, i, j, angle, nearest))
    off, i, j, angle, nearest = worst
    if off <= _SIGMAS:
        return BadInput(
            "no right-handed crystal fits all readings, though each pair agrees",
            "the senses or the order of the axes contradict each other",
            "let the senses be 'either', check the sign of the second tilt axis, or leave one reading out",
        )
    first, second = observations[i], observations[j]
    return BadInput(
        f"{first.label} and {second.label} were read {angle:.2f}° apart, the crystal has {nearest:.2f}°",
        f"{abs(angle - nearest):.2f}° is {off:.1f} standard deviations, {_SIGMAS:g} are allowed",
        _advice(crystal, first, second, angle)
        + "; or the foil is bent between the two, or the phase is another",
    )


def _pair_angles(crystal: Crystal, first: Observation, second: Observation) -> list[float]:
    one = vectors_of(crystal, first, options_of(crystal, first))
    two = vectors_of(crystal, second, options_of(crystal, second))
    return [float(x) for x in np.degrees(np.arccos(np.clip(one @ two.T, -1, 1))).ravel()]


def _advice(crystal: Crystal, first: Observation, second: Observation, angle: float) -> str:
    """Low-index axes that would fit in place of the second."""
    if first.uvw is None or second.uvw is None:
        return "check which g it was and its azimuth"
    axes = low_indices(3)
    vectors = axes @ crystal.cell.structure.T
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    one = vectors_of(crystal, first, options_of(crystal, first)[:1])[0]
    tolerance = _SIGMAS * math.hypot(first.sigma_deg, second.sigma_deg)
    fits = np.abs(np.degrees(np.arccos(np.clip(vectors @ one, -1, 1))) - angle) <= tolerance
    names: list[str] = []
    families: set[Indices] = set()
    for axis in axes[fits].tolist():
        member = _indices(crystal.direction_family(axis)[0])
        if member not in families:
            families.add(member)
            names.append(shown(axis))
    return (
        f"wrong index? With {first.label} this angle fits {', '.join(names[:4])}"
        if names
        else "check both indices"
    )


def _indices(row: Integers) -> Indices:
    u, v, w = row.tolist()
    return u, v, w
