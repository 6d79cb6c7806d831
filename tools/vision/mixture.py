"""A fitted mixture of populations, and what it says of a site: probability of every state, surprise, recall."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from eucentric.knowledge.phases import State

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

TAIL_WIDTH = 1.6
"""Real scatter is not quite Gaussian: a share of every population is this much wider."""
UNKNOWN = 1e-4 / 6.0
"""Density of sites that are something else: one in ten thousand, anywhere in a range of six full columns."""
_EXCLUDED = 0.05
"""Shallow vacancies with a smaller probability than this bear on the interval of recall by less and less."""
_DARKEST, _BRIGHTEST = -2.5, 3.5
"""Brightness between which calls are integrated."""


@dataclass(frozen=True)
class Calls:
    """What calling a site vacant at p > 0.5 gives."""

    recall: float
    low: float
    high: float
    """Recall if a vacancy is as shallow, or as deep, as can be held possible here."""
    false_rate: float
    """Calls per site that is not vacant."""


@dataclass(frozen=True)
class Populations:
    """The fitted mixture of one kind of site, for s values of the scale and k states."""

    states: tuple[State, ...]
    weight: Array
    """(s,): probability of each value of the scale."""
    shares: Array
    """(s, k)."""
    means: Array
    """(s, k): mean brightness over the full column."""
    widths: Array
    """(s, k): standard deviation, noise and spread together."""
    tail: Array
    """(s,): share of sites whose scatter is wider by `TAIL_WIDTH`."""
    shallow: float | None = None
    """Brightness that an empty site might have, if it may be brighter than the states say [full columns]."""
    p_shallow: float = 0.0
    """Probability that some are, by what the image shows between empty and full."""

    @property
    def sigma(self) -> float:
        """Standard deviation of full columns, noise and spread together."""
        return float(self.weight @ self.widths[:, 0])

    @property
    def missing(self) -> Mask:
        """(k,) bool: states in which something is missing."""
        return np.array([state.vacancy for state in self.states])

    def posterior(self, relative: Array) -> tuple[Array, Array]:
        """((n, k), (n,)): probability of every state for brightness `relative` (n,), and of none of them.

        What is darker than an empty site is as surely empty: a wide tail of full sites must not claim it back.
        """
        total = np.zeros((len(relative), len(self.states)))
        for weight, one in zip(self.weight, self._each(), strict=True):
            total += weight * one.share_of(np.maximum(relative, one.darkest(self.missing)))
        return total, np.maximum(1 - total.sum(1), 0.0)

    def p_vacancy(self, relative: Array) -> Array:
        """(n,): probability that something is missing."""
        probability: Array = self.posterior(relative)[0][:, self.missing].sum(1)
        return probability

    def p_value(self, relative: Array) -> Array:
        """(n,): share of full columns that lie at least as far from their mean."""
        value = np.zeros(len(relative))
        for weight, one in zip(self.weight, self._each(), strict=True):
            value += weight * one.beyond(relative)
        return value

    def calls(self) -> Calls:
        """Recall and false calls, by integrating the populations.

        Recall is averaged over the vacancy states by their shares; the rate is per site that is not vacant.
        """
        grid = np.linspace(_DARKEST, _BRIGHTEST, 2401)
        step = float(grid[1] - grid[0])
        called = self.p_vacancy(grid) > 0.5
        missing, each = self.missing, self._each()
        caught = np.stack([one.density(grid)[called].sum(0) for one in each]) * step
        recall = np.array(
            [_mean(c[missing], one.shares[missing]) for c, one in zip(caught, each, strict=True)]
        )
        false = [_mean(c[~missing], one.shares[~missing]) for c, one in zip(caught, each, strict=True)]
        value = float(self.weight @ recall)
        low, high = (_quantile(recall, self.weight, q) for q in (0.05, 0.95))
        if self.shallow is not None:
            filled = [one.at_least(self.shallow) for one in each]
            off = [
                _mean(one.density(grid)[called].sum(0)[missing], one.shares[missing]) * step for one in filled
            ]
            low -= min(1.0, self.p_shallow / _EXCLUDED) * max(low - float(self.weight @ np.array(off)), 0.0)
        bare = [_mean(one.bare(self.states).density(grid)[called].sum(0)[missing], one.shares[missing]) * step
                for one in each]  # fmt: skip
        low, high = min(low, value), max(high, value, float(self.weight @ np.array(bare)))
        return Calls(min(value, 1.0), low, min(high, 1.0), min(float(self.weight @ false), 1.0))

    def _each(self) -> "list[_Mixture]":
        parts = zip(self.shares, self.means, self.widths, self.tail, strict=True)
        return [_Mixture(shares, means, widths, float(tail)) for shares, means, widths, tail in parts]


@dataclass(frozen=True)
class _Mixture:
    """One value of the scale."""

    shares: Array
    means: Array
    widths: Array
    tail: float

    def density(self, relative: Array) -> Array:
        return density(relative[:, None], self.means, self.widths, np.array(self.tail))

    def share_of(self, relative: Array) -> Array:
        joint = self.shares * self.density(relative)
        result: Array = joint / (joint.sum(1, keepdims=True) + UNKNOWN)
        return result

    def darkest(self, missing: Mask) -> float:
        """Brightness at which a vacancy is most certain."""
        if not missing.any():
            return -np.inf
        empty = int(np.argmin(np.where(missing, self.means, np.inf)))
        grid = self.means[empty] - self.widths[empty] * np.linspace(0, 5, 26)
        return float(grid[int(np.argmax(self.share_of(grid)[:, missing].sum(1)))])

    def at_least(self, brightness: float) -> "_Mixture":
        """The same with no state darker than this."""
        return _Mixture(self.shares, np.maximum(self.means, brightness), self.widths, self.tail)

    def bare(self, states: tuple[State, ...]) -> "_Mixture":
        """The same with nothing left in an empty site, light atoms neither."""
        left = np.array([s.relative if s.vacancy and not s.column_left else 0.0 for s in states])
        means = self.means[0] + (self.means - self.means[0]) / np.maximum(1 - left, 0.1)
        return _Mixture(self.shares, means, self.widths, self.tail)

    def beyond(self, relative: Array) -> Array:
        """(n,): two-sided tail of the full state."""
        z = np.abs(relative - self.means[0]) / self.widths[0] / np.sqrt(2)
        value: Array = (1 - self.tail) * erfc(z) + self.tail * erfc(z / TAIL_WIDTH)
        return value


def _mean(values: Array, weights: Array) -> float:
    return float(np.average(values, weights=np.maximum(weights, 1e-9)))


def _quantile(values: Array, weights: Array, q: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][min(int(np.searchsorted(total, q * total[-1])), len(values) - 1)])


def density(value: Array, means: Array, widths: Array, tail: Array) -> Array:
    """Of every state; the arrays are broadcast against each other."""
    z2 = ((value - means) / widths) ** 2
    core, wide = np.exp(-0.5 * z2), np.exp(-0.5 * z2 / TAIL_WIDTH**2) / TAIL_WIDTH
    density: Array = ((1 - tail) * core + tail * wide) / (np.sqrt(2 * np.pi) * widths)
    return density
