"""Find the host of an instrument, or start it, and connect."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time

from eucentric.core import stop as stopping
from eucentric.core.errors import Busy, ConnectionLost, EucentricError, InstrumentFault, from_dict
from eucentric.core.places import canonical_uri
from eucentric.core.stop import HostInfo
from eucentric.core.text import visible
from eucentric.instruments.client import HostClient, ask_to_exit
from eucentric.instruments.hostfiles import HostFiles, code_fingerprint

START_S = 20.0
"""How long a host may take to answer for the first time [s]."""
_LOG_BYTES = 1 << 20
_COMMAND = (sys.executable, "-P", "-m", "eucentric", "host")
"""-P keeps the current folder off the import path: no driver is loaded because somebody stands beside it."""


def connect(uri: str, *, start_s: float = START_S) -> HostClient:
    """A client of the host of `uri`; the host is started if there is none.

    A free host of other code is asked to leave and replaced; a leased one is used as it is.

    Raises
    ------
    InstrumentFault, BadInput
        The host did not start; the text has the last line of its log.
    """
    name = canonical_uri(uri)
    deadline = time.monotonic() + start_s
    _retire_other_code(name, deadline)
    client = _try(name)
    if client is not None:
        return client
    files = HostFiles(name)
    said_before = _log_size(files)
    process = _start(name, files)
    while time.monotonic() < deadline:
        time.sleep(0.02)
        client = _try(name)
        if client is not None:
            if client.info.pid != process.pid:  # another client was quicker: ours waits for the lock in vain
                process.terminate()
            return client
        if process.poll() is not None and not _running(name):
            break
    raise _not_started(name, files, said_before, process.poll())


def _running(name: str) -> HostInfo | None:
    return next((info for info in stopping.list_hosts() if info.uri == name), None)


def _try(name: str) -> HostClient | None:
    info = _running(name)
    if info is None:
        return None
    with contextlib.suppress(ConnectionLost):
        return HostClient(info)
    return None


def _retire_other_code(name: str, deadline: float) -> None:
    info = _running(name)
    if info is None or info.fingerprint == code_fingerprint(name):
        return
    with contextlib.suppress(Busy, ConnectionLost):
        ask_to_exit(info)
        while stopping.alive(info) and time.monotonic() < deadline:
            time.sleep(0.02)


def _start(name: str, files: HostFiles) -> "subprocess.Popen[bytes]":
    """A process of its own session, so that it outlives us."""
    mode = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND
    log = os.open(files.log, mode, 0o600)
    try:
        process = subprocess.Popen(
            [*_COMMAND, name, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    threading.Thread(target=process.wait, name="reap", daemon=True).start()  # else it would stay a zombie
    return process


def _log_size(files: HostFiles) -> int:
    """Size of the log [bytes]; one that has grown long is begun anew."""
    size = files.log.stat().st_size if files.log.exists() else 0
    if size > _LOG_BYTES:
        os.truncate(files.log, 0)
    return 0 if size > _LOG_BYTES else size


def _not_started(name: str, files: HostFiles, said_before: int, code: int | None) -> EucentricError:
    """What the host said last: with --json that is its error, whole."""
    lines = files.log.read_bytes()[said_before:].decode("utf-8", "replace").strip().splitlines()
    last = lines[-1] if lines else "its log is empty"
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        return from_dict(json.loads(last)["error"])
    what = f"the host of {name} did not start" if code is not None else f"the host of {name} does not answer"
    why = visible(last, limit=500)
    return InstrumentFault(what, why, f"Its log: {files.log}. By hand: eucentric host '{name}'")
