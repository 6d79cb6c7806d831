"""The simulated microscope with a log of its blanker, stamped by the machine-wide clock. Reached by a host as
``py:eucentric.bench.stopping.driver:logged?log=FILE``."""

import os
import threading
import time
from typing import Any

from eucentric.instruments.driver import Driver
from eucentric.instruments.twin import twin_driver

LIGHT, DARK = "light", "dark"


class LoggedDriver:
    """Passes everything on; writes when light was let through and when a read-back first says that it is dark."""

    def __init__(self, inner: Driver, log: str) -> None:
        self._inner = inner
        self._file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._last = DARK

    def set_blank(self, on: bool) -> None:
        """Blank or unblank."""
        self._inner.set_blank(on)
        if not on:
            self._say(LIGHT)

    def is_blanked(self) -> bool:
        """The read-back: from this moment the caller may call the beam dark."""
        dark = self._inner.is_blanked()
        if dark:
            self._say(DARK)
        return dark

    def _say(self, word: str) -> None:
        with self._lock:
            if word != self._last:
                self._last = word
                os.write(self._file, f"{time.monotonic_ns()} {word}\n".encode())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def logged(log: str, seed: str = "7", stage: str = "good") -> LoggedDriver:
    """A microscope on the wall clock."""
    return LoggedDriver(twin_driver("mxene", {"seed": seed, "stage": stage, "clock": "real"}), log)


def switches(log: str) -> list[tuple[int, str]]:
    """What the log says: (nanoseconds of the machine-wide clock, 'light' or 'dark')."""
    with open(log, encoding="utf-8") as file:
        lines = [line.split() for line in file if line.endswith("\n")]
    return [(int(moment), word) for moment, word in lines]
