"""Wall-clock time as it is written in rows. Standard library only. A replay goes by the times on record instead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

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
