"""The deepest place of each stay, and of the bodies that images have tied stays to: kept until a charge changes it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.dose.charge import Rows
from eucentric.agent.dose.deepest import Pile
from eucentric.agent.dose.reach import among
from eucentric.agent.dose.stage_errors import Errors
from eucentric.agent.dose.stays import Stays


class Depths:
    """Upper bounds of what one stay, or one body of stays, can have put on one place.

    Parameters
    ----------
    charged
        The charges that count, whenever they are asked for.
    """

    def __init__(self, errors: Errors, stays: Stays, charged: Callable[[], Rows]) -> None:
        self._errors, self._stays, self._charged = errors, stays, charged
        self._of_stay: dict[int, float] = {}
        self._of_body: dict[int, float] = {}

    def changed(self, stay: int) -> None:
        """A charge of that stay is another one."""
        self._of_stay.pop(stay, None)
        self._of_body.clear()

    def tied(self) -> None:
        """An image has tied two stays."""
        self._of_body.clear()

    def forget(self) -> None:
        """A charge was taken back."""
        self._of_stay.clear()
        self._of_body.clear()

    def caps(self, stays: NDArray[np.int64], here: int, count: int) -> NDArray[np.float64]:
        """(stays,) most dose that any place has had during each stay; the field's own stay lies fast to it."""
        caps = np.full(count, np.inf)
        for stay in np.unique(stays):
            if stay != here:
                caps[stay] = self._deepest_of(int(stay))
        return caps

    def body_caps(
        self, stays: NDArray[np.int64], here: int, count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Bodies of stays, and the most dose that any place of each has had; the field's own lies fast to it."""
        body = np.arange(count)
        body[: len(self._stays)] = self._stays.bodies[:count]
        caps = np.full(count, np.inf)
        present = np.unique(stays)
        for one in np.unique(body[present]):
            if one != body[here] and np.count_nonzero(body[present] == one) > 1:
                caps[one] = self._deepest_of_body(int(one))
        return body, caps

    def _deepest_of(self, stay: int) -> float:
        """Upper bound at the deepest place of what was exposed during one stay [e/Å²]."""
        if stay not in self._of_stay:
            rows = self._charged()
            self._of_stay[stay] = self._deepest_among(rows[rows.stay == stay], np.array([np.inf]))
        return self._of_stay[stay]

    def _deepest_of_body(self, body: int) -> float:
        """The same of stays that images have tied together."""
        if body not in self._of_body:
            rows = self._charged()
            rows = rows[np.isin(rows.stay, np.flatnonzero(self._stays.bodies == body))]
            caps = np.array([self._deepest_of(int(stay)) for stay in np.unique(rows.stay)])
            self._of_body[body] = self._deepest_among(rows, caps)
        return self._of_body[body]

    def _deepest_among(self, rows: Rows, caps: NDArray[np.float64]) -> float:
        """At the deepest place of charges whose stays lie as images have put them, seen from the newest one."""
        names, stay = np.unique(rows.stay, return_inverse=True)
        blur = np.array([self._stays.blur(int(name)) for name in names])[stay] if len(names) > 1 else 0.0
        half = rows.half + among(rows, self._errors, blur)[:, None]
        centre = rows.centre + np.array([self._stays.shift(int(name)) for name in names])[stay]
        low, high = centre - half, centre + half
        edges = np.column_stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]])
        pile = Pile(edges, rows.dose, stay, caps, np.zeros(len(caps), np.int64), np.array([np.inf]))
        return pile.deepest(np.arange(len(rows)))
