"""Which state each site is in: a mixture of populations whose shares and widths come from the image itself.

No threshold: every site gets a probability. Widths follow the measured scatter of the full columns,
scaled by how much shot noise a dimmer column has; shares are fitted with a weak prior.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from eucentric.knowledge.phases import State

Array = NDArray[np.float64]

_PRIOR_SHARE = {"vacancy": 0.015, "other": 0.003}
"""Expected share of every state but the full one, before the image is seen."""
_PRIOR_SITES, _OVERLAP_SITES, _RESOLVED = 10.0, 150.0, 2.5
"""Pseudo-sites with these shares, and how many more where a state overlaps with the full one (within 2.5 sigma of it).
Without the latter the share of a dim state takes up the lower half of the full population (found in MoS2 below
100 counts: half of the calls were such)."""
_SCALE_SIGMA = 0.2
_TAIL_WIDTH = 1.6
"""Real scatter is not quite Gaussian: a share of a population, taken from its bright side, is this much wider."""
_TAIL_FROM, _TAIL_TO, _TAIL_MOST = 2.5, 4.5, 0.05


@dataclass(frozen=True)
class Populations:
    """The fitted mixture of one kind of site."""

    states: tuple[State, ...]
    shares: Array
    means: Array
    """(k,) mean brightness over the full column."""
    widths: Array
    """(k,) standard deviation, noise and spread together."""
    tail: float
    """Share of sites whose scatter is wider by `_TAIL_WIDTH`."""

    def posterior(self, relative: Array) -> Array:
        """(n, k): probability of every state for brightness `relative` (n,).

        What is darker than an empty site is as surely empty: a wide tail of full sites must not claim it back.
        """
        return self._share_of(np.maximum(relative, self._darkest()))

    def _share_of(self, relative: Array) -> Array:
        joint = self.shares * _density(relative, self.means, self.widths, self.tail)
        total = joint.sum(1, keepdims=True)
        result: Array = joint / np.maximum(total, 1e-300)
        return result

    def _darkest(self) -> float:
        """Brightness at which a vacancy is most certain."""
        missing = np.array([state.vacancy for state in self.states])
        if not missing.any():
            return -np.inf
        empty = int(np.argmin(np.where(missing, self.means, np.inf)))
        grid = self.means[empty] - self.widths[empty] * np.linspace(0, 5, 26)
        return float(grid[int(np.argmax(self._share_of(grid)[:, missing].sum(1)))])

    def p_vacancy(self, relative: Array) -> Array:
        """(n,): probability that something is missing."""
        missing = np.array([state.vacancy for state in self.states])
        probability: Array = self.posterior(relative)[:, missing].sum(1)
        return probability

    def calls(self) -> tuple[float, float]:
        """(recall, false-call rate) of calling a site vacant at p > 0.5, by integrating the populations.

        Recall is averaged over the vacancy states by their prior weight; the rate is per site that is not vacant.
        """
        grid = np.linspace(-1.5, 3.5, 2001)
        called = self.p_vacancy(grid) > 0.5
        mass = _density(grid, self.means, self.widths, self.tail) * (grid[1] - grid[0])
        caught = (mass * called[:, None]).sum(0)
        missing = np.array([state.vacancy for state in self.states])
        recall = float(np.average(caught[missing], weights=np.maximum(self.shares[missing], 1e-9)))
        false = float(np.average(caught[~missing], weights=self.shares[~missing]))
        return min(recall, 1.0), min(false, 1.0)


def _tail_share(relative: Array, centre: float, sigma: float) -> float:
    """Share of the wide part, from the side brighter than full, where no vacancy can be."""
    z = (relative - centre) / sigma
    beyond = float(((z > _TAIL_FROM) & (z < _TAIL_TO)).sum()) / max(float((z > 0).sum()), 1.0)
    core, wide = (
        2 * float(stats.norm.sf(_TAIL_FROM / w) - stats.norm.sf(_TAIL_TO / w)) for w in (1.0, _TAIL_WIDTH)
    )
    return float(np.clip((beyond - core) / (wide - core), 0.003, _TAIL_MOST))


def _density(value: Array, means: Array, widths: Array, share: float) -> Array:
    z2 = ((value[:, None] - means) / widths) ** 2
    core, tail = np.exp(-0.5 * z2), np.exp(-0.5 * z2 / _TAIL_WIDTH**2) / _TAIL_WIDTH
    density: Array = ((1 - share) * core + share * tail) / (np.sqrt(2 * np.pi) * widths)
    return density


def fit_populations(
    relative: Array, states: tuple[State, ...], background_over_height: float, rounds: int = 25
) -> Populations:
    """Expectation maximisation of shares, of the noise, and of the brightness of an empty site.

    Parameters
    ----------
    relative
        (n,) float64: brightness of the sites over the local full column.
    states
        What a site of this kind may hold, the full column first.
    background_over_height
        Background at a column over the column's height; it says how shot noise falls for dim columns.
    """
    nominal = np.array([state.relative for state in states])
    spread = np.array([state.spread for state in states])
    kinds = ["vacancy" if state.vacancy else "other" for state in states]
    shares = np.array([_PRIOR_SHARE[kind] for kind in kinds])
    shares[0] = 1 - shares[1:].sum()
    # Shot noise of a matched filter: variance ~ background + 2/3 of the column's height (∫g³ / ∫g²).
    noise_scale = np.sqrt((background_over_height + 0.667 * nominal) / (background_over_height + 0.667))
    prior = shares
    centre = float(np.median(relative))
    sigma = max(1.4826 * float(np.median(np.abs(relative - centre))), 0.01)
    fitted = Populations(states, shares, nominal.copy(), np.hypot(sigma * noise_scale, spread), 0.01)
    for _ in range(rounds):
        p = fitted.posterior(relative)
        shares = _shares(p, prior, fitted)
        full = p[:, 0]
        mean_full = float(np.average(relative, weights=full + 1e-12))
        sigma = max(_robust_sigma(relative - mean_full, full), 0.01)
        scale = _scale(relative, p, nominal, mean_full, np.hypot(sigma * noise_scale, spread), states)
        means = mean_full + scale * (nominal - 1)
        tail = _tail_share(relative, mean_full, float(np.hypot(sigma, spread[0])))
        fitted = Populations(states, shares, means, np.hypot(sigma * noise_scale, spread), tail)
    return fitted


def _shares(p: Array, prior: Array, fitted: Populations) -> Array:
    """Each state but the full one against the rest, with its own weight of the prior (a beta distribution)."""
    apart = np.abs(fitted.means - fitted.means[0]) / fitted.widths
    pseudo = _PRIOR_SITES + _OVERLAP_SITES * np.exp(-((apart / _RESOLVED) ** 2))
    shares: Array = (p.sum(0) + pseudo * prior) / (len(p) + pseudo)
    shares[0] = max(1 - float(shares[1:].sum()), 1e-6)
    normed: Array = shares / shares.sum()
    return normed


def _robust_sigma(deviation: Array, weight: Array) -> float:
    """Weighted median absolute deviation, as a standard deviation."""
    order = np.argsort(np.abs(deviation))
    cumulated = np.cumsum(weight[order])
    if cumulated[-1] <= 0:
        return 0.0
    middle = int(np.searchsorted(cumulated, 0.5 * cumulated[-1]))
    return 1.4826 * float(np.abs(deviation)[order][min(middle, len(order) - 1)])


def _scale(
    relative: Array, p: Array, nominal: Array, mean_full: float, widths: Array, states: tuple[State, ...]
) -> float:
    """How much a missing column takes away over what the column profile says, by the vacancies seen.

    The profile's height is uncertain by a quarter where columns overlap; without vacancies the answer is 1.
    """
    missing = np.array([state.vacancy for state in states])
    step = (nominal[missing] - 1) / widths[missing]
    observed = (relative[:, None] - mean_full) / widths[missing]
    held = _SCALE_SIGMA**-2
    top = float((p[:, missing] * observed * step).sum()) + held
    bottom = float((p[:, missing] * step**2).sum()) + held
    return float(np.clip(top / bottom, 0.7, 1.8))
