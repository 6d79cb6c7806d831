"""What the author of a backend writes: a thin, synchronous driver in plain SI, with no policy."""

import threading
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eucentric.core.base import Model
from eucentric.instruments.capabilities import Capabilities


class ScanSpec(Model):
    """One frame in SI."""

    detectors: tuple[str, ...]
    rows: int
    columns: int
    fov_m: float
    """Width of the field [m]; pixels are square."""
    dwell_s: float
    pattern_px: int = Field(0, ge=0, exclude_if=lambda edge: edge == 0)
    """Edge of the pattern that the one detector, a camera, records at each pixel; 0: it counts what falls on it."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of each array: patterns lie side by side as the pixels do."""
        edge = self.pattern_px or 1
        return self.rows * edge, self.columns * edge

    @property
    def pixel_m(self) -> float:
        """Edge of a pixel [m]."""
        return self.fov_m / self.columns


class DriverState(Model):
    """Read-back of everything, in SI."""

    commanded: dict[str, float]
    """Stage by axis [m, rad]."""
    reported: dict[str, float]
    optics: dict[str, float]
    """defocus [m], beam_shift_x/y [m], probe_current [A], fov [m], convergence [rad], voltage [V]."""
    blanked: bool
    beam_on: bool = True
    """False if the gun has tripped: there is no beam to blank."""
    holder: str = "unknown"
    loading: str = "unknown"
    epoch: int = 0
    time_s: float = 0.0
    commands: int = 0
    """The driver's own count of commands: one for each move, set_optics, insert, acquire and clear_touch that was
    begun, and for each switch of the blanker. Reading, waiting, stopping, and blanking what is blanked add nothing."""
    inserted: dict[str, bool] = Field(default_factory=dict)
    """Retractable detectors: whether each is in."""
    touch: bool = False
    """The touch alarm: the holder has touched something."""
    signals: dict[str, float] = Field(default_factory=dict)
    """Health, by name with unit, as far as there is a gauge: vacuum_mbar, emission_ua, …"""


class RawFrames(Model):
    """Metadata of one acquisition; the pixels travel beside it as one array per detector."""

    scan: ScanSpec
    before: DriverState
    time_s: float
    """Instrument clock at the first pixel [s]."""
    duration_s: float
    beam_s: float = Field(ge=0)
    """Time the beam was on the specimen, flyback included [s]."""
    aborted: bool = False
    """True if stopped before the last line; the pixels after it are 0."""
    lines_done: int = 0
    pattern_rad: float | None = Field(None, gt=0, exclude_if=lambda angle: angle is None)
    """Angle of a pixel's edge in a pattern [rad]; None if it is no pattern, or nobody calibrated the camera length."""


class LoggedCommand(Model):
    """One command as the instrument's own controller wrote it down: what it was told, not what came of it."""

    number: int = Field(ge=1)
    """The driver's count with this command included. One that never arrived leaves its number out."""
    name: str
    """move, set_optics, insert, acquire, unblank, blank, clear_touch; a vendor's word for anything else."""
    args: dict[str, Any] = Field(default_factory=dict)
    """As it was told, in SI: targets by axis, values by control, {detector, inside}, a `ScanSpec`."""
    time_s: float
    """The instrument's own clock [s]."""


Pixels = tuple[NDArray[np.float32], ...]
"""`ScanSpec.shape` float32 [counts], one per detector of the scan."""


class Driver(Protocol):
    """A backend. Calls block until the vendor says done.

    `move`, `set_optics`, `acquire` and `wait` are called one at a time. `read`, `set_blank`, `is_blanked` and
    `stop` may come from another thread meanwhile and must not wait for them: they are the way to a dark beam.
    What a driver raises outside the error tree becomes `InstrumentFault` (`TimeoutError`: `CommandTimeout`).
    """

    def capabilities(self) -> Capabilities:
        """The declaration; constant for the life of the driver."""
        ...

    def read(self) -> DriverState:
        """Fresh read-back, also while a command runs."""
        ...

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        """Move the given axes [m, rad] to absolute targets; return when the vendor says done.

        Returns early, wherever the stage then is, if `stop` is set. The guard reads back and judges.

        Raises
        ------
        CommandTimeout
            The vendor did not answer: the position is unknown.
        """
        ...

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        """Set controls [SI]."""
        ...

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        """Scan once with the beam as it is; end early if `stop` is set (`aborted` is then true).

        Raises
        ------
        BeamLost, CommandTimeout
        """
        ...

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Let instrument time pass [s] (a virtual clock jumps)."""
        ...

    def set_blank(self, on: bool) -> None:
        """Blank or unblank; idempotent; from any thread."""
        ...

    def is_blanked(self) -> bool:
        """True if no beam reaches the specimen."""
        ...

    def stop(self) -> None:
        """Stop motion and scanning; from any thread; returns at once."""
        ...

    def close(self) -> None:
        """Blank and let go."""
        ...


@runtime_checkable
class Retracts(Protocol):
    """What a driver has besides, if any of its detectors is declared `retractable`."""

    def insert(self, detector: str, inside: bool, stop: threading.Event) -> None:
        """Drive a detector in or out; return when the vendor says done."""
        ...


@runtime_checkable
class Touches(Protocol):
    """What a driver has besides, if its instrument has a touch alarm that can be cleared from the computer."""

    def clear_touch(self) -> None:
        """Switch the alarm off, after staff have looked at the holder; nothing moves."""
        ...


@runtime_checkable
class Logs(Protocol):
    """What a driver has besides, if its instrument keeps a log of the commands it was given."""

    def command_log(self, after: int) -> tuple[LoggedCommand, ...]:
        """Entries with a number above `after`, oldest first, from any thread; also a part: ask on from its last.

        Old ones may have been dropped. A hand on the knobs or another program is in it if the instrument tells.
        """
        ...
