"""Which state each site is in: a mixture of populations whose shares and widths come from the image itself.

No threshold: every site gets a probability. How much a missing column takes away over what the mean column
says is not known well where columns overlap, so the answer is averaged over it, each value weighed by how well
it explains the image. Widths follow the measured scatter of the full columns, scaled by how much shot noise a
dimmer column has; shares are fitted with a weak prior.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from eucentric.knowledge.phases import State
from eucentric.tools.vision.mixture import TAIL_WIDTH, UNKNOWN, Populations, density

Array = NDArray[np.float64]

_PRIOR_SHARE = {"vacancy": 0.025, "other": 0.003}
"""Expected share of every state but the full one, before the image is seen."""
_PRIOR_SITES, _OVERLAP_SITES, _RESOLVED = 10.0, 150.0, 2.5
"""Pseudo-sites with these shares, and how many more where a state overlaps with the full one (within 2.5 sigma of it).
Without the latter the share of a dim state takes up the lower half of the full population (found in MoS2 below
100 counts: half of the calls were such)."""
_SCALES = np.exp(np.linspace(np.log(0.65), np.log(2.1), 11))
_SCALE_SIGMA = 0.25
"""What a missing column takes away over what the mean column says: values tried, and the spread of its logarithm."""
_PRIOR_TAIL, _TAIL_SITES = 0.01, 300.0
"""Share of the wide part before the image is seen, and its worth in sites: a few hundred sites do not show it."""
_SIGMA_RANGE = (0.85, 1.15)
"""Scatter of full columns over its robust first guess, at least and at most."""
_LEAST_SIGMA = 0.01
_BINS_PER_SIGMA, _DARKEST, _BRIGHTEST = 8, -2.5, 5.0
_ROUNDS = 15
_DEPTHS = 6
_LEAST_WEIGHT = 1e-3
"""A value of the scale that explains the image less well than this is left out."""


@dataclass(frozen=True)
class _Known:
    """What does not change in a fit."""

    value: Array
    """(b,) brightness of a bin of sites."""
    count: Array
    """(b,) sites in it."""
    nominal: Array
    """(k,) brightness of the states by the table of elements."""
    spread: Array
    noise: Array
    """(k,) shot noise over that of the full column."""
    prior: Array
    first_sigma: float


@dataclass(frozen=True)
class _Now:
    """One mixture for every value of the scale: (s, k), `tail` (s, 1)."""

    shares: Array
    means: Array
    widths: Array
    tail: Array


def fit_populations(
    relative: Array,
    states: tuple[State, ...],
    background_over_height: float,
    shallow: float | None = None,
) -> Populations:
    """Expectation maximisation of shares, noise and level for every value of the scale, and how likely each is.

    Parameters
    ----------
    relative
        (n,) float64: brightness of the sites over the local full column.
    states
        What a site of this kind may hold, the full column first.
    background_over_height
        Background at a column over the column's height; it says how shot noise falls for dim columns.
    shallow
        Brightness that an empty site might have, if it may be brighter than the states say [full columns].
    """
    known = _known(relative, states, background_over_height)
    now = _mixture(known, np.full(len(_SCALES), float(np.median(relative))), known.first_sigma,
                   np.tile(known.prior, (len(_SCALES), 1)), np.full((len(_SCALES), 1), _PRIOR_TAIL))  # fmt: skip
    for _ in range(_ROUNDS):
        now = _turn(known, now)
    weight = _weight(known, now)
    keep = weight > _LEAST_WEIGHT * weight.max()
    best = int(np.argmax(weight))
    missing = np.array([state.vacancy for state in states])
    return Populations(
        states, weight[keep] / weight[keep].sum(), now.shares[keep], now.means[keep], now.widths[keep],
        now.tail[keep, 0], shallow, 0.0 if shallow is None else _p_shallow(known, now, best, missing, shallow),
    )  # fmt: skip


def _p_shallow(known: _Known, now: _Now, best: int, missing: NDArray[np.bool_], shallow: float) -> float:
    """Probability that empty sites have any brightness up to `shallow`, and not all the same one."""
    joint = _joint(known, now)[best]
    others = joint[:, ~missing].sum(1) + UNKNOWN
    own = joint[:, missing].sum(1)
    share = float(now.shares[best, missing].sum())
    spread = np.zeros_like(own)
    for depth in np.linspace(0, 1, _DEPTHS):
        means = now.means[best] + depth * np.maximum(shallow - now.means[best], 0)
        dense = density(known.value[:, None], means, now.widths[best], now.tail[best])
        spread += (now.shares[best] * dense)[:, missing].sum(1) / _DEPTHS
    odds = [_explained(known.count, one / share, others, share) for one in (own, spread)]
    return float(1 / (1 + np.exp(np.clip(odds[0] - odds[1], -50, 50))))


def _explained(count: Array, missing: Array, others: Array, share: float) -> float:
    """Log-likelihood with the share of empty sites that explains the image best."""
    rest = others / max(1 - share, 1e-6)
    for _ in range(8):
        p = share * missing / (share * missing + (1 - share) * rest)
        share = float(np.clip(count @ p / count.sum(), 1e-6, 0.5))
    return float(count @ np.log(share * missing + (1 - share) * rest))


def _known(relative: Array, states: tuple[State, ...], background: float) -> _Known:
    nominal = np.array([state.relative for state in states])
    prior = np.array([_PRIOR_SHARE["vacancy" if state.vacancy else "other"] for state in states])
    prior[0] = 1 - prior[1:].sum()
    # Shot noise of a matched filter: variance ~ background + 2/3 of the column's height (∫g³ / ∫g²).
    noise = np.sqrt((background + 0.667 * nominal) / (background + 0.667))
    deviation = np.abs(relative - np.median(relative))
    sigma = max(1.4826 * float(np.median(deviation)), _LEAST_SIGMA)
    value, count = _binned(relative, sigma / _BINS_PER_SIGMA)
    spread = np.array([state.spread for state in states])
    return _Known(value, count, nominal, spread, noise, prior, sigma)


def _binned(relative: Array, step: float) -> tuple[Array, Array]:
    """(mean brightness, number of sites) of narrow bins: a fit over bins costs the same for any number of sites."""
    inside = np.clip(relative, _DARKEST, _BRIGHTEST)
    _, bins, count = np.unique(np.floor(inside / step), return_inverse=True, return_counts=True)
    return np.bincount(bins, inside) / count, count.astype(float)


def _mixture(known: _Known, level: Array, sigma: Array | float, shares: Array, tail: Array) -> _Now:
    """Means and widths follow from the level and the noise (s,) of full columns."""
    less = np.minimum(known.nominal - 1, 0)
    # What lies on top of a column is not what the scale is about: adatoms of all kinds would decide it.
    means = level[:, None] + _SCALES[:, None] * less + np.maximum(known.nominal - 1, 0)
    noise = np.broadcast_to(np.asarray(sigma, float), level.shape)[:, None] * known.noise
    return _Now(shares, means, np.hypot(noise, known.spread), tail)


def _joint(known: _Known, now: _Now) -> Array:
    """(s, b, k): share times density."""
    joint: Array = now.shares[:, None] * density(
        known.value[:, None], now.means[:, None], now.widths[:, None], now.tail[:, None]
    )
    return joint


def _turn(known: _Known, now: _Now) -> _Now:
    """One round of expectation and maximisation."""
    joint = _joint(known, now)
    p = joint / (joint.sum(2, keepdims=True) + UNKNOWN) * known.count[:, None]
    level, sigma, tail = _scatter(known, now, p[:, :, 0])
    return _mixture(known, level, sigma, _shares(known, now, p), tail)


def _scatter(known: _Known, now: _Now, full: Array) -> tuple[Array, Array, Array]:
    """(level (s,), noise (s,), wide share (s, 1)) of the full columns; `full` (s, b) says how many lie in a bin."""
    z2 = ((known.value - now.means[:, :1]) / now.widths[:, :1]) ** 2
    core = (1 - now.tail) * np.exp(-0.5 * z2)
    wide = now.tail / TAIL_WIDTH * np.exp(-0.5 * z2 / TAIL_WIDTH**2)
    in_wide = full * wide / np.maximum(core + wide, 1e-300)
    number = np.maximum(full.sum(1), 1e-12)
    tail = (in_wide.sum(1) + _PRIOR_TAIL * _TAIL_SITES) / (number + _TAIL_SITES)
    # In the wide part a deviation counts for what it is there.
    weight = (full - in_wide) + in_wide / TAIL_WIDTH**2
    level = (weight * known.value).sum(1) / np.maximum(weight.sum(1), 1e-12)
    square = (weight * (known.value - level[:, None]) ** 2).sum(1) / number - known.spread[0] ** 2
    low, high = (known.first_sigma * factor for factor in _SIGMA_RANGE)
    return level, np.clip(np.sqrt(np.maximum(square, 0.0)), low, high), tail[:, None]


def _pseudo(now: _Now) -> Array:
    """(s, k): how many sites the prior of a share is worth."""
    apart = np.abs(now.means - now.means[:, :1]) / now.widths
    sites: Array = _PRIOR_SITES + _OVERLAP_SITES * np.exp(-((apart / _RESOLVED) ** 2))
    return sites


def _shares(known: _Known, now: _Now, p: Array) -> Array:
    """Each state but the full one against the rest, with its own weight of the prior (a beta distribution)."""
    pseudo = _pseudo(now)
    shares: Array = (p.sum(1) + pseudo * known.prior) / (known.count.sum() + pseudo)
    shares[:, 0] = np.maximum(1 - shares[:, 1:].sum(1), 1e-6)
    normed: Array = shares / shares.sum(1, keepdims=True)
    return normed


def _weight(known: _Known, now: _Now) -> Array:
    """(s,): how well each value of the scale explains the sites, with its prior; 1 for the best."""
    explains = known.count @ np.log(_joint(known, now).sum(2) + UNKNOWN).T
    pseudo = _pseudo(now)[:, 1:]
    a, b = 1 + pseudo * known.prior[1:], 1 + pseudo * (1 - known.prior[1:])
    share = now.shares[:, 1:]
    beta = ((a - 1) * np.log(share) + (b - 1) * np.log1p(-share) - betaln(a, b)).sum(1)
    total = explains + beta - 0.5 * (np.log(_SCALES) / _SCALE_SIGMA) ** 2
    result: Array = np.exp(total - total.max())
    return result
