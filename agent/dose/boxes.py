"""What earlier charges can have covered of a field, for each story of which moves were missed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.dose.deepest import Pile


@dataclass(frozen=True)
class Boxes:
    """Rectangles that earlier charges can have covered, in the readings of a later field's stay.

    There is a set of them for each story of which moves were missed; the bound is that of the worst story.
    """

    key: NDArray[np.int64]
    """(n,) number of the charge, in the order of `DoseBook.keys`."""
    pile: Pile
    """Grouped by stay: fields of one stay lie rigidly beside each other, wherever the stay was."""
    story: NDArray[np.int64]
    """(n,)"""
    moved: NDArray[np.bool_]
    """(stories, n): of the boxes of story 0, those that a story puts elsewhere."""

    def stories(self) -> list[NDArray[np.int64]]:
        """Rows of each story, the one with the most dose in all first."""
        told = self.story == 0
        rows = [np.flatnonzero(told)]
        for story in np.unique(self.story[~told]):
            rows.append(np.flatnonzero((self.story == story) | (told & ~self.moved[story])))
        return sorted(rows, key=lambda one: -self.pile.most(one))
