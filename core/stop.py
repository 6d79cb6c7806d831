"""Stop and blank from any process: the shortest way to a dark beam. Standard library only.

Every instrument host serves a stop socket by a thread of its own: one line of JSON in
(``{"op": "stop", "reason": "..."}``), one line of JSON out. It needs no lease, no lock and no model.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from eucentric.core.errors import BadInput
from eucentric.core.places import canonical_uri, hosts_dir

ANSWER_S = 3.0
"""How long a host may take to answer before it counts as not verified [s]."""
LINE_LIMIT = 65536
"""Longest line on a stop socket [bytes]."""


class HostInfo(NamedTuple):
    """What a host wrote about itself beside its sockets."""

    uri: str
    pid: int
    socket: str
    stop_socket: str
    started_utc: str
    protocol: int
    fingerprint: str
    log: str
    lock: str


class StopReport(TypedDict, total=False):
    """What one host answered."""

    uri: str
    pid: int
    blanked: bool
    """True only if the instrument's own read-back says so."""
    held: str | None
    """Why the beam is held blanked."""
    ms: float
    """From sending to the verified answer [ms]."""
    error: str
    """Why there was no usable answer."""


def list_hosts() -> list[HostInfo]:
    """Hosts whose process is alive, oldest first. Files of a dead host are skipped, not removed."""
    found = [info for path in sorted(hosts_dir().glob("*.json")) if (info := read_info(path)) is not None]
    return sorted((info for info in found if alive(info)), key=lambda info: info.started_utc)


def read_info(path: Path) -> HostInfo | None:
    """The info file of a host, or None if it is missing or not one."""
    try:
        data = json.loads(path.read_text("utf-8"))
        return HostInfo(*(kind(data[name]) for name, kind in HostInfo.__annotations__.items()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def alive(info: HostInfo) -> bool:
    """Whether the host process still holds its lock file (the kernel frees it on any death).

    A process id alone could have been reused by somebody else's process.
    """
    return locked(info.lock)


def locked(lock: str | Path) -> bool:
    """Whether a process holds a host's lock file: also one that has removed its info file, and is leaving."""
    try:
        handle = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def status(uri: str | None = None) -> list[dict[str, Any]]:
    """What each host says of itself, without touching anything: blanked, held, lease, operation."""
    return _all("status", _matching(uri), "")


def stop(uri: str | None = None, reason: str = "stop") -> list[StopReport]:
    """Blank, then stop scan and motion, on every running host (or the one of `uri`).

    The beam is held blanked afterwards, and motion with it, until a person's approval clears the hold.
    """
    return _reports("stop", uri, reason)


def blank(uri: str | None = None, reason: str = "blank") -> list[StopReport]:
    """Blank and hold the beam on every running host (or the one of `uri`); motion goes on."""
    return _reports("blank", uri, reason)


def ask(info: HostInfo, op: str, reason: str = "", timeout_s: float = ANSWER_S) -> dict[str, Any]:
    """One question to one stop socket.

    Raises
    ------
    OSError, ValueError
        The host did not answer, or not in JSON.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        line.connect(info.stop_socket)
        line.sendall(json.dumps({"op": op, "reason": reason}).encode() + b"\n")
        data = b""
        while not data.endswith(b"\n") and len(data) < LINE_LIMIT:
            part = line.recv(4096)
            if not part:
                break
            data += part
    answer = json.loads(data)
    if not isinstance(answer, dict):
        raise ValueError("the answer is not an object")
    return answer


def _matching(uri: str | None) -> list[HostInfo]:
    if uri is None:
        return list_hosts()
    wanted = {uri}
    with contextlib.suppress(BadInput):  # an odd spelling must not keep a host from being stopped
        wanted.add(canonical_uri(uri))
    return [info for info in list_hosts() if info.uri in wanted]


def _reports(op: str, uri: str | None, reason: str) -> list[StopReport]:
    return [
        StopReport(**{key: answer[key] for key in StopReport.__annotations__ if key in answer})  # type: ignore[typeddict-item]
        for answer in _all(op, _matching(uri), reason)
    ]


def _all(op: str, hosts: list[HostInfo], reason: str) -> list[dict[str, Any]]:
    """Ask all at once: a hung host must not delay the others."""
    answers: list[dict[str, Any]] = [{} for _ in hosts]
    threads = [
        threading.Thread(target=_into, args=(answers, i, info, op, reason), daemon=True)
        for i, info in enumerate(hosts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ANSWER_S + 1.0)
    return [
        answer or _unanswered(info, "no answer in time") for answer, info in zip(answers, hosts, strict=True)
    ]


def _into(answers: list[dict[str, Any]], i: int, info: HostInfo, op: str, reason: str) -> None:
    start = time.monotonic()
    try:
        answer = ask(info, op, reason)
        answer["blanked"] = answer.get("blanked") is True
        answers[i] = {**answer, "uri": info.uri, "pid": info.pid, "ms": _ms(start)}
    except (OSError, ValueError) as error:
        answers[i] = {**_unanswered(info, f"{type(error).__name__}: {error}"), "ms": _ms(start)}


def _unanswered(info: HostInfo, why: str) -> dict[str, Any]:
    return {"uri": info.uri, "pid": info.pid, "blanked": False, "held": None, "ms": 0.0, "error": why}


def _ms(start: float) -> float:
    return round((time.monotonic() - start) * 1e3, 1)
