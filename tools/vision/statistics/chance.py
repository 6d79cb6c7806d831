"""Complete spatial randomness: as many vacancies of each kind, put on the same sites of the same images at random."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from eucentric.tools.vision.statistics.arrangement import Arrangement, Ints, Mask

ROUNDS = 499
_AT_ONCE = 4_000_000


def scattered(sites: Arrangement, rounds: int, rng: np.random.Generator) -> Mask:
    """(n, rounds) bool: each column one random arrangement, with the numbers of each kind of the image."""
    marks = np.zeros((len(sites.p), rounds), bool)
    for kind in np.unique(sites.kind):
        rows = np.flatnonzero(sites.kind == kind)
        count = int(sites.vacant[rows].sum())
        step = max(1, _AT_ONCE // max(len(rows), 1))
        for first in range(0, rounds if count else 0, step):
            width = min(step, rounds - first)
            chosen = np.argpartition(rng.random((width, len(rows))), count - 1, axis=1)[:, :count]
            marks[rows[chosen], first + np.arange(width)[:, None]] = True
    return marks


def pair_counts(marks: Mask, pairs: Ints) -> Ints:
    """(rounds,) int64: pairs with both ends marked."""
    both: Ints = (marks[pairs[:, 0]] & marks[pairs[:, 1]]).sum(0, dtype=np.int64)
    return both


def cluster_sizes(marks: Mask, pairs: Ints) -> tuple[Ints, Ints]:
    """Sizes of all clusters of all rounds, and the round of each.

    Parameters
    ----------
    marks
        (n, rounds) bool: vacant sites.
    pairs
        (m, 2): neighbours.
    """
    site, turn = np.nonzero(marks)
    node = np.full(marks.shape, -1, np.int64)
    node[site, turn] = np.arange(len(site))
    edge, when = np.nonzero(marks[pairs[:, 0]] & marks[pairs[:, 1]])
    ends = node[pairs[edge, 0], when], node[pairs[edge, 1], when]
    graph = csr_matrix((np.ones(len(edge)), ends), shape=(len(site),) * 2)
    number, label = connected_components(graph, directed=False)
    where = np.zeros(number, np.int64)
    where[label] = turn
    return np.bincount(label, minlength=number).astype(np.int64), where


def members(vacant: Mask, pairs: Ints) -> list[NDArray[np.int64]]:
    """Rows of each cluster of one arrangement, the largest first, then by row."""
    rows = np.flatnonzero(vacant)
    place = np.full(len(vacant), -1, np.int64)
    place[rows] = np.arange(len(rows))
    joined = pairs[vacant[pairs].all(1)]
    graph = csr_matrix((np.ones(len(joined)), tuple(place[joined].T)), shape=(len(rows),) * 2)
    number, label = connected_components(graph, directed=False)
    return sorted((rows[label == one] for one in range(number)), key=lambda part: (-len(part), int(part[0])))
