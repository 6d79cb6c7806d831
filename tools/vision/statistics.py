"""From maps of single images to a density with an interval, and whether vacancies sit together.

The called share q of the examined sites is corrected for what is missed and what is called wrongly
(Rogan and Gladen, Am. J. Epidemiol. 107 (1978) 71): density = (q - f) / (r - f), with recall r and
false-call rate f by the intensity populations of the images themselves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial import cKDTree

from eucentric.core.calls import Finding, Interval
from eucentric.core.errors import BadInput
from eucentric.tools.vision.atom_map import METHOD, AtomMap

_Z = 1.959963984540054
_MIN_RECALL = 0.3
_MIN_SITES = 50


@dataclass(frozen=True)
class Clustering:
    """Neighbouring pairs of vacancies against complete spatial randomness on the same sites."""

    pairs: int
    expected: float
    ratio: float | None
    p_value: float
    """Share of random arrangements with at least as many pairs."""


@dataclass(frozen=True)
class _Tally:
    """What one image contributes."""

    called: float
    sites: float
    recall: float
    false: float
    probability: float


def vacancy_density(
    maps: Sequence[AtomMap],
    *,
    finding_id: str = "vacancy-density",
    evidence: Sequence[str] = (),
    seed: int = 0,
) -> Finding:
    """Share of column sites that are vacant, pooled over images of one phase, with a 95 % interval.

    Parameters
    ----------
    maps
        One for each image, of different places. Maps that cannot tell are left out, and said so.
    finding_id, evidence
        Go into the finding; `evidence` are frame ids.
    seed
        Of the random arrangements behind the clustering test.

    Raises
    ------
    BadInput
        If there is no map, or the maps are of different phases.
    """
    if not maps or len({m.phase.name for m in maps}) > 1:
        raise BadInput(
            "a density needs maps of one phase",
            f"{len(maps)} maps given",
            "combine images of the same material",
        )
    good = [m for m in maps if not m.cannot_tell and m.examined >= _MIN_SITES]
    reason = "; ".join(sorted({m.cannot_tell or f"fewer than {_MIN_SITES} sites examined" for m in maps}))
    tallies = [
        _Tally(
            m.called, m.examined, m.recall, m.false_calls, float(m.sites_p_vacancy[m.sites_examined].sum())
        )
        for m in good
    ]
    finding = _found(tallies, clustering(good, seed=seed), reason, f"{_what(maps[0])} density", finding_id)
    coherence = min((m.coherence for m in maps), default=0.0)
    return finding.model_copy(
        update={
            "evidence": tuple(evidence), "excluded": tuple(_excluded(maps)),
            "details": finding.details
            | {"coherence": round(coherence, 4), "phase": maps[0].phase.name}
            | _by_hand(maps),
        }
    )  # fmt: skip


def _by_hand(maps: Sequence[AtomMap]) -> dict[str, int]:
    """Sites where a person's word was counted, if there are any."""
    count = sum(len(one.sites_by_hand) for one in maps)
    return {"by_hand": count} if count else {}


def combined_density(findings: Sequence[Finding], *, finding_id: str = "vacancy-density-all") -> Finding:
    """One density from the findings of single images, counted again from what each of them holds.

    Raises
    ------
    BadInput
        If there is none, they are of different kinds, or one of them was not made by `vacancy_density`.
    """
    kinds = {(f.what, f.details.get("phase")) for f in findings}
    if len(kinds) != 1:
        raise BadInput(
            f"{len(findings)} findings of {len(kinds)} kinds cannot be one density",
            "they must be of one phase and one kind of vacancy",
            "detect defects in images of one material first",
        )
    good = [f for f in findings if not f.cannot_tell]
    reason = "; ".join(sorted({f.cannot_tell for f in findings if f.cannot_tell}))
    try:
        tallies = [
            _Tally(
                f.details["called"],
                f.of,
                f.details["recall"],
                f.details["expected_false_calls"],
                f.details["sum_of_probabilities"],
            )
            for f in good
        ]
        pairs = sum(int(f.details["clustering"]["pairs"]) for f in good)
        expected = sum(float(f.details["clustering"]["expected_pairs"]) for f in good)
    except (KeyError, TypeError) as error:
        raise BadInput("a finding lacks its counts", f"missing: {error}", "detect defects again") from error
    # Few pairs among many sites: their number is Poisson's, if nothing draws them together.
    chance = float(stats.poisson.sf(pairs - 1, expected)) if pairs else 1.0
    together = Clustering(pairs, expected, pairs / expected if expected > 0 else None, chance)
    finding = _found(tallies, together, reason, findings[0].what, finding_id)
    return finding.model_copy(
        update={
            "evidence": tuple(dict.fromkeys(e for f in findings for e in f.evidence)),
            "excluded": tuple(
                f"{', '.join(f.evidence) or f.id}: {text}"
                for f in findings
                for text in ((f"all of it: {f.cannot_tell}",) if f.cannot_tell else f.excluded)
            ),
            "details": finding.details | {"phase": findings[0].details.get("phase")},
        }
    )


def _found(
    tallies: Sequence[_Tally], clusters: Clustering, reason: str, what: str, finding_id: str
) -> Finding:
    if not tallies:
        return Finding(
            id=finding_id, what=what, unit="%", interval=Interval(value=None, low=0.0, high=100.0), method=METHOD,
            cannot_tell=reason or "no image to count in",
        )  # fmt: skip
    sites, called = np.array([t.sites for t in tallies], float), np.array([t.called for t in tallies], float)
    recall = float(np.average([t.recall for t in tallies], weights=sites))
    false = float(sum(t.false for t in tallies))
    spread = overdispersion(called, sites, clusters)
    interval, count = _interval(float(called.sum()), float(sites.sum()), recall, false, spread)
    return Finding(
        id=finding_id, what=what, unit="%", interval=interval, count=round(count, 3), of=int(sites.sum()),
        method=METHOD,
        cannot_tell="" if recall >= _MIN_RECALL else f"only {recall:.0%} of the vacancies would be found",
        details={
            "called": int(called.sum()), "recall": round(recall, 4), "expected_false_calls": round(false, 3),
            "sum_of_probabilities": round(sum(t.probability for t in tallies), 3),
            "overdispersion": round(spread, 3), "images": len(tallies),
            "clustering": {
                "pairs": clusters.pairs, "expected_pairs": round(clusters.expected, 3),
                "ratio": None if clusters.ratio is None else round(clusters.ratio, 3),
                "p_value": round(clusters.p_value, 4),
            },
        },
    )  # fmt: skip


def _what(one: AtomMap) -> str:
    kinds = [s.name for column in one.phase.columns for s in column.states if s.vacancy]
    return (
        " and ".join(dict.fromkeys(kinds)) + " vacancy" if len(set(kinds)) > 1 else f"{kinds[0][2:]} vacancy"
    )


def _excluded(maps: Sequence[AtomMap]) -> list[str]:
    out = []
    for number, one in enumerate(maps, 1):
        lead = f"image {number}: " if len(maps) > 1 else ""
        if one.cannot_tell:
            out.append(f"{lead}all of it: {one.cannot_tell}")
        else:
            out.extend(lead + text for text in one.not_counted)
    return out


def overdispersion(called: NDArray[np.float64], sites: NDArray[np.float64], clusters: Clustering) -> float:
    """Factor on the binomial variance, at least 1: scatter between images, and vacancies that come together.

    A cluster of c vacancies is one event, not c: with a mean of w neighbours beyond chance, the variance
    grows by 1 + w (mean cluster size of a compound Poisson).
    """
    total, n = called.sum(), sites.sum()
    between = 1.0
    if len(called) >= 3 and total > 0:
        expected = sites * total / n
        between = float((((called - expected) ** 2) / np.maximum(expected * (1 - total / n), 1e-9)).sum())
        between /= len(called) - 1
    beyond = 2 * max(clusters.pairs - clusters.expected, 0.0) / max(total, 1.0)
    return max(1.0, between, 1.0 + (beyond if clusters.p_value < 0.05 else 0.0))


def _interval(called: float, n: float, recall: float, false: float, spread: float) -> tuple[Interval, float]:
    """(interval in percent, corrected count)."""
    rate = min(false / n, 0.5 * recall)
    gain = max(recall - rate, 0.05)

    def corrected(q: float) -> float:
        return float(np.clip((q - rate) / gain, 0.0, 1.0))

    if called <= 0 or stats.poisson.sf(called - 1, max(false, 1e-9)) > 0.05:
        # 95 % one-sided: nothing above the false calls was seen. With 0 of n this is the rule of three.
        top = float(stats.beta.ppf(0.95, called + 1, max(n - called, 1e-9)))
        high = min(1.0, top / gain)  # false calls are not taken off an upper bound
        value = corrected(called / n)
        return Interval(value=100 * value, low=0.0, high=100 * high, only_upper=True), value * n
    low, high = _wilson(called / n, n / spread)
    # The correction is itself uncertain: about a fifth of the false calls, a tenth of what is missed.
    extra = math.hypot(0.2 * rate / gain, 0.1 * (1 - recall) * called / n / gain)
    value = corrected(called / n)
    below, above = value - corrected(low), corrected(high) - value
    return (
        Interval(
            value=100 * value,
            low=100 * max(0.0, value - math.hypot(below, _Z * extra)),
            high=100 * min(1.0, value + math.hypot(above, _Z * extra)),
        ),
        value * n,
    )


def _wilson(q: float, n: float) -> tuple[float, float]:
    """Wilson's score interval for a share `q` of `n`."""
    centre = (q + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(q * (1 - q) / n + _Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def clustering(maps: Sequence[AtomMap], *, rounds: int = 999, seed: int = 0) -> Clustering:
    """Pairs of called vacancies on neighbouring sites, against the same number put on the examined sites at random.

    Neighbouring means sites of the same kind of column at their shortest distance; each image keeps its number.
    """
    rng = np.random.default_rng(seed)
    seen, drawn = 0, np.zeros(rounds)
    for one in maps:
        use = np.flatnonzero(one.sites_examined)
        vacant = one.sites_p_vacancy[use] > 0.5
        if not vacant.any() or one.pixel_pm is None:
            continue
        reach = 1.25 * one.phase.spacing_angstrom * 100 / one.pixel_pm
        pairs = cKDTree(one.sites_xy[use]).query_pairs(
            reach if one.phase.equal_columns else reach * math.sqrt(3), output_type="ndarray"
        )
        seen += int((vacant[pairs[:, 0]] & vacant[pairs[:, 1]]).sum())
        for turn in range(rounds):
            mark = np.zeros(len(use), bool)
            mark[rng.choice(len(use), int(vacant.sum()), replace=False)] = True
            drawn[turn] += (mark[pairs[:, 0]] & mark[pairs[:, 1]]).sum()
    expected = float(drawn.mean())
    p = (1 + int((drawn >= seen).sum())) / (1 + rounds)
    return Clustering(seen, expected, seen / expected if expected > 0 else None, p)
