"""The stays of the stage: which moves lie between two of them, and how far apart they may truly be.

A stay is reached from an earlier one by a move, or found again by an image that was registered to a frame of an
earlier one. So the stays are a tree, and what may be wrong between two of them lies on the path between them: every
move adds its error, and a move may not have happened though the read-back says so. Lengths in µm.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.dose.stage_errors import PROBE_REACH_UM, Errors, Vectors

Signs = NDArray[np.int8]
_RECENT = 16
"""Two missed moves are thought of among so many last ones."""
_CELL_UM = 1.0
"""Fields are looked up by cells of this size [µm]."""


@dataclass(frozen=True)
class Seen:
    """Where earlier stays may lie as seen from a later one, for each story of which moves were missed.

    In story 0 every move happened. A story names only stays that it puts elsewhere, and of those only such as may
    have been exposed near the place that is looked at.
    """

    stay: NDArray[np.int64]
    offset: Vectors
    """Added to readings of that stay to get readings of the later one."""
    story: NDArray[np.int64]
    elsewhere: NDArray[np.bool_]
    """(stories, stays): whether a story puts a stay elsewhere than story 0 does."""
    slack: Vectors
    """(stays, 2) largest error of the offset, besides drift, creep and the scale of the distance that is left."""
    apart: NDArray[np.bool_]
    """(stays,) whether any move lies between."""


class Stays:
    """All stays on one specimen loading, in the order in which they began."""

    def __init__(self, errors: Errors) -> None:
        self.errors = errors
        self.names: dict[str, int] = {}
        self.last = 0
        self._under = np.zeros((1, 1), np.int8)
        """(n, n): whether a stay was reached through the move that ended at another."""
        self._step = np.zeros((1, 2))
        self._shift = np.zeros((1, 2))
        """Measured less reported, as far as it is known."""
        self._blur = np.zeros(1)
        """Error of the registration by which a stay was found again."""
        self._body = np.zeros(1, np.int64)
        """Stays that images have tied together have the same number: no move lies between them."""
        self._box = np.array([[np.inf, np.inf, -np.inf, -np.inf]])
        """What was exposed during each stay: low corner, high corner."""
        self._seen: dict[tuple[float, ...], Seen] = {}

    def copy(self) -> "Stays":
        """Stays that go on their own way."""
        other = Stays(self.errors)
        other.__dict__.update(self.__dict__)
        other.names, other._seen = dict(self.names), {}
        return other

    def __len__(self) -> int:
        return len(self._step)

    def arrive(self, name: str, moves: tuple[tuple[float, float], ...]) -> int:
        """The number of a stay; a new one is reached from the last by `moves` [µm], each of which may have missed.

        Without moves, somebody else moved the stage: that happened, and nobody knows how.
        """
        if name not in self.names:
            for move in moves or (() if not self.names else ((0.0, 0.0),)):
                self._grow(move)
            self.names[name] = self.last
        return self.names[name]

    def found(self, name: str, tile: str, shift_um: tuple[float, float], blur_um: float) -> None:
        """A stay was found again by its image in a frame of another stay: no move lies between those two.

        Parameters
        ----------
        shift_um
            Measured position less the reported one, in the other stay's readings.
        """
        if name not in self.names or tile not in self.names or name == tile:
            return
        here, there = self.names[name], self.names[tile]
        if here == there:
            return
        self._under, self._shift, self._blur = self._under.copy(), self._shift.copy(), self._blur.copy()
        self._body = self._body.copy()
        self._body[here] = self._body[there]
        self._under[here] = self._under[there]
        self._shift[here] = self._shift[there] + np.array(shift_um)
        self._blur[here] = self._blur[there] + blur_um
        self._seen.clear()

    def cover(self, stay: int, low: Vectors, high: Vectors) -> None:
        """Something was exposed between two corners (2,) [µm]."""
        box = np.concatenate([np.minimum(self._box[stay, :2], low), np.maximum(self._box[stay, 2:], high)])
        if np.array_equal(box, self._box[stay]):
            return
        self._box = self._box.copy()
        self._box[stay] = box
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] == stay}

    def shift(self, stay: int) -> tuple[float, float]:
        """Measured less reported position of a stay, as far as it is known; 0 where it is not [µm]."""
        return float(self._shift[stay, 0]), float(self._shift[stay, 1])

    @property
    def bodies(self) -> NDArray[np.int64]:
        """(n,) number of the body that each stay belongs to: images have shown how the stays of one lie."""
        return self._body

    def blur(self, stay: int) -> float:
        """How far off a stay may be from where images have put it in its body [µm]."""
        return float(self._blur[stay])

    def _grow(self, move: tuple[float, float]) -> None:
        n, before = len(self), self.last
        under = np.zeros((n + 1, n + 1), np.int8)
        under[:n, :n] = self._under
        under[n, :n] = self._under[before]
        under[n, n] = 1
        self._under = under
        self._step = np.vstack([self._step, move])
        self._shift = np.vstack([self._shift, self._shift[before]])
        self._blur = np.append(self._blur, self._blur[before])
        self._body = np.append(self._body, n)
        self._box = np.vstack([self._box, (np.inf, np.inf, -np.inf, -np.inf)])
        self.last = n

    def seen_from(self, here: int, field: Vectors, reach_um: float, missed: int) -> Seen:
        """The stays whose exposures may lie near a field, in every story of up to `missed` moves that did not happen.

        Parameters
        ----------
        field
            (2,) middle of the field [µm].
        reach_um
            Half of its longer edge, with the drift since the oldest exposure [µm].
        """
        cell = np.round(field / _CELL_UM) * _CELL_UM
        reach = float(np.ceil(reach_um / _CELL_UM) + 0.5) * _CELL_UM
        key = (here, *cell.tolist(), reach, missed)
        if key not in self._seen:
            self._seen[key] = self._looked(here, cell, reach, missed)
        return self._seen[key]

    def _looked(self, here: int, field: Vectors, reach: float, missed: int) -> Seen:
        between = self._under[here][None, :] - self._under
        """(stay, move): 1 if the move lies on this stay's way only, -1 if on the other's only."""
        slack, offset = self._slack(between, here), self._shift - self._shift[here]
        with np.errstate(invalid="ignore"):
            size = np.maximum(self._box[:, 2:] - self._box[:, :2], 0.0)
        skew = (self.errors.scale + self.errors.cross) * 2 * (size.max(axis=1, keepdims=True) + reach)
        room = slack + reach + 2 * self.errors.creep + skew + PROBE_REACH_UM
        window = (field - self._box[:, 2:] - room, field - self._box[:, :2] + room)
        """(stays, 2) each: between these an offset brings a stay's exposures near the field."""
        near = _within(offset, window) | (np.arange(len(self)) == here)
        seen = _Stories(near, offset)
        if missed:
            self._add_singles(seen, between, window)
        if missed > 1:
            self._add_pairs(seen, between, window)
        return seen.done(slack, between.any(axis=1))

    def _add_singles(self, seen: "_Stories", between: Signs, window: tuple[Vectors, Vectors]) -> None:
        """One move did not happen."""
        x = seen.offset[:, :1] + between * self._step[:, 0]
        stay, move = np.nonzero((x >= window[0][:, :1]) & (x <= window[1][:, :1]) & (between != 0))
        way = seen.offset[stay] + between[stay, move, None] * self._step[move]
        kept = _within(way, (window[0][stay], window[1][stay])) & self._step[move].any(axis=1)
        seen.add(stay[kept], way[kept], move[kept], between != 0)

    def _add_pairs(self, seen: "_Stories", between: Signs, window: tuple[Vectors, Vectors]) -> None:
        """Two of the last moves did not happen."""
        moves = np.flatnonzero(between.any(axis=0) & self._step.any(axis=1))[-_RECENT:]
        one, other = np.triu_indices(len(moves), 1)
        if not len(one):
            return
        signs = between[:, moves]
        steps = signs[:, :, None] * self._step[moves]
        way = seen.offset[:, None, :] + steps[:, one] + steps[:, other]
        away = (signs[:, one] != 0) | (signs[:, other] != 0)
        stay, pair = np.nonzero(away & _within(way, (window[0][:, None], window[1][:, None])))
        seen.add(stay, way[stay, pair], pair, away)

    def _slack(self, between: Signs, here: int) -> Vectors:
        """(n, 2) error between each stay and one of them."""
        moves = np.count_nonzero(between, axis=1)[:, None]
        along = np.abs(between.astype(np.float32) @ np.sign(self._step).astype(np.float32))
        grown = (
            self.errors.move * np.sqrt(moves) + self.errors.one_way * along + self.errors.fixed * (moves > 0)
        )
        blur = np.where(np.arange(len(self)) == here, 0.0, self._blur + self._blur[here])
        return np.asarray(grown + blur[:, None])


def _within(way: Vectors, window: tuple[Vectors, Vectors]) -> NDArray[np.bool_]:
    return np.asarray(((way >= window[0]) & (way <= window[1])).all(axis=-1))


class _Stories:
    """Collects stories that differ in what they bring near."""

    def __init__(self, near: NDArray[np.bool_], offset: Vectors) -> None:
        self.offset, self._near = offset, np.flatnonzero(near)
        self._rows = [(self._near, offset[near])]
        self._elsewhere = [np.zeros(len(near), np.bool_)]
        self._known: set[bytes] = set()

    def add(
        self, stay: NDArray[np.int64], way: Vectors, story: NDArray[np.int64], away: NDArray[np.bool_]
    ) -> None:
        """Stays and their offsets by story; `away` (stays, stories) tells which ones a story puts elsewhere."""
        order = np.argsort(story, kind="stable")
        stay, way, story = stay[order], np.round(way[order], 3), story[order]
        edges = np.flatnonzero(np.diff(story, prepend=-1, append=-1))
        for begin, end in pairwise(edges.tolist()):
            found, ways, gone = stay[begin:end], way[begin:end], away[:, story[begin]]
            name = found.tobytes() + ways.tobytes() + gone[self._near].tobytes()
            if name not in self._known:
                self._known.add(name)
                self._rows.append((found, ways))
                self._elsewhere.append(gone)

    def done(self, slack: Vectors, apart: NDArray[np.bool_]) -> Seen:
        """All of them."""
        return Seen(
            stay=np.concatenate([row[0] for row in self._rows]),
            offset=np.concatenate([row[1] for row in self._rows]),
            story=np.repeat(np.arange(len(self._rows)), [len(row[0]) for row in self._rows]),
            elsewhere=np.array(self._elsewhere),
            slack=slack,
            apart=apart,
        )
