"""The columns of a phase on a fitted lattice: which site is which, how bright a full one is, what each one is."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.knowledge.phases import Column, Phase, State
from eucentric.tools.vision.lattice import Lattice
from eucentric.tools.vision.observer import Around, Bank, around, bank_of, observed
from eucentric.tools.vision.populations import fit_populations
from eucentric.tools.vision.sites import Profile, column_profile, site_heights

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Sites:
    """Every site of the triangular lattice a/√3 that lies in the image."""

    xy: Array
    sublattice: NDArray[np.int64]
    """(n,) int64: 0 for the brightest column of the phase, then in the phase's order."""
    heights: Array
    """(n,) float64 [image units]: all columns solved jointly."""
    profile: Profile


def sites_of(small: NDArray[np.float32], lattice: Lattice, phase: Phase, spacing: float) -> Sites:
    """All sites with their sublattice (0: the brightest column of the phase) and heights."""
    if phase.equal_columns:
        profile = column_profile(small, lattice.xy, spacing)
        sublattice = (lattice.index[:, 0] - lattice.index[:, 1]) % 3
        xy = lattice.xy
        heights = site_heights(small, xy, profile.sigma_px, spacing)
        return Sites(xy, sublattice.astype(np.int64), heights, profile)
    profile = column_profile(small, lattice.xy, spacing, _around(phase))
    places = [lattice.xy, *(_between(lattice, fraction) for fraction in (1 / 3, 2 / 3))]
    xy, sublattice = np.concatenate(places), np.repeat(np.arange(3), [len(one) for one in places])
    inside = ((xy >= -0.5) & (xy < np.array(small.shape[::-1]) - 0.5)).all(1)
    xy, sublattice = xy[inside], sublattice[inside]
    heights = site_heights(small, xy, profile.sigma_px, spacing)
    order = sorted(range(3), key=lambda s: -float(np.median(heights[sublattice == s])))
    return Sites(xy, np.argsort(order)[sublattice].astype(np.int64), heights, profile)


def _between(lattice: Lattice, fraction: float) -> Array:
    """Sites shifted by `fraction` of both lattice vectors, from the lattice points on either side of them.

    At the edge one of the two lies outside the image.
    """
    known = {tuple(index) for index in lattice.index}
    other = np.array([tuple(index - 1) not in known for index in lattice.index], bool)
    places: Array = np.concatenate([lattice.offset(fraction), lattice.offset(fraction - 1)[other]])
    return places


def _around(phase: Phase) -> float:
    """Mean brightness of the six sites around the brightest column, over its own."""
    return 1.0 if phase.equal_columns else sum(column.weight for column in phase.columns[1:]) / 2


def profile_without(
    sites: Sites, lost: Mask, small: NDArray[np.float32], phase: Phase, spacing: float
) -> Sites:
    """The same sites, their mean column measured only where the lattice is seen."""
    good = ~lost & ((sites.sublattice == 0) | phase.equal_columns)
    if good.sum() < 20:
        return sites
    return replace(sites, profile=column_profile(small, sites.xy[good], spacing, _around(phase)))


def full_heights(sites: Sites, phase: Phase, edge: Mask) -> Array:
    """(n,) height of a full column of the site's sublattice; NaN where the phase has no column."""
    medians = [_median(sites.heights[(sites.sublattice == s) & ~edge]) for s in range(3)]
    full = np.full(3, np.nan)
    for s, column in enumerate(phase.columns):
        full[s] = max(
            _full_height(s, medians, sites.profile.height, phase), 0.5 * column.weight * sites.profile.height
        )
    heights: Array = full[sites.sublattice]
    return heights


def _full_height(s: int, medians: list[float], height: float, phase: Phase) -> float:
    """The profile gives the scale, the joint solution what differs between sublattices.

    What all sublattices have in common it cannot tell from background, so its zero is a hollow site, if there is one.
    """
    if phase.equal_columns:
        return height + medians[s] - float(np.mean(medians))
    hollow = medians[-1] if len(phase.columns) < len(medians) else 0.0
    return height * (medians[s] - hollow) / max(medians[0] - hollow, 1e-12)


def _median(values: Array) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _columns_of(phase: Phase) -> list[tuple[Column, list[int]]]:
    """Kinds of column with the sublattices that share one set of populations."""
    if phase.equal_columns:
        return [(phase.columns[0], [0, 1, 2])]
    return [(column, [i]) for i, column in enumerate(phase.columns)]


_ROUNDS = 4
"""In the first, the filter does not yet know what is full."""
_PARTS = (0.5, 1.1)
"""What is left of a column, over its share by the table of elements: at least and at most."""


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


@dataclass(frozen=True)
class Judged:
    """What every site is, and how well that can be told here."""

    relative: Array
    p_vacancy: Array
    p_column: Array
    state: list[str]
    kind: list[str]
    """The most probable vacancy at the site, if it is one."""
    holds: list[str]
    """Elements of the most probable column, if there is one."""
    recall: float
    false_calls: float
    snr: float


def judge(
    small: NDArray[np.float32], sites: Sites, full: Array, use: Mask, phase: Phase, spacing: float
) -> Judged:
    """Posterior of every site; in three rounds, so that neighbours of a defect are judged knowing of it."""
    bank = bank_of(small, sites.xy, sites.profile.sigma_px, spacing)
    parts = {s: around(sites.xy, sites.sublattice == s) for s in np.unique(sites.sublattice).tolist()}
    height = _judged_height(full, sites, phase)
    missing, trusted = np.zeros(len(full)), np.where(use, 1.0, 0.05)
    for turn in range(_ROUNDS):
        relative = _relative(bank, parts, sites, phase, height, missing * height, trusted, turn > 0)
        judged = _populated(sites, relative, use, phase, full)
        odd = relative > 1 + 4 / max(judged.snr, 1e-6)
        trusted = np.where(use & ~odd, 1 - judged.p_vacancy, 0.05)
        # What is known to be missing, or too much (an adatom), no longer disturbs the sites around it.
        lacking = np.where(judged.p_vacancy > 0.3, judged.p_vacancy * np.clip(1 - relative, 0, 1.2), 0.0)
        missing = np.where(odd, 1 - relative, lacking)
    return judged


def _judged_height(full: Array, sites: Sites, phase: Phase) -> Array:
    """Height of what may be missing: where every column holds one heavy atom, they are alike."""
    if phase.equal_columns:
        return np.full(len(full), sites.profile.height)
    return np.where(np.isfinite(full), full, np.nanmax(full))


def _relative(
    bank: Bank, parts: dict[int, Around], sites: Sites, phase: Phase, height: Array, missing: Array,
    trusted: Array, learn: bool,
) -> Array:  # fmt: skip
    """Brightness over the full column, each kind of column through its own filter."""
    relative = np.ones(len(height))
    kinds = [group for _, group in _columns_of(phase)]
    hollow = sorted(set(parts) - {s for group in kinds for s in group})
    for group in [*kinds, hollow]:
        some = [parts[s] for s in group if s in parts]
        if some:
            excess, _ = observed(bank, some, missing, trusted, learn and group != hollow)
            of = np.isfinite(excess)
            relative[of] = 1 + excess[of] / height[of]
    return relative


def _populated(sites: Sites, relative: Array, use: Mask, phase: Phase, full: Array) -> Judged:
    """Posterior of every site from the populations of its kind."""
    n = len(sites.xy)
    p_vacancy, p_column, state = np.zeros(n), np.zeros(n), ["empty site"] * n
    kind, holds = [""] * n, [""] * n
    recalls, false, snr = [], 0.0, 0.0
    for column, group in _columns_of(phase):
        of = np.isin(sites.sublattice, group)
        fit_on = of & use
        if fit_on.sum() < 20:
            continue
        height = sites.profile.height * column.weight
        background = max(sites.profile.background, 0.0) / max(height, 1e-12)
        states = column.states if phase.equal_columns else _as_seen(column, group[0], sites, full)
        populations = fit_populations(relative[fit_on], states, background)
        posterior = populations.posterior(relative[of])
        p_vacancy[of] = populations.p_vacancy(relative[of])
        p_column[of] = posterior[:, [s.column_left for s in column.states]].sum(1)
        rows = np.flatnonzero(of)
        _name(state, rows, posterior, [s.name for s in column.states], np.ones(len(column.states), bool))
        _name(
            kind,
            rows,
            posterior,
            [s.name for s in column.states],
            np.array([s.vacancy for s in column.states]),
        )
        left = np.array([s.column_left for s in column.states])
        _name(holds, rows, posterior, [s.holds for s in column.states], left)
        recall, rate = populations.calls()
        recalls.append((recall, int(fit_on.sum())))
        false += rate * float((1 - p_vacancy[fit_on]).sum())
        snr = snr or float(1 / populations.widths[0])
    total = sum(count for _, count in recalls) or 1
    return Judged(
        relative, p_vacancy, p_column, state, kind, holds, sum(r * c for r, c in recalls) / total, false, snr
    )


def _name(into: list[str], rows: NDArray[np.int64], posterior: Array, names: list[str], among: Mask) -> None:
    """Write the most probable of some states at every row."""
    for row, best in zip(rows, np.where(among, posterior, -1.0).argmax(1), strict=True):
        into[row] = names[best]
