"""A twin built anew from its address, between whose guard and driver a stop can come at its moment."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from eucentric.agent.auditing.replay.fate import Fate, Moment
from eucentric.core.errors import EucentricError, Unsupported, from_dict
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import Driver, DriverState, Pixels, RawFrames, Retracts, ScanSpec, Touches
from eucentric.instruments.uri import guarded, load_driver

T = TypeVar("T")


class Died(BaseException):
    """The process whose work is replayed ended here; nothing of it goes on, whatever catches errors on the way."""


class Cue:
    """A driver that passes everything on, and lets a stop come where it came (implements `Driver`)."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._moment: Moment = ""
        self._stop: Callable[[], object] = lambda: None

    @contextmanager
    def armed(self, moment: Moment, stop: Callable[[], object]) -> Iterator[None]:
        """During the block, at the moment."""
        self._moment, self._stop = moment, stop
        try:
            yield
        finally:
            self._moment = ""

    def _at(self, moment: Moment) -> None:
        if self._moment == moment:
            self._moment = ""
            self._stop()

    def _played(self, work: Callable[[], T]) -> T:
        self._at("before")
        result = work()
        self._at("after")
        return result

    def capabilities(self) -> Capabilities:
        """Passed on, as all that follows."""
        return self._driver.capabilities()

    def read(self) -> DriverState:
        self._at("begin")
        return self._driver.read()

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        self._played(lambda: self._driver.move(targets, stop))

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        self._played(lambda: self._driver.set_optics(values, stop))

    def insert(self, detector: str, inside: bool, stop: threading.Event) -> None:
        driver = self._driver
        if not isinstance(driver, Retracts):
            raise Unsupported(f"no way to move {detector}", "its driver has none")
        self._played(lambda: driver.insert(detector, inside, stop))

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        return self._played(lambda: self._driver.acquire(scan, stop))

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self._played(lambda: self._driver.wait(seconds, stop))

    def clear_touch(self) -> None:
        if isinstance(self._driver, Touches):
            self._driver.clear_touch()

    def set_blank(self, on: bool) -> None:
        self._driver.set_blank(on)

    def is_blanked(self) -> bool:
        return self._driver.is_blanked()

    def stop(self) -> None:
        self._driver.stop()

    def close(self) -> None:
        self._driver.close()


class Twin:
    """One life of the instrument, begun again.

    Parameters
    ----------
    incarnation
        The life that it stands for.
    """

    def __init__(self, uri: str, incarnation: str | None) -> None:
        self.incarnation = incarnation
        self.cue = Cue(load_driver(uri))
        self.guard = guarded(uri, self.cue)

    def carried_out(self, fate: Fate, work: Callable[[], T]) -> T:
        """A command and what befell it.

        Raises
        ------
        Died
            The process that sent it died in it.
        """
        if fate.held:
            self.hold(fate.held, freezes=fate.freezes)
        if fate.dies:
            self._by_a_dead_one(fate, work)
        if fate.sent:
            with self.cue.armed(fate.stop, lambda: self.guard.stop(fate.reason)):
                result = work()
            if fate.raises is None:
                return result
        raise from_dict(fate.raises or {})

    def _by_a_dead_one(self, fate: Fate, work: Callable[[], Any]) -> None:
        """The instrument's own process goes on without it."""
        if fate.sent:
            with suppress(EucentricError), self.cue.armed(fate.stop, lambda: self.guard.stop(fate.reason)):
                work()
        raise Died

    def hold(self, reason: str, *, freezes: bool = True) -> None:
        """Somebody stopped it, or blanked it."""
        if self.guard.held() is None:
            (self.guard.stop if freezes else self.guard.blank)(reason)

    def clear_touch(self) -> None:
        """Staff looked at the holder, if there was anything to look at."""
        if self.guard.touched is not None:
            self.guard.clear_touch("staff")

    def hang_up(self) -> None:
        """The line of whoever holds the lease is gone."""
        if self.guard.owner is not None:
            self.guard.revoke(self.guard.epoch, f"watchdog: the connection of {self.guard.owner} was lost")

    def close(self) -> None:
        """Let it go."""
        self.guard.close()
