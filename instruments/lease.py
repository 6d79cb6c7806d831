"""Who may command: the writer lease with its fencing epoch, the one command in flight, and the hold of a stop.

Its lock is never kept during a driver call, so that a stop never waits. A command that finds another in flight gets
Busy at once: nothing is queued.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from eucentric.core.errors import BeamHeld, Busy, LeaseLost
from eucentric.core.text import visible
from eucentric.instruments.checks import NOTHING_SENT
from eucentric.instruments.operation import Hold, Operation

_LOG = logging.getLogger(__name__)


class Lease:
    """The lease, the hold and the operation of one instrument; thread-safe.

    Parameters
    ----------
    hold
        A hold that outlived an earlier process.
    """

    def __init__(self, hold: Hold | None = None) -> None:
        self._lock = threading.Lock()
        self.owner: str | None = None
        self.epoch = 0
        """Of the newest lease; 0 before the first."""
        self.hold = hold
        self.operation: Operation | None = None

    def take(self, owner: str) -> int:
        """A new epoch; Busy says who has it."""
        with self._lock:
            if self.owner is not None:
                raise self._taken("lease")
            self.owner = visible(owner, limit=200)
            self.epoch += 1
            return self.epoch

    def may_release(self, epoch: int | None) -> int:
        """The epoch that may be given back now; Busy while a command is in flight."""
        with self._lock:
            if self.owner is not None:
                self._fence(epoch)
            if self.operation is not None:
                raise self._taken("release")
            return self.epoch

    def free(self, epoch: int) -> None:
        """End that lease, if it still is the current one."""
        with self._lock:
            if epoch == self.epoch:
                self.owner = None

    def idle(self, epoch: int) -> bool | None:
        """Whether nothing is in flight under that lease; None if it has ended."""
        with self._lock:
            if self.owner is None or epoch != self.epoch:
                return None
            return self.operation is None

    def clear_hold(self, by: str, epoch: int | None) -> None:
        """Drop the hold; needs the lease."""
        with self._lock:
            self._fence(epoch)
            if self.hold is not None:
                _LOG.warning("hold cleared by %s: %s", visible(by), visible(self.hold.reason))
            self.hold = None

    def halt(self, reason: str, *, motion: bool) -> Operation | None:
        """Hold from here on: no new operation and no unblank passes. Returns what is in flight."""
        with self._lock:
            first = self.hold
            self.hold = Hold(first.reason if first else reason, motion or bool(first and first.freezes))
            return self.operation

    def need_idle(self, what: str) -> None:
        """Busy while a command is in flight."""
        with self._lock:
            if self.operation is not None:
                raise self._taken(what)

    def await_idle(self, seconds: float) -> None:
        """Wait for the command in flight to return, so long at most [s]."""
        end = time.monotonic() + seconds
        while self.operation is not None and time.monotonic() < end:
            time.sleep(0.01)

    @contextmanager
    def operating(self, name: str, epoch: int | None) -> Iterator[Operation]:
        """Around a command: LeaseLost, BeamHeld or Busy before it."""
        with self._lock:
            self._fence(epoch)
            self._refuse_if_held(name)
            if self.operation is not None:
                raise self._taken(name)
            operation = self.operation = Operation(name)
        try:
            yield operation
        finally:
            with self._lock:
                self.operation = None

    def _fence(self, epoch: int | None) -> None:
        """LeaseLost unless `epoch` is the current lease (None: the one there is)."""
        if self.owner is not None and epoch in (None, self.epoch):
            return
        if self.owner is not None and epoch == 0:
            raise self._taken("command")
        raise LeaseLost(
            "the command needs the writer lease",
            "it was never taken" if not epoch else f"lease {epoch} has ended",
            f"{NOTHING_SENT}. Take the lease again; check the state first.",
        )

    def _refuse_if_held(self, name: str) -> None:
        hold = self.hold
        if hold is None or name == "wait" or (name != "acquire" and not hold.freezes):
            return
        raise BeamHeld(
            f"{name}: the instrument is held",
            hold.reason,
            f"{NOTHING_SENT}. A person's approval releases it; reading, blank and stop still work.",
        )

    def _taken(self, name: str) -> Busy:
        operation = self.operation
        doing = f"{operation.name} in flight" if operation else "it holds the writer lease"
        return Busy(
            f"{name}: the instrument is in use by {self.owner or 'nobody'}",
            doing,
            f"{NOTHING_SENT}; nothing is queued. Try when it is done, or stop it: eucentric stop.",
        )
