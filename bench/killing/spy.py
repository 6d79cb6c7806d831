"""A witness at the driver: what really happened to the instrument, on disk before the host can say anything."""

import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.driver import Driver, DriverState, Pixels, RawFrames, ScanSpec


class Witness:
    """A driver that passes everything on and writes each exposure, move and switch of the blanker to its own file.

    Parameters
    ----------
    inner
        The driver that does the work.
    log
        Lines of JSON, appended and synced one by one: they outlive a kill of the process.
    """

    def __init__(self, inner: Driver, log: Path) -> None:
        self._inner = inner
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._writing = threading.Lock()
        self._count = 0
        self._write("opened", blanked=inner.is_blanked())

    def _write(self, what: str, **more: Any) -> None:
        line = {"what": what, "pid": os.getpid(), "clock_s": time.monotonic(), "utc_s": time.time(), **more}
        with self._writing:
            os.write(self._log, json.dumps(line).encode() + b"\n")
            os.fsync(self._log)

    def capabilities(self) -> Capabilities:
        """As declared."""
        return self._inner.capabilities()

    def read(self) -> DriverState:
        """As read."""
        return self._inner.read()

    def move(self, targets: Mapping[str, float], stop: threading.Event) -> None:
        """A line before and one after."""
        self._count += 1
        self._write("move", n=self._count, targets=dict(targets))
        self._inner.move(targets, stop)
        self._write("moved", n=self._count)

    def set_optics(self, values: Mapping[str, float], stop: threading.Event) -> None:
        """A line before."""
        self._write("set_optics", values=dict(values))
        self._inner.set_optics(values, stop)

    def acquire(self, scan: ScanSpec, stop: threading.Event) -> tuple[RawFrames, Pixels]:
        """A line before, and one after with how far it came and the digest of each frame."""
        self._count += 1
        number = self._count
        self._write("exposing", n=number)
        raw, pixels = self._inner.acquire(scan, stop)
        self._write(
            "exposed", n=number, complete=not raw.aborted and not stop.is_set(), lines=raw.lines_done,
            frames=[[_digest(one), raw.time_s] for one in pixels],
        )  # fmt: skip
        return raw, pixels

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """As it is."""
        self._inner.wait(seconds, stop)

    def set_blank(self, on: bool) -> None:
        """A line around each real switch."""
        before = self._inner.is_blanked()
        if not on and before:
            self._write("light")
        self._inner.set_blank(on)
        if on and not before:
            self._write("dark")

    def is_blanked(self) -> bool:
        """As read."""
        return self._inner.is_blanked()

    def stop(self) -> None:
        """As it is."""
        self._inner.stop()

    def close(self) -> None:
        """As it is."""
        self._inner.close()


def _digest(pixels: Any) -> str:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(pixels, dtype=np.float32), allow_pickle=False)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def witnessed(log: Path) -> list[dict[str, Any]]:
    """The lines, a torn last one left out."""
    found = []
    for line in log.read_bytes().split(b"\n") if log.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
