"""Runs whose process, or whose instrument's process, was killed with SIGKILL, and that another one took up."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eucentric.bench.killing.case import Case, carried_out, preload
from eucentric.bench.killing.scenario import Scenario, scenario

_TYPICAL_S = 1.5
"""How long the frames of such a run take on a virtual clock [s]."""


@dataclass(frozen=True)
class Virtual(Scenario):
    """A killed run on a clock that jumps: what was made can be made again."""

    @property
    def words(self) -> str:
        """The request."""
        return "take 28 HAADF images of 96x96 at 10 nm field of view, 5 us dwell"

    @property
    def uri(self) -> str:
        """The instrument."""
        return f"twin://mxene?seed={self.number}&stage=worn"


def killed(number: int, seed: int) -> Virtual:
    """The case of that number: the run, the host and both take turns, moments are drawn."""
    drawn = scenario(number, seed)
    victims = (("run",), ("run", "host"), ("run",), ("host",))[number % 4]
    after = ("commit", "exposed", "exposing", "commit")[number % 4]
    same = {"plan": "series", "victims": victims, "after": after, "again": None, "cold": False}
    return Virtual(**(vars(drawn) | same))


@contextlib.contextmanager
def killed_store(chosen: Virtual, parent: Path) -> Iterator[Path]:
    """The store of a run that was killed and taken up until it had ended."""
    preload()
    with Case(chosen, parent).entered() as case:
        carried_out(case, _TYPICAL_S)
        yield case.store
