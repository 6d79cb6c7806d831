"""What fell on the specimen, scan by scan and spot by spot: written by the scan system, read by truth alone."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eucentric.core.units import ELECTRON_C


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


@dataclass(frozen=True)
class LineScan:
    """The lit lines of one scan, where they truly lay on the specimen."""

    x: NDArray[np.float64]
    """(lines,) middle of each line [m]."""
    y: NDArray[np.float64]
    """(lines,) [m]."""
    columns: int
    step: float
    """Between pixels along a line, on the specimen [m]."""
    pitch: float
    """Between lines, on the specimen [m]."""
    probe: float
    """Edge of the square that the focused probe fills [m]."""
    pixel_electrons: float
    """For each pixel."""
    flyback_electrons: float
    """For each line, spread evenly along it: the beam sweeps back."""
    parked_electrons: float = 0.0
    """On the first pixel before the scan, and as many on the last one after it."""

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the field while its middle line was scanned [m]."""
        middle = len(self.x) // 2
        return float(self.x[middle]), float(self.y[middle]) + (0.0 if len(self.y) % 2 else -0.5 * self.pitch)


@dataclass
class ExposureLog:
    """All exposures in order."""

    entries: list[Exposure] = field(default_factory=list)
    scans: list[LineScan] = field(default_factory=list)
    """The scans among them, line by line."""
    spots: list[Exposure] = field(default_factory=list)
    """The others: a beam that stood still."""

    def add(
        self, centre: tuple[float, float], size: tuple[float, float], charge_c: float, time_s: float
    ) -> None:
        """Record a charge [C] on a rectangle [m]."""
        if charge_c > 0:
            self.entries.append(Exposure(*centre, *size, charge_c / ELECTRON_C, time_s))

    def add_spot(self, centre: tuple[float, float], edge: float, charge_c: float, time_s: float) -> None:
        """Record a charge [C] of a beam that stood still on a square [m]."""
        if charge_c > 0:
            self.add(centre, (edge, edge), charge_c, time_s)
            self.spots.append(self.entries[-1])

    def dose_e_per_a2(self, x: float, y: float) -> float:
        """Dose that the point (x, y) [m] has had [e/Å²]."""
        return sum(entry.dose_e_per_a2 for entry in self.entries if entry.covers(x, y))
