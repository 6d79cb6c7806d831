"""The one command in flight, and the hold that a stop leaves behind."""

import threading
import time
from dataclasses import dataclass, field


@dataclass
class Operation:
    """The one command in flight. Its stop event is its own, so a late stop can't hit the next command."""

    name: str
    stop: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)
    allowed_s: float = float("inf")
    """Longest time it may take before it counts as hung [s]."""
    reason: str = ""


@dataclass(frozen=True)
class Hold:
    """Why the beam is held blanked, and whether motion is frozen with it."""

    reason: str
    freezes: bool
