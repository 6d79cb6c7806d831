"""Making a rough orientation exact: scale, centre and turn from places, the tilt from which reflections are seen."""

import math
from dataclasses import dataclass

import numpy as np

from eucentric.knowledge.crystal.indices import Integers
from eucentric.knowledge.crystal.rotation import Array, axis_angle
from eucentric.knowledge.diffraction.matching import Seen, predicted, scores
from eucentric.knowledge.diffraction.reflections import Reflections
from eucentric.knowledge.diffraction.spots import excitation_errors

_TILTS = ((4.0, 1.0), (0.8, 0.2))
"""(reach, step) of the search in tilt [degree], coarse and fine."""
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Fit:
    """One orientation, refined."""

    to_lab: Array
    """(3, 3) crystal Cartesian to lab."""
    scale: float
    """True distances over measured ones."""
    shift: Array
    """(2,) [1/Å] of the true direct beam from the assumed one."""
    score: float
    """[nat] over chance."""
    explained: int
    """Spots that lie on a reflection."""
    rms: float
    """Of the distances of matched spots from their predictions [1/Å]."""


def refined(
    seen: Seen, known: Reflections, to_lab: Array, k: float, relrod: float, scale_error: float
) -> Fit:
    """The orientation near a rough one that explains the spots best."""
    scale, shift, moved, known = 1.0, np.zeros(2), seen, _within_reach(known, to_lab, k, relrod)
    loose = max(0.02, scale_error)
    for turn in range(_ROUNDS):
        to_lab = _best_tilt(moved, known, to_lab, k, relrod, loose, _TILTS[min(turn, 1)])
        matched = matches(moved, known, to_lab, k, relrod, loose)
        if len(matched) >= 3:
            angle, scale, shift = _similarity(seen, known, to_lab, matched, scale_error)
            to_lab = axis_angle((0, 0, 1), angle) @ to_lab
            moved = _moved(seen, scale, shift)
        loose = 0.004
    matched = matches(moved, known, to_lab, k, relrod, loose)
    score = float(scores(moved, known, to_lab[None], k, relrod, loose)[0])
    return Fit(to_lab, scale, shift, score, len(matched), _rms(moved, known, to_lab, matched))


def _within_reach(known: Reflections, to_lab: Array, k: float, relrod: float) -> Reflections:
    """Reflections that come near the Ewald sphere at any tilt of the search."""
    g = known.g @ to_lab.T
    reach = 3 * relrod + known.length * math.radians(_ROUNDS * _TILTS[1][0] + _TILTS[0][0])
    return known.part(np.abs(excitation_errors(g, k)) < reach)


def matches(
    seen: Seen, known: Reflections, to_lab: Array, k: float, relrod: float, looseness: float
) -> Integers:
    """(n, 2) spot and reflection: for each spot the strongest reflection within its error."""
    _, reflection, at, amplitude = predicted(seen, known, to_lab[None], k, relrod)
    if not len(at):
        return np.empty((0, 2), dtype=np.int64)
    apart = np.linalg.norm(seen.at[:, None] - at[None], axis=2)
    reach = 3 * np.hypot(seen.sigma, looseness * np.hypot(at[:, 0], at[:, 1]))
    worth = np.where(apart < reach, amplitude * np.exp(-0.5 * (3 * apart / reach) ** 2), 0.0)
    best = worth.argmax(axis=1)
    spot = np.flatnonzero(worth.max(axis=1) > 0)
    return np.stack([spot, reflection[best[spot]]], axis=1).astype(np.int64)


def _best_tilt(
    seen: Seen,
    known: Reflections,
    to_lab: Array,
    k: float,
    relrod: float,
    loose: float,
    search: tuple[float, float],
) -> Array:
    reach, step = search
    count = round(reach / step)
    grid = [(a * step, b * step) for a in range(-count, count + 1) for b in range(-count, count + 1)]
    grid = [(a, b) for a, b in grid if math.hypot(a, b) <= reach]
    turned = np.array([tilted(to_lab, a, b) for a, b in grid])
    found = scores(seen, known, turned, k, relrod, loose)
    top = found.max()
    weight = np.exp(np.clip(found - top, -30, 0))  # a plateau is answered by its middle
    a, b = (weight @ np.array(grid)) / weight.sum()
    middle = tilted(to_lab, float(a), float(b))
    if float(scores(seen, known, middle[None], k, relrod, loose)[0]) >= top - 1.0:
        return middle
    return np.asarray(turned[int(found.argmax())])


def tilted(to_lab: Array, a_deg: float, b_deg: float) -> Array:
    """(3, 3) turned by a small rotation vector (a, b, 0) of the lab frame [degree]."""
    size = math.hypot(a_deg, b_deg)
    return to_lab if size < 1e-12 else axis_angle((a_deg, b_deg, 0.0), size) @ to_lab


def _similarity(
    seen: Seen, known: Reflections, to_lab: Array, matched: Integers, scale_error: float
) -> tuple[float, float, Array]:
    """Turn about the beam [degree] of the crystal, scale and shift of the spots that bring both together."""
    there = (known.g[matched[:, 1]] @ to_lab.T)[:, :2]
    here = seen.at[matched[:, 0]]
    weight = 1 / (seen.sigma**2 + (0.002 * np.hypot(*here.T)) ** 2)
    a, b = there[:, 0] + 1j * there[:, 1], here[:, 0] + 1j * here[:, 1]
    prior = (1 / (2 * seen.sigma)) ** 2  # of the direct beam: known to about two errors of a spot
    design = np.stack([b * np.sqrt(weight), np.sqrt(weight)], axis=1)
    design = np.concatenate([design, [[0, math.sqrt(prior)]]])
    answer = np.linalg.lstsq(design, np.concatenate([a * np.sqrt(weight), [0]]), rcond=None)[0]
    size = float(np.clip(abs(answer[0]), 1 - 3 * scale_error, 1 + 3 * scale_error))
    turn = -math.degrees(float(np.angle(answer[0])))
    offset = answer[1] * np.exp(-1j * np.angle(answer[0]))
    return turn, size, np.array([-offset.real, -offset.imag]) / size


def corrected(seen: Seen, fit: Fit) -> Seen:
    """The spots with the scale and the direct beam of a fit."""
    return _moved(seen, fit.scale, fit.shift)


def _moved(seen: Seen, scale: float, shift: Array) -> Seen:
    return Seen((seen.at - shift) * scale, seen.counts, seen.sigma, seen.nearest, seen.farthest)


def _rms(seen: Seen, known: Reflections, to_lab: Array, matched: Integers) -> float:
    if not len(matched):
        return math.inf
    off = (known.g[matched[:, 1]] @ to_lab.T)[:, :2] - seen.at[matched[:, 0]]
    return math.sqrt(float((off**2).sum(axis=1).mean()))
