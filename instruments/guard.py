"""The guard: every caller reaches a driver through it. Limits, lease, blanking, read-back, stop.

A stop never waits: `_lock` covers the lease, the hold and the operation in flight and is never kept during a
driver call; the operation itself is a slot, not a lock: whoever finds it taken gets Busy at once.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eucentric.core.errors import (
    BeamHeld,
    BeamLost,
    Busy,
    CommandTimeout,
    EucentricError,
    InstrumentFault,
    LeaseLost,
    Stopped,
    Unsupported,
)
from eucentric.core.text import visible
from eucentric.instruments import checks
from eucentric.instruments.beam import Beam
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import Driver, DriverState, Pixels, RawFrames, Retracts, ScanSpec
from eucentric.instruments.journal import Journal, Outcome
from eucentric.instruments.operation import Hold as Hold
from eucentric.instruments.operation import Operation

_LOG = logging.getLogger(__name__)
_NOT_YET = "the scan was stopped before the beam was on"
_CLOSE_S = 2.0
"""How long closing waits for a stopped command to return [s]."""


class Guard:
    """One guarded instrument; thread-safe; implements `Instrument`.

    Parameters
    ----------
    driver
        The backend. The guard is its only caller and closes it.
    hold
        A hold that outlived an earlier process.
    """

    def __init__(self, driver: Driver, *, hold: Hold | None = None) -> None:
        self._driver = driver
        self._capabilities = driver.capabilities()
        self._lock = threading.Lock()
        self._beam = Beam(driver)
        self._owner: str | None = None
        self._epoch = 0
        self._hold = hold
        self._operation: Operation | None = None
        self._journal = Journal()

    # --- reading: never gated ---------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        """The driver's declaration."""
        return self._capabilities

    def state(self) -> DriverState:
        """Fresh read-back; may be asked while a command runs."""
        with self._sending("read"):
            return self._driver.read()

    def held(self) -> str | None:
        """Why the beam is held blanked, or None."""
        hold = self._hold
        return hold.reason if hold else None

    def incarnation(self) -> str:
        """Which life of the instrument's process this is: outcomes of an earlier one are unknown."""
        return self._journal.incarnation

    def outcome(self, token: str) -> tuple[Outcome | None, Pixels]:
        """What became of the command with that token; None if none with it was sent in this life."""
        return self._journal.outcome(token)

    @property
    def hold(self) -> Hold | None:
        """The hold itself, for whoever keeps it beyond this process."""
        return self._hold

    @property
    def epoch(self) -> int:
        """Epoch of the newest lease; 0 before the first."""
        return self._epoch

    @property
    def owner(self) -> str | None:
        """Who holds the lease."""
        return self._owner

    def operation(self) -> Operation | None:
        """The command in flight."""
        return self._operation

    def is_blanked(self) -> bool:
        """The blanker's read-back; False if it can't be read."""
        return self._beam.is_blanked()

    # --- the lease --------------------------------------------------------------------------

    def lease(self, owner: str) -> int:
        """Take the writer lease and blank, so that no move drags a beam left on by hand over the specimen.

        Raises
        ------
        Busy
            Somebody else holds it; the text says who.
        InstrumentFault
            The beam could not be blanked; the lease is not taken.
        """
        with self._lock:
            if self._owner is not None:
                raise self._taken("lease")
            self._owner = visible(owner, limit=200)
            self._epoch += 1
            epoch = self._epoch
        if not self._beam.darken():
            self._free(epoch)
            raise InstrumentFault("the beam could not be verified blanked", "", "The lease was not taken.")
        return epoch

    def release(self, *, epoch: int | None = None) -> None:
        """Give the lease back; blanks. Without a lease it only blanks. Busy while a command is in flight."""
        with self._lock:
            if self._owner is not None:
                self._fence(epoch)
            if self._operation is not None:
                raise self._taken("release")
            current = self._epoch
        self._beam.darken()
        self._free(current)

    def revoke(self, epoch: int, reason: str) -> None:
        """End the lease of a holder that died or hung.

        With a command in flight or the beam on, everything is stopped and held; else the lease just ends.
        """
        with self._lock:
            if self._owner is None or epoch != self._epoch:
                return
            idle = self._operation is None
        if idle and self.is_blanked():
            self._beam.darken()
        else:
            self.stop(reason)
        self._free(epoch)

    def clear_hold(self, by: str, *, epoch: int | None = None) -> None:
        """Allow the beam (and motion) again; the beam stays blanked until the next scan."""
        with self._lock:
            self._fence(epoch)
            if self._hold is not None:
                _LOG.warning("hold cleared by %s: %s", visible(by), self._hold.reason)
            self._hold = None

    # --- commands: lease, one at a time -----------------------------------------------------

    def move(self, targets: dict[str, float], *, token: str = "", epoch: int | None = None) -> DriverState:
        """Check every axis, move blanked, read back. Never repeated, never clamped.

        Parameters
        ----------
        targets
            Absolute targets by axis [m, rad].
        token
            Names this command for `outcome`; a token is good for one command.

        Raises
        ------
        UnknownAxis, LimitRefused, Busy, LeaseLost, BeamHeld, MoveNotReached, CommandTimeout, Stopped
        """
        with self._operating("move", epoch) as operation:
            before = self.state()
            wanted = checks.check_move(self._capabilities, before.reported, targets)
            self._allow(operation, checks.move_seconds(self._capabilities, before, wanted))
            with self._journaled(token, "move", before):
                with self._sending("move"):
                    self._beam.need_dark()
                    self._driver.move(wanted, operation.stop)
                after = self.state()
                at = ", ".join(f"{name} at {checks.shown(name, after.reported[name])}" for name in wanted)
                self._raise_if_stopped(operation, f"the move was stopped: {at}")
                checks.check_arrived(self._capabilities, wanted, after.reported)
            return after

    def set_optics(
        self, values: dict[str, float], *, token: str = "", epoch: int | None = None
    ) -> DriverState:
        """Check every control, set blanked, read back [SI]."""
        with self._operating("set_optics", epoch) as operation:
            before = self.state()
            wanted = checks.check_optics(self._capabilities, before.optics, values)
            self._allow(
                operation, sum(row.settle_s for row in self._capabilities.optics if row.name in wanted)
            )
            with self._journaled(token, "set_optics", before):
                with self._sending("set_optics"):
                    self._beam.need_dark()
                    self._driver.set_optics(wanted, operation.stop)
                self._raise_if_stopped(operation, f"setting {', '.join(wanted)} was stopped")
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
        with self._operating("insert", epoch) as operation:
            before = self.state()
            spec = checks.check_insert(self._capabilities, detector)
            driver = self._driver
            if not isinstance(driver, Retracts):
                raise Unsupported(
                    f"{detector} can't be moved", "its driver has no insert", checks.NOTHING_SENT
                )
            self._allow(operation, spec.insert_s)
            with self._journaled(token, "insert", before):
                with self._sending("insert"):
                    self._beam.need_dark()
                    driver.insert(detector, inside, operation.stop)
                self._raise_if_stopped(operation, f"moving {detector} was stopped")
                after = self.state()
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
        with self._operating("acquire", epoch) as operation:
            checks.check_scan(self._capabilities, scan)
            before = self.state()
            if not before.beam_on:
                raise BeamLost("there is no beam", "the gun reports that it is off", "Nothing was exposed.")
            self._allow(operation, checks.scan_seconds(self._capabilities, scan))
            with self._journaled(token, "acquire", before):
                raw, pixels = self._exposed(scan, operation)
                self._journal.end(token, raw=raw)
                done = f"the scan was stopped after {raw.lines_done} of {scan.rows} lines"
                self._raise_if_stopped(operation, done)
                if raw.aborted:
                    raise Stopped(
                        done, "the instrument ended it", "The specimen was exposed; no frame is kept."
                    )
                checks.check_frames(scan, pixels)
                self._journal.keep(token, pixels)
            return raw, pixels

    def wait(self, seconds: float, *, epoch: int | None = None) -> None:
        """Let instrument time pass [s], blanked; a stop ends it (Stopped)."""
        with self._operating("wait", epoch) as operation:
            value = checks.check_wait(seconds)
            self._allow(operation, value)
            with self._sending("wait"):
                self._beam.need_dark()
                self._driver.wait(value, operation.stop)
            self._raise_if_stopped(operation, "the wait was stopped")

    # --- blank and stop: never gated, any thread --------------------------------------------

    def blank(self, reason: str) -> bool:
        """Blank and hold the beam; a scan in flight ends, a move goes on. Never raises."""
        return self._halt(reason, motion=False)

    def stop(self, reason: str) -> bool:
        """Blank first, then stop scan and motion, and hold both until `clear_hold`. Never raises."""
        return self._halt(reason, motion=True)

    def overdue(self) -> Operation | None:
        """The command in flight, if it has taken longer than a working instrument could need."""
        operation = self._operation
        late = operation and time.monotonic() - operation.started > operation.allowed_s
        return operation if late else None

    def close(self) -> None:
        """End what is in flight, blank and let the driver go."""
        if self._operation is not None:
            self.stop("the instrument was closed during a command")
            end = time.monotonic() + _CLOSE_S
            while self._operation is not None and time.monotonic() < end:
                time.sleep(0.01)
        self._beam.darken()
        self._driver.close()

    # --- inside -----------------------------------------------------------------------------

    def _halt(self, reason: str, *, motion: bool) -> bool:
        text = visible(reason, limit=500) or "stop"
        with self._lock:  # from here on no new operation and no unblank passes
            self._hold = Hold(
                self._hold.reason if self._hold else text, motion or bool(self._hold and self._hold.freezes)
            )
            operation = self._operation
        self._beam.darken()
        if operation is not None and (motion or operation.name == "acquire"):
            operation.reason = text
            operation.stop.set()
        if motion:
            try:
                self._driver.stop()
            except Exception:
                _LOG.exception("the driver's stop failed")
        return self._beam.darken_for_good()

    def _exposed(self, scan: ScanSpec, operation: Operation) -> tuple[RawFrames, Pixels]:
        try:
            with self._sending("acquire"):
                self._beam.light(lambda: self._raise_if_stopped(operation, _NOT_YET))
                return self._driver.acquire(scan, operation.stop)
        finally:
            if not self._beam.darken():
                self.stop("the beam could not be verified blanked after a scan")
                raise InstrumentFault(
                    "the beam could not be verified blanked after a scan",
                    "the blanker's read-back says it is on",
                    "Close the column valves by hand. The beam is held.",
                )

    @contextmanager
    def _operating(self, name: str, epoch: int | None) -> Iterator[Operation]:
        with self._lock:
            self._fence(epoch)
            self._refuse_if_held(name)
            if self._operation is not None:
                raise self._taken(name)
            operation = self._operation = Operation(name)
        try:
            yield operation
        finally:
            with self._lock:
                self._operation = None

    @contextmanager
    def _journaled(self, token: str, act: str, before: DriverState) -> Iterator[None]:
        """Around what is sent: a client that loses the answer can ask for it."""
        self._journal.begin(token, act, before.commands)
        result: dict[str, Any] = {"status": "failed"}
        try:
            yield
            result = {"status": "done"}
        except EucentricError as error:
            result["error"] = error.as_dict()
            raise
        finally:
            after = self._read_quietly()
            self._journal.end(token, state=after, commands_after=after and after.commands, **result)

    def _read_quietly(self) -> DriverState | None:
        try:
            return self._driver.read()
        except Exception:
            _LOG.exception("read-back for the journal failed")
            return None

    @contextmanager
    def _sending(self, what: str) -> Iterator[None]:
        """A driver call: whatever it raises becomes one of ours, with the beam blanked."""
        try:
            yield
        except EucentricError:
            self._beam.darken()
            raise
        except TimeoutError as error:
            self._beam.darken()
            raise CommandTimeout(
                f"{what}: the instrument did not answer in time",
                _said(error),
                "Its state is unknown; the beam was blanked. Read it before the next command.",
            ) from error
        except Exception as error:
            self._beam.darken()
            raise InstrumentFault(
                f"{what}: the driver failed", _said(error), "The beam was blanked. See the host's log."
            ) from error

    def _fence(self, epoch: int | None) -> None:
        """LeaseLost unless `epoch` is the current lease (None: the one there is). `_lock` is held."""
        if self._owner is not None and epoch in (None, self._epoch):
            return
        if self._owner is not None and epoch == 0:
            raise self._taken("command")
        raise LeaseLost(
            "the command needs the writer lease",
            "it was never taken" if not epoch else f"lease {epoch} has ended",
            f"{checks.NOTHING_SENT}. Take the lease again; check the state first.",
        )

    def _refuse_if_held(self, name: str) -> None:
        hold = self._hold
        if hold is None or name == "wait" or (name != "acquire" and not hold.freezes):
            return
        raise BeamHeld(
            f"{name}: the instrument is held",
            hold.reason,
            f"{checks.NOTHING_SENT}. A person's approval releases it; reading, blank and stop still work.",
        )

    def _taken(self, name: str) -> Busy:
        operation = self._operation
        doing = f"{operation.name} in flight" if operation else "it holds the writer lease"
        return Busy(
            f"{name}: the instrument is in use by {self._owner or 'nobody'}",
            doing,
            f"{checks.NOTHING_SENT}; nothing is queued. Try when it is done, or stop it: eucentric stop.",
        )

    def _free(self, epoch: int) -> None:
        with self._lock:
            if epoch == self._epoch:
                self._owner = None

    def _allow(self, operation: Operation, predicted_s: float) -> None:
        """Three times the declared time and a slack; a simulator may compute longer than it scans."""
        operation.allowed_s = 3 * predicted_s + (120.0 if self._capabilities.simulated else 10.0)

    def _raise_if_stopped(self, operation: Operation, what: str) -> None:
        if operation.stop.is_set():
            raise Stopped(what, operation.reason, "The beam is blanked and held.")


def _said(error: Exception) -> str:
    first: Any = (str(error).splitlines() or [""])[0]
    return visible(f"{type(error).__name__}: {first}", limit=300)


__all__ = ["Guard", "Hold", "Operation"]
