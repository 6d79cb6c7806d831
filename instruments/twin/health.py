"""Source and vacuum: emission, the current that follows it, the pressure, and what shuts the column.

Everything is a function of the instrument's clock, so that a reading costs no randomness and the same commands
give the same bytes.
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from eucentric.instruments.twin.faults import FaultSpec
from eucentric.instruments.twin.world import HealthSpec

Times = NDArray[np.float64]


class Health:
    """The gauges and the source.

    Parameters
    ----------
    spec
        Pressure and emission of the undisturbed instrument.
    faults
        Those that begin at a moment are scheduled at once; others by `begin`.
    """

    def __init__(self, spec: HealthSpec, faults: Iterable[FaultSpec] = ()) -> None:
        self._spec = spec
        self._begun = [(fault.onset_s or 0.0, fault) for fault in faults if fault.timed]
        self._tripped = False

    def begin(self, fault: FaultSpec, time_s: float) -> None:
        """Let a fault of the gauges act from now on."""
        self._begun.append((time_s, fault))

    def trip(self) -> None:
        """The emission is gone until an operator brings it back."""
        self._tripped = True

    def restore(self, time_s: float) -> None:
        """What an operator does: the emission back to what it was, interlocks reset. The pumps go on pumping."""
        self._tripped = False
        self._begun = [
            (onset, fault) for onset, fault in self._begun if onset > time_s or fault.kind == "vacuum_burst"
        ]

    # --- the beam -----------------------------------------------------------------------------------------

    def share(self, times_s: Times) -> Times:
        """Emission as a share of the nominal one, whether or not it passes the column; shape of `times_s`."""
        share = np.ones_like(times_s)
        for onset, fault in self._begun:
            since = np.maximum(times_s - onset, 0.0)
            if fault.kind == "current_drop":
                share *= np.where(times_s >= onset, 1 - fault.drop, 1.0)
            elif fault.kind == "emission_decay":
                share *= np.exp(-since / fault.time_constant_s)
        return share

    def passes(self, times_s: Times) -> NDArray[np.bool_]:
        """Whether there is a beam that could reach the specimen; shape of `times_s`."""
        passes = np.full(times_s.shape, not self._tripped)
        for onset, fault in self._begun:
            if fault.kind == "door_interlock":
                passes &= times_s < onset
        return passes

    def on(self, time_s: float) -> bool:
        """`passes` at one moment."""
        return bool(self.passes(np.array([time_s]))[0])

    def tripped(self) -> bool:
        """Whether the source itself is off."""
        return self._tripped

    def seconds(self, start_s: float, end_s: float) -> float:
        """Integral of `share` over the time in which the beam passes [s]: charge per nominal current."""
        onsets = [onset for onset, _ in self._begun if start_s < onset < end_s]
        edges = np.array([start_s, *sorted(onsets), end_s])
        rate = np.zeros(len(edges) - 1)
        for onset, fault in self._begun:
            if fault.kind == "emission_decay":
                rate += (edges[:-1] >= onset) / fault.time_constant_s
        spans = np.diff(edges)
        with np.errstate(invalid="ignore", divide="ignore"):
            lengths = np.where(rate > 0, -np.expm1(-rate * spans) / rate, spans)
        return float(np.sum(self.share(edges[:-1]) * self.passes(edges[:-1]) * lengths))

    # --- the gauges ---------------------------------------------------------------------------------------

    def vacuum_mbar(self, time_s: float) -> float:
        """Column pressure [mbar]."""
        pressure = self._spec.vacuum_mbar
        for onset, fault in self._begun:
            if fault.kind == "vacuum_burst" and time_s >= onset:
                pressure += fault.peak_mbar * math.exp(-(time_s - onset) / fault.time_constant_s)
        return pressure

    def emission_ua(self, time_s: float) -> float:
        """Emission current [µA]; 0 if the source is off. An interlock shuts the column, not the source."""
        if self._tripped:
            return 0.0
        return self._spec.emission_ua * float(self.share(np.array([time_s]))[0])

    def signals(self, time_s: float) -> dict[str, float]:
        """Gauge readings by name with unit, with the three and four digits that such gauges show."""
        return {
            "vacuum_mbar": float(f"{self.vacuum_mbar(time_s):.3g}"),
            "emission_ua": float(f"{self.emission_ua(time_s):.4g}"),
        }
