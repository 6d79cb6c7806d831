"""Until when an instrument may be used: an approval ends before a booking does, and before maintenance begins."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from eucentric.core.errors import BadInput
from eucentric.core.text import visible

MARGIN_S = 60.0
"""Kept free before the end, to put settings back and leave the beam dark [s]."""


class Window(Protocol):
    """A time in which the instrument is not for runs."""

    @property
    def what(self) -> str: ...

    @property
    def begins(self) -> datetime: ...

    @property
    def ends(self) -> datetime: ...


@dataclass(frozen=True)
class Deadline:
    """The first end that comes."""

    at: datetime
    what: str
    """Such as 'the booking ends'."""

    def left_s(self, now: datetime) -> float:
        """Time that work may still take [s]; 0 if there is none."""
        return max(0.0, (self.at - now).total_seconds() - MARGIN_S)

    def words(self) -> str:
        """Such as 'the booking ends at 18:00 UTC'."""
        return f"{visible(self.what, limit=120)} at {self.at:%Y-%m-%d %H:%M} UTC"


def deadline(now: datetime, booking_end: datetime | None, maintenance: Iterable[Window]) -> Deadline | None:
    """The booking's end, or the begin of the next maintenance; now, if one is on."""
    ends = [] if booking_end is None else [Deadline(booking_end, "the booking ends")]
    ends += [
        Deadline(max(window.begins, now), f"{window.what} begins")
        for window in maintenance
        if window.ends > now
    ]
    return min(ends, key=lambda one: one.at, default=None)


def until(text: str, now: datetime) -> datetime:
    """A time of day such as '18:00' (the next one, local), or an ISO date and time with its zone, in UTC.

    Raises
    ------
    BadInput
        It is neither, or lies in the past.
    """
    try:
        moment = _clock_time(text, now) if len(text.strip()) <= 5 else datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadInput(
            f"{visible(text, limit=40)!r} is no time",
            str(error)[:120],
            "such as 18:00 or 2026-10-02T18:00+02:00",
        ) from error
    at = moment.astimezone(UTC)
    if at <= now:
        raise BadInput(f"{visible(text, limit=40)} is over", f"it is {now:%Y-%m-%d %H:%M} UTC")
    return at


def _clock_time(text: str, now: datetime) -> datetime:
    local = now.astimezone()
    time = datetime.strptime(text.strip(), "%H:%M").time()
    at = local.replace(hour=time.hour, minute=time.minute, second=0, microsecond=0)
    return at if at > local else at + timedelta(days=1)
