"""What happens to an instrument without a run's row: stops, blanks, leases, locks, with the time and who or why.

A stop waits for nothing, so its note is only a line in memory; the count that belongs to it is read later, by
whoever keeps the notes (`instruments/host.py`, in a file beside its log).
"""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from eucentric.core.base import Model
from eucentric.core.clock import utc_now
from eucentric.core.text import visible

_LOG = logging.getLogger(__name__)
KEPT = 1000
"""Notes that wait for somebody to keep them; older ones are dropped."""

What = Literal[
    "began", "stop", "blank", "lease", "release", "lease ended", "hold released", "touch cleared", "ended"
]


class Note(Model):
    """One thing that was done beside the commands."""

    utc: str
    incarnation: str
    """Which life of the instrument's process."""
    what: What
    text: str
    """Who, or why."""
    before: int | None = None
    """The driver's own count of commands before it, where it was read."""
    commands: int | None = None
    """The same after it."""


class Notebook:
    """Notes of one guard; thread-safe. Nothing here may raise, and a stop never waits for it.

    Parameters
    ----------
    incarnation
        Of the guard's journal.
    count
        Reads the driver's own count of commands.
    """

    def __init__(self, incarnation: str, count: Callable[[], int]) -> None:
        self._incarnation, self._count = incarnation, count
        self._notes: deque[Note] = deque(maxlen=KEPT)
        self.fresh = threading.Event()
        """Set when there is something to take."""

    def add(self, what: What, text: str, *, before: int | None = None, commands: int | None = None) -> None:
        """Enter a note as it is; nothing is read."""
        note = Note(
            utc=utc_now(), incarnation=self._incarnation, what=what, text=visible(text, limit=500),
            before=before, commands=commands,
        )  # fmt: skip
        self._notes.append(note)
        self.fresh.set()

    @contextmanager
    def counted(self, what: What, text: str) -> Iterator[None]:
        """Around something that is not urgent: with the count before and after. One that fails has no note."""
        before = self.count()
        yield
        self.add(what, text, before=before, commands=self.count())

    def count(self) -> int | None:
        """The driver's count now; None if it can't be read."""
        try:
            return self._count()
        except Exception:
            _LOG.exception("the count of commands can't be read")
            return None

    def take(self, *, read: bool = True) -> list[Note]:
        """All notes since the last call; where nobody has read the count, it is read now, unless `read` is false."""
        self.fresh.clear()
        taken = []
        with contextlib.suppress(IndexError):
            while True:
                note = self._notes.popleft()
                if read and note.commands is None:
                    note = note.model_copy(update={"commands": self.count()})
                taken.append(note)
        return taken
