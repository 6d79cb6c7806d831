"""Crystals nobody has indexed: where more zone axes must be, from tilts and trace azimuths alone.

Only readings are used. Each trace of a band puts its plane through beam and trace; two bands that were seen in
different patterns meet in an axis that both contain, which may not have been visited yet.
"""

import math
from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.features import trace_plane_normals
from eucentric.knowledge.crystal.indices import Indices, low_indices, plane_indices
from eucentric.knowledge.crystal.observation import Observation
from eucentric.knowledge.crystal.rotation import Array, angle_between
from eucentric.knowledge.crystal.solve import Candidate, solve_orientation
from eucentric.knowledge.crystal.stage import Reading, Stage, beam, lab_azimuth_deg
from eucentric.knowledge.crystal.tilts import Tilt, tilt_to_direction

_SAME_AXIS_DEG = 1.0


class Pattern(Model):
    """An unindexed zone-axis pattern, as read."""

    reading: Reading
    traces_deg: tuple[float, ...] = ()
    """Azimuths of its bands on the screen."""
    spacings_angstrom: tuple[float, ...] = ()
    """Plane spacings measured in it [Å], if any."""
    sigma_deg: float = Field(default=0.2, gt=0, le=20)


class PairAngle(Model):
    """Angle of two patterns' axes."""

    first: int
    second: int
    angle_deg: float
    """0 ... 90: an unindexed axis is a line."""


class PredictedAxis(Model):
    """An axis that was not visited, where bands of different patterns meet."""

    tilt: Tilt
    bands: int
    """How many bands run through it."""


class UnknownMap(Model):
    """What unindexed patterns say about each other."""

    angles: tuple[PairAngle, ...]
    band_normals: tuple[tuple[float, float, float], ...]
    """Unit normals in the sample frame: each is the great circle of one band."""
    predicted: tuple[PredictedAxis, ...]
    """Most bands first, then the shortest move from the last pattern."""


class LatticeMatch(Model):
    """How well a crystal explains unindexed patterns."""

    name: str
    misfit_deg: float
    """Root mean square angle at the best indices."""
    spacing_misfit: float
    """Root mean square relative error of the spacings that low-index planes of the zones should have; 0 without any."""
    index_sum: int
    """Of the indices it takes: a small sum is the better explanation of equal misfits."""
    uvw: tuple[Indices, ...]


def unknown_map(
    stage: Stage, patterns: Sequence[Pattern], tolerance_deg: float = _SAME_AXIS_DEG
) -> UnknownMap:
    """Pairwise angles, great circles of the bands and the axes they predict.

    Raises
    ------
    Refused
        If traces are used and the screen's azimuth is not calibrated.
    """
    if not patterns:
        raise BadInput("no pattern was read", "one is needed", "store the tilts of a zone axis")
    beams = np.array([beam(stage, p.reading) for p in patterns])
    angles = tuple(
        PairAngle(first=i, second=j, angle_deg=_line_angle(beams[i], beams[j]))
        for i, j in combinations(range(len(patterns)), 2)
    )
    normals, owners = _bands(stage, patterns, tolerance_deg)
    return UnknownMap(
        angles=angles,
        band_normals=tuple((x, y, z) for x, y, z in normals.tolist()),
        predicted=_predicted(stage, patterns[-1].reading, beams, normals, owners, tolerance_deg),
    )


def rank_lattices(
    stage: Stage, patterns: Sequence[Pattern], crystals: Sequence[Crystal], max_index: int = 2
) -> tuple[LatticeMatch, ...]:
    """Those crystals that explain all patterns with indices up to `max_index`, best first.

    Raises
    ------
    BadInput
        If fewer than two patterns were read.
    """
    if len(patterns) < 2:
        raise BadInput(f"{len(patterns)} pattern", "two or more rank a lattice", "read another zone axis")
    found = [match for crystal in crystals if (match := _match(stage, patterns, crystal, max_index))]
    return tuple(
        sorted(found, key=lambda m: (round(m.misfit_deg / 0.1) + round(m.spacing_misfit / 0.01), m.index_sum))
    )


def _bands(stage: Stage, patterns: Sequence[Pattern], tolerance_deg: float) -> tuple[Array, list[set[int]]]:
    """Distinct band normals (n, 3), and the patterns in which each was seen."""
    normals: list[Array] = []
    owners: list[set[int]] = []
    for number, pattern in enumerate(patterns):
        azimuths = [lab_azimuth_deg(stage, t) for t in pattern.traces_deg]
        for normal in trace_plane_normals(stage, [pattern.reading] * len(azimuths), azimuths):
            same = [k for k, known in enumerate(normals) if _line_angle(known, normal) < tolerance_deg]
            if same:
                owners[same[0]].add(number)
            else:
                normals.append(normal)
                owners.append({number})
    return np.array(normals).reshape(-1, 3), owners


def _predicted(
    stage: Stage, last: Reading, beams: Array, normals: Array, owners: list[set[int]], tolerance_deg: float
) -> tuple[PredictedAxis, ...]:
    axes: list[Array] = []
    for i, j in combinations(range(len(normals)), 2):
        crossed = np.cross(normals[i], normals[j])
        size = float(np.linalg.norm(crossed))
        if owners[i] & owners[j] or size < 0.05:
            continue
        axis = crossed / size
        if all(_line_angle(axis, known) > tolerance_deg for known in [*axes, *beams]):
            axes.append(axis)
    found = []
    for axis in axes:
        through = int((np.abs(normals @ axis) < math.sin(math.radians(tolerance_deg))).sum())
        found.append(PredictedAxis(tilt=tilt_to_direction(stage, axis, now=last), bands=through))
    return tuple(sorted(found, key=lambda p: (not p.tilt.reachable, -p.bands, p.tilt.move_deg or 0.0)))


def _match(
    stage: Stage, patterns: Sequence[Pattern], crystal: Crystal, max_index: int
) -> LatticeMatch | None:
    pairs = product(_families(crystal, max_index), repeat=2)
    candidates = (one for pair in pairs for one in _solutions(stage, patterns, crystal, *pair))
    matches = (_complete(stage, patterns, crystal, candidate, max_index) for candidate in candidates)
    return min((match for match in matches if match), key=_worth, default=None)


def _solutions(
    stage: Stage, patterns: Sequence[Pattern], crystal: Crystal, first: Indices, second: Indices
) -> tuple[Candidate, ...]:
    pair = [
        Observation(reading=p.reading, uvw=uvw, family=True, sigma_deg=p.sigma_deg)
        for p, uvw in zip(patterns[:2], (first, second), strict=True)
    ]
    try:
        return solve_orientation(crystal, pair, stage)
    except BadInput:
        return ()


def _complete(
    stage: Stage, patterns: Sequence[Pattern], crystal: Crystal, candidate: Candidate, max_index: int
) -> LatticeMatch | None:
    """Give every pattern its nearest low-index axis; None if one is farther than three standard deviations."""
    axes = low_indices(max_index)
    vectors = axes @ (candidate.orientation.array @ crystal.cell.structure).T
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen: list[Indices] = []
    offs = []
    for pattern in patterns:
        near = int((vectors @ beam(stage, pattern.reading)).argmax())
        off = angle_between(vectors[near], beam(stage, pattern.reading))
        if off > 3.44 * pattern.sigma_deg:
            return None
        u, v, w = axes[near].tolist()
        chosen.append((u, v, w))
        offs.append(off)
    return LatticeMatch(
        name=crystal.name,
        misfit_deg=math.sqrt(sum(x * x for x in offs) / len(offs)),
        spacing_misfit=_spacing_misfit(crystal, patterns, chosen),
        index_sum=sum(abs(x) for axis in chosen for x in axis),
        uvw=tuple(chosen),
    )


def _spacing_misfit(crystal: Crystal, patterns: Sequence[Pattern], zones: Sequence[Indices]) -> float:
    errors = []
    planes = low_indices(4, primitive=False)
    spacing = 1 / np.linalg.norm(planes @ crystal.cell.reciprocal.T, axis=1)
    for pattern, zone in zip(patterns, zones, strict=True):
        allowed = spacing[planes @ np.array(zone) == 0]
        errors += [float(np.abs(allowed / d - 1).min()) for d in pattern.spacings_angstrom]
    return math.sqrt(sum(e * e for e in errors) / len(errors)) if errors else 0.0


def _families(crystal: Crystal, max_index: int) -> list[Indices]:
    found: list[Indices] = []
    seen: set[Indices] = set()
    for axis in low_indices(max_index).tolist():
        u, v, w = plane_indices(axis)
        if (u, v, w) not in seen:
            seen.update((a, b, c) for a, b, c in crystal.direction_family((u, v, w)).tolist())
            found.append((u, v, w))
    return found


def _worth(match: LatticeMatch) -> tuple[float, int]:
    return round(match.misfit_deg / 0.1) + round(match.spacing_misfit / 0.01), match.index_sum


def _line_angle(first: Array, second: Array) -> float:
    angle = angle_between(first, second)
    return min(angle, 180 - angle)
