"""Do the statistics of defects keep their word? Drawn lattices, samples, conditions and dose series of known truth."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from eucentric.bench.contract import report, share_at_least, share_at_most
from eucentric.bench.images.drawn_samples import (
    Damage,
    Design,
    Instrument,
    looks,
    map_of,
    tallies,
    vacant_sites,
)
from eucentric.core.calls import Interval
from eucentric.tools.vision import arrangement_of, pair_correlation, topology, vacancy_density
from eucentric.tools.vision.statistics import aggregated, compare, dose_series

_WHAT, _DENSITY, _SIDE = "Ti vacancy density", 0.02, 40
_HOW = Instrument()
_CLUSTERS = {"one by one": 1.0, "pairs": 1.6, "clusters of 3": 3.0}
_DESIGNS = (
    Design(1, 4, 0.0, 0.3), Design(1, 12, 0.0, 0.3), Design(3, 3, 0.3, 0.2), Design(5, 3, 0.3, 0.2),
    Design(10, 3, 0.3, 0.2), Design(20, 2, 0.4, 0.2),
)  # fmt: skip
_CONDITIONS = (Design(3, 3, 0.2, 0.2), Design(5, 3, 0.2, 0.2), Design(8, 3, 0.3, 0.2))
_ONE = Design(1, 6, 0.2, 0.2)
"""No conditions can be told from it: what its test finds are two samples."""
_DAMAGE = (Damage(0.02, 0.0), Damage(0.02, 0.01), Damage(0.01, 0.05), Damage(0.05, 0.02, frames=3))

Case = dict[str, Any]


def run(*, quick: bool, seed: int) -> dict[str, Any]:
    """Coverage of intervals, false positives and power of tests.

    Parameters
    ----------
    quick
        Fewer draws; ends within 50 s.
    seed
        Of all draws.
    """
    rng, many = np.random.default_rng(seed), 1 if quick else 4
    cases: list[Case] = []
    for part, count in (
        (_clustered, 40),
        (_aggregated, 80),
        (_compared, 50),
        (_distances, 50),
        (_damaged, 30),
    ):
        start = time.process_time()
        cases += [one | {"seconds": 0.0} for one in part(rng, count * many)]
        cases[-1]["seconds"] = round(time.process_time() - start, 3)
    return report(
        "defect-statistics", seed, {one["id"]: one["outputs"] for one in cases}, _bars(cases), cases=cases
    )


def _covers(interval: Interval, truth: float) -> bool:
    return interval.low - 1e-9 <= truth <= interval.high + 1e-9


def _clustered(rng: np.random.Generator, count: int) -> list[Case]:
    """The interval of a density from three images, vacancies alone and in clusters."""
    out = []
    for name, size in _CLUSTERS.items():
        sound, widths = 0, []
        for _ in range(count):
            maps = [map_of(vacant_sites(_SIDE, _DENSITY, size, rng), _HOW, rng) for _ in range(3)]
            interval = vacancy_density(maps).interval
            sound += _covers(interval, 100 * _DENSITY)
            widths.append(interval.high - interval.low)
        out.append(
            _case(f"density, {name}", sound, count, {"width_median": round(float(np.median(widths)), 3)})
        )
    return out


def _aggregated(rng: np.random.Generator, count: int) -> list[Case]:
    """Intervals over samples and frames."""
    out = []
    for design in _DESIGNS:
        found = [
            aggregated(tallies(design, _DENSITY, _HOW, rng), what=_WHAT, seed=k, rounds=800)
            for k in range(count)
        ]
        sound = sum(_covers(one.interval, 100 * _DENSITY) for one in found)
        width = float(np.median([one.interval.high - one.interval.low for one in found]))
        more = {"width_median": round(width, 3), "by": found[0].method}
        out.append(_case(f"aggregate, {design.name}", sound, count, more))
    return out


def _compared(rng: np.random.Generator, count: int) -> list[Case]:
    """Two conditions that are alike, and two that differ twofold."""
    out = []
    for design in _CONDITIONS:
        for ratio in (1.0, 2.0):
            pair = [
                (tallies(design, d, _HOW, rng) for d in (_DENSITY, ratio * _DENSITY)) for _ in range(count)
            ]
            found = [compare(*sides, what=_WHAT, seed=k) for k, sides in enumerate(pair)]
            said = sum(one.p_value is not None and one.p_value < 0.05 for one in found)
            covered = sum(one.ratio is not None and _covers(one.ratio, ratio) for one in found)
            name = "alike" if ratio == 1 else "twofold"
            more = {"ratio_covered": round(covered / count, 3), "by": found[0].test}
            out.append(_case(f"compare, {name}, {design.name}", said, count, more))
    pairs = [[tallies(_ONE, _DENSITY, _HOW, rng) for _ in range(2)] for _ in range(count)]
    found = [compare(*sides, what=_WHAT, seed=k) for k, sides in enumerate(pairs)]
    said = sum(one.p_value is not None and one.p_value < 0.05 for one in found)
    warned = sum("can't tell" in one.verdict or one.verdict == "no difference seen" for one in found)
    more = {"by": found[0].test, "warned": round(warned / count, 3)}
    return [*out, _case(f"one sample a side, alike, {_ONE.name}", said, count, more)]


def _distances(rng: np.random.Generator, count: int) -> list[Case]:
    """g(r) and clusters of images without and with clustering."""
    out = []
    for name, size in _CLUSTERS.items():
        sites = [
            arrangement_of(map_of(vacant_sites(_SIDE, _DENSITY, size, rng), _HOW, rng)) for _ in range(count)
        ]
        for what, test in (("distances", _pairs_differ), ("clusters", _clusters_differ)):
            said = sum(test(one, k) for k, one in enumerate(sites))
            out.append(_case(f"{what}, {name}", said, count, {}))
    return out


def _pairs_differ(sites: Any, seed: int) -> bool:
    p = pair_correlation([sites], rounds=199, seed=seed).p_value
    return p is not None and p < 0.05


def _clusters_differ(sites: Any, seed: int) -> bool:
    return topology([sites], rounds=199, seed=seed).p_value < 0.05


def _damaged(rng: np.random.Generator, count: int) -> list[Case]:
    """Density at zero dose, rate of damage, and which sites the beam made."""
    out = []
    for damage in _DAMAGE:
        before = rate = hit = named = true = 0
        naive = []
        for _ in range(count):
            frames, made = looks(damage, _HOW, rng)
            found = dose_series(frames, what=_WHAT)
            before += _covers(found.before.interval, 100 * damage.before)
            rate += _covers(found.rate.interval, 100 * damage.made / damage.dose)
            said = {one.site for one in found.made}
            hit, named, true = hit + len(said & made), named + len(said), true + len(made)
            naive.append(found.frames[-1]["density"])
        name = f"{damage.before:.0%} there, {damage.made:.0%} made, {damage.frames} frames"
        more = {
            "precision_of_made": round(hit / named, 3) if named else None,
            "recall_of_made": round(hit / true, 3) if true else None,
            "named_of_each": round(named / count, 3),
            "last_frame_alone_percent": round(float(np.mean(naive)), 3),
        }
        out.append(_case(f"zero dose, {name}", before, count, more))
        out.append(_case(f"damage rate, {name}", rate, count, {}))
    return out


def _case(name: str, hits: int, n: int, more: dict[str, Any]) -> Case:
    outputs = {"share": round(hits / n, 4), "n": n} | more
    return {"id": name, "outputs": outputs, "hits": hits, "pass": True, "deviation": 0.0}


_Bar = Callable[..., dict[str, Any]]
_CLAIMS: tuple[tuple[str, _Bar, float, tuple[str, ...]], ...] = (
    ("95 % intervals of a density cover the truth, clustered or not", share_at_least, 0.90, ("density,",)),
    ("95 % intervals over samples and frames cover the truth", share_at_least, 0.92, ("aggregate,",)),
    ("conditions that are alike are said to differ (5 %)", share_at_most, 0.07, ("compare, alike",)),
    ("a twofold density is seen with 5 and 8 samples a side", share_at_least, 0.80,
     ("compare, twofold, 5", "compare, twofold, 8")),
    ("distances and clusters of vacancies at random are called unlike chance (5 %)", share_at_most, 0.07,
     ("distances, one", "clusters, one")),
    ("clusters of 3 are seen by g(r) in one image of 1,600 sites", share_at_least, 0.80, ("distances, clusters",)),
    ("the density at zero dose is covered", share_at_least, 0.90, ("zero dose,",)),
    ("the rate of damage is covered", share_at_least, 0.90, ("damage rate,",)),
)  # fmt: skip


def _bars(cases: list[Case]) -> list[dict[str, Any]]:
    out = []
    for claim, bar, limit, starts in _CLAIMS:
        used = [one for one in cases if one["id"].startswith(starts)]
        n = sum(one["outputs"]["n"] for one in used)
        out.append(bar(claim, sum(one["hits"] for one in used), n, limit, n_needed=50))
    return out
