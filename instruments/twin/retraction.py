"""Which detectors stand in the beam, and which ones don't do what they say."""

from collections.abc import Mapping

from eucentric.instruments.twin.optics.spec import DetectorModel


class Retraction:
    """Positions of the detectors: what they read back and what is true."""

    def __init__(self, detectors: Mapping[str, DetectorModel]) -> None:
        self._models = detectors
        self.reported = {name: model.inserted for name, model in detectors.items() if model.retractable}
        """By name, of those that can be driven; False while one is on its way."""
        self._dead: set[str] = set()
        self._gains: dict[str, float] = {}

    def seconds(self, name: str) -> float:
        """Time to drive it [s]."""
        return self._models[name].insert_s

    def leave(self, name: str) -> None:
        """Take it out of the beam for its way in or out; whatever was wrong with it is put right."""
        self.reported[name] = False
        self._dead.discard(name)
        self._gains.pop(name, None)

    def arrive(self, name: str, inside: bool) -> None:
        """End its way."""
        self.reported[name] = inside

    def fail(self, name: str) -> None:
        """Let it see nothing though it reads back as before, until it is driven or repaired."""
        self._dead.add(name)

    def amplify(self, name: str, gain: float) -> None:
        """Let its amplifier run away, until it is driven or repaired."""
        self._gains[name] = gain

    def repair(self) -> None:
        """What an operator does to all of them."""
        self._dead.clear()
        self._gains.clear()

    def blind(self) -> frozenset[str]:
        """Detectors that no electron reaches."""
        return frozenset(self._dead) | {name for name, inside in self.reported.items() if not inside}

    def gains(self) -> dict[str, float]:
        """Runaway gains by name."""
        return dict(self._gains)
