"""How surely a missing column is seen at a given number of counts, and how many counts a given recall takes.

A full column differs from one with a vacancy by dN counts, on N of its own and B of what lies around. A matched
filter makes of that d' = dN / sqrt(N + B) standard deviations, so d'² grows with the counts; scatter of the columns
that is no shot noise puts a ceiling on it. A site is called vacant where that is more probable than not, and among
sites of which a share of about 1.5 % is vacant this asks for d'/2 + ln(odds)/d' standard deviations (two
equal Gaussians, Bayes' rule): recall = Phi(d'/2 - ln(odds)/d'). At d' = 6 that is 99 % recall with 1e-4 false calls.
"""

import math
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.electron_optics import probe_fwhm_a
from eucentric.knowledge.phases import Column, Phase, State
from eucentric.knowledge.scattering import haadf_cross_section_a2

_NORMAL: Final = NormalDist()
EXPECTED_SHARE: Final = 0.015
"""Share of vacant sites that is expected before an image is seen."""
_ODDS: Final = math.log((1 - EXPECTED_SHARE) / EXPECTED_SHARE)
LEAST_RECALL, MOST_RECALL = 0.3, 0.999


class VacancyLaw(Model):
    """Recall of one kind of vacancy as a function of the counts in its full column."""

    kind: str
    per_count: float = Field(gt=0)
    """d'² for each count of the full column, as far as counts are what limits it."""
    per_count_low: float = Field(gt=0)
    per_count_high: float = Field(gt=0)
    """95 % interval of it."""
    floor: float = Field(0.0, ge=0)
    """1/d' where counts are plenty: scatter of full columns over what a vacancy takes away."""
    source: str
    """'predicted' from physics, or 'measured' on a frame."""

    def d_prime(self, counts: float) -> float:
        """Standard deviations between a full column and one with the vacancy."""
        return self._d_prime(counts, self.per_count)

    def _d_prime(self, counts: float, per_count: float) -> float:
        return 0.0 if counts <= 0 else 1 / math.sqrt(1 / (per_count * counts) + self.floor**2)

    def recall(self, counts: float) -> float:
        """Probability that a vacancy is called."""
        return recall_of(self.d_prime(counts))

    def recall_interval(self, counts: float) -> tuple[float, float]:
        """Its 95 % interval."""
        low, high = (recall_of(self._d_prime(counts, k)) for k in (self.per_count_low, self.per_count_high))
        return low, high

    def counts_for(self, recall: float) -> float:
        """Counts that the full column needs; infinite if scatter stands before it, whatever the dose."""
        return self._counts(recall, self.per_count)

    def counts_interval(self, recall: float) -> tuple[float, float]:
        """Its 95 % interval."""
        return self._counts(recall, self.per_count_high), self._counts(recall, self.per_count_low)

    def _counts(self, recall: float, per_count: float) -> float:
        left = d_prime_for(recall) ** -2 - self.floor**2
        return math.inf if left <= 0 else 1 / (per_count * left)


def recall_of(d_prime: float) -> float:
    """Probability that a vacancy is called, with `d_prime` standard deviations to the full column."""
    return 0.0 if d_prime <= 0 else _NORMAL.cdf(d_prime / 2 - _ODDS / d_prime)


def d_prime_for(recall: float) -> float:
    """Its inverse.

    Raises
    ------
    BadInput
        If the recall is outside 0.3 to 0.999: below nothing can be said, above no simulation reaches.
    """
    if not LEAST_RECALL <= recall <= MOST_RECALL + 1e-9:
        raise BadInput(
            f"a recall of {recall:g}",
            f"it can be reckoned for {LEAST_RECALL:g} to {MOST_RECALL:g}",
            "95 % is usual",
        )
    z = _NORMAL.inv_cdf(recall)
    return z + math.sqrt(z * z + 2 * _ODDS)


def kinds_of(phase: Phase) -> tuple[str, ...]:
    """Vacancies that a phase can have, the faintest last."""
    named = {state.name: _lost(column, state) for column, state in _vacancies(phase)}
    return tuple(sorted(named, key=lambda name: -named[name]))


def _vacancies(phase: Phase) -> list[tuple[Column, State]]:
    columns = phase.columns[:1] if phase.alike else phase.columns
    return [(column, state) for column in columns for state in column.states if state.vacancy]


def _lost(column: Column, state: State) -> float:
    """Brightness that goes, over that of the brightest column."""
    return column.weight * (1 - state.relative)


def vacancy_of(phase: Phase, kind: str) -> tuple[Column, State]:
    """The column and the state that a word means: 'V_S', 'S', or 'vacancy' and 'any' for the faintest of the phase.

    Raises
    ------
    BadInput
        If the phase has no such vacancy.
    """
    known = {state.name: (column, state) for column, state in _vacancies(phase)}
    wanted = kinds_of(phase)[-1] if kind.lower() in ("vacancy", "any") else kind
    for name in (wanted, f"V_{wanted}"):
        if name in known:
            return known[name]
    raise BadInput(
        f"no vacancy {visible(kind, limit=40)!r} in {phase.name}",
        f"known there: {', '.join(kinds_of(phase))}",
        "name one of these",
    )


CORE_SHARE: Final = 0.75
"""Share of a column's scattered electrons that its Gaussian core holds; probe tails put the rest between columns
(multislice images of Ti3C2O2 and MoS2 with a source of 0.7-0.87 Å; 0.5 at 1.1 Å)."""
EFFICIENCY: Final = 1.0
"""d' of the detector over that of an ideal filter that has the core's counts alone: what it must estimate costs, what
a missing column takes along of its tails gains (V_Ti, V_Mo and V_S in the same images)."""
DOSE_FACTOR: Final = 2.0
"""A predicted dose is good to this factor either way (95 %): source size and contamination are not known before."""
_TOGETHER: Final = 1.2
"""Atoms of a kind over each other are brighter than their sum: what one leaves behind is less (S2 in MoS2)."""
_TAILS: Final = 1.07
"""A missing atom takes its tails along, which a full column's height above its surroundings leaves out."""
_USUAL_FLOOR: Final = 0.045
"""Scatter of full columns that is no shot noise, over their brightness: jitter, drift, contamination."""
_BACKGROUND: Final = 0.15
"""Light between the columns that is not theirs (contamination), over the mean brightness of the lattice."""
_VIBRATION_A: Final = 0.075
_GRID_A: Final = 0.1


def column_sigma_a(voltage_kv: float, convergence_mrad: float, pixel_pm: float = 0.0) -> float:
    """Width of a column in the image: probe, vibration and pixel together [Å]."""
    probe = probe_fwhm_a(voltage_kv, convergence_mrad) / 2.3548
    return math.sqrt(probe**2 + _VIBRATION_A**2 + (pixel_pm / 100) ** 2 / 12)


def column_cross_section_a2(column: Column, voltage_kv: float) -> float:
    """What of a column's scattering shows as counts of its core [Å²]: counts over the mean dose."""
    return CORE_SHARE * sum(haadf_cross_section_a2(element, voltage_kv) for element in column.elements)


def contrast_of(state: State) -> float:
    """What a vacancy takes away over the brightness of a full column, as an image shows it."""
    return _TAILS * (1 - state.relative / (_TOGETHER if state.column_left else 1.0))


def predicted_law(
    phase: Phase, kind: str, *, voltage_kv: float, convergence_mrad: float, pixel_pm: float
) -> VacancyLaw:
    """The law from physics alone, for a frame that nobody has taken yet.

    Parameters
    ----------
    kind
        As in `vacancy_of`.
    pixel_pm
        Pixel size of the image [pm]; a coarse pixel widens the column.

    Raises
    ------
    BadInput
        The phase is no layer: how many atoms a column has is not known before a frame is taken.
    """
    if phase.kind != "hexagonal":
        raise BadInput(
            f"nothing can be predicted for {phase.name}",
            "its columns are as long as the specimen is thick, which nobody has said",
            "give a frame: its limits can be measured",
        )
    column, state = vacancy_of(phase, kind)
    lost = contrast_of(state)
    sigma = column_sigma_a(voltage_kv, convergence_mrad, pixel_pm)
    ideal = lost**2 * _information(phase, column, sigma)
    value = EFFICIENCY**2 * ideal
    return VacancyLaw(
        kind=state.name, per_count=value, per_count_low=value / DOSE_FACTOR, per_count_high=value * DOSE_FACTOR,
        floor=_USUAL_FLOOR / lost, source="predicted",
    )  # fmt: skip


def _information(phase: Phase, column: Column, sigma_a: float) -> float:
    """Integral of g² over the expected image per count of the column: the d'² of one count, if all were lost.

    g is the column's profile of unit volume; the image holds it, its neighbours, the tails of all, and background.
    """
    span = np.arange(-1.8, 1.8 + _GRID_A / 2, _GRID_A)
    x, y = np.meshgrid(span, span)
    own = _profile(x, y, sigma_a)
    image = own + sum(
        weight * _profile(x - dx, y - dy, sigma_a) for dx, dy, weight in _neighbours(phase, column)
    )
    mean = (
        sum(one.weight for one in phase.columns) / column.weight / (phase.lattice.parts * phase.site_area_a2)
    )
    image = image + mean * ((1 - CORE_SHARE) / CORE_SHARE + _BACKGROUND)
    return float((own**2 / image).sum() * _GRID_A**2)


def _profile(x: NDArray[np.float64], y: NDArray[np.float64], sigma_a: float) -> NDArray[np.float64]:
    profile: NDArray[np.float64] = np.exp(-(x**2 + y**2) / (2 * sigma_a**2)) / (2 * math.pi * sigma_a**2)
    return profile


def _neighbours(phase: Phase, column: Column) -> list[tuple[float, float, float]]:
    """(x, y, brightness over the column's own) of the sites around it, which alternate between the others."""
    lattice = phase.lattice
    weights = [one.weight / column.weight for one in phase.columns]
    weights += [0.0] * (lattice.parts - len(phase.columns))
    others = [weight for n, weight in enumerate(weights) if n != phase.columns.index(column)]
    d, turn = phase.spacing_angstrom, math.radians(lattice.angle_deg)
    return [
        (d * math.cos(n * turn), d * math.sin(n * turn), others[n % len(others)]) for n in range(lattice.fold)
    ]
