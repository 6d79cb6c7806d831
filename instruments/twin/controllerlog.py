"""The twin's own log of what it was told, as a microscope's controller keeps one: bounded, and no truth in it."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from eucentric.instruments.driver import LoggedCommand

KEPT = 20_000
"""Commands that are remembered; a scan is three (unblank, scan, blank)."""


class ControllerLog:
    """The last commands; the caller's lock covers it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[tuple[int, str, dict[str, Any], float]] = deque(maxlen=kept)

    def add(self, number: int, name: str, args: Mapping[str, Any], time_s: float) -> None:
        """Enter a command that has arrived."""
        plain = {key: value.item() if isinstance(value, np.generic) else value for key, value in args.items()}
        self._entries.append((number, name, plain, time_s))

    def after(self, number: int) -> tuple[LoggedCommand, ...]:
        """Entries with a higher number, in the order of their numbers."""
        found = sorted((entry for entry in self._entries if entry[0] > number), key=lambda entry: entry[0])
        return tuple(LoggedCommand(number=n, name=name, args=args, time_s=t) for n, name, args, t in found)
