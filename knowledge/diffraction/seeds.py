"""Orientations that bring two reflections of a crystal onto two spots: where indexing begins."""

import math
from itertools import combinations

import numpy as np

from eucentric.knowledge.crystal.fit import fit
from eucentric.knowledge.crystal.indices import Integers
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction.matching import Seen
from eucentric.knowledge.diffraction.reflections import Reflections

_SPOTS = 14
"""Of the brightest and shortest spots pairs are made."""
_PAIRS = 14
_ANGLE_DEG = (20.0, 160.0)
"""Of a pair: nearly parallel ones fix no turn."""
_FAINTEST = 0.03
"""Amplitude over the strongest reflection's that a spot of a pair has at least."""
_MOST = 6000
"""Seeds of one pair."""


def pairs_of(seen: Seen) -> list[tuple[int, int]]:
    """Pairs of spots to begin with: short, bright, and far from parallel."""
    length = np.hypot(*seen.at.T)
    bright = np.argsort(np.argsort(-seen.counts, kind="stable"), kind="stable")
    short = np.argsort(np.argsort(length, kind="stable"), kind="stable")
    best = np.argsort(bright + short, kind="stable")[:_SPOTS]
    found = []
    for i, j in combinations(best.tolist(), 2):
        angle = _angle_deg(seen.at[i], seen.at[j])
        if _ANGLE_DEG[0] <= angle <= _ANGLE_DEG[1]:
            found.append((bright[i] + bright[j] + short[i] + short[j], i, j))
    chosen: list[tuple[int, int]] = []
    used: dict[int, int] = {}
    for _, i, j in sorted(found):
        if used.get(i, 0) < 4 and used.get(j, 0) < 4:  # a false spot spoils four pairs at most
            chosen.append((i, j))
            used[i], used[j] = used.get(i, 0) + 1, used.get(j, 0) + 1
    return chosen[:_PAIRS]


def seeds(
    seen: Seen, pair: tuple[int, int], known: Reflections, first: Integers, k: float, scale_error: float
) -> Array:
    """(m, 3, 3) rotations crystal to lab that explain one pair.

    Parameters
    ----------
    first
        (r,) indices into `known` of one reflection for each set that the crystal's rotations make.
    scale_error
        Relative error of all distances together.
    """
    one, two = (lifted(seen.at[n], k) for n in pair)
    a, b = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    slack_a, slack_b = (3 * (seen.sigma + 0.004) + scale_error * x for x in (a, b))
    strong = known.strength >= _FAINTEST
    near_a = first[(np.abs(known.length[first] - a) < slack_a) & strong[first]]
    near_b = np.flatnonzero((np.abs(known.length - b) < slack_b) & strong)
    if not len(near_a) or not len(near_b):
        return np.empty((0, 3, 3))
    la, lb = known.length[near_a][:, None], known.length[near_b][None, :]
    cosine = known.g[near_a] @ known.g[near_b].T / (la * lb)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    wanted = _angle_deg(one, two)
    slack = math.degrees(3 * (seen.sigma + 0.004) * (1 / a + 1 / b)) + 1.0
    ratio = np.abs((la / lb) * (b / a) - 1) < slack_a / a + slack_b / b - 2 * scale_error + 0.004
    i, j = np.nonzero((np.abs(angle - wanted) < slack) & ratio)
    if len(i) > _MOST:
        best = np.argsort(np.abs(angle[i, j] - wanted), kind="stable")[:_MOST]
        i, j = i[best], j[best]
    if not len(i):
        return np.empty((0, 3, 3))
    crystal = np.stack([known.g[near_a[i]], known.g[near_b[j]]], axis=1)
    crystal /= np.linalg.norm(crystal, axis=2, keepdims=True)
    return fit(crystal, np.stack([one / a, two / b]), np.ones(2))


def lifted(at: Array, k: float) -> Array:
    """(..., 3) points (..., 2) of the pattern on the Ewald sphere, where their reflections are."""
    across = (at**2).sum(axis=-1)
    return np.concatenate([at, (across / (k + np.sqrt(np.maximum(k * k - across, 0.0))))[..., None]], axis=-1)


def representatives(known: Reflections) -> Integers:
    """(r,) indices of one reflection of each set that the proper rotations of the Laue group make."""
    rows = {tuple(h): n for n, h in enumerate(known.hkl.tolist())}
    found, done = [], np.zeros(len(known), dtype=bool)
    for n, h in enumerate(known.hkl):
        if done[n]:
            continue
        found.append(n)
        for image in (known.crystal.on_planes @ h).tolist():
            other = rows.get(tuple(image))
            if other is not None:
                done[other] = True
    return np.array(found, dtype=np.int64)


def _angle_deg(p: Array, q: Array) -> float:
    cosine = float(p @ q / (np.linalg.norm(p) * np.linalg.norm(q)))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
