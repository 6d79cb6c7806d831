"""What one image shows, as arrays: the value that the rest of the room passes on."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eucentric.knowledge.phases import Phase
from eucentric.tools.vision.quality import Flag

Array = NDArray[np.float64]

METHOD = (
    "lattice-mixture v3 (ring scale, polynomial lattice with local mean, deficit of every site through the filter that "
    "the image calls for, population mixture averaged over the depth of a vacancy, Gaussian refinement with the "
    "lattice as prior)"
)


def _none2() -> Array:
    return np.zeros((0, 2))


def _none3() -> Array:
    return np.zeros((0, 3))


def _none1() -> Array:
    return np.zeros(0)


@dataclass(frozen=True)
class Grain:
    """One lattice of an image."""

    vectors_px: Array
    """(2, 2) float64 [px of the image]: two vectors of the cell (length a), rows, 60° or 90° apart."""
    area_share: float
    """Of the image, without the boundaries."""
    residual_pm: float
    """rms 2D distance of the peaks from the lattice [pm]."""

    @property
    def turn_deg(self) -> float:
        """Direction of the cell against the image's x axis, y down [deg], 0 … 60 or 0 … 90."""
        (ax, ay), (bx, by) = self.vectors_px
        apart = 60.0 if ax * bx + ay * by > 0.25 * math.hypot(ax, ay) * math.hypot(bx, by) else 90.0
        first, second = math.degrees(math.atan2(ay, ax)), math.degrees(math.atan2(by, bx))
        second = second - apart if (second - first) % 360 < 180 else second + apart
        middle = first + 0.5 * ((second - first + 180) % 360 - 180)
        return middle % apart


@dataclass(frozen=True)
class AtomMap:
    """What one image shows. Positions are (n, 2) float64 [px of the image], x = column, y = row."""

    phase: Phase
    shape: tuple[int, int]
    pixel_pm: float | None = None
    pixel_pm_sigma: float | None = None
    stated_pixel_pm: float | None = None
    rings: str = ""
    atoms_xy: Array = field(default_factory=_none2)
    atoms_sigma_pm: Array = field(default_factory=_none1)
    """(n,) float64 [pm]: along one axis."""
    atoms_counts: Array = field(default_factory=_none1)
    """(n,) float64: net volume of the column, in electrons if the detector's calibration was given."""
    atoms_site: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,) int64: row in the arrays of sites."""
    atoms_p: Array = field(default_factory=_none1)
    """(n,) float64: probability that a column is here."""
    atoms_element: tuple[str, ...] = ()
    """(n): elements of the heavy column, such as 'Ti' or 'S+S'."""
    sites_xy: Array = field(default_factory=_none2)
    sites_p_vacancy: Array = field(default_factory=_none1)
    sites_sublattice: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    sites_relative: Array = field(default_factory=_none1)
    """(n,) float64: brightness over the full column there."""
    sites_examined: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """(n,) bool: counted in a density (not at the edge, not where the lattice is lost)."""
    sites_state: tuple[str, ...] = ()
    """(n): the most probable state, such as 'full' or 'V_Ti'."""
    sites_kind: tuple[str, ...] = ()
    """(n): the vacancy that it would most probably be."""
    vacancies_xy: Array = field(default_factory=_none2)
    vacancies_p: Array = field(default_factory=_none1)
    vacancies_site: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    coherence: float = 0.0
    residual_pm: float | None = None
    column_sigma_pm: float | None = None
    """Width of the mean column: probe, vibration and defocus together [pm]."""
    displacement_pm: float | None = None
    """Scatter of columns about the lattice along one axis, the prior of the refinement [pm]."""
    counts_per_column: float = 0.0
    """Net counts of the brightest kind of column, median."""
    localisation_pm: float | None = None
    """Noise of a place by the data alone, along one axis [pm]."""
    snr: float = 0.0
    """Height of the full column over the scatter of full columns."""
    capacity: float = 0.0
    """Columns that the area of the image holds."""
    columns_seen: int = 0
    usable: float = 0.0
    """Share of the area (edges apart) where the lattice is seen."""
    not_counted: tuple[str, ...] = ()
    recall: float = 0.0
    """Probability that a vacancy here is called at p > 0.5."""
    false_calls: float = 0.0
    """Expected calls on intact sites among the examined ones."""
    doubt: float = 0.0
    """How far the image is from one that can be read: 0 not at all, 0.5 at the worst limit, 1 hopeless."""
    flags: tuple[Flag, ...] = ()
    cannot_tell: str = ""
    """Reason, if no statement about vacancies is made."""
    method: str = METHOD
    sites_grain: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,) int64: grain of the site, -1 at a boundary and where there is no lattice."""
    grains: tuple[Grain, ...] = ()
    """The largest first."""
    sites_by_hand: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n,) int64: rows of sites where a person's word stands in place of the program's."""
    recall_low: float = 0.0
    """Recall if a vacancy is as shallow as can be held possible here: its depth is known from few, or not at all."""
    recall_high: float = 0.0
    sites_classes: tuple[str, ...] = ()
    """(k): what a site may be, such as 'full', 'V_Ti', 'extra Ti', 'unknown', 'empty site'."""
    sites_posterior: Array = field(default_factory=_none2)
    """(n, k) float64: probability of each of them; the rows add up to 1."""
    sites_p_value: Array = field(default_factory=_none1)
    """(n,) float64: share of full columns at least as far from the usual brightness as this site."""

    network_sha256: str = ""
    """Weights of the network that read the image too; empty without one."""
    sites_network: Array = field(default_factory=_none1)
    """(n,) float64: the network's vacancy score at each site, no probability."""
    agreement: float | None = None
    """F1 of the network's columns against those of the lattice, where sites are examined."""
    extras_xy: Array = field(default_factory=_none2)
    """Atoms between columns, by the network."""
    extras_score: Array = field(default_factory=_none1)
    atoms_covariance_pm2: Array = field(default_factory=_none3)
    """(n, 3) float64 [pm²]: xx, yy, xy of the places, with the lattice as prior."""
    atoms_free_xy: Array = field(default_factory=_none2)
    """(n, 2) float64 [px]: places by the data alone; for strain and displacements, which the lattice would shrink."""
    atoms_free_covariance_pm2: Array = field(default_factory=_none3)
    """(n, 3) float64 [pm²]: xx, yy, xy of those."""

    @property
    def examined(self) -> int:
        """Number of sites counted in a density."""
        return int(self.sites_examined.sum())

    @property
    def called(self) -> int:
        """Examined sites with p > 0.5."""
        return int((self.sites_p_vacancy[self.sites_examined] > 0.5).sum())
