"""The clocks as they are written in rows. Standard library only. A replay goes by the times on record instead."""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

_source: ContextVar[Callable[[], datetime] | None] = ContextVar("eucentric_clock", default=None)


def now() -> datetime:
    """UTC now."""
    source = _source.get()
    return datetime.now(UTC) if source is None else source()


def utc_now() -> str:
    """UTC now, ISO 8601 with milliseconds and a Z."""
    return now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def told_by(source: Callable[[], datetime]) -> Iterator[None]:
    """Inside the block, and in no other thread, `source` says what time it is (UTC)."""
    token = _source.set(source)
    try:
        yield
    finally:
        _source.reset(token)


def _boot() -> str:
    """8 hex digits that are the same for all processes since this machine was booted.

    Where the system gives no such name, they are this process's own: then only its rows are comparable.
    """
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()[:8]
        return f"{int(name, 16):08x}"
    except (OSError, ValueError):
        return os.urandom(4).hex()


BOOT = _boot()


def clocks_now(instrument_s: float | None = None) -> str:
    """Monotonic clock [s] with the boot it counts from, and the instrument's clock [s] where known.

    Written by hand, since each row has one; the text is canonical JSON.
    """
    known = instrument_s is not None and math.isfinite(instrument_s)
    instrument = f'"instrument_s":{round(float(instrument_s or 0.0), 6)!r},' if known else ""
    return f'{{"boot":"{BOOT}",{instrument}"mono_s":{round(time.monotonic(), 6)!r}}}'
