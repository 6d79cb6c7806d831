"""Where electrons truly went: kept apart from any predictor, read by the oracle alone."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eucentric.core.units import ELECTRON_C
from eucentric.instruments.twin.acquisition import Shot
from eucentric.instruments.twin.render import View, centre_of
from eucentric.instruments.twin.specimen import Specimen


@dataclass(frozen=True)
class Exposure:
    """Electrons spread over a rectangle of specimen [m], centre and edges."""

    x: float
    y: float
    width: float
    height: float
    electrons: float
    time_s: float

    def covers(self, x: float, y: float) -> bool:
        """True if the point lies in it."""
        return abs(x - self.x) <= self.width / 2 and abs(y - self.y) <= self.height / 2

    @property
    def dose_e_per_a2(self) -> float:
        """Mean dose inside [e/Å²]."""
        return self.electrons / (self.width * self.height * 1e20)


@dataclass
class ExposureLog:
    """All exposures in order."""

    entries: list[Exposure] = field(default_factory=list)

    def add(
        self, centre: tuple[float, float], size: tuple[float, float], charge_c: float, time_s: float
    ) -> None:
        """Record a charge [C] on a rectangle [m]."""
        if charge_c > 0:
            self.entries.append(Exposure(*centre, *size, charge_c / ELECTRON_C, time_s))

    def dose_e_per_a2(self, x: float, y: float) -> float:
        """Dose that the point (x, y) [m] has had [e/Å²]."""
        return sum(entry.dose_e_per_a2 for entry in self.entries if entry.covers(x, y))


def record_scan(log: ExposureLog, specimen: Specimen, shot: Shot, view: View, lit: NDArray[np.bool_]) -> None:
    """Charge the lines of a scan that were lit to the true place on the specimen, flyback included."""
    lines = np.flatnonzero(lit)
    if not lines.size:
        return
    x, y, _ = centre_of(specimen, view)
    (cb, _, _), (_, ca, _), _ = view.tilt.rows
    middle = float(lines[0] + lines[-1]) / 2 - (shot.scan.rows - 1) / 2
    size = (shot.scan.fov_m / cb, float(lines[-1] - lines[0] + 1) * shot.scan.pixel_m / ca)
    charge = shot.settings["probe_current"] * lines.size * shot.line_s
    log.add((x, y + middle * shot.scan.pixel_m / ca), size, charge, shot.start_s)
