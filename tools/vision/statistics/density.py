"""From maps of single images to a density with an interval."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from eucentric.core.calls import Finding, Interval
from eucentric.core.errors import BadInput
from eucentric.tools.vision.atom_map import METHOD, AtomMap
from eucentric.tools.vision.statistics.clustering import Clustering, clustering
from eucentric.tools.vision.statistics.tally import MIN_RECALL, Tally, Z, tally_of, tally_of_finding, together

MIN_SITES = 50
"""Fewer examined sites in an image are no sample."""


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
    good = [m for m in maps if not m.cannot_tell and m.examined >= MIN_SITES]
    reason = "; ".join(sorted({m.cannot_tell or f"fewer than {MIN_SITES} sites examined" for m in maps}))
    tallies = [tally_of(m) for m in good]
    finding = _found(tallies, clustering(good, seed=seed), reason, _what(maps[0]), finding_id)
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
        tallies = [tally_of_finding(f) for f in good]
        pairs = sum(int(f.details["clustering"]["pairs"]) for f in good)
        expected = sum(float(f.details["clustering"]["expected_pairs"]) for f in good)
    except (KeyError, TypeError) as error:
        raise BadInput("a finding lacks its counts", f"missing: {error}", "detect defects again") from error
    # Few pairs among many sites: their number is Poisson's, if nothing draws them together.
    chance = float(special.pdtrc(pairs - 1, expected)) if pairs else 1.0
    total = sum(int(f.details["called"]) for f in good)
    company = sum(float(f.details["clustering"].get("company", 0.0)) * int(f.details["called"]) for f in good)
    pooled = Clustering(
        pairs, expected, pairs / expected if expected > 0 else None, chance, company / max(total, 1)
    )
    finding = _found(tallies, pooled, reason, findings[0].what, finding_id)
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
    tallies: Sequence[Tally], clusters: Clustering, reason: str, what: str, finding_id: str
) -> Finding:
    if not tallies:
        return Finding(
            id=finding_id, what=what, unit="%", interval=Interval(value=None, low=0.0, high=100.0), method=METHOD,
            cannot_tell=reason or "no image to count in",
        )  # fmt: skip
    whole = together(tallies)
    spread = overdispersion([t.called for t in tallies], [t.sites for t in tallies], clusters)
    interval, count = interval_of(whole, spread)
    return Finding(
        id=finding_id, what=what, unit="%", interval=interval, count=round(count, 3), of=int(whole.sites),
        method=METHOD,
        cannot_tell="" if whole.recall >= MIN_RECALL else f"only {whole.recall:.0%} of the vacancies would be found",
        details={
            "called": int(whole.called), "recall": round(whole.recall, 4),
            "expected_false_calls": round(whole.false, 3), "sum_of_probabilities": round(whole.probability, 3),
            "overdispersion": round(spread, 3), "images": len(tallies),
            "clustering": {
                "pairs": clusters.pairs, "expected_pairs": round(clusters.expected, 3),
                "ratio": None if clusters.ratio is None else round(clusters.ratio, 3),
                "p_value": round(clusters.p_value, 4), "company": round(clusters.company, 4),
            },
        }
        | _bounds(whole),
    )  # fmt: skip


def _what(one: AtomMap) -> str:
    kinds = [s.name for column in one.phase.columns for s in column.states if s.vacancy]
    if len(set(kinds)) == 1:
        return f"{kinds[0][2:]} vacancy density"
    return f"vacancy density over {', '.join(dict.fromkeys(kinds))}"


def _excluded(maps: Sequence[AtomMap]) -> list[str]:
    out = []
    for number, one in enumerate(maps, 1):
        lead = f"image {number}: " if len(maps) > 1 else ""
        if one.cannot_tell:
            out.append(f"{lead}all of it: {one.cannot_tell}")
        else:
            out.extend(lead + text for text in one.not_counted)
    return out


def _bounds(whole: Tally) -> dict[str, float]:
    """What is known of the recall."""
    if whole.recall_low is None or whole.recall_high is None:
        return {}
    return {"recall_low": round(whole.recall_low, 4), "recall_high": round(whole.recall_high, 4)}


def overdispersion(called: Sequence[float], sites: Sequence[float], clusters: Clustering) -> float:
    """Factor on the binomial variance, at least 1: scatter between images, and vacancies that come together.

    A cluster of c vacancies is one event, not c: of a compound Poisson process the variance grows by the mean size of
    the cluster that a vacancy is in, itself and its company.
    """
    seen, of = np.array(called, float), np.array(sites, float)
    total, n = seen.sum(), of.sum()
    between = 1.0
    if len(seen) >= 3 and total > 0:
        expected = of * total / n
        between = float((((seen - expected) ** 2) / np.maximum(expected * (1 - total / n), 1e-9)).sum())
        between /= len(seen) - 1
    return max(1.0, between, 1.0 + (clusters.company if clusters.p_value < 0.05 else 0.0))


def interval_of(whole: Tally, spread: float) -> tuple[Interval, float]:
    """(interval in percent, corrected count) of a tally whose calls scatter `spread` times as much as binomial ones."""
    called, n = whole.called, whole.sites
    if called < 1 or special.pdtrc(called - 1, max(whole.false, 1e-9)) > 0.05:
        # 95 % one-sided: nothing above the false calls was seen. With 0 of n this is the rule of three.
        top = float(special.betaincinv(called + 1, max(n - called, 1e-9), 0.95))
        high = min(1.0, top / whole.gain)  # false calls are not taken off an upper bound
        value = whole.density
        return Interval(value=100 * value, low=0.0, high=100 * high, only_upper=True), value * n
    low, high = wilson(called / n, n / spread)
    value, (less, more) = whole.density, whole.calibration
    below, above = value - whole.corrected(low), whole.corrected(high) - value
    return (
        Interval(
            value=100 * value, low=100 * max(0.0, value - math.hypot(below, less)),
            high=100 * min(1.0, value + math.hypot(above, more)),
        ),
        value * n,
    )  # fmt: skip


def wilson(q: float, n: float) -> tuple[float, float]:
    """Wilson's score interval for a share `q` of `n`."""
    centre = (q + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(q * (1 - q) / n + Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)
