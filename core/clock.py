"""Wall-clock time as it is written in rows. Standard library only."""

from datetime import UTC, datetime


def utc_now() -> str:
    """UTC now, ISO 8601 with milliseconds and a Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
