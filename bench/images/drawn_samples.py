"""Lattices, samples and dose series whose truth is known, drawn without any image."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.knowledge.phases import phase
from eucentric.tools.vision import AtomMap
from eucentric.tools.vision.statistics import Look, Tally

Array = NDArray[np.float64]
_STEPS = ((0, 1), (1, 0), (1, -1), (0, -1), (-1, 0), (-1, 1))
_SPACING_PX = 11.0


@dataclass(frozen=True)
class Instrument:
    """How vacancies are called."""

    recall: float = 0.85
    false_rate: float = 2e-4


def vacant_sites(side: int, density: float, mean_size: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(side, side) bool: vacancies of this density that come in clusters of this mean size (1: one by one).

    A cluster grows by steps to neighbours of a triangular lattice until a geometric size is reached. Places where
    clusters run into each other would lower the density; the number of seeds is drawn for sites without that.
    """
    vacant = np.zeros((side, side), bool)
    for _ in range(rng.poisson(density * side * side / mean_size)):
        at = rng.integers(0, side, 2)
        grown = [tuple(at)]
        size = rng.geometric(1 / mean_size)
        while len(grown) < size:
            base = grown[rng.integers(len(grown))]
            step = _STEPS[rng.integers(6)]
            site = ((base[0] + step[0]) % side, (base[1] + step[1]) % side)
            if site not in grown:
                grown.append(site)
        for site in grown:
            vacant[site] = True
    return vacant


def map_of(vacant: NDArray[np.bool_], how: Instrument, rng: np.random.Generator) -> AtomMap:
    """A map of the twin's kind: sites on a bent lattice, vacancies called with recall and false calls."""
    i, j = (grid.ravel() for grid in np.mgrid[0 : vacant.shape[0], 0 : vacant.shape[1]])
    xy = np.stack([i + 0.5 * j, math.sqrt(3) / 2 * j], -1) * _SPACING_PX * [1.01, 0.99]
    xy += 1e-5 * xy[:, ::-1] ** 2
    called = rng.random(vacant.size) < np.where(vacant.ravel(), how.recall, how.false_rate)
    known, n = phase("Ti3C2"), vacant.size
    return AtomMap(
        known, (512, 512), pixel_pm=known.spacing_angstrom * 100 / _SPACING_PX, pixel_pm_sigma=0.1, sites_xy=xy,
        sites_p_vacancy=np.where(called, 0.99, 0.001), sites_sublattice=np.zeros(n, np.int64),
        sites_relative=np.ones(n), sites_examined=np.ones(n, bool),
        sites_state=tuple("V_Ti" if one else "full" for one in called), sites_kind=("V_Ti",) * n, recall=how.recall,
        false_calls=how.false_rate * n, usable=1.0, coherence=0.9,
    )  # fmt: skip


@dataclass(frozen=True)
class Design:
    """How many samples and frames, and how much they differ (relative standard deviation)."""

    samples: int
    frames: int
    between: float
    within: float
    sites: int = 1500

    @property
    def name(self) -> str:
        """For a table."""
        return f"{self.samples} × {self.frames}, {self.between:.0%} / {self.within:.0%}"


def tallies(design: Design, density: float, how: Instrument, rng: np.random.Generator) -> list[Tally]:
    """Counts of all frames; densities of samples and of frames within them are log-normal."""
    out = []
    for sample in range(design.samples):
        here = density * _factor(design.between, rng)
        for frame in range(design.frames):
            share = min(here * _factor(design.within, rng), 0.5)
            called = rng.binomial(design.sites, share * how.recall + (1 - share) * how.false_rate)
            out.append(
                Tally(called, design.sites, how.recall, how.false_rate * design.sites, image=f"{sample}/{frame}",
                      sample=str(sample))
            )  # fmt: skip
    return out


def _factor(relative: float, rng: np.random.Generator) -> float:
    """Log-normal of mean one."""
    return float(np.exp(relative * rng.normal() - relative**2 / 2))


@dataclass(frozen=True)
class Damage:
    """One place that is looked at again and again."""

    before: float
    made: float
    """Share of the intact sites that the whole dose takes."""
    frames: int = 5
    sites: int = 2000
    dose: float = 5e4


def looks(damage: Damage, how: Instrument, rng: np.random.Generator) -> tuple[list[Look], set[int]]:
    """Frames, and the sites that were made between the middles of the first and the last."""
    there = rng.random(damage.sites) < damage.before
    onset = rng.exponential(1 / max(damage.made, 1e-12), damage.sites) * damage.dose
    doses = (np.arange(damage.frames) + 0.5) / damage.frames * damage.dose
    frames = []
    for dose in doses.tolist():
        called = rng.random(damage.sites) < np.where(there | (onset < dose), how.recall, how.false_rate)
        frames.append(Look(dose, called.astype(np.int8), how.recall, how.false_rate))
    made = np.flatnonzero(~there & (onset > doses[0]) & (onset < doses[-1]))
    return frames, set(made.tolist())
