"""Patterns of all seven crystal systems: indexed rightly, tilt right, and does the reader know when it can't tell?"""

import statistics
from typing import Any

import numpy as np

from eucentric.bench.contract import at_most, report, share_at_least, share_at_most
from eucentric.bench.crystals.patterns import (
    LIGHT,
    NAMES,
    SCREEN,
    Tally,
    described,
    draw,
    judge,
    known,
    lean_off_deg,
    read,
    structure,
)
from eucentric.knowledge.diffraction import Screen, counted, layer_pattern, layer_spots, structure_named
from eucentric.tools.vision.pattern import read_pattern

_SCALE_ERROR = 0.02
_ROUGH = 0.05
_WITHIN_DEG = 0.1
_WRONG_PHASE = {
    "Si": "TiO2", "SrTiO3": "Ti", "TiO2": "quartz", "BaTiO3": "Si", "Ti": "SrTiO3", "quartz": "BaTiO3",
    "MoO3": "SrTiO3", "ZrO2": "Ti", "triclinic": "Si",
}  # fmt: skip
_Z = 2.4477
"""Radius of the 95 % circle of a two-dimensional normal distribution, in standard errors."""


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Random patterns near axes and anywhere, rough scales, wrong phases and single layers [DECISIONS 14]."""
    rounds = 1 if quick else 8
    rng = np.random.default_rng(seed)
    cases: list[dict[str, Any]] = []
    near, anywhere, offsets, pattern_ms, seconds = _right_phase(rounds, rng, cases)
    rough = _rough_scale(1 if quick else 3, rng, cases)
    accepted, tried = _wrong_phase(1 if quick else 3, rng)
    layers_told, layers = _single_layers(3 if quick else 12, rng)
    total = Tally(near.right + anywhere.right + rough.right, near.wrong + anywhere.wrong + rough.wrong)
    answered = total.right + total.wrong
    within = sum(off <= _WITHIN_DEG for off, _ in offsets)
    covered = sum(off <= _Z * sigma for off, sigma in offsets)
    bars = [
        share_at_least("near an axis: phase and zone axis right", near.right, near.n, 0.9, n_needed=60),
        share_at_most("wrong among all answers", total.wrong, answered, 0.02, n_needed=150),
        share_at_least(
            "camera constant 5 % off: right near an axis", rough.right, rough.n, 0.85, n_needed=20
        ),
        share_at_most("patterns of another phase that are indexed", accepted, tried, 0.05, n_needed=20),
        share_at_least("tilt told: within 0.1 deg of the truth", within, len(offsets), 0.9, n_needed=60),
        share_at_least("tilt told: truth within the 95 % circle", covered, len(offsets), 0.85, n_needed=60),
        share_at_most("single layers whose tilt is claimed from a pattern", layers_told, layers, 0.0),
        at_most(
            "simulated 256 x 256 pattern, median CPU ms",
            statistics.median(pattern_ms),
            50.0,
            n=len(pattern_ms),
        ),
        at_most("read a pattern, median CPU s", statistics.median(seconds), 1.5, n=len(seconds)),
    ]
    figures = {
        "near_axis": _counts(near),
        "anywhere": _counts(anywhere),
        "rough_scale": _counts(rough),
        "wrong_phase_indexed": [accepted, tried],
        "tilt_median_deg": round(statistics.median(off for off, _ in offsets), 4) if offsets else None,
        "tilt_p95_deg": round(float(np.quantile([off for off, _ in offsets], 0.95)), 4) if offsets else None,
        "pattern_ms": round(statistics.median(pattern_ms), 2),
        "read_s": round(statistics.median(seconds), 3),
        "read_p95_s": round(float(np.quantile(seconds, 0.95)), 3),
    }
    return report("diffraction", seed, figures, bars, cases=cases)


def _right_phase(
    rounds: int, rng: np.random.Generator, cases: list[dict[str, Any]]
) -> tuple[Tally, Tally, list[tuple[float, float]], list[float], list[float]]:
    tallies = {True: Tally(), False: Tally()}
    offsets: list[tuple[float, float]] = []
    pattern_ms, seconds = [], []
    for _ in range(rounds):
        for name in NAMES:
            for near in (True, True, False):
                case = draw(name, near, _SCALE_ERROR, rng)
                found, spent = read(case, [known(name)], _SCALE_ERROR)
                verdict = judge(case, found)
                _count(tallies[near], verdict, found.indexing.verdict)
                pattern_ms.append(case.pattern_ms)
                seconds.append(spent)
                cases.append(described(case, found, verdict, spent))
                if near and verdict and found.offset is not None:
                    off = lean_off_deg(structure(name).crystal, case.to_lab, found.offset)
                    offsets.append((off, found.offset.sigma_deg))
    return tallies[True], tallies[False], offsets, pattern_ms, seconds


def _rough_scale(rounds: int, rng: np.random.Generator, cases: list[dict[str, Any]]) -> Tally:
    tally = Tally()
    for _ in range(rounds):
        for name in NAMES:
            case = draw(name, True, _ROUGH, rng)
            found, spent = read(case, [known(name)], _ROUGH)
            verdict = judge(case, found)
            _count(tally, verdict, found.indexing.verdict)
            cases.append(described(case, found, verdict, spent) | {"id": f"{name}-rough"})
    return tally


def _wrong_phase(rounds: int, rng: np.random.Generator) -> tuple[int, int]:
    """Patterns that are read with another crystal only: how many are indexed all the same."""
    accepted = tried = 0
    for _ in range(rounds):
        for name, other in _WRONG_PHASE.items():
            found, _ = read(draw(name, True, _SCALE_ERROR, rng), [known(other)], _SCALE_ERROR)
            accepted += found.indexing.verdict == "indexed"
            tried += 1
    return accepted, tried


def _single_layers(count: int, rng: np.random.Generator) -> tuple[int, int]:
    """Patterns of tilted single layers that are read as such: how many get a tilt."""
    layer = structure_named("MoS2")
    told = 0
    for _ in range(count):
        to_lab = _random_layer(rng)
        seen = layer_spots(layer, to_lab, LIGHT, SCREEN.reach)
        image = counted(layer_pattern(seen, LIGHT, SCREEN), 1e7, rng)
        screen = Screen(per_pixel=SCREEN.per_pixel, azimuth_deg=SCREEN.azimuth_deg)
        told += read_pattern(image, [known_layer()], LIGHT, screen, layer=True).offset is not None
    return told, count


def _random_layer(rng: np.random.Generator) -> Any:
    from eucentric.knowledge.crystal import axis_angle

    tilt = axis_angle((*rng.normal(size=2).tolist(), 0.0), float(rng.uniform(0, 8)))
    return tilt @ axis_angle((0, 0, 1), float(rng.uniform(0, 360)))


def known_layer() -> Any:
    """Reflections of MoS2, whose [001] pattern a single layer shows."""
    from eucentric.knowledge.diffraction import reflections

    return reflections(structure_named("MoS2"), 2.3)


def _count(tally: Tally, verdict: bool | None, word: str) -> None:
    if verdict is None:
        tally.abstained[word] = tally.abstained.get(word, 0) + 1
    elif verdict:
        tally.right += 1
    else:
        tally.wrong += 1


def _counts(tally: Tally) -> dict[str, Any]:
    return {"n": tally.n, "right": tally.right, "wrong": tally.wrong, "cannot_tell": tally.abstained}
