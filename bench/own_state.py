"""A state folder that lives as long as a benchmark or a test, and the hosts in it, which must not outlive it."""

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from eucentric.core.stop import HostInfo, alive, locked, read_info

_LEAVE_S = 10.0
"""How long a host may take to blank and leave before it is killed [s]."""


@contextlib.contextmanager
def own_state() -> Iterator[Path]:
    """Use a new state folder: anchors, holds and hosts are not the user's; yields a folder for other files.

    Its path is short, for sockets. Hosts that are still there at the end are ended before it is removed.
    """
    before = os.environ.get("EUCENTRIC_STATE")
    with tempfile.TemporaryDirectory(prefix="eu-", dir="/tmp") as name:
        folder = Path(name)
        os.environ["EUCENTRIC_STATE"] = str(folder / "s")
        try:
            yield folder
        finally:
            end_hosts(folder / "s")
            del os.environ["EUCENTRIC_STATE"]
            if before is not None:
                os.environ["EUCENTRIC_STATE"] = before


@contextlib.contextmanager
def own_places(what: str) -> Iterator[Path]:
    """State and settings of one benchmark alone; the folder lies in memory where there is such a place."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    names = ("EUCENTRIC_STATE", "EUCENTRIC_CONFIG")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(dir=memory, prefix=f"eucentric-{what}-") as folder:
        os.environ.update(EUCENTRIC_STATE=f"{folder}/s", EUCENTRIC_CONFIG=f"{folder}/settings.toml")
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def end_hosts(state: Path) -> None:
    """End every host of a state folder and wait until each has gone: one that is leaving still writes files."""
    hosts = [info for path in (state / "hosts").glob("*.json") if (info := read_info(path)) is not None]
    _signalled(hosts, signal.SIGTERM)
    if not _gone(state):
        _signalled(hosts, signal.SIGKILL)
        _gone(state)


def _gone(state: Path) -> bool:
    """Whether no lock is held in time: a host that is leaving removes its info file before it frees its lock."""
    end = time.monotonic() + _LEAVE_S
    while any(locked(path) for path in (state / "hosts").glob("*.lock")):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def _signalled(hosts: list[HostInfo], number: signal.Signals) -> None:
    for info in hosts:
        with contextlib.suppress(ProcessLookupError):
            if alive(info):
                os.kill(info.pid, number)
