"""The beam blanker, with the moments at which it was switched."""

import numpy as np
from numpy.typing import NDArray


class Blanker:
    """Blanked when made. Remembers switches since the last `forget` so that a scan knows its dark lines."""

    def __init__(self) -> None:
        self.blanked = True
        self._switches: list[tuple[float, bool]] = [(-np.inf, True)]

    def switch(self, on: bool, time_s: float) -> None:
        """Blank or unblank; idempotent."""
        if on != self.blanked:
            self.blanked = on
            self._switches.append((time_s, on))

    def forget(self) -> None:
        """Drop all but the present setting."""
        self._switches = [(-np.inf, self.blanked)]

    def open_at(self, times_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where the beam was let through, for each time."""
        switches = list(self._switches)
        moments = np.array([moment for moment, _ in switches])
        blanked = np.array([on for _, on in switches])
        return np.asarray(~blanked[np.searchsorted(moments, times_s, side="right") - 1])
