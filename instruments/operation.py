"""The one command in flight, and the hold that a stop leaves behind."""

import threading
import time
from dataclasses import dataclass, field

from eucentric.core.errors import Stopped


@dataclass
class Operation:
    """The one command in flight. Its stop event is its own, so a late stop can't hit the next command."""

    name: str
    stop: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)
    allowed_s: float = float("inf")
    """Longest time it may take before it counts as hung [s]."""
    reason: str = ""
    sent: bool = False
    """Whether it has passed all checks and was given to the driver."""

    def raise_if_stopped(self, what: str) -> None:
        """Stopped, saying what was, if a stop came."""
        if self.stop.is_set():
            raise Stopped(what, self.reason, "The beam is blanked and held.")

    def late(self) -> bool:
        """Whether it has taken longer than a working instrument could need."""
        return time.monotonic() - self.started > self.allowed_s


@dataclass(frozen=True)
class Hold:
    """Why the beam is held blanked, and whether motion is frozen with it."""

    reason: str
    freezes: bool
