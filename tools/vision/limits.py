"""Where the detector works on a frame and where it breaks: dose and pixel size made less by thinning it.

At each dose and pixel size the frame is read again: how many of its columns are found, how many of the vacancies
that are known there (called at full dose, and planted), and what the detector itself claims. The scatter of full
columns against their counts, and the planted vacancies found, give the law of d' (`knowledge.detection`) that
says what a given recall needs, also beyond the frame.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from eucentric.core.base import Model
from eucentric.knowledge.detection import VacancyLaw, contrast_of, recall_of, vacancy_of
from eucentric.knowledge.phases import Column, Phase
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.atoms import find_atoms
from eucentric.tools.vision.planting import Planted, brightness_of, found_again, plant, sublattices_of
from eucentric.tools.vision.thinning import Electrons, coarser, electrons_of, thinned

Array = NDArray[np.float64]

KEEPS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03)
"""Shares of the dose tried, unless others are asked for."""
COARSER = (1.5, 2.0)
"""Pixels tried at the full dose, over the frame's own."""
_MOST_PLANTED = 40
_ROUNDS = 2
"""Readings at each dose, with vacancies planted at other sites."""
_LEAST_SEEN = 3
"""Vacancies of the kind in the frame from which on it is they that say how dark one is."""
_STRENGTH = 1.6
"""Counts that a missing column takes along, over the net ones: a first guess, then measured."""
_ATOM_PM, _VACANCY_PM = 50.0, 70.0
_LEAST_COUNTS = 1.0
_LEAST_SITES = 20
_SPREAD = 0.3
"""How far d' may lie from what the scatter of full columns says, as a logarithm (one standard deviation)."""


class Point(Model):
    """The frame at one dose and pixel size."""

    keep: float
    """Share of the frame's dose."""
    pixel_pm: float
    counts: float
    """In a full column of the kind that is asked about [electrons]."""
    dose_e_per_a2: float | None
    atom_f1: float
    """Against the columns found at full dose."""
    vacancy_recall: float | None
    """Of the vacancies called at full dose; None if there are none."""
    vacancy_precision: float | None
    planted: int
    planted_found: int
    claimed_recall: float
    """What the detector says of itself."""
    snr: float
    """Brightness of a full column of the kind over its scatter."""
    cannot_tell: str


class Limits(Model):
    """A series over dose and pixel size, and the law that it follows."""

    material: str
    kind: str
    points: tuple[Point, ...]
    law: VacancyLaw | None
    """None if the frame can't be read at all."""
    lost: float = 0.0
    """Brightness that a vacancy takes away here, over a full column."""
    dose_per_count: float | None
    """Mean dose for one count in a full column of the kind [e/Å²]; None if the frame's dose is not known."""
    thinning: str
    silent_below: float | None = None
    """Counts at which the detector still could not tell, whatever the law says; None: it could everywhere."""
    cannot_tell: str = ""


@dataclass(frozen=True)
class _Source:
    """The frame, what is asked of it, and what it shows at full dose."""

    electrons: Electrons
    phase: Phase
    column: Column
    pixel_pm: float
    dose: float | None
    full: AtomMap
    lost: float
    """Brightness that a vacancy takes away, over a full column."""
    planted: tuple[Planted, ...]
    """One for each round."""

    @property
    def counts(self) -> float:
        """In a full column of the kind at full dose [electrons]."""
        of = np.isin(self.full.sites_sublattice[self.full.atoms_site], sublattices_of(self.full, self.column))
        return float(np.median(self.full.atoms_counts[of])) if of.any() else 0.0


def measure_limits(
    image: NDArray[np.floating],
    phase: Phase,
    kind: str = "vacancy",
    *,
    pixel_pm: float | None = None,
    counts_per_electron: float | None = None,
    dose_e_per_a2: float | None = None,
    keeps: Sequence[float] = KEEPS,
    coarser_by: Sequence[float] = COARSER,
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
) -> Limits:
    """Read a frame at less dose and with coarser pixels.

    Parameters
    ----------
    image
        (H, W) float [counts after offset].
    kind
        As in `knowledge.detection.vacancy_of`.
    dose_e_per_a2
        Mean dose of the frame [e/Å²], if known.
    keeps, coarser_by
        Shares of the dose (all at the frame's own pixels), and factors on the pixel (all at full dose).

    Raises
    ------
    BadInput
        The material has no such vacancy, or the frame is no image with electrons in it.
    """
    _, state = vacancy_of(phase, kind)
    electrons = electrons_of(image, counts_per_electron)
    full = find_atoms(electrons.image.astype(np.float32), phase, pixel_pm=pixel_pm, counts_per_electron=1.0)
    if full.cannot_tell or full.pixel_pm is None or not full.counts_per_column > 0:
        return _hopeless(phase, state.name, electrons, full.cannot_tell or "no columns stand out")
    rng = np.random.default_rng(seed)
    source = _source(electrons, full, phase, kind, dose_e_per_a2, rng)
    points = []
    for keep, factor in [(k, 1.0) for k in keeps] + [(1.0, f) for f in coarser_by]:
        if _readable(source, keep, factor):
            note(f"{keep:.3g} of the dose, pixels × {factor:g}")
            points.append(_point(source, keep, factor, rng))
    count = points[0].counts / points[0].keep if points else 0.0
    return Limits(
        material=phase.name, kind=state.name, points=tuple(points), thinning=electrons.how,
        law=_law(points, source, state.name), lost=source.lost,
        dose_per_count=dose_e_per_a2 / count if dose_e_per_a2 and count else None,
        silent_below=max((p.counts for p in points if p.cannot_tell), default=None),
    )  # fmt: skip


def _source(
    electrons: Electrons, full: AtomMap, phase: Phase, kind: str, dose: float | None, rng: np.random.Generator
) -> _Source:
    """Vacancies planted as dark as those that the frame has, or as the phase says if it has none."""
    column, state = vacancy_of(phase, kind)
    lost = _as_seen(full, state.name) or contrast_of(state)
    trial = plant(electrons, full, column, _STRENGTH * lost, _MOST_PLANTED, rng)
    strength = _STRENGTH
    if len(trial.xy):
        seen = _read(thinned(electrons, trial.keep, rng), phase, full.pixel_pm or 0.0)
        strength *= float(np.clip(lost / max(1 - brightness_of(trial.xy, seen), 0.1 * lost), 0.5, 2.0))
    planted = tuple(
        plant(electrons, full, column, strength * lost, _MOST_PLANTED, rng) for _ in range(_ROUNDS)
    )
    return _Source(electrons, phase, column, full.pixel_pm or 0.0, dose, full, lost, planted)


def _as_seen(full: AtomMap, kind: str) -> float | None:
    """Brightness that a vacancy takes away in this frame, if it has enough of them to tell."""
    rows = [
        row for row in full.vacancies_site if full.sites_kind[row] == kind and full.sites_p_vacancy[row] > 0.9
    ]
    return 1 - float(np.median(full.sites_relative[rows])) if len(rows) >= _LEAST_SEEN else None


def _read(frame: Electrons, phase: Phase, pixel_pm: float) -> AtomMap:
    return find_atoms(frame.image.astype(np.float32), phase, pixel_pm=pixel_pm, counts_per_electron=1.0)


def share_for(limits: Limits, recall: float) -> float | None:
    """Share of the frame's own dose that a recall takes; None if no dose is enough, or the frame can't be read."""
    if limits.law is None or not limits.points:
        return None
    needed = max(limits.law.counts_for(recall), limits.silent_below or 0.0)
    return needed * limits.points[0].keep / limits.points[0].counts if math.isfinite(needed) else None


def _hopeless(phase: Phase, kind: str, electrons: Electrons, why: str) -> Limits:
    return Limits(
        material=phase.name, kind=kind, points=(), law=None, dose_per_count=None, thinning=electrons.how,
        cannot_tell=why,
    )  # fmt: skip


def _readable(source: _Source, keep: float, factor: float) -> bool:
    """Something is left to look at."""
    enough = keep * source.counts >= _LEAST_COUNTS
    return enough and min(source.electrons.image.shape) / factor >= 64


def _point(source: _Source, keep: float, factor: float, rng: np.random.Generator) -> Point:
    rounds = [_round(source, planted, keep, factor, rng) for planted in source.planted]
    maps = [seen for seen, _ in rounds]
    agreed = [
        _agreement(source, planted, seen, factor) for planted, seen in zip(source.planted, maps, strict=True)
    ]
    silent = next((seen.cannot_tell for seen in maps if seen.cannot_tell), "")
    return Point(
        keep=keep, pixel_pm=source.pixel_pm * factor,
        counts=keep * source.counts,
        dose_e_per_a2=None if source.dose is None else keep * source.dose,
        atom_f1=float(np.mean([one[0] for one in agreed])),
        vacancy_recall=_mean([one[1] for one in agreed]), vacancy_precision=_mean([one[2] for one in agreed]),
        planted=sum(len(planted.xy) for planted in source.planted), planted_found=sum(found for _, found in rounds),
        claimed_recall=float(np.mean([0.0 if seen.cannot_tell else seen.recall for seen in maps])),
        snr=float(np.median([_snr(source, seen) for seen in maps])), cannot_tell=silent,
    )  # fmt: skip


def _round(
    source: _Source, planted: Planted, keep: float, factor: float, rng: np.random.Generator
) -> tuple[AtomMap, int]:
    """One reading, and how many of the planted vacancies it finds."""
    made = coarser(thinned(source.electrons, keep * planted.keep, rng), factor, rng)
    seen = _read(made, source.phase, source.pixel_pm * factor)
    return seen, found_again(_places(planted.xy, factor), seen)


def _snr(source: _Source, seen: AtomMap) -> float:
    """Brightness of a full column of the kind over its scatter, 0 if there are none."""
    of = seen.sites_examined & np.isin(seen.sites_sublattice, sublattices_of(seen, source.column))
    relative = seen.sites_relative[of & (seen.sites_p_vacancy < 0.5)]
    if len(relative) < _LEAST_SITES:
        return 0.0
    return 1 / max(1.4826 * float(np.median(np.abs(relative - np.median(relative)))), 1e-6)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _places(xy: Array, factor: float) -> Array:
    """Places on an image with wider pixels."""
    places: Array = (xy + 0.5) / factor - 0.5
    return places


def _pairs(one: Array, two: Array, radius_px: float) -> int:
    """Points that are each other's nearest, and near."""
    if not len(one) or not len(two):
        return 0
    gap, to = cKDTree(two).query(one)
    _, back = cKDTree(one).query(two)
    return int(((gap < radius_px) & (back[to] == np.arange(len(one)))).sum())


def _agreement(
    source: _Source, planted: Planted, seen: AtomMap, factor: float
) -> tuple[float, float | None, float | None]:
    """(F1 of columns, recall and precision of calls) against full dose; planted sites are left out."""
    pixel = source.pixel_pm * factor
    near = _Area(source, planted, factor)
    full, found = near.of(_places(source.full.atoms_xy, factor)), near.of(seen.atoms_xy)
    f1 = 2 * _pairs(found, full, _ATOM_PM / pixel) / max(len(found) + len(full), 1)
    called = near.of(_places(source.full.vacancies_xy, factor))
    again = near.of(seen.vacancies_xy if not seen.cannot_tell else np.zeros((0, 2)))
    both = _pairs(again, called, _VACANCY_PM / pixel)
    return f1, (both / len(called) if len(called) else None), (both / len(again) if len(again) else None)


@dataclass(frozen=True)
class _Area:
    """Where the two are compared: off the edges, and off the planted sites."""

    source: _Source
    planted: Planted
    factor: float

    def of(self, xy: Array) -> Array:
        """The points that lie there."""
        pixel = self.source.pixel_pm * self.factor
        margin = 1.5 * self.source.phase.spacing_angstrom * 100 / pixel
        limit = np.array(self.source.electrons.image.shape[::-1]) / self.factor - margin
        keep = ((xy >= margin) & (xy < limit)).all(1)
        if len(self.planted.xy) and len(xy):
            gap, _ = cKDTree(_places(self.planted.xy, self.factor)).query(xy)
            keep &= gap > _VACANCY_PM / pixel
        kept: Array = xy[keep]
        return kept


def _law(points: Sequence[Point], source: _Source, kind: str) -> VacancyLaw | None:
    """The law of d' from how full columns scatter at each dose, with its scale from the planted ones found."""
    read = [p for p in points if p.snr > 0 and p.pixel_pm == points[0].pixel_pm and not p.cannot_tell]
    if len(read) < 2:
        return None
    n, variance = np.array([p.counts for p in read]), np.array([(source.lost * p.snr) ** -2.0 for p in read])
    a, b = _shot_and_floor(n, variance)
    return _scaled(read, VacancyLaw(
        kind=kind, per_count=1 / a, per_count_low=1 / a, per_count_high=1 / a, floor=math.sqrt(b), source="measured",
    ))  # fmt: skip


def _shot_and_floor(n: Array, variance: Array) -> tuple[float, float]:
    """(a, b) of 1/d'² = a/N + b, neither below zero; relative errors are taken as alike at all doses."""
    design = np.column_stack([1 / n, np.ones_like(n)]) / variance[:, None]
    (a, b), _ = nnls(design, np.ones_like(n))
    return (float(a), float(b)) if a > 0 else (float(np.min(variance * n)), 0.0)


def _scaled(points: Sequence[Point], law: VacancyLaw) -> VacancyLaw:
    """The scale of d' at which the planted ones found are likeliest, and its 95 % interval by profile likelihood."""
    steps = np.linspace(-1.0, 1.0, 201)
    score = -0.5 * (steps / _SPREAD) ** 2
    for row, step in enumerate(steps):
        for p in points:
            chance = float(np.clip(recall_of(math.exp(step) * law.d_prime(p.counts)), 1e-2, 1 - 1e-2))
            score[row] += p.planted_found * math.log(chance)
            score[row] += (p.planted - p.planted_found) * math.log(1 - chance)
    likely = steps[score > score.max() - 1.92]
    best, low, high = (math.exp(2 * v) for v in (steps[int(score.argmax())], likely.min(), likely.max()))
    return law.model_copy(
        update={
            "per_count": best * law.per_count, "per_count_low": low * law.per_count,
            "per_count_high": high * law.per_count, "floor": law.floor / math.sqrt(best),
        }
    )  # fmt: skip
