"""How far everything was sent in this lease and in the last minute, so that a refused change can't be made in parts.

Sums are exact: each change is counted in whole quanta of 2^-100 m, rad, A or C, rounded up, so neither a million tiny
moves nor dust below the rounding of a float is lost. Counted is what was sent, also if it failed.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from eucentric.core.errors import LimitRefused
from eucentric.instruments.allowance import Allowance
from eucentric.instruments.checks import NOTHING_SENT, ROUNDING, shown

WINDOW_S = 60.0
_QUANTUM_BITS = 100


def quanta(amount: float) -> int:
    """A finite amount as a count of quanta, rounded away from zero."""
    numerator, denominator = abs(amount).as_integer_ratio()
    return -(-(numerator << _QUANTUM_BITS) // denominator)


def amount_of(count: int) -> float:
    """The inverse of `quanta`."""
    return count / (1 << _QUANTUM_BITS)


def fits(count: int, limit: float) -> bool:
    """Whether a sum is within a limit, which was written in another unit."""
    return math.isinf(limit) or count <= quanta(limit * (1 + ROUNDING))


@dataclass
class _Way:
    """What one axis or control was sent over."""

    origin: float | None = None
    """Where it was at the first command of the lease."""
    path: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=deque)
    """(end of the change on the instrument's clock [s], quanta), of the last minute."""
    minute: int = 0
    """Sum of `recent`."""


@dataclass(frozen=True)
class Change:
    """One axis or control, from where it is to where it shall go, in SI."""

    name: str
    here: float
    target: float
    amount: float
    """At least |target - here|; more, if the last command may still be on its way."""


class Travel:
    """The sums of one instrument. A new lease begins them anew, but not the last minute.

    Parameters
    ----------
    allowances
        By name.
    """

    def __init__(self, allowances: Mapping[str, Allowance]) -> None:
        self._allowances = allowances
        self._ways = {name: _Way() for name in allowances}
        self._now_s = -math.inf

    def new_lease(self) -> None:
        """Forget where this lease began and how far it went."""
        for way in self._ways.values():
            way.origin, way.path = None, 0

    def look(self, where: Mapping[str, float], time_s: float) -> None:
        """Note where everything is at the first command of a lease, and what time it is.

        Parameters
        ----------
        where
            Axes and controls as they read back [SI].
        time_s
            The instrument's clock; one that stands still or goes back lets no minute pass.
        """
        self._date(time_s)
        for name, way in self._ways.items():
            if way.origin is None:
                way.origin = where.get(name)
            while way.recent and way.recent[0][0] <= self._now_s - WINDOW_S:
                way.minute -= way.recent.popleft()[1]

    def check(self, change: Change) -> None:
        """LimitRefused if the change would leave the excursion, the path or the minute; nothing is counted."""
        allowance, way = self._allowances[change.name], self._ways[change.name]
        self._check_excursion(allowance, way, change)
        count = quanta(change.amount)
        if not fits(way.path + count, allowance.max_path):
            raise _refused(
                allowance, change, f"{_shown(allowance, change.amount)} more in this lease",
                f"{_shown(allowance, allowance.max_path)} a lease, {_shown(allowance, amount_of(way.path))} used",
                _left(allowance, allowance.max_path, way.path),
            )  # fmt: skip
        if not fits(way.minute + count, allowance.max_per_minute):
            raise _refused(
                allowance, change, f"{_shown(allowance, change.amount)} more in this minute",
                f"{_shown(allowance, allowance.max_per_minute)} in any {WINDOW_S:g} s,"
                f" {_shown(allowance, amount_of(way.minute))} used",
                _left(allowance, allowance.max_per_minute, way.minute) + self._later(allowance, way, count),
            )  # fmt: skip

    def sent(self, changes: tuple[Change, ...]) -> None:
        """Count changes that are about to be sent."""
        for change in changes:
            self._count(change.name, change.amount)

    def settle(self, changes: tuple[Change, ...], where: Mapping[str, float], time_s: float) -> None:
        """After the command: count what went farther than it was sent, and date all of it to its end."""
        for change in changes:
            went = abs(where.get(change.name, change.target) - change.here)
            if went > change.amount:
                self._count(change.name, went - change.amount)
        self._date(time_s)

    def _count(self, name: str, amount: float) -> None:
        """Its end is not known yet: it counts as now until it is."""
        way, count = self._ways[name], quanta(amount)
        way.path += count
        way.minute += count
        if count:
            way.recent.append((math.inf, count))

    def _date(self, time_s: float) -> None:
        """It is this late: whatever was sent has ended by now. One entry for all that ended at the same time."""
        self._now_s = max(self._now_s, time_s)
        for way in self._ways.values():
            count = 0
            while way.recent and way.recent[-1][0] >= self._now_s:
                count += way.recent.pop()[1]
            if count:
                way.recent.append((self._now_s, count))

    def _check_excursion(self, allowance: Allowance, way: _Way, change: Change) -> None:
        most = allowance.max_excursion
        if math.isinf(most):
            return
        origin = change.here if way.origin is None else way.origin
        if abs(change.target - origin) > most * (1 + ROUNDING):
            low = max(origin - most, allowance.lower)
            high = min(origin + most, allowance.upper)
            raise _refused(
                allowance, change,
                f"{_shown(allowance, abs(change.target - origin))} from {_shown(allowance, origin)},"
                " where this lease began",
                f"{_shown(allowance, most)} from there",
                f"{_shown(allowance, low)} … {_shown(allowance, high)}",
            )  # fmt: skip

    def _later(self, allowance: Allowance, way: _Way, count: int) -> str:
        """When there will be room in the minute, if ever."""
        used = way.minute
        for end_s, one in way.recent:
            used -= one
            if fits(used + count, allowance.max_per_minute):
                return f", or this one in {end_s + WINDOW_S - self._now_s:.0f} s of instrument time"
        return ""


def _shown(allowance: Allowance, value: float) -> str:
    return shown(allowance.name, value, allowance.unit)


def _left(allowance: Allowance, limit: float, used: int) -> str:
    return f"changes of up to {_shown(allowance, max(0.0, limit - amount_of(used)))}"


def _refused(allowance: Allowance, change: Change, what: str, limit: str, works: str) -> LimitRefused:
    name = allowance.name
    return LimitRefused(
        f"{name} to {_shown(allowance, change.target)}: {what}",
        f"limit {limit} ({allowance.source})",
        f"{NOTHING_SENT}; {name} is still {_shown(allowance, change.here)}. Works: {works}."
        " A new lease needs a new approval; staff may change the limit.",
    )
