"""Pair correlation over lattice shells, with one p-value for the whole curve.

g of a shell is the number of pairs of vacancies over its mean among random arrangements on the same sites, so the
border of the image needs no correction. The p-value is that of a global envelope test scaled by directional quantiles
(Myllymäki et al., Spat. Stat. 11 (2015) 19): how far the curve leaves its middle anywhere, in the widths of each shell
upwards and downwards, among those of the random arrangements. It does not grow with the number of shells that are
looked at. (Plain ranks need thousands of arrangements: pairs are few whole numbers, and many curves share a rank.)
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eucentric.core.base import Model
from eucentric.tools.vision.statistics.arrangement import Arrangement
from eucentric.tools.vision.statistics.chance import ROUNDS, pair_counts, scattered

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

REACH = 5.0
"""Farthest shell [spacings of sites]."""
FEWEST = 6
"""Vacancies below which nothing is said about their distances."""
LEVEL = 0.05


class Shell(Model):
    """Pairs of vacancies at one distance."""

    spacings: float
    """Distance in spacings of sites."""
    nm: float | None
    pairs: int
    expected: float
    g: float | None
    """None where no random arrangement has a pair."""
    low: float | None
    """95 % global envelope of g."""
    high: float | None


class PairCorrelation(Model):
    """g(r) against complete spatial randomness."""

    vacancies: int
    shells: tuple[Shell, ...]
    p_value: float | None
    """Of the whole curve; None with too few vacancies."""
    verdict: str


def pair_correlation(
    images: Sequence[Arrangement], *, reach: float = REACH, rounds: int = ROUNDS, seed: int = 0
) -> PairCorrelation:
    """g over lattice shells, pooled over images of different places.

    Parameters
    ----------
    images
        Counted sites of each image.
    reach
        Farthest shell [spacings of sites].
    rounds, seed
        Of the random arrangements.
    """
    number = int(sum(one.vacant.sum() for one in images))
    if number < FEWEST:
        return PairCorrelation(
            vacancies=number, shells=(), p_value=None, verdict=f"cannot tell: {number} vacancies, {FEWEST} are needed"
        )  # fmt: skip
    lengths, curves = _counted([one for one in images if one.vacant.sum() > 1], reach, rounds, seed)
    if not len(lengths):
        return PairCorrelation(
            vacancies=number, shells=(), p_value=None, verdict="cannot tell: no pair can be near"
        )
    middle, down, up = _widths(curves)
    apart = np.maximum((middle - curves) / down, (curves - middle) / up).max(1)
    p = float((apart >= apart[0] - 1e-9).mean())
    most = float(np.quantile(apart, 1 - LEVEL, method="higher"))
    envelope = np.stack([np.maximum(middle - most * down, 0.0), middle + most * up])
    nm = [one.spacing_nm for one in images if one.spacing_nm > 0]
    shells = _shells(lengths, curves, envelope, float(np.mean(nm)) if nm else None)
    return PairCorrelation(vacancies=number, shells=shells, p_value=round(p, 4), verdict=_verdict(p, shells))


def _counted(images: Sequence[Arrangement], reach: float, rounds: int, seed: int) -> tuple[Array, Counts]:
    """Squared lengths of the shells, and (1 + rounds, shells) pairs: first as seen, then at random."""
    rng = np.random.default_rng(seed)
    total: dict[float, Counts] = {}
    for one in images:
        marks = np.concatenate([one.vacant[:, None], scattered(one, rounds, rng)], axis=1)
        for pairs, norm in one.pairs_within(reach**2):
            total[norm] = total.get(norm, np.zeros(1 + rounds, np.int64)) + pair_counts(marks, pairs)
    kept = sorted(norm for norm, counts in total.items() if counts[1:].any() or counts[0])
    return np.array(kept), np.stack([total[n] for n in kept], 1) if kept else np.zeros(
        (1 + rounds, 0), np.int64
    )


def _widths(curves: Counts) -> tuple[Array, Array, Array]:
    """Mean of all curves at each shell, and how wide they lie below and above it."""
    middle = curves.mean(0)
    low, high = np.quantile(curves, (0.025, 0.975), axis=0)
    least = np.maximum(curves.std(0), 1e-9)
    return middle, np.maximum(middle - low, least), np.maximum(high - middle, least)


def _shells(lengths: Array, curves: Counts, envelope: Array, nm: float | None) -> tuple[Shell, ...]:
    out = []
    for k, norm in enumerate(lengths):
        mean = float(curves[1:, k].mean())
        g, low, high = (
            round(float(x) / mean, 4) if mean > 0 else None for x in (curves[0, k], *envelope[:, k])
        )
        r = float(np.sqrt(norm))
        out.append(
            Shell(
                spacings=round(r, 4), nm=None if nm is None else round(r * nm, 4), pairs=int(curves[0, k]),
                expected=round(mean, 3), g=g, low=low, high=high,
            )
        )  # fmt: skip
    return tuple(out)


def _verdict(p: float, shells: tuple[Shell, ...]) -> str:
    if p >= LEVEL:
        return "no different from chance"
    above = [s for s in shells if s.g is not None and s.high is not None and s.g > s.high]
    below = [s for s in shells if s.g is not None and s.low is not None and s.g < s.low]
    parts = [
        f"{word} than chance at {', '.join(f'{s.spacings:.3g}' for s in part[:4])} spacings"
        for word, part in (("more pairs", above), ("fewer pairs", below))
        if part
    ]
    return "; ".join(parts) or "unlike chance over several shells"
