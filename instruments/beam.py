"""The blanker: dark at once from any thread, light only through one narrow door."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from eucentric.core.errors import InstrumentFault
from eucentric.instruments.driver import Driver
from eucentric.instruments.sending import sending

UNBLANK_S = 0.5
"""How long to wait for an unblank in flight before blanking once more [s]; it was blanked before, too."""
_TRIES = 3
_LOG = logging.getLogger(__name__)


class Beam:
    """Blanks without waiting for anybody, and reads back.

    Parameters
    ----------
    driver
        Its `set_blank` and `is_blanked` may be called from any thread.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._unblanking = threading.Lock()

    def is_blanked(self) -> bool:
        """The read-back; False if there is none."""
        try:
            return self._driver.is_blanked()
        except Exception:
            _LOG.exception("the blanker can't be read")
            return False

    def darken(self) -> bool:
        """Blank and read back, in at most three tries; never raises."""
        for _ in range(_TRIES):
            try:
                self._driver.set_blank(True)
                if self._driver.is_blanked():
                    return True
            except Exception:
                _LOG.exception("blanking failed")
        return False

    def darken_for_good(self) -> bool:
        """Blank after any unblank that was in flight; whoever calls has made sure that none can follow."""
        waited = self._unblanking.acquire(timeout=UNBLANK_S)
        try:
            return self.darken()
        finally:
            if waited:
                self._unblanking.release()

    def need_dark(self) -> None:
        """InstrumentFault if the beam is on and can't be blanked."""
        if not self._driver.is_blanked() and not self.darken():
            raise InstrumentFault("the beam could not be blanked", "", "The command was not sent.")

    def light(self, allowed: Callable[[], None]) -> None:
        """The only unblank there is.

        A stop either comes before it, then `allowed` raises, or after it, and then blanks.
        """
        with self._unblanking:
            allowed()
            self._driver.set_blank(False)
        if self._driver.is_blanked():
            allowed()  # a stop came between: that is no fault
            why = "the read-back says blanked"
            raise InstrumentFault("the beam did not unblank", why, "Nothing was exposed.")

    @contextmanager
    def lit(self, allowed: Callable[[], None], stuck: Callable[[str], object]) -> Iterator[None]:
        """Light for one scan, then dark again; what the driver raises becomes one of ours.

        Parameters
        ----------
        allowed
            Raises if the beam may not go on.
        stuck
            Called with the reason if the beam can't be verified blanked after it; then InstrumentFault.
        """
        try:
            with sending(self.darken, "acquire"):
                self.light(allowed)
                yield
        finally:
            if not self.darken():
                what = "the beam could not be verified blanked after a scan"
                stuck(what)
                raise InstrumentFault(
                    what,
                    "the blanker's read-back says it is on",
                    "Close the column valves by hand. The beam is held.",
                )
