"""What is killed, when, and where the store lies: settings take turns, moments are drawn."""

import random
from dataclasses import dataclass, replace

FRAMES = 28
_SERIES = (
    "take 28 HAADF images of 96x96 at 10 nm field of view, 5 us dwell",
    "twin://mxene?clock=real&seed=7&stage=ideal",
)
_LONG = (
    "take 27 HAADF images of 64x64 at 10 nm field of view, 4 us dwell, "
    "then take one HAADF image of 384x384 at 100 nm field of view, 12 us dwell",
    "twin://mxene?clock=real&seed=7&stage=ideal",
)
"""The last scan takes longer than the beam may stay on after a death."""
_SURVEY = (
    "survey 7x4 tiles, 5 um each, 64x64 pixels, 2 us dwell",
    "twin://mxene?clock=real&seed=7&speed=10&stage=ideal",
)


_PLANS = {"series": _SERIES, "survey": _SURVEY, "long": _LONG}


@dataclass(frozen=True)
class Scenario:
    """What is killed, when, and where the store lies."""

    number: int
    plan: str
    victims: tuple[str, ...]
    """In this order: 'run', 'host'."""
    after: str
    """'time'; 'commit': as soon as a row is committed; or a kind of line of the witness."""
    moment: float
    """Share of the run's way (0 to 1), by time, by acts announced or by lines of that kind."""
    late_s: float
    """After that [s]."""
    sync: str
    memory: bool
    """Store on a file system in memory, if there is one."""
    again: float | None
    """The processes that take it up are killed, too, after so long [s]."""
    answer: str
    """What the person says of what nothing proves."""
    cold: bool
    """Processes are started from nothing instead of forked."""

    @property
    def words_of_it(self) -> str:
        """The case in a line."""
        where = "memory" if self.memory else "disk"
        killed = f"{'+'.join(self.victims)} of a {self.plan} after {self.after} {self.moment:.2f}"
        return f"{self.number}: {killed}, {self.sync} {where}"

    @property
    def words(self) -> str:
        """The request."""
        return _PLANS[self.plan][0]

    @property
    def uri(self) -> str:
        """The instrument."""
        return _PLANS[self.plan][1]


def scenario(number: int, seed: int) -> Scenario:
    """The case of that number: settings take turns, moments are drawn."""
    draw = random.Random(f"{seed}/{number}")
    victims = (("run",), ("host",), ("run", "host"), ("run",), ("host", "run"), ("run",))[number % 6]
    drawn = Scenario(
        number=number,
        # A new twin stands at its origin: only a series, which stays there, goes on after its host was killed.
        plan="series" if "host" in victims or number % 12 < 6 else "survey",
        victims=victims,
        after=("time", "commit", "exposed", "commit", "time", "exposing", "commit")[number % 7],
        moment=draw.random(),
        late_s=draw.choice((0.0, draw.uniform(0, 0.0005), draw.uniform(0, 0.003))),
        sync=("FULL", "EXTRA", "NORMAL", "FULL")[(number // 6) % 4],
        memory=(number // 3) % 2 == 1,
        again=draw.uniform(0.0, 0.4) if number % 5 == 4 else None,
        answer="give-up" if number % 16 == 11 else "repeat",
        cold=number % 40 == 8,
    )
    return (
        _in_a_long_scan(drawn, draw.uniform(0.0, 0.5)) if number % 9 == 3 and victims == ("run",) else drawn
    )


def _in_a_long_scan(drawn: Scenario, late_s: float) -> Scenario:
    return replace(drawn, plan="long", after="exposing", moment=0.999, late_s=late_s)
