"""Blank and stop: never gated, from any thread, and first of all a dark beam."""

import logging

from eucentric.core.text import visible
from eucentric.instruments.beam import Beam
from eucentric.instruments.driver import Driver
from eucentric.instruments.lease import Lease
from eucentric.instruments.notes import Notebook

_LOG = logging.getLogger(__name__)


class Brake:
    """Ends what is in flight and leaves a hold behind; never raises, never waits for a command."""

    def __init__(self, driver: Driver, beam: Beam, lease: Lease, notes: Notebook) -> None:
        self._driver, self._beam, self._lease, self._notes = driver, beam, lease, notes

    def pull(self, reason: str, *, motion: bool) -> bool:
        """Blank, hold, end a scan; with `motion` a move, too. Returns whether the beam reads back blanked."""
        text = visible(reason, limit=500) or "stop"
        operation = self._lease.halt(text, motion=motion)
        self._beam.darken()
        if operation is not None and (motion or operation.name == "acquire"):
            operation.reason = text
            operation.stop.set()
        if motion:
            try:
                self._driver.stop()
            except Exception:
                _LOG.exception("the driver's stop failed")
        dark = self._beam.darken_for_good()
        self._notes.add("stop" if motion else "blank", text)
        return dark
