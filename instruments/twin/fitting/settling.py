"""After each move: where it arrived, how it crept on, and how it drifted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from eucentric.instruments.twin.fitting.moves import Looks

Floats = NDArray[np.float64]

_SHORTEST = 0.02
"""Least time constant, as a part of the longest wait."""
_LONGEST = 0.5
"""A longer creep can't be told from drift."""


@dataclass(frozen=True)
class Settled:
    """Arrival, creep and drift of N moves along x and y, each axis measured with the same precision."""

    tau_s: float
    arrived_s: Floats
    """(N,) [s]."""
    arrival: Floats
    """(N, 2) place at the end of the move [m]."""
    creep: Floats
    """(N, 2) all that is still to come [m]."""
    velocity: Floats
    """(N, 2) drift [m/s]."""
    covariance: Floats
    """(N, 3, 3) of arrival, creep and velocity, for measurements with variance 1."""
    noise: float
    """One sigma of a measured place [m]."""

    def steps(self) -> tuple[Floats, Floats]:
        """(N - 1, 2) jump of each later move at its arrival, and (N - 1,) its variance [m], [m²]."""
        wait = np.diff(self.arrived_s)
        grown = np.stack([np.ones_like(wait), 1 - np.exp(-wait / self.tau_s), wait], axis=1)
        known = np.stack([self.arrival, self.creep, self.velocity], axis=2)[:-1]
        before = np.einsum("nai,ni->na", known, grown)
        spread = np.einsum("ni,nij,nj->n", grown, self.covariance[:-1], grown) + self.covariance[1:, 0, 0]
        return self.arrival[1:] - before, self.noise**2 * spread


def settle(groups: Sequence[Looks]) -> Settled:
    """One time constant for all, the rest for each move."""
    wait = float(np.median([one.since_s[-1] for one in groups]))
    low, high = math.log(_SHORTEST * wait), math.log(_LONGEST * wait)
    grid = np.linspace(low, high, 25)
    rough = int(np.argmin([_misfit(groups, math.exp(value)) for value in grid]))
    span = grid[max(0, rough - 1)], grid[min(len(grid) - 1, rough + 1)]
    best = optimize.minimize_scalar(
        lambda value: _misfit(groups, math.exp(value)), bounds=span, method="bounded"
    )
    return _solved(groups, math.exp(float(best.x)))


def _design(since_s: Floats, tau_s: float) -> Floats:
    return np.stack([np.ones_like(since_s), 1 - np.exp(-since_s / tau_s), since_s], axis=1)


def _misfit(groups: Sequence[Looks], tau_s: float) -> float:
    """Sum of squares that no arrival, creep and drift explain."""
    total, known = 0.0, {}
    for one in groups:
        key = one.since_s.tobytes()
        if key not in known:
            q = np.linalg.qr(_design(one.since_s, tau_s))[0]
            known[key] = np.eye(len(q)) - q @ q.T
        total += float(np.sum((known[key] @ (one.measured - one.measured[0])) ** 2))
    return total


def _solved(groups: Sequence[Looks], tau_s: float) -> Settled:
    found, covariance = [], []
    for one in groups:
        design = _design(one.since_s, tau_s)
        found.append(np.linalg.lstsq(design, one.measured, rcond=None)[0])
        covariance.append(np.linalg.pinv(design.T @ design))
    freedom = sum(2 * (len(one.since_s) - 3) for one in groups)
    values = np.array(found)
    return Settled(
        tau_s=tau_s,
        arrived_s=np.array([one.arrived_s for one in groups]),
        arrival=values[:, 0],
        creep=values[:, 1],
        velocity=values[:, 2],
        covariance=np.array(covariance),
        noise=math.sqrt(_misfit(groups, tau_s) / max(freedom, 1)),
    )
