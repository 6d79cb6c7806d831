"""Tilts for a target, for every orientation the crystal may have, with errors, alternatives and what is near there."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from eucentric.core.base import Model
from eucentric.knowledge.crystal import (
    Arrival,
    Candidate,
    NextAxis,
    Reading,
    Tilt,
    angle_between_readings_deg,
    arrival_of,
    beam,
    edge_on_tilt,
    low_indices,
    plane_normal,
    predicted_arrival,
    shift_um,
    spread_of_targets_deg,
    tilt_to_axis,
    tilts_to_family,
)
from eucentric.knowledge.crystal.indices import Indices
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.tilts import axes_within_reach
from eucentric.knowledge.tilting.situation import Situation, look_next
from eucentric.knowledge.tilting.target import Target

SAME_DEG = 1.0
"""Candidates whose tilts for the target differ by less are one answer (reference 7.4)."""
_ONE_SIDED_95 = 1.959963984540054


class Option(Model):
    """One way to the target."""

    indices: Indices
    """The axis or plane it is."""
    tilt: Tilt
    arrival: Arrival
    """How near it will land; for a plane how near to edge-on."""


class Way(Model):
    """The ways to the target in one candidate, best first."""

    candidate: int
    """1 is the best."""
    options: tuple[Option, ...]

    @property
    def best(self) -> Option:
        """The first."""
        return self.options[0]


class Neighbour(Model):
    """A zone axis near a place."""

    uvw: Indices
    alpha_deg: float
    beta_deg: float
    away_deg: float
    sure: bool = True
    """False if several orientations fit and put it more than a degree apart."""


class Answer(Model):
    """Where to tilt. Every answer says its convention, its calibration and how many candidates there are."""

    target: Target
    ways: tuple[Way, ...]
    """One for each candidate."""
    ambiguous: bool
    """True if the candidates' best tilts differ by more than a degree: nothing should be moved on this."""
    spread_deg: float
    """Largest angle between their best tilts."""
    next_axis: NextAxis | None
    """Where to look to tell candidates apart."""
    near: tuple[Neighbour, ...]
    """Zone axes around the place that can be reached, nearest first, by the best candidate."""
    shift_um: tuple[float, float, float]
    """What a feature moves by on the way there, lab x, y, z [µm]."""
    feature_um: tuple[float, float, float]
    """Where that feature is, from the point that does not move, in the sample frame [µm]."""
    convention: str = "C1"
    calibration: str
    candidates: int

    @property
    def best(self) -> Option:
        """The best way in the best candidate."""
        return self.ways[0].best


def answered(
    situation: Situation,
    target: Target,
    *,
    feature_um: Sequence[float] = (0.0, 0.0, 1.0),
    most: int = 6,
    max_index: int = 3,
) -> Answer:
    """Tilts for a target in every candidate.

    Parameters
    ----------
    feature_um
        (3,) [µm] a feature in the sample frame, from the eucentric point; one µm too high if not given.
    most
        Most members of a family, and most neighbours, that are listed.
    max_index
        Of neighbours, and of axes to look at next.

    Raises
    ------
    BadInput
        If a plane is face-on at the present tilt.
    """
    ways = tuple(
        Way(candidate=n, options=_options(situation, one, target)[:most])
        for n, one in enumerate(situation.candidates, start=1)
    )
    best = ways[0].best.tilt
    there = Reading(alpha_deg=best.nearest_alpha_deg, beta_deg=best.nearest_beta_deg)
    x, y, z = (float(v) for v in feature_um)
    moved = shift_um(situation.stage, np.array([x, y, z]), situation.now, there).tolist()
    spread = _spread_deg(situation, ways)
    return Answer(
        target=target,
        ways=ways,
        ambiguous=spread > SAME_DEG,
        spread_deg=spread,
        next_axis=look_next(situation, max_index),
        near=neighbours(situation, there, max_index, most),
        shift_um=(moved[0], moved[1], moved[2]),
        feature_um=(x, y, z),
        calibration=situation.stage.calibration,
        candidates=len(situation.candidates),
    )


def neighbours(
    situation: Situation, place: Reading, max_index: int = 3, most: int = 6
) -> tuple[Neighbour, ...]:
    """Reachable zone axes around a reading, nearest first, of the best candidate; not one at that very place."""
    crystal, stage = situation.crystal, situation.stage
    axes, readings = axes_within_reach(
        crystal, situation.candidates[0].orientation, stage, low_indices(max_index)
    )
    found = []
    for (u, v, w), (alpha, beta) in zip(axes.tolist(), readings.tolist(), strict=True):
        at = Reading(alpha_deg=alpha, beta_deg=beta)
        away = angle_between_readings_deg(stage, place, at)
        if away > 1e-3:
            found.append(Neighbour(uvw=(u, v, w), alpha_deg=alpha, beta_deg=beta, away_deg=away))
    found.sort(key=lambda one: (round(one.away_deg, 6), one.uvw))
    return tuple(marked(situation, one) for one in found[:most])


def marked(situation: Situation, one: Neighbour) -> Neighbour:
    """Whether all candidates have it there."""
    if len(situation.candidates) == 1:
        return one
    apart = spread_of_targets_deg(situation.crystal, situation.candidates, one.uvw, situation.stage)
    return one.model_copy(update={"sure": apart <= SAME_DEG})


def _options(situation: Situation, candidate: Candidate, target: Target) -> tuple[Option, ...]:
    if target.is_plane:
        return _plane_options(situation, candidate, target)
    crystal, stage, now = situation.crystal, situation.stage, situation.now
    if target.kind == "axis":
        tilts: tuple[Tilt, ...] = (
            tilt_to_axis(crystal, candidate.orientation, target.indices, stage, now=now),
        )
    else:
        tilts = tilts_to_family(crystal, candidate.orientation, target.indices, stage, now)
    repeat = situation.repeatability_deg
    return tuple(
        Option(
            indices=tilt.uvw,
            tilt=tilt,
            arrival=predicted_arrival(crystal, candidate.orientation, tilt, repeat),
        )
        for tilt in tilts
    )


def _plane_options(situation: Situation, candidate: Candidate, target: Target) -> tuple[Option, ...]:
    crystal, stage, now = situation.crystal, situation.stage, situation.now
    planes = [target.indices]
    if target.kind == "plane_family":
        members = (tuple(m) for m in crystal.plane_family(target.indices).tolist())
        planes = [(h, k, m) for h, k, m in members if (h, k, m) > (0, 0, 0)]
    found = []
    for plane in planes:
        normal = plane_normal(crystal, candidate.orientation, plane)
        if len(planes) > 1 and 1 - abs(float(beam(stage, now) @ normal)) < 1e-9:
            continue  # face-on: the others are nearer
        tilt = edge_on_tilt(stage, normal, now)
        arrival = _edge_on_arrival(situation, candidate, tilt, normal)
        found.append(Option(indices=plane, tilt=tilt, arrival=arrival))
    return tuple(sorted(found, key=lambda one: _rank(one.tilt)))


def _rank(tilt: Tilt) -> tuple[bool, float, float]:
    return not tilt.reachable, round(tilt.residual_deg, 6), round(tilt.move_deg or 0.0, 6)


def _edge_on_arrival(situation: Situation, candidate: Candidate, tilt: Tilt, normal: Array) -> Arrival:
    """The error across the plane: d(N m) = w (N x m) for a small rotation w of the sample."""
    m = beam(situation.stage, Reading(alpha_deg=tilt.nearest_alpha_deg, beta_deg=tilt.nearest_beta_deg))
    across = np.cross(normal, m)
    variance = float(across @ candidate.orientation.covariance @ across)
    sigma = math.hypot(math.degrees(math.sqrt(max(0.0, variance))), situation.repeatability_deg)
    both = arrival_of(candidate.orientation.covariance, m, situation.repeatability_deg)
    return both.model_copy(update={"rms_deg": sigma, "within_95_deg": _ONE_SIDED_95 * sigma})


def _spread_deg(situation: Situation, ways: Sequence[Way]) -> float:
    """Largest angle between the lines that the candidates would bring onto the beam."""
    beams = []
    for way in ways:
        tilt = way.best.tilt
        beams.append(beam(situation.stage, Reading(alpha_deg=tilt.alpha_deg, beta_deg=tilt.beta_deg)))
    gaps = [math.degrees(math.acos(min(1.0, abs(float(a @ b))))) for a, b in combinations(beams, 2)]
    return max(gaps, default=0.0)
