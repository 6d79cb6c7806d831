"""Two ways to sit at a driver: at a guard with a lease, and with nothing in between."""

import threading
from typing import Any

from eucentric.bench.spying.spy import Spy
from eucentric.instruments.guard import Guard


class Seat:
    """A guard as one lease holder sees it (what a host's client is in another process)."""

    def __init__(self, guard: Guard) -> None:
        self.guard, self.epoch = guard, 0

    def lease(self, owner: str) -> int:
        """Take the lease and keep its epoch."""
        self.epoch = self.guard.lease(owner)
        return self.epoch

    def release(self) -> None:
        """Give it back."""
        self.guard.release(epoch=self.epoch)

    def __getattr__(self, name: str) -> Any:
        """Commands carry the epoch; reading, blank and stop need none."""
        found = getattr(self.guard, name)
        if name not in ("move", "set_optics", "insert", "acquire", "wait", "clear_hold"):
            return found

        def fenced(*args: Any, **more: Any) -> Any:
            return found(*args, epoch=self.epoch, **more)

        return fenced


class Unguarded:
    """The driver with nothing in between: what a guard that checks nothing would let through."""

    def __init__(self, driver: Spy) -> None:
        self.driver, self.never = driver, threading.Event()

    def lease(self, owner: str) -> int:
        return 1

    def release(self, **_: Any) -> None:
        return None

    def clear_hold(self, by: str, **_: Any) -> None:
        return None

    def state(self) -> Any:
        return self.driver.read()

    def held(self) -> str | None:
        return None

    def incarnation(self) -> str:
        return "unguarded"

    def outcome(self, token: str) -> tuple[None, tuple[()]]:
        return None, ()

    def move(self, targets: dict[str, float], **_: Any) -> Any:
        self.driver.move(targets, self.never)
        return self.driver.read()

    def set_optics(self, values: dict[str, float], **_: Any) -> Any:
        self.driver.set_optics(values, self.never)
        return self.driver.read()

    def acquire(self, scan: Any, **_: Any) -> Any:
        self.driver.set_blank(False)
        try:
            return self.driver.acquire(scan, self.never)
        finally:
            self.driver.set_blank(True)

    def insert(self, detector: str, inside: bool, **_: Any) -> Any:
        self.driver.insert(detector, inside, self.never)
        return self.driver.read()

    def wait(self, seconds: float, **_: Any) -> None:
        self.driver.wait(seconds, self.never)

    def blank(self, reason: str) -> bool:
        return True

    stop = blank

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)
