"""The guard: every caller reaches a driver through it. It asks the interlock, sends, reads back, and blanks.

A stop never waits: no lock is kept during a driver call, and the operation in flight is a slot, not a lock.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from eucentric.core.errors import BeamLost, InstrumentFault, Stopped, Unsupported
from eucentric.instruments import checks, durations
from eucentric.instruments.beam import Beam
from eucentric.instruments.brake import Brake
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import (
    Driver,
    DriverState,
    LoggedCommand,
    Logs,
    Pixels,
    RawFrames,
    Retracts,
    ScanSpec,
    Touches,
)
from eucentric.instruments.interlock import Allowed, Interlock
from eucentric.instruments.journal import Journal, Outcome
from eucentric.instruments.lease import Lease
from eucentric.instruments.limits import Limits
from eucentric.instruments.notes import Notebook
from eucentric.instruments.operation import Hold as Hold
from eucentric.instruments.operation import Operation
from eucentric.instruments.sending import looked_at, sending
from eucentric.instruments.touch import TouchLock

MOTION = ("move", "insert")
LOG_PAGE = 500
"""Most entries of the instrument's own log that one question is answered with."""
_NOT_YET = "the scan was stopped before the beam was on"
_CLOSE_S = 2.0
"""How long closing waits for a stopped command to return [s]."""


class Guard:
    """One guarded instrument; thread-safe; implements `Instrument`.

    Parameters
    ----------
    driver
        The backend. The guard is its only caller and closes it.
    limits
        What staff allow; None: the driver's own declaration, and small travel if the instrument is real.
    hold
        A hold that outlived an earlier process.
    touched
        Why motion is locked, if a touch did.
    """

    def __init__(
        self,
        driver: Driver,
        limits: Limits | None = None,
        hold: Hold | None = None,
        touched: str | None = None,
    ) -> None:
        self._driver = driver
        self._interlock = Interlock(driver.capabilities(), limits)
        self._capabilities = self._interlock.capabilities
        self._lease = Lease(hold)
        self._beam = Beam(driver)
        self._touch = TouchLock(touched)
        self._journal = Journal()
        self.notes = Notebook(self._journal.incarnation, lambda: driver.read().commands)
        """What was done beside the commands, for whoever keeps it."""
        self._brake = Brake(driver, self._beam, self._lease, self.notes)

    # --- reading: never gated ---------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        """The driver's declaration, narrowed by the limits."""
        return self._capabilities

    def declaration(self) -> Capabilities:
        """The driver's own declaration, for whoever writes limits."""
        return self._interlock.declaration

    def limits(self) -> Limits:
        """The limits in force."""
        return self._interlock.limits

    def state(self) -> DriverState:
        """Fresh read-back; may be asked while a command runs. A touch that it shows locks motion."""
        with sending(self._beam.darken, "read"):
            state = self._driver.read()
        operation = self._lease.operation
        moving = operation and operation.sent and operation.name in MOTION
        if self._touch.see(state, operation.name if operation and moving else None):
            self.stop("touch alarm")
        return state

    def held(self) -> str | None:
        """Why the beam is held blanked, or None."""
        hold = self._lease.hold
        return hold.reason if hold else None

    def incarnation(self) -> str:
        """Which life of the instrument's process this is: outcomes of an earlier one are unknown."""
        return self._journal.incarnation

    def outcome(self, token: str) -> tuple[Outcome | None, Pixels]:
        """What became of the command with that token; None if none with it was sent in this life."""
        return self._journal.outcome(token)

    def command_log(self, after: int) -> tuple[LoggedCommand, ...] | None:
        """Entries of the instrument's own log with a number above `after`, at most `LOG_PAGE`; None if it has none."""
        driver = self._driver
        if not isinstance(driver, Logs):
            return None
        with sending(_nothing, "command log"):  # an auditor's question never blanks a scan
            return driver.command_log(after)[:LOG_PAGE]

    @property
    def hold(self) -> Hold | None:
        """The hold itself, for whoever keeps it beyond this process."""
        return self._lease.hold

    @property
    def touched(self) -> str | None:
        """Why motion is locked by a touch, or None; for whoever keeps it beyond this process."""
        return self._touch.reason

    @property
    def epoch(self) -> int:
        """Epoch of the newest lease; 0 before the first."""
        return self._lease.epoch

    @property
    def owner(self) -> str | None:
        """Who holds the lease."""
        return self._lease.owner

    def operation(self) -> Operation | None:
        """The command in flight."""
        return self._lease.operation

    def is_blanked(self) -> bool:
        """The blanker's read-back; False if it can't be read."""
        return self._beam.is_blanked()

    # --- the lease --------------------------------------------------------------------------

    def lease(self, owner: str) -> int:
        """Take the writer lease and blank, so that no move drags a beam left on by hand over the specimen.

        Sums of travel and charge begin anew.

        Raises
        ------
        Busy
            Somebody else holds it; the text says who.
        InstrumentFault
            The beam could not be blanked; the lease is not taken.
        """
        epoch = self._lease.take(owner)
        with self.notes.counted("lease", owner):
            if not self._beam.darken():
                self._lease.free(epoch)
                raise InstrumentFault(
                    "the beam could not be verified blanked", "", "The lease was not taken."
                )
        self._interlock.new_lease()
        return epoch

    def release(self, *, epoch: int | None = None) -> None:
        """Give the lease back; blanks. Without a lease it only blanks. Busy while a command is in flight."""
        current = self._lease.may_release(epoch)
        with self.notes.counted("release", self._lease.owner or "nobody"):
            self._beam.darken()
        self._lease.free(current)

    def revoke(self, epoch: int, reason: str) -> None:
        """End the lease of a holder that died or hung.

        With a command in flight or the beam on, everything is stopped and held; else the lease just ends.
        """
        idle = self._lease.idle(epoch)
        if idle is None:
            return
        if idle and self.is_blanked():
            self._beam.darken()
            self.notes.add("lease ended", reason)
        else:
            self.stop(reason)
        self._lease.free(epoch)

    def clear_hold(self, by: str, *, epoch: int | None = None) -> None:
        """Allow the beam (and motion) again; the beam stays blanked until the next scan."""
        self._lease.clear_hold(by, epoch)
        self.notes.add("hold released", by)

    def clear_touch(self, by: str) -> None:
        """Staff looked at the holder: motion is allowed again, once the alarm itself is off. Needs no lease.

        Raises
        ------
        LimitRefused
            The alarm is still on.
        Busy
            A command is in flight.
        """
        self._lease.need_idle("clear-touch")
        with self.notes.counted("touch cleared", by):
            if isinstance(self._driver, Touches):
                with sending(self._beam.darken, "clear-touch"):
                    self._driver.clear_touch()
        self._touch.clear(self.state(), by)

    # --- commands: lease, one at a time -----------------------------------------------------

    def move(self, targets: dict[str, float], *, token: str = "", epoch: int | None = None) -> DriverState:
        """Ask the interlock, move blanked, read back. Never repeated, never clamped.

        Parameters
        ----------
        targets
            Absolute targets by axis [m, rad].
        token
            Names this command for `outcome`; a token is good for one command.

        Raises
        ------
        UnknownAxis, LimitRefused, Busy, LeaseLost, BeamHeld, MoveNotReached, CommandTimeout, Stopped
        InstrumentFault
            Among others: the holder touched something. Everything is stopped and motion is locked.
        """
        with self._lease.operating("move", epoch) as operation:
            before = self.state()
            self._touch.check()
            allowed = self._interlock.move(before, targets)
            wanted = allowed.wanted
            self._allow(operation, durations.move_seconds(self._capabilities, before, wanted))
            with self._journaled(token, "move", before, allowed):
                with self._sending(operation, allowed), looked_at(self.state):
                    self._driver.move(wanted, operation.stop)
                after = self.state()
                self._touch.raise_after("move", after)
                operation.raise_if_stopped(f"the move was stopped: {checks.place(after, wanted)}")
                checks.check_arrived(self._capabilities, wanted, after.reported)
            return after

    def set_optics(
        self, values: dict[str, float], *, token: str = "", epoch: int | None = None
    ) -> DriverState:
        """Ask the interlock, set blanked, read back [SI]."""
        with self._lease.operating("set_optics", epoch) as operation:
            before = self.state()
            allowed = self._interlock.optics(before, values)
            self._allow(operation, durations.optics_seconds(self._capabilities, allowed.wanted))
            with self._journaled(token, "set_optics", before, allowed):
                with self._sending(operation, allowed):
                    self._driver.set_optics(allowed.wanted, operation.stop)
                operation.raise_if_stopped(f"setting {', '.join(allowed.wanted)} was stopped")
            return self.state()

    def insert(
        self, detector: str, inside: bool, *, token: str = "", epoch: int | None = None
    ) -> DriverState:
        """Drive a retractable detector in or out, blanked; read back.

        Raises
        ------
        UnknownDetector, LimitRefused, Busy, LeaseLost, BeamHeld, CommandTimeout, Stopped
        Unsupported
            It is not retractable.
        """
        with self._lease.operating("insert", epoch) as operation:
            before = self.state()
            self._touch.check()
            spec = self._interlock.insert(before, detector, inside)
            driver = self._driver
            if not isinstance(driver, Retracts):
                raise Unsupported(f"no way to move {detector}", "its driver has none", checks.NOTHING_SENT)
            self._allow(operation, spec.insert_s)
            with self._journaled(token, "insert", before, Allowed()):
                with self._sending(operation, Allowed()), looked_at(self.state):
                    driver.insert(detector, inside, operation.stop)
                after = self.state()
                self._touch.raise_after("insert", after)
                operation.raise_if_stopped(f"moving {detector} was stopped")
                checks.check_inserted(detector, inside, after)
            return after

    def acquire(
        self, scan: ScanSpec, *, token: str = "", epoch: int | None = None
    ) -> tuple[RawFrames, Pixels]:
        """Unblank, scan, blank and verify. Pixels are kept for `outcome` until the next scan.

        Raises
        ------
        UnknownDetector, LimitRefused, BadInput, Busy, LeaseLost, BeamHeld, BeamLost
        Stopped
            The scan ended early, or the beam was blanked under it. The specimen was exposed.
        InstrumentFault
            The frames are not what was asked for, or the beam can't be verified blanked (then it is held).
        """
        with self._lease.operating("acquire", epoch) as operation:
            before = self.state()
            allowed = self._interlock.scan(before, scan)
            if not before.beam_on:
                raise BeamLost("there is no beam", "the gun reports that it is off", "Nothing was exposed.")
            self._allow(operation, durations.scan_seconds(self._capabilities, scan))
            with self._journaled(token, "acquire", before, allowed):
                self._interlock.sent(allowed)
                with self._beam.lit(lambda: operation.raise_if_stopped(_NOT_YET), self.stop):
                    raw, pixels = self._driver.acquire(scan, operation.stop)
                self._interlock.settle_scan(allowed, raw)
                self._journal.end(token, raw=raw)
                done = f"the scan was stopped after {raw.lines_done} of {scan.rows} lines"
                operation.raise_if_stopped(done)
                if raw.aborted:
                    gone = "The specimen was exposed; no frame is kept."
                    raise Stopped(done, "the instrument ended it", gone)
                checks.check_frames(scan, pixels)
                self._journal.keep(token, pixels)
            return raw, pixels

    def wait(self, seconds: float, *, epoch: int | None = None) -> None:
        """Let instrument time pass [s], blanked; a stop ends it (Stopped)."""
        with self._lease.operating("wait", epoch) as operation:
            value = checks.check_wait(seconds)
            self._allow(operation, value)
            with self._sending(operation, Allowed()):
                self._driver.wait(value, operation.stop)
            operation.raise_if_stopped("the wait was stopped")

    # --- blank and stop: never gated, any thread --------------------------------------------

    def blank(self, reason: str) -> bool:
        """Blank and hold the beam; a scan in flight ends, a move goes on. Never raises."""
        return self._brake.pull(reason, motion=False)

    def stop(self, reason: str) -> bool:
        """Blank first, then stop scan and motion, and hold both until `clear_hold`. Never raises."""
        return self._brake.pull(reason, motion=True)

    def overdue(self) -> Operation | None:
        """The command in flight, if it has taken longer than a working instrument could need."""
        operation = self._lease.operation
        return operation if operation and operation.late() else None

    def close(self) -> None:
        """End what is in flight, blank and let the driver go."""
        if self._lease.operation is not None:
            self.stop("the instrument was closed during a command")
            self._lease.await_idle(_CLOSE_S)
        self._beam.darken()
        self._driver.close()
        self.notes.add("ended", "the driver was let go")

    # --- inside -----------------------------------------------------------------------------

    @contextmanager
    def _sending(self, operation: Operation, allowed: Allowed) -> Iterator[None]:
        """Around a command in the dark, which counts from now on, whatever becomes of it."""
        with sending(self._beam.darken, operation.name):
            self._beam.need_dark()
            self._interlock.sent(allowed)
            operation.sent = True
            yield

    def _journaled(
        self, token: str, act: str, before: DriverState, allowed: Allowed
    ) -> AbstractContextManager[None]:
        """Around what is sent: a client that loses the answer can ask for it; the sums are settled, too."""
        settle = partial(self._interlock.settle, allowed)
        return self._journal.around(token, act, before.commands, self.state, settle)

    def _allow(self, operation: Operation, predicted_s: float) -> None:
        """Three times the declared time and a slack; a simulator may compute longer than it scans."""
        operation.allowed_s = 3 * predicted_s + (120.0 if self._capabilities.simulated else 10.0)


def _nothing() -> None:
    """In place of blanking."""
