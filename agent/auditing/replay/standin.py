"""The instrument as a replayed run sees it: a twin begun anew, that has the name and the fate of the one on record."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from eucentric.agent.auditing.replay.prompter import Prompter
from eucentric.agent.auditing.replay.twin import Died, Twin
from eucentric.core.errors import ConnectionLost
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import DriverState, LoggedCommand, Pixels, RawFrames, ScanSpec
from eucentric.instruments.journal import Outcome
from eucentric.instruments.limits import Limits

T = TypeVar("T")


class _Info(NamedTuple):
    pid: int | None


class StandIn:
    """One life of a run with its instrument (implements `Instrument`)."""

    def __init__(self, twin: Twin, prompter: Prompter, pid: int | None) -> None:
        self.twin, self.prompter = twin, prompter
        self.info = _Info(pid)
        """As a host's client has it: rows name the host's process."""

    def capabilities(self) -> Capabilities:
        return self.twin.guard.capabilities()

    def limits(self) -> Limits:
        return self.twin.guard.limits()

    def state(self) -> DriverState:
        self._readable()
        return self.twin.guard.state()

    def held(self) -> str | None:
        self._readable()
        return self.twin.guard.held()

    def incarnation(self) -> str:
        return self.twin.incarnation or self.twin.guard.incarnation()

    def outcome(self, token: str) -> tuple[Outcome | None, Pixels]:
        return self.twin.guard.outcome(token)

    def command_log(self, after: int) -> tuple[LoggedCommand, ...] | None:
        return self.twin.guard.command_log(after)

    def lease(self, owner: str) -> int:
        self._alive()
        return self.twin.guard.lease(owner)

    def release(self) -> None:
        self._alive()
        self.twin.guard.release()

    def clear_hold(self, by: str) -> None:
        self._alive()
        self.twin.guard.clear_hold(by)

    def move(self, targets: dict[str, float], *, token: str = "") -> DriverState:
        return self._commanded(lambda: self.twin.guard.move(targets, token=token))

    def set_optics(self, values: dict[str, float], *, token: str = "") -> DriverState:
        return self._commanded(lambda: self.twin.guard.set_optics(values, token=token))

    def insert(self, detector: str, inside: bool, *, token: str = "") -> DriverState:
        return self._commanded(lambda: self.twin.guard.insert(detector, inside, token=token))

    def acquire(self, scan: ScanSpec, *, token: str = "") -> tuple[RawFrames, Pixels]:
        return self._commanded(lambda: self.twin.guard.acquire(scan, token=token))

    def wait(self, seconds: float) -> None:
        announced = self.prompter.announced
        self._commanded(lambda: self.twin.guard.wait(seconds))
        if not announced:
            self.prompter.waited(seconds)

    def blank(self, reason: str) -> bool:
        return self._reached and self.twin.guard.blank(reason)

    def stop(self, reason: str) -> bool:
        return self._reached and self.twin.guard.stop(reason)

    def close(self) -> None:
        """The line is gone; the instrument stays."""
        self.twin.hang_up()

    def _commanded(self, work: Callable[[], T]) -> T:
        self._alive()
        fate = self.prompter.fate(self.twin)
        try:
            return self.twin.carried_out(fate, work)
        except Died:
            self.prompter.dead = True
            raise
        except ConnectionLost as error:
            if fate.raises is not None:
                self.prompter.lose(error)
            raise

    def _alive(self) -> None:
        """A process that has died sends nothing; a line that was lost carries nothing."""
        if self.prompter.dead:
            raise Died
        if self.prompter.lost is not None:
            raise self.prompter.lost

    @property
    def _reached(self) -> bool:
        return not (self.prompter.dead or self.prompter.gone)

    def _readable(self) -> None:
        if self.prompter.lost is not None and self.prompter.gone:
            raise self.prompter.lost
