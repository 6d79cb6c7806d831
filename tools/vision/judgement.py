"""What every site is: each kind of column through its own filter, with a probability for every state it may be in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.knowledge.phases import Column, Phase, State
from eucentric.tools.vision.columns import Sites, kinds_of
from eucentric.tools.vision.holes import Hole, hole_of
from eucentric.tools.vision.mixture import Populations
from eucentric.tools.vision.observer import Around, Bank, around, bank_of, observed
from eucentric.tools.vision.populations import fit_populations

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EMPTY, UNKNOWN = "empty site", "unknown"
"""No column of the phase is here; a brightness that no state explains."""
_ROUNDS = 4
"""In the first, the filter does not yet know what is full."""
_PARTS = (0.5, 1.1)
"""What is left of a column, over its share by the table of elements: at least and at most."""
_LEAST_SITES = 20
_ODD = 4.0
"""Standard deviations by which a site is brighter than a full column, if something lies on it."""
_COLUMN_IF_UNKNOWN = 0.5
"""What no state explains is a column if it has at least this brightness."""


@dataclass(frozen=True)
class Judged:
    """What every site is, and how well that can be told here."""

    relative: Array
    """(n,) float64: brightness over the full column."""
    classes: tuple[str, ...]
    posterior: Array
    """(n, k) float64: probability of every class."""
    p_vacancy: Array
    p_column: Array
    p_full: Array
    """(n,) float64: share of full columns that lie at least as far from their mean."""
    state: list[str]
    kind: list[str]
    """The most probable vacancy at the site, if it is one."""
    holds: list[str]
    """Elements of the most probable column, if there is one."""
    recall: float
    recall_low: float
    recall_high: float
    false_calls: float
    snr: float


@dataclass(frozen=True)
class _Seen:
    """The image through the filters of one round, in full columns."""

    relative: Array
    shallow: dict[int, float | None]
    """By the first sublattice of a kind: brightness of a vacancy if the level between columns is its background."""


def judge(
    small: NDArray[np.float32], sites: Sites, full: Array, use: Mask, phase: Phase, spacing: float
) -> Judged:
    """Posterior of every site; in rounds, so that neighbours of a defect are judged knowing of it.

    Parameters
    ----------
    small
        (H, W) float32 [image units].
    sites, full
        All sites, and the height of a full column at each, NaN where the phase has none.
    use
        (n,) bool: sites that the populations are fitted to.
    phase
        What the columns are.
    spacing
        Distance of neighbouring sites [px].
    """
    bank = bank_of(small, sites.xy, sites.profile.sigma_px, spacing)
    parts = {s: around(sites.xy, sites.sublattice == s) for s in np.unique(sites.sublattice).tolist()}
    height = _judged_height(full, sites, phase)
    hole = hole_of(small, sites.xy, spacing, phase.lattice.fold) if phase.equal_columns else None
    missing, trusted = np.zeros(len(full)), np.where(use, 1.0, 0.05)
    for turn in range(_ROUNDS):
        seen = _through_filters(bank, parts, hole, phase, height, missing * height, trusted, turn > 0)
        kinds = _fitted(sites, seen, use, phase, full)
        p_vacancy, sigma = _at_sites(kinds, seen.relative)
        odd = seen.relative > 1 + _ODD * sigma
        trusted = np.where(use & ~odd, 1 - p_vacancy, 0.05)
        # What is known to be missing, or too much (an adatom), no longer disturbs the sites around it.
        depth = p_vacancy * np.clip(1 - seen.relative, 0, 1.2)
        missing = np.where(odd, 1 - seen.relative, np.where(p_vacancy > 0.3, depth, 0.0))
    return _judged(kinds, seen.relative, use, phase)


def _judged_height(full: Array, sites: Sites, phase: Phase) -> Array:
    """Height of what may be missing: where every column holds one heavy atom, they are alike."""
    if phase.equal_columns:
        return np.full(len(full), sites.profile.height)
    return np.where(np.isfinite(full), full, np.nanmax(full))


def _through_filters(
    bank: Bank, parts: dict[int, Around], hole: Hole | None, phase: Phase, height: Array, missing: Array,
    trusted: Array, learn: bool,
) -> _Seen:  # fmt: skip
    relative = np.ones(len(height))
    shallow: dict[int, float | None] = {}
    kinds = [group for _, group in kinds_of(phase)]
    hollow = sorted(set(parts) - {s for group in kinds for s in group})
    for group in [*kinds, hollow]:
        some = [parts[s] for s in group if s in parts]
        if some:
            excess, weights = observed(bank, some, missing, trusted, learn and group != hollow)
            of = np.isfinite(excess)
            relative[of] = 1 + excess[of] / height[of]
            shallow[group[0]] = hole.left(bank.widths, weights, float(height[of][0])) if hole else None
    return _Seen(relative, shallow)


class _Tables:
    """Arrays over all sites that are filled kind by kind."""

    def __init__(self, n: int, phase: Phase) -> None:
        names = dict.fromkeys(s.name for column in phase.columns for s in column.states)
        self.classes = (*names, UNKNOWN, EMPTY)
        self.posterior = np.zeros((n, len(self.classes)))
        self.posterior[:, -1] = 1.0
        self.p_vacancy, self.p_column, self.p_full = np.zeros(n), np.zeros(n), np.ones(n)
        self.kind, self.holds = [""] * n, [""] * n

    def fill(self, rows: NDArray[np.int64], relative: Array, fitted: Populations) -> None:
        """Write what one kind's populations say of its sites."""
        p, unknown = fitted.posterior(relative)
        names = [s.name for s in fitted.states]
        self.posterior[rows] = 0.0
        columns = np.array([self.classes.index(name) for name in names])
        self.posterior[rows[:, None], columns] = p
        self.posterior[rows, -2] = unknown
        left = np.array([s.column_left for s in fitted.states])
        self.p_vacancy[rows] = p[:, fitted.missing].sum(1)
        self.p_column[rows] = p[:, left].sum(1) + np.where(relative > _COLUMN_IF_UNKNOWN, unknown, 0.0)
        self.p_full[rows] = fitted.p_value(relative)
        _name(self.kind, rows, p, names, fitted.missing)
        _name(self.holds, rows, p, [s.holds for s in fitted.states], left)


@dataclass(frozen=True)
class _Kind:
    """Sites of one kind of column, and the populations fitted to them."""

    rows: NDArray[np.int64]
    populations: Populations


def _fitted(sites: Sites, seen: _Seen, use: Mask, phase: Phase, full: Array) -> list[_Kind]:
    """Populations of every kind of column with sites enough."""
    kinds = []
    for column, group in kinds_of(phase):
        of = np.isin(sites.sublattice, group)
        fit_on = of & use
        if fit_on.sum() < _LEAST_SITES:
            continue
        states = column.states if phase.equal_columns else _as_seen(column, group[0], sites, full)
        shallow = seen.shallow.get(group[0])
        fitted = fit_populations(seen.relative[fit_on], states, _background(sites, column), shallow)
        kinds.append(_Kind(np.flatnonzero(of), fitted))
    return kinds


def _at_sites(kinds: list[_Kind], relative: Array) -> tuple[Array, Array]:
    """(n,) probability of a vacancy, and scatter of full columns; that of the first kind where no column is."""
    p_vacancy = np.zeros(len(relative))
    sigma = np.full(len(relative), kinds[0].populations.sigma if kinds else 1e6)
    for kind in kinds:
        p_vacancy[kind.rows] = kind.populations.p_vacancy(relative[kind.rows])
        sigma[kind.rows] = kind.populations.sigma
    return p_vacancy, sigma


def _judged(kinds: list[_Kind], relative: Array, use: Mask, phase: Phase) -> Judged:
    """Posterior of every site from the populations of its kind."""
    tables = _Tables(len(relative), phase)
    recalls, false = [], 0.0
    for kind in kinds:
        tables.fill(kind.rows, relative[kind.rows], kind.populations)
        used = kind.rows[use[kind.rows]]
        calls = kind.populations.calls()
        recalls.append((calls.recall, calls.low, calls.high, float(len(used))))
        false += calls.false_rate * float((1 - tables.p_vacancy[used]).sum())
    state = [tables.classes[best] for best in tables.posterior.argmax(1)]
    recall, low, high = _averaged(recalls)
    return Judged(
        relative, tables.classes, tables.posterior, tables.p_vacancy, tables.p_column, tables.p_full, state,
        tables.kind, tables.holds, recall, low, high, false, 1 / kinds[0].populations.sigma if kinds else 0.0,
    )  # fmt: skip


def _background(sites: Sites, column: Column) -> float:
    """Background at a column over its height."""
    return max(sites.profile.background, 0.0) / max(sites.profile.height * column.weight, 1e-12)


def _averaged(recalls: list[tuple[float, float, float, float]]) -> tuple[float, float, float]:
    """(recall, low, high) over kinds, by their numbers of sites."""
    if not recalls:
        return 0.0, 0.0, 0.0
    table = np.array(recalls)
    value, low, high = (table[:, 3] @ table[:, :3] / table[:, 3].sum()).tolist()
    return value, low, high


def _as_seen(column: Column, sublattice: int, sites: Sites, full: Array) -> tuple[State, ...]:
    """States with the brightness of part of a column set by how bright a whole one is in this image.

    Atoms that lie over each other scatter together: two S may be 1.7 times as bright as the sum, one S is one S.
    """
    whole, brightest = (_median(full[sites.sublattice == s]) for s in (sublattice, 0))
    if not whole > 0 or not brightest > 0:
        return column.states
    factor = float(np.clip(column.weight * brightest / whole, *_PARTS))
    return tuple(
        state.model_copy(update={"relative": state.relative * factor})
        if state.vacancy and state.column_left
        else state
        for state in column.states
    )


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _name(into: list[str], rows: NDArray[np.int64], posterior: Array, names: list[str], among: Mask) -> None:
    """Write the most probable of some states at every row."""
    for row, best in zip(rows, np.where(among, posterior, -1.0).argmax(1), strict=True):
        into[row] = names[best]
