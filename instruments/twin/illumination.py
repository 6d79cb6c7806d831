"""The beam on its way to the specimen: blanker, column and source, and the charge of a parked probe."""

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.blanker import Blanker
from eucentric.instruments.twin.clock import Clock
from eucentric.instruments.twin.column import Column
from eucentric.instruments.twin.exposure_log import ExposureLog
from eucentric.instruments.twin.health import Health
from eucentric.instruments.twin.stage import Stage

_PARKED_WIDTH = 1.5e-10
"""Edge of the square over which a parked probe is taken to spread [m]."""


class Illumination:
    """One probe. A beam that is neither blanked nor scanning burns one spot, and that is charged.

    Not locked: whoever calls it holds the instrument's state lock.
    """

    def __init__(
        self, clock: Clock, stage: Stage, health: Health, column: Column, exposures: ExposureLog
    ) -> None:
        self._clock, self._stage, self._health = clock, stage, health
        self.column, self.exposures = column, exposures
        self.blanker = Blanker()
        self._scanning, self._parked_since = False, 0.0

    def dark(self) -> bool:
        """True if no beam reaches the specimen."""
        return self.blanker.blanked or not self._health.on(self._clock.now())

    def switch(self, on: bool) -> None:
        """Blank or unblank."""
        self.charge_parked()
        self.blanker.switch(on, self._clock.now())

    def begin_scan(self) -> bool:
        """From here on the scan charges its own lines; returns whether the beam is let through."""
        self._scanning = True
        self.blanker.forget()
        return not self.blanker.blanked

    def end_scan(self) -> None:
        """The beam is parked again, or dark."""
        self._parked_since = self._clock.now()
        self._scanning = False

    def lit(self, times_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where the beam reached the specimen, since `begin_scan`; shape of `times_s`."""
        return self.blanker.open_at(times_s) & self._health.passes(times_s)

    def charge_parked(self) -> None:
        """Charge the time since the last call."""
        now, since = self._clock.now(), self._parked_since
        self._parked_since = now
        if self.blanker.blanked or self._scanning or now <= since:
            return
        x, y = self._stage.actual(np.array([now]))[0, :2] + np.array(self.column.beam_shift)
        charge = self.column.charge(since, now)
        self.exposures.add_spot((float(x), float(y)), _PARKED_WIDTH, charge, now)
