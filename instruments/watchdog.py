"""The watchdog of a host: a beam is never left on by a dead or hung process."""

import logging
import threading
import time

from eucentric.instruments.guard import Guard

SILENCE_S = 1.0
"""Longest silence of the lease holder with a command in flight or the beam on [s]."""
IDLE_SILENCE_S = 30.0
"""Longest silence when nothing runs and the beam is blanked [s]: analysis may starve a heartbeat."""
_TICK_S = 0.05
_LOG = logging.getLogger(__name__)


class Watchdog(threading.Thread):
    """Counts how long the lease holder has been silent, and ends its lease.

    Silence is counted only over time in which this thread itself was running: a host that was paused or
    starved can't tell a silent client from its own deafness.
    """

    def __init__(self, guard: Guard, *, silence_s: float = SILENCE_S) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._guard = guard
        self._silence_s = silence_s
        self._epoch = 0
        self._silent_s = 0.0
        self._leave = threading.Event()

    def beat(self, epoch: int) -> bool:
        """A heartbeat of the holder of that lease; returns whether it still is the holder."""
        current = self._guard.owner is not None and epoch == self._guard.epoch
        if current:
            self._silent_s = 0.0
        return current

    def end(self) -> None:
        """Let the thread end."""
        self._leave.set()

    def run(self) -> None:
        """Look twenty times a second."""
        last = time.monotonic()
        while not self._leave.wait(_TICK_S):
            now = time.monotonic()
            self._silent_s += min(now - last, 4 * _TICK_S)
            last = now
            try:
                self._look()
            except Exception:  # it must outlive anything a driver throws at it
                _LOG.exception("watchdog")

    def _look(self) -> None:
        late = self._guard.overdue()
        if late is not None and not late.stop.is_set():
            self._guard.stop(f"watchdog: {late.name} took longer than {late.allowed_s:.0f} s")
        owner, epoch = self._guard.owner, self._guard.epoch
        if owner is None or epoch != self._epoch:
            self._epoch, self._silent_s = epoch, 0.0
        elif self._silent_s > self._silence_s and (self._silent_s > IDLE_SILENCE_S or self._at_risk()):
            _LOG.warning("no heartbeat from %s for %.2f s", owner, self._silent_s)
            self._guard.revoke(epoch, f"watchdog: no heartbeat from {owner} for {self._silent_s:.1f} s")

    def _at_risk(self) -> bool:
        return self._guard.operation() is not None or not self._guard.is_blanked()
