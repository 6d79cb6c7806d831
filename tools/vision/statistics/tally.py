"""What one image contributes to a density, and how calls become a density.

The called share q of the examined sites is corrected for what is missed and what is called wrongly
(Rogan and Gladen, Am. J. Epidemiol. 107 (1978) 71): density = (q - f) / (r - f), with recall r and
false-call rate f by the intensity populations of the images themselves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eucentric.core.calls import Finding
from eucentric.tools.vision.atom_map import AtomMap

Z = 1.959963984540054
MIN_RECALL = 0.3
"""With less nothing is said about a density."""
_LEAST_GAIN = 0.05


@dataclass(frozen=True)
class Tally:
    """Calls among the examined sites of one image, or of several together."""

    called: float
    sites: float
    recall: float
    false: float
    """Calls expected on intact sites."""
    probability: float = 0.0
    """Sum of the probabilities of the examined sites."""
    recall_low: float | None = None
    recall_high: float | None = None
    """95 % of the recall, where it is known."""
    spread: float = 1.0
    """Factor on the variance of `called`, by vacancies that come together."""
    image: str = ""
    sample: str = ""

    @property
    def rate(self) -> float:
        """False calls a site, never so many that nothing is left."""
        return min(self.false / self.sites, 0.5 * self.recall) if self.sites else 0.0

    @property
    def gain(self) -> float:
        """Calls more a site, if all were vacant."""
        return max(self.recall - self.rate, _LEAST_GAIN)

    def corrected(self, q: float) -> float:
        """Density [share] for a called share of the sites."""
        return float(np.clip((q - self.rate) / self.gain, 0.0, 1.0))

    @property
    def density(self) -> float:
        """[share]."""
        return self.corrected(self.called / self.sites) if self.sites else 0.0

    @property
    def calibration(self) -> tuple[float, float]:
        """How far the correction itself may be off, below and above the density [share], 95 %.

        A fifth of the false calls; the recall anywhere between its bounds, as far as a density would be stated at all,
        or else a tenth of what is missed.
        """
        false = Z * 0.2 * self.rate / self.gain
        if self.recall_low is None or self.recall_high is None:
            missed = Z * 0.1 * (1 - self.recall) * self.called / max(self.sites, 1) / self.gain
            return math.hypot(false, missed), math.hypot(false, missed)
        least, most = (
            replace(self, recall=bound, recall_low=None, recall_high=None).density
            for bound in (
                max(self.recall, self.recall_high),
                min(self.recall, max(self.recall_low, MIN_RECALL)),
            )
        )
        return math.hypot(false, self.density - least), math.hypot(false, most - self.density)


def tally_of(atoms: AtomMap, *, image: str = "", sample: str = "") -> Tally:
    """Of a map."""
    known = atoms.recall_high > 0
    return Tally(
        atoms.called, atoms.examined, atoms.recall, atoms.false_calls,
        float(atoms.sites_p_vacancy[atoms.sites_examined].sum()), atoms.recall_low if known else None,
        atoms.recall_high if known else None, image=image, sample=sample,
    )  # fmt: skip


def tally_of_finding(finding: Finding, *, sample: str = "") -> Tally:
    """Of a finding that `vacancy_density` made.

    Raises
    ------
    KeyError, TypeError
        If it lacks its counts.
    """
    known = finding.details
    return Tally(
        known["called"], finding.of, known["recall"], known["expected_false_calls"], known["sum_of_probabilities"],
        known.get("recall_low"), known.get("recall_high"), float(known.get("overdispersion", 1.0)),
        finding.evidence[0] if finding.evidence else finding.id, sample,
    )  # fmt: skip


def together(tallies: Sequence[Tally]) -> Tally:
    """One tally of all, recall weighted by sites."""
    sites = np.array([one.sites for one in tallies], float)
    low, high = (
        _mean([getattr(one, name) for one in tallies], sites) for name in ("recall_low", "recall_high")
    )
    first = tallies[0]
    return replace(
        first, called=float(sum(one.called for one in tallies)), sites=float(sites.sum()),
        recall=float(np.average([one.recall for one in tallies], weights=sites)),
        false=float(sum(one.false for one in tallies)), probability=float(sum(one.probability for one in tallies)),
        spread=float(np.average([one.spread for one in tallies], weights=sites)), recall_low=low, recall_high=high,
    )  # fmt: skip


def _mean(values: Sequence[float | None], weights: NDArray[np.float64]) -> float | None:
    """None unless all are known."""
    known = [value for value in values if value is not None]
    return float(np.average(known, weights=weights)) if len(known) == len(weights) else None
