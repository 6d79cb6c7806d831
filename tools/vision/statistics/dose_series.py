"""Frames of one place while the dose adds up: what was there before the beam, and what the beam made.

The same sites are seen again and again, so frames are not independent: a site that was vacant before is vacant in
all of them. Each site is taken as vacant from the start (share `before`) or from a dose on (rate per dose, as a
first-order process), and called in each frame with its recall if vacant, with its rate of false calls if not. The
likelihood of all call patterns gives the density at zero dose and the rate, with profile-likelihood intervals.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize, minimize_scalar

from eucentric.core.base import Model
from eucentric.core.calls import Finding, Interval
from eucentric.core.errors import BadInput

Array = NDArray[np.float64]
Calls = NDArray[np.int8]

_CHI2 = 3.841458820694124
_RAREST = 1e-6
"""A call is never impossible."""


@dataclass(frozen=True)
class Look:
    """What one frame says about all sites."""

    dose: float
    """That the place had had by the middle of this frame."""
    called: Calls
    """(n,) int8: 1 called, 0 not, -1 not seen in this frame."""
    recall: float
    false_rate: float
    """False calls a site."""


class Made(Model):
    """A site that was vacant in later frames only."""

    site: int
    first_frame: int
    """Number of the first frame that called it, from 1."""
    p: float
    """Probability that it was made between two of the frames."""


class DoseSeries(Model):
    """Density against dose."""

    before: Finding
    """Density at zero dose."""
    rate: Finding
    """Damage, as share of sites per dose."""
    frames: tuple[dict[str, float], ...]
    """Each: dose, sites, called, density [%]."""
    made: tuple[Made, ...]
    """Sites whose vacancy was made by the beam while it was looked at; none are named unless the rate is above 0."""
    there: tuple[int, ...]
    """Called sites that were vacant when first looked at."""
    unit: str
    """Of the dose."""


def dose_series(looks: Sequence[Look], *, what: str, unit: str = "e/Å²", spread: float = 1.0) -> DoseSeries:
    """Density at zero dose and the rate of damage from frames of one place.

    Parameters
    ----------
    looks
        In order of dose, each with the same n sites.
    what
        Such as 'Ti vacancy density'.
    unit
        Of the dose.
    spread
        Factor on the variance by vacancies that come together.

    Raises
    ------
    BadInput
        With fewer than two frames, or doses that do not grow.
    """
    doses = np.array([look.dose for look in looks])
    if len(looks) < 2 or np.any(np.diff(doses) <= 0) or doses[0] < 0:
        raise BadInput(
            f"{len(looks)} frames with doses {', '.join(f'{d:.3g}' for d in doses[:6])} are no series",
            "two and more frames of one place are needed, each after more dose",
            "give the frames in the order of their dose",
        )
    calls = np.stack([look.called for look in looks], 1)
    fit = _Fit(_onset_likelihood(calls, looks), doses, spread)
    before, damage = fit.best
    low, high = fit.interval(0)
    slow, fast = fit.interval(1)
    scale = 1 / doses[-1]
    common = {"frames": len(looks), "dose_unit": unit, "overdispersion": round(spread, 3)}
    made, there = _named(fit.onsets(), calls)
    return DoseSeries(
        before=Finding(
            id="density-before-the-beam", what=f"{what} at zero dose", unit="%", of=len(calls), method=_METHOD,
            interval=Interval(value=100 * before, low=100 * low, high=100 * high), details=common,
        ),
        rate=Finding(
            id="damage-rate", what=f"{what}, made by the beam", of=len(calls), method=_METHOD, details=common,
            unit=f"% of the sites per {unit.removesuffix('s')}",
            interval=Interval(value=100 * damage * scale, low=100 * slow * scale, high=100 * fast * scale),
        ),
        frames=tuple(_row(look) for look in looks), made=made if slow > 0 else (), there=there, unit=unit,
    )  # fmt: skip


_METHOD = "first-order damage of lattice sites, maximum likelihood of call patterns, profile intervals"


def _row(look: Look) -> dict[str, float]:
    seen = look.called >= 0
    q = float((look.called[seen] == 1).mean()) if seen.any() else 0.0
    share = float(np.clip((q - look.false_rate) / max(look.recall - look.false_rate, 0.05), 0, 1))
    return {
        "dose": look.dose, "sites": int(seen.sum()), "called": int((look.called == 1).sum()),
        "density": round(100 * share, 4),
    }  # fmt: skip


def _onset_likelihood(calls: Calls, looks: Sequence[Look]) -> Array:
    """(n, frames + 1) log-likelihood of each site's calls, if it is vacant from frame k on (last: never)."""
    intact: list[Array] = []
    vacant: list[Array] = []
    for column, look in zip(calls.T, looks, strict=True):
        rates = np.clip([look.false_rate, look.recall], _RAREST, 1 - _RAREST)
        for rate, part in zip(rates, (intact, vacant), strict=True):
            part.append(np.where(column == 1, math.log(rate), np.where(column == 0, math.log(1 - rate), 0.0)))
    zero = np.zeros((len(calls), 1))
    until = np.concatenate([zero, np.cumsum(np.stack(intact, 1), axis=1)], axis=1)
    from_then = np.cumsum(np.stack(vacant, 1)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(until + np.concatenate([from_then, zero], axis=1))


class _Fit:
    """Share before, and share made over the whole dose, by maximum likelihood."""

    def __init__(self, likelihood: Array, doses: Array, spread: float) -> None:
        self._all = likelihood
        patterns, self._count = np.unique(np.round(likelihood, 9), axis=0, return_counts=True)
        self._top = patterns.max(1, keepdims=True)
        self._part = np.exp(patterns - self._top)
        self._dose = doses / doses[-1]
        self._spread = spread
        self.best = self._maximum()

    def weights(self, before: float, damage: float) -> Array:
        """(frames + 1,) chance of each onset."""
        left = (1 - before) * np.exp(math.log1p(-min(damage, 1 - 1e-9)) * self._dose)
        return np.concatenate([[1 - left[0]], left[:-1] - left[1:], [left[-1]]])

    def value(self, before: float, damage: float) -> float:
        """Log-likelihood."""
        chance = self._part @ self.weights(before, damage)
        return float(self._count @ (np.log(np.maximum(chance, 1e-300)) + self._top[:, 0]))

    def _maximum(self) -> tuple[float, float]:
        start = [(b, d) for b in (0.002, 0.02, 0.1) for d in (0.001, 0.01, 0.1)]
        first = max(start, key=lambda pair: self.value(*pair))
        scale = np.array(first)
        found = minimize(
            lambda x: -self.value(*np.clip(x * scale, 0, 0.95)), (1.0, 1.0), method="Nelder-Mead",
            bounds=[(0, 0.95 / scale[0]), (0, 0.95 / scale[1])], options={"xatol": 1e-5, "fatol": 1e-7, "maxiter": 800},
        )  # fmt: skip
        before, damage = np.clip(found.x * scale, 0, 0.95)
        return float(before), float(damage)

    def interval(self, which: int) -> tuple[float, float]:
        """95 % of one of the two, the other at its best for each value."""
        top, best = self.value(*self.best), self.best[which]

        def drop(x: float) -> float:
            return 2 * (top - self._profile(which, x)) / self._spread - _CHI2

        low = 0.0 if drop(0.0) <= 0 else float(brentq(drop, 0.0, best, xtol=1e-6))
        edge = max(2 * best, 1e-3)
        while edge < 0.9 and drop(edge) < 0:
            edge *= 2
        high = float(brentq(drop, best, min(edge, 0.9), xtol=1e-6)) if drop(min(edge, 0.9)) > 0 else 0.9
        return low, high

    def _profile(self, which: int, x: float) -> float:
        def loss(y: float) -> float:
            return -self.value(*((x, y) if which == 0 else (y, x)))

        top = max(4 * self.best[1 - which], 0.02)
        found = minimize_scalar(loss, bounds=(0.0, min(top, 0.95)), method="bounded", options={"xatol": 1e-7})
        return -min(float(found.fun), loss(0.0))

    def onsets(self) -> Array:
        """(n, frames + 1) probability of each onset, site by site."""
        joint = np.exp(self._all - self._all.max(1, keepdims=True)) * self.weights(*self.best)
        return np.asarray(joint / joint.sum(1, keepdims=True))


def _named(onsets: Array, calls: Calls) -> tuple[tuple[Made, ...], tuple[int, ...]]:
    ever = np.flatnonzero((calls == 1).any(1))
    between = onsets[:, 1:-1].sum(1)
    made = [
        Made(site=int(k), first_frame=int(np.argmax(calls[k] == 1)) + 1, p=round(float(between[k]), 4))
        for k in ever
        if between[k] > 0.5
    ]
    return tuple(made), tuple(int(k) for k in ever if onsets[k, 0] > 0.5)
