"""The instrument host: one process owns an instrument's driver, guard, lease and watchdog.

It outlives its clients. The command socket takes frames of `wire`, one thread per connection. The stop
socket takes one line of JSON and has threads of its own, so it answers while a scan runs. No policy.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from eucentric.core.errors import (
    BadInput,
    Busy,
    Defect,
    EucentricError,
    Unsupported,
)
from eucentric.core.redaction import redacted
from eucentric.core.stop import ANSWER_S, LINE_LIMIT, HostInfo
from eucentric.core.text import visible
from eucentric.instruments import wire
from eucentric.instruments.checks import NOTHING_SENT
from eucentric.instruments.driver import Driver, Pixels, ScanSpec
from eucentric.instruments.hostfiles import HostFiles, code_fingerprint
from eucentric.instruments.notefile import keep_notes
from eucentric.instruments.uri import guarded
from eucentric.instruments.watchdog import SILENCE_S, Watchdog

IDLE_S = 600.0
"""A host without a client for this long leaves [s]."""
_LOG = logging.getLogger(__name__)
_Value = dict[str, Any]


@dataclass
class _Client:
    """One connection on the command socket."""

    epoch: int = 0
    """The lease taken on this connection; 0 if none was."""
    beats_for: int = 0
    """The lease it sends heartbeats for."""


class HostServer:
    """One instrument, served until idle, told to leave, or signalled.

    Parameters
    ----------
    uri
        Any spelling of the address.
    open_driver
        Called once the host is the only one of this instrument.
    """

    def __init__(
        self,
        uri: str,
        open_driver: Callable[[], Driver],
        *,
        idle_s: float = IDLE_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._files = HostFiles(uri)
        self._fingerprint = code_fingerprint(uri)
        self._files.take()
        try:
            self._guard = guarded(uri, open_driver(), self._files.read_hold(), self._files.read_touch())
        except BaseException:
            self._files.leave()
            raise
        self._watchdog = Watchdog(self._guard, silence_s=silence_s)
        self._idle_s = idle_s
        self._lines: set[socket.socket] = set()
        self._listeners: list[socket.socket] = []
        self._hold_lock = threading.Lock()
        self._hold_kept = self._guard.hold
        self._touch_kept = self._guard.touched
        self._leaving = False

    def start(self) -> HostInfo:
        """Listen; the returned info is on the disk as well."""
        commands, stops = self._files.sockets()
        self._listen(str(stops), self._serve_stop, "stop")
        self._listen(str(commands), self._serve_client, "commands")
        self._watchdog.start()
        self._guard.notes.add("began", f"pid {os.getpid()}")
        threading.Thread(target=self._note, name="notes", daemon=True).start()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        info = HostInfo(
            self._files.uri, os.getpid(), str(commands), str(stops), now, wire.PROTOCOL, self._fingerprint,
            str(self._files.log), str(self._files.lock),
        )  # fmt: skip
        self._files.publish(info)
        _LOG.info("serving %s", self._files.uri)
        return info

    def leave(self) -> None:
        """Ask `serve` to return; safe in a signal handler (it takes no lock)."""
        self._leaving = True

    def serve(self) -> None:
        """Keep house until told to leave or idle, then blank and close."""
        busy = time.monotonic()
        while not self._leaving:
            time.sleep(0.1)
            self._keep_hold()
            now = time.monotonic()
            busy = now if self._lines or self._guard.owner or self._guard.operation() else busy
            self._leaving = self._leaving or now - busy > self._idle_s
        self.close()

    def close(self) -> None:
        """Stop what runs, blank, close the driver, remove the files."""
        _LOG.info("leaving")
        self._leaving = True
        try:
            self._guard.close()  # the stop socket answers until it is done
        finally:
            for listener in self._listeners:
                _hang_up(listener)
                listener.close()
            self._watchdog.end()
            self._keep_hold()
            keep_notes(self._files.uri, self._guard.notes.take(read=False))
            for line in tuple(self._lines):
                _hang_up(line)
            self._files.leave()

    # --- sockets ----------------------------------------------------------------------------

    def _listen(self, path: str, serve: Callable[[socket.socket], None], name: str) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(64)
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, serve), name=name, daemon=True).start()

    def _accept(self, listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        while not self._leaving:
            try:
                line, _ = listener.accept()
            except OSError:  # closed, or out of file handles: the latter must not spin
                time.sleep(0.05)
                continue
            threading.Thread(target=serve, args=(line,), name=f"{serve.__name__}", daemon=True).start()

    # --- the stop socket --------------------------------------------------------------------

    def _serve_stop(self, line: socket.socket) -> None:
        start = time.monotonic()
        try:
            with line:
                line.settimeout(ANSWER_S)
                request = json.loads(_read_line(line))
                answer = self._stop_answer(str(request.get("op")), str(request.get("reason") or ""))
                answer["host_ms"] = round((time.monotonic() - start) * 1e3, 1)
                line.sendall(json.dumps(answer).encode() + b"\n")
        except (OSError, ValueError, AttributeError) as error:
            _LOG.warning("stop socket: %s", error)

    def _stop_answer(self, op: str, reason: str) -> _Value:
        if op == "stop":
            blanked = self._guard.stop(reason or "stop")
        elif op == "blank":
            blanked = self._guard.blank(reason or "blank")
        elif op == "status":
            blanked = self._guard.is_blanked()
        else:
            return {"error": f"unknown op '{visible(op, limit=40)}': stop, blank or status", "blanked": False}
        self._keep_hold()
        operation = self._guard.operation()
        return {
            "uri": self._files.uri,
            "pid": os.getpid(),
            "blanked": blanked,
            "held": self._guard.held(),
            "lease": self._guard.owner,
            "operation": operation.name if operation else None,
        }

    # --- the command socket -----------------------------------------------------------------

    def _serve_client(self, line: socket.socket) -> None:
        client = _Client()
        self._lines.add(line)
        try:
            while True:
                message, _ = wire.receive(line)
                answer, arrays = self._answer(client, message)
                wire.send(line, answer, arrays)
        except EucentricError as error:
            _LOG.debug("connection ended: %s", error)
        finally:
            line.close()
            self._lines.discard(line)
            for epoch in {client.epoch, client.beats_for} - {0}:
                self._guard.revoke(epoch, f"watchdog: the connection of {self._guard.owner} was lost")

    def _answer(self, client: _Client, message: _Value) -> tuple[_Value, Pixels]:
        try:
            value, arrays = self._do(client, message)
            return {"ok": True, "value": value}, arrays
        except EucentricError as error:
            return {"ok": False, "error": redacted(error.as_dict())}, ()
        except Exception as error:
            _LOG.exception("command failed")
            return {"ok": False, "error": Defect("the host failed", visible(repr(error))).as_dict()}, ()

    def _do(self, client: _Client, message: _Value) -> tuple[Any, Pixels]:
        op = str(message.get("op"))
        _check_arguments(op, message)
        if op == "acquire":
            raw, pixels = self._guard.acquire(
                _scan(message["scan"]), token=message["token"], epoch=client.epoch
            )
            return raw.model_dump(mode="json"), pixels
        if op == "outcome":
            known, pixels = self._guard.outcome(message["token"])
            return known and known.model_dump(mode="json"), pixels
        if op in _READS:
            return _READS[op](self, message), ()
        if op in _COMMANDS:
            return _COMMANDS[op](self, client, message), ()
        raise Unsupported(f"the host knows no '{visible(op, limit=40)}'", f"protocol {wire.PROTOCOL}")

    def _hello(self, message: _Value) -> _Value:
        if message["protocol"] != wire.PROTOCOL:
            raise Unsupported(
                f"the client speaks protocol {message['protocol']}, the host {wire.PROTOCOL}",
                "",
                f"End the host (pid {os.getpid()}) and run the command again.",
            )
        return {"uri": self._files.uri, "pid": os.getpid(), "fingerprint": self._fingerprint}

    def _command_log(self, message: _Value) -> list[_Value] | None:
        entries = self._guard.command_log(message["after"])
        return None if entries is None else [entry.model_dump(mode="json") for entry in entries]

    def _lease(self, client: _Client, message: _Value) -> int:
        client.epoch = self._guard.lease(message["owner"])
        return client.epoch

    def _release(self, client: _Client) -> None:
        self._guard.release(epoch=client.epoch)
        client.epoch = 0

    def _beat(self, client: _Client, message: _Value) -> bool:
        client.beats_for = message["epoch"]
        return self._watchdog.beat(client.beats_for)

    def _clear_hold(self, client: _Client, message: _Value) -> None:
        self._guard.clear_hold(message["by"], epoch=client.epoch)
        self._keep_hold()

    def _clear_touch(self, message: _Value) -> None:
        self._guard.clear_touch(message["by"])
        self._keep_hold()

    def _exit(self) -> None:
        if self._guard.owner is not None:
            raise Busy(
                "the host stays", f"it is leased by {self._guard.owner}", "Ask again when the run is over."
            )
        self.leave()

    def _note(self) -> None:
        """Keep notes as they come, in a thread of its own: a read-back that hangs must hang nothing else."""
        while not self._leaving:
            if self._guard.notes.fresh.wait(0.5):
                keep_notes(self._files.uri, self._guard.notes.take())

    def _keep_hold(self) -> None:
        """Put a changed hold, and a changed touch lock, on the disk."""
        with self._hold_lock:
            hold, touched = self._guard.hold, self._guard.touched
            if hold != self._hold_kept:
                self._files.keep_hold(hold)
                self._hold_kept = hold
            if touched != self._touch_kept:
                self._files.keep_touch(touched)
                self._touch_kept = touched


_READS: dict[str, Callable[[HostServer, _Value], Any]] = {
    "hello": HostServer._hello,
    "capabilities": lambda host, _: host._guard.capabilities().model_dump(mode="json"),
    "declaration": lambda host, _: host._guard.declaration().model_dump(mode="json"),
    "limits": lambda host, _: host._guard.limits().model_dump(mode="json"),
    "clear_touch": HostServer._clear_touch,
    "state": lambda host, _: host._guard.state().model_dump(mode="json"),
    "held": lambda host, _: host._guard.held(),
    "command_log": HostServer._command_log,
    "incarnation": lambda host, _: host._guard.incarnation(),
    "exit": lambda host, _: host._exit(),
}
_COMMANDS: dict[str, Callable[[HostServer, _Client, _Value], Any]] = {
    "lease": HostServer._lease,
    "release": lambda host, client, _: host._release(client),
    "beat": HostServer._beat,
    "clear_hold": HostServer._clear_hold,
    "move": lambda host, client, message: host._guard.move(
        message["targets"], token=message["token"], epoch=client.epoch
    ).model_dump(mode="json"),
    "set_optics": lambda host, client, message: host._guard.set_optics(
        message["values"], token=message["token"], epoch=client.epoch
    ).model_dump(mode="json"),
    "insert": lambda host, client, message: host._guard.insert(
        message["detector"], message["inside"], token=message["token"], epoch=client.epoch
    ).model_dump(mode="json"),
    "wait": lambda host, client, message: host._guard.wait(message["seconds"], epoch=client.epoch),
}

_ARGUMENTS: dict[str, dict[str, type]] = {
    "hello": {"protocol": int},
    "lease": {"owner": str},
    "beat": {"epoch": int},
    "clear_hold": {"by": str},
    "clear_touch": {"by": str},
    "move": {"targets": dict, "token": str},
    "set_optics": {"values": dict, "token": str},
    "insert": {"detector": str, "inside": bool, "token": str},
    "acquire": {"scan": dict, "token": str},
    "outcome": {"token": str},
    "command_log": {"after": int},
    "wait": {"seconds": object},
}
"""What each message must have; the numbers inside are the guard's to judge."""


def _check_arguments(op: str, message: _Value) -> None:
    for name, kind in _ARGUMENTS.get(op, {}).items():
        if name not in message or not isinstance(message[name], kind):
            what = f"the host can't read '{op}': {name} is missing or no {kind.__name__}"
            raise BadInput(what, "", f"{NOTHING_SENT}.")


def _scan(value: _Value) -> ScanSpec:
    try:
        return ScanSpec.model_validate(value)
    except ValidationError as error:
        why = visible(str(error), limit=300)
        raise BadInput("the host can't read the scan", why, f"{NOTHING_SENT}.") from error


def _read_line(line: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        part = line.recv(4096)
        data += part
        if not part or len(data) > LINE_LIMIT:
            raise ValueError("not one line of JSON")
    return data


def _hang_up(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        _LOG.debug("hanging up: %s", error)
