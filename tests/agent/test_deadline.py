"""An approval ends before a booking does, and before maintenance begins."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from eucentric.agent.consent.deadline import MARGIN_S, deadline, until
from eucentric.core.errors import BadInput

NOW = datetime(2026, 10, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Window:
    what: str
    begins: datetime
    ends: datetime


@pytest.mark.parametrize(
    ("booking", "windows", "left", "words"),
    [
        (None, [], None, ""),
        (NOW + HOUR, [], 3600 - MARGIN_S, "the booking ends at 2026-10-02 13:00"),
        (NOW + 3 * HOUR, [("cold trap", 1, 2)], 3600 - MARGIN_S, "cold trap begins"),
        (None, [("emitter", 2, 3), ("cold trap", 1, 2)], 3600 - MARGIN_S, "cold trap begins"),
        (None, [("cold trap", -2, -1)], None, ""),
        (None, [("cold trap", -1, 1)], 0.0, "cold trap begins at 2026-10-02 12:00"),
        (NOW - HOUR, [], 0.0, "the booking ends"),
        (NOW + timedelta(seconds=MARGIN_S / 2), [], 0.0, "the booking ends"),
    ],
)
def test_the_first_end_counts(booking, windows, left, words):
    rows = [Window(what, NOW + begins * HOUR, NOW + ends * HOUR) for what, begins, ends in windows]
    found = deadline(NOW, booking, rows)
    assert (found is None) == (left is None)
    if found is not None:
        assert found.left_s(NOW) == pytest.approx(left)
        assert words in found.words()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-10-02T18:00+02:00", datetime(2026, 10, 2, 16, 0, tzinfo=UTC)),
        ("2026-10-02T18:00:00Z", datetime(2026, 10, 2, 18, 0, tzinfo=UTC)),
    ],
)
def test_a_date_and_time_is_read_with_its_zone(text, at):
    assert until(text, NOW) == at


def test_a_time_of_day_is_the_next_one():
    local = NOW.astimezone()
    later, earlier = local + timedelta(minutes=5), local - timedelta(minutes=5)
    assert until(f"{later:%H:%M}", NOW) == NOW + timedelta(minutes=5)
    assert until(f"{earlier:%H:%M}", NOW) == NOW + timedelta(hours=24, minutes=-5)


@pytest.mark.parametrize("text", ["noon", "25:00", "", "2026-10-01T18:00+00:00", "18.00"])
def test_what_is_no_time_or_over_is_refused(text):
    with pytest.raises(BadInput):
        until(text, NOW)
