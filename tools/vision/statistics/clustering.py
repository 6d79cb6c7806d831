"""Whether vacancies sit together: neighbouring pairs, and clusters by size, against complete spatial randomness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eucentric.core.base import Model
from eucentric.tools.vision.atom_map import AtomMap
from eucentric.tools.vision.statistics.arrangement import Arrangement, Array, Ints, arrangement_of
from eucentric.tools.vision.statistics.chance import ROUNDS, cluster_sizes, members, pair_counts, scattered

SIZES = ("isolated", "divacancies", "trivacancies", "pores")
"""One, two, three, and four or more neighbouring vacancies."""
_MAYBE = 0.02
"""Sites that are less likely vacant than this make no difference to the clusters."""
_LISTED = 50


@dataclass(frozen=True)
class Clustering:
    """Neighbouring pairs of vacancies against complete spatial randomness on the same sites."""

    pairs: int
    expected: float
    ratio: float | None
    p_value: float
    """Share of random arrangements with at least as many pairs."""
    company: float = 0.0
    """Other vacancies in the cluster of a vacancy, mean over vacancies, beyond what chance makes."""


class Cluster(Model):
    """Vacancies that are neighbours."""

    image: int
    """Number of the image, from 1."""
    size: int
    kinds: tuple[str, ...]
    x_px: float
    """Middle of the sites."""
    y_px: float
    p: float
    """Probability that all of its sites are vacant, taken as independent."""
    sites: tuple[int, ...]
    """Rows among the sites of the map."""


class Sizes(Model):
    """How many clusters there are of one size."""

    called: int
    low: float
    """2.5 % and 97.5 % over the probabilities of all sites, called or not."""
    high: float
    by_chance: float
    """Mean over random arrangements of the called vacancies."""


class Topology(Model):
    """Clusters of vacancies by lattice neighbourhood."""

    isolated: Sizes
    divacancies: Sizes
    trivacancies: Sizes
    pores: Sizes
    """Four and more."""
    largest: int
    clustered: int
    """Vacancies that have a vacant neighbour."""
    p_value: float
    """Share of random arrangements with at least as many of these."""
    clusters: tuple[Cluster, ...] = ()
    """Of two and more, the largest first; 50 at most."""


def clustering(maps: Sequence[AtomMap], *, rounds: int = ROUNDS, seed: int = 0) -> Clustering:
    """Pairs of called vacancies on neighbouring sites, against the same number put on the counted sites at random.

    Each image keeps its number of each kind. Neighbours are those of `Arrangement.neighbours`.
    """
    return paired([arrangement_of(one) for one in maps], rounds=rounds, seed=seed)


def paired(images: Sequence[Arrangement], *, rounds: int = ROUNDS, seed: int = 0) -> Clustering:
    """As `clustering`, of arrangements."""
    rng = np.random.default_rng(seed)
    seen, drawn, together, vacancies = 0, np.zeros(rounds), 0.0, 0
    for one in images:
        vacancies += int(one.vacant.sum())
        if one.vacant.sum() > 1:
            marks = scattered(one, rounds, rng)
            seen += int(pair_counts(one.vacant[:, None], one.neighbours)[0])
            drawn += pair_counts(marks, one.neighbours)
            sizes, _ = cluster_sizes(one.vacant[:, None], one.neighbours)
            chance, _ = cluster_sizes(marks, one.neighbours)
            together += float((sizes**2).sum()) - float((chance**2).sum()) / rounds
    expected = float(drawn.mean())
    p = (1 + int((drawn >= seen).sum())) / (1 + rounds)
    company = max(together, 0.0) / max(vacancies, 1)
    return Clustering(seen, expected, seen / expected if expected > 0 else None, p, company)


def topology(images: Sequence[Arrangement], *, rounds: int = ROUNDS, seed: int = 0) -> Topology:
    """Clusters of neighbouring vacancies by size, over images of different places.

    Parameters
    ----------
    images
        Counted sites of each image.
    rounds, seed
        Of the random arrangements, and of the draws from the sites' probabilities.
    """
    rng = np.random.default_rng(seed)
    chance, likely = np.zeros((rounds, 4)), np.zeros((rounds, 4))
    beside = np.zeros(rounds)
    clusters: list[Cluster] = []
    for number, one in enumerate(images, 1):
        sizes, turn = cluster_sizes(scattered(one, rounds, rng), one.neighbours)
        chance += _by_size(sizes, turn, rounds)
        beside += np.bincount(turn, np.where(sizes > 1, sizes, 0), rounds)
        marks = np.zeros((len(one.p), rounds), bool)
        maybe = np.flatnonzero(one.p > _MAYBE)
        marks[maybe] = rng.random((len(maybe), rounds)) < one.p[maybe, None]
        likely += _by_size(*cluster_sizes(marks, one.neighbours), rounds)
        clusters += [_cluster(number, one, rows) for rows in members(one.vacant, one.neighbours)]
    return _summed(clusters, chance, likely, beside)


def _by_size(sizes: Ints, turn: Ints, rounds: int) -> Ints:
    """(rounds, 4): clusters of one, two, three, more."""
    flat = np.bincount(turn * 4 + np.minimum(sizes, 4) - 1, minlength=4 * rounds)
    return np.asarray(flat.reshape(rounds, 4), np.int64)


def _cluster(number: int, sites: Arrangement, rows: Ints) -> Cluster:
    x, y = sites.xy[rows].mean(0)
    return Cluster(
        image=number, size=len(rows), kinds=tuple(sites.names[k] for k in rows), x_px=round(float(x), 2),
        y_px=round(float(y), 2), p=round(float(np.prod(sites.p[rows])), 4), sites=tuple(sites.row[rows].tolist()),
    )  # fmt: skip


def _summed(clusters: list[Cluster], chance: Array, likely: Array, beside: Array) -> Topology:
    sizes = np.array([one.size for one in clusters], np.int64)
    called = [int((np.minimum(sizes, 4) == k).sum()) for k in (1, 2, 3, 4)]
    low, high = np.percentile(likely, (2.5, 97.5), axis=0)
    clustered = int(sizes[sizes > 1].sum())
    each = {
        name: Sizes(
            called=called[k], low=round(float(low[k]), 3), high=round(float(high[k]), 3),
            by_chance=round(float(chance[:, k].mean()), 3),
        )
        for k, name in enumerate(SIZES)
    }  # fmt: skip
    listed = sorted((one for one in clusters if one.size > 1), key=lambda one: (-one.size, one.image))
    return Topology(
        **each, largest=int(sizes.max(initial=0)), clustered=clustered, clusters=tuple(listed[:_LISTED]),
        p_value=round((1 + int((beside >= clustered).sum())) / (1 + len(beside)), 4),
    )  # fmt: skip
