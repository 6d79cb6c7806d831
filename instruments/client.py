"""An instrument in another process: the client side of a host's sockets."""

import contextlib
import os
import socket
import threading
from numbers import Real
from typing import Any

from eucentric.core import stop as stopping
from eucentric.core.errors import ConnectionLost, EucentricError, from_dict
from eucentric.core.redaction import redacted
from eucentric.core.stop import HostInfo
from eucentric.instruments import wire
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import DriverState, LoggedCommand, Pixels, RawFrames, ScanSpec
from eucentric.instruments.journal import Outcome
from eucentric.instruments.limits import Limits

BEAT_S = 0.2
"""Time between heartbeats [s]; the host gives up after 1 s."""
_DEAF_S = 15.0
"""A host that does not answer a heartbeat for this long is taken for hung [s]."""


class _Channel:
    """One connection: a question, an answer, one at a time."""

    def __init__(self, info: HostInfo, timeout_s: float | None = None) -> None:
        self._info = info
        self._lock = threading.Lock()
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._line.settimeout(_DEAF_S)
            self._line.connect(info.socket)
            self.ask("hello", protocol=wire.PROTOCOL)
            self._line.settimeout(timeout_s)
        except OSError as error:
            self._line.close()
            raise _lost(info, str(error)) from error
        except EucentricError:
            self._line.close()
            raise

    def ask(self, op: str, **arguments: Any) -> tuple[Any, Pixels]:
        """Raises what the host raised, or ConnectionLost."""
        with self._lock:
            try:
                wire.send(self._line, redacted({"op": op, **arguments}))
                answer, arrays = wire.receive(self._line)
            except ConnectionLost as error:
                self.break_off()  # half an answer may be left in it: it can't be used again
                raise _lost(self._info, error.why) from error
        if answer.get("ok") is not True:
            raise from_dict(answer.get("error") or {})
        return answer.get("value"), arrays

    def break_off(self) -> None:
        """Make a waiting `ask` of another thread fail; the next one fails too."""
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.break_off()
        self._line.close()


class _Heartbeat(threading.Thread):
    """Says 'alive' five times a second on a connection of its own, also during a long scan."""

    def __init__(self, channel: _Channel, epoch: int, commands: _Channel) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._channel, self._epoch, self._commands = channel, epoch, commands
        self._leave = threading.Event()

    def run(self) -> None:
        while not self._leave.is_set():
            try:
                self._channel.ask("beat", epoch=self._epoch)
            except EucentricError:
                if not self._leave.is_set():
                    self._commands.break_off()  # the host is gone or hung: no call may wait for it for ever
                return
            self._leave.wait(BEAT_S)

    def end(self) -> None:
        self._leave.set()
        self._channel.close()
        self.join(2.0)


class HostClient:
    """An instrument behind a host; thread-safe; implements `Instrument`.

    Reading goes over a connection of its own, so it answers while a command runs in another thread;
    `blank` and `stop` use the stop socket.

    Parameters
    ----------
    info
        The host, as `eucentric.core.stop.list_hosts` finds it.

    Raises
    ------
    ConnectionLost
        The host does not answer; also from every method, once it died.
    """

    def __init__(self, info: HostInfo) -> None:
        self.info = info
        self._commands = _Channel(info)
        self._reads = _Channel(info, _DEAF_S)
        self._capabilities: Capabilities | None = None
        self._limits: Limits | None = None
        self._heart: _Heartbeat | None = None

    def capabilities(self) -> Capabilities:
        """The driver's declaration, narrowed by the limits; asked once."""
        if self._capabilities is None:
            self._capabilities = Capabilities.model_validate(self._reads.ask("capabilities")[0])
        return self._capabilities

    def declaration(self) -> Capabilities:
        """The driver's own declaration, for whoever writes limits."""
        return Capabilities.model_validate(self._reads.ask("declaration")[0])

    def limits(self) -> Limits:
        """The limits in force; asked once, since a host keeps those it began with."""
        if self._limits is None:
            self._limits = Limits.model_validate(self._reads.ask("limits")[0])
        return self._limits

    def clear_touch(self, by: str) -> None:
        """Staff looked at the holder: allow motion again. See `Guard.clear_touch`."""
        self._reads.ask("clear_touch", by=by)

    def state(self) -> DriverState:
        """Fresh read-back."""
        return DriverState.model_validate(self._reads.ask("state")[0])

    def held(self) -> str | None:
        """Why the beam is held blanked, or None."""
        reason = self._reads.ask("held")[0]
        return None if reason is None else str(reason)

    def lease(self, owner: str) -> int:
        """Take the writer lease and start the heartbeat; Busy names the holder."""
        pulse = _Channel(self.info, _DEAF_S)
        try:
            epoch = int(self._commands.ask("lease", owner=f"{owner} (pid {os.getpid()})")[0])
        except EucentricError:
            pulse.close()
            raise
        self._stop_heart()
        self._heart = _Heartbeat(pulse, epoch, self._commands)
        self._heart.start()
        return epoch

    def release(self) -> None:
        """Give the lease back; the host blanks."""
        self._commands.ask("release")
        self._stop_heart()

    def clear_hold(self, by: str) -> None:
        """Allow the beam again; needs the lease."""
        self._commands.ask("clear_hold", by=by)

    def incarnation(self) -> str:
        """Which life of the host's process this is."""
        return str(self._reads.ask("incarnation")[0])

    def outcome(self, token: str) -> tuple[Outcome | None, Pixels]:
        """See `Guard.outcome`."""
        known, pixels = self._reads.ask("outcome", token=token)
        return None if known is None else Outcome.model_validate(known), pixels

    def command_log(self, after: int) -> tuple[LoggedCommand, ...] | None:
        """See `Guard.command_log`."""
        found = self._reads.ask("command_log", after=after)[0]
        return None if found is None else tuple(LoggedCommand.model_validate(one) for one in found)

    def move(self, targets: dict[str, float], *, token: str = "") -> DriverState:
        """See `Guard.move` [m, rad]."""
        return self._state_after("move", targets=_plain(targets), token=token)

    def set_optics(self, values: dict[str, float], *, token: str = "") -> DriverState:
        """See `Guard.set_optics` [SI]."""
        return self._state_after("set_optics", values=_plain(values), token=token)

    def insert(self, detector: str, inside: bool, *, token: str = "") -> DriverState:
        """See `Guard.insert`."""
        return self._state_after("insert", detector=detector, inside=inside, token=token)

    def _state_after(self, op: str, **arguments: Any) -> DriverState:
        return DriverState.model_validate(self._commands.ask(op, **arguments)[0])

    def acquire(self, scan: ScanSpec, *, token: str = "") -> tuple[RawFrames, Pixels]:
        """See `Guard.acquire`; pixels are (rows, columns) float32 [counts] per detector."""
        raw, pixels = self._commands.ask("acquire", scan=scan.model_dump(mode="json"), token=token)
        return RawFrames.model_validate(raw), pixels

    def wait(self, seconds: float) -> None:
        """See `Guard.wait`."""
        self._commands.ask("wait", seconds=_plain({"wait": seconds})["wait"])

    def blank(self, reason: str) -> bool:
        """Blank and hold over the stop socket; False also if the host could not be reached."""
        return self._halt("blank", reason)

    def stop(self, reason: str) -> bool:
        """Blank and stop over the stop socket; False also if the host could not be reached."""
        return self._halt("stop", reason)

    def close(self) -> None:
        """Give the lease back if there is one (the host then blanks), and hang up. The host stays."""
        if self._heart is not None:
            with contextlib.suppress(EucentricError):
                self._commands.ask("release")
        self._commands.close()
        self._reads.close()
        self._stop_heart()

    def _halt(self, op: str, reason: str) -> bool:
        try:
            return stopping.ask(self.info, op, reason).get("blanked") is True
        except (OSError, ValueError):
            return False

    def _stop_heart(self) -> None:
        heart, self._heart = self._heart, None
        if heart is not None:
            heart.end()


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """numpy numbers as Python ones; everything else as it is, for the guard to refuse."""
    return {
        name: float(value) if isinstance(value, Real) and not isinstance(value, bool | int | float) else value
        for name, value in values.items()
    }


def _lost(info: HostInfo, why: str) -> ConnectionLost:
    return ConnectionLost(
        f"the host of {info.uri} (pid {info.pid}) does not answer",
        why,
        f"The state is unknown: run 'eucentric stop', look at {info.log}, then run the command again.",
    )


def ask_to_exit(info: HostInfo) -> None:
    """Ask a host to leave; Busy if it is leased."""
    channel = _Channel(info, _DEAF_S)
    try:
        channel.ask("exit")
    finally:
        channel.close()
