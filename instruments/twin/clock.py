"""Instrument time: jumping (virtual), jumping at a walking pace (paced), or running (real, with a factor)."""

import threading
import time
from typing import Protocol

_SLICE_S = 0.004
"""Real sleeps are cut into slices of this length so that a stop is noticed [s]."""


class Clock(Protocol):
    """Instrument seconds since the driver was made."""

    def now(self) -> float: ...

    def until(self, moment: float, stopped: "Stops") -> float:
        """Let time pass to `moment` or until stopped; returns the time then."""
        ...


class Stops:
    """Has this command been told to stop, by its own event or by `stop()` of the driver?"""

    def __init__(self, event: threading.Event, everyone: "StopCount") -> None:
        self._event, self._everyone, self._mark = event, everyone, everyone.count

    def __call__(self) -> bool:
        return self._event.is_set() or self._everyone.count != self._mark


class StopCount:
    """Counts stops; a command ends when the count changes while it runs."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        """Stop whatever runs now."""
        self.count += 1


class VirtualClock:
    """Jumps; only commands move it."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        """Instrument time [s]."""
        return self._now

    def until(self, moment: float, stopped: Stops) -> float:
        """Jump, unless already stopped."""
        if not stopped():
            self._now = max(self._now, moment)
        return self._now


class PacedClock:
    """Virtual, but each jump takes its time, `speed` instrument seconds a second, so that a person can watch and stop.

    Nothing passes between commands: the same commands give the same bytes, unless one is stopped on its way.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed, self._now = speed, 0.0
        self._jump: tuple[float, float] | None = None
        """When the present jump began on the wall, and where it ends."""

    def now(self) -> float:
        """Instrument time [s], also on the way."""
        jump = self._jump
        if jump is None:
            return self._now
        return min(jump[1], self._now + (time.monotonic() - jump[0]) * self._speed)

    def until(self, moment: float, stopped: Stops) -> float:
        """Walk there in slices."""
        self._jump = (time.monotonic(), max(self._now, moment))
        while (left := self._jump[1] - self.now()) > 0 and not stopped():
            time.sleep(min(_SLICE_S, left / self._speed))
        self._now, self._jump = self.now(), None
        return self._now


class RealClock:
    """Runs with the wall clock, `speed` instrument seconds a second."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed, self._start = speed, time.monotonic()

    def now(self) -> float:
        """Instrument time [s]."""
        return (time.monotonic() - self._start) * self._speed

    def until(self, moment: float, stopped: Stops) -> float:
        """Sleep in slices."""
        while (left := moment - self.now()) > 0 and not stopped():
            time.sleep(min(_SLICE_S, left / self._speed))
        return min(self.now(), moment) if not stopped() else self.now()
