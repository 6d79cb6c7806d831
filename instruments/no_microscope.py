"""A port with no instrument behind it: for whoever looks at records, or ahead, and sends nothing."""

from collections.abc import Sequence
from typing import Any, NoReturn

from eucentric.core.errors import NotAvailable
from eucentric.core.instrument import (
    Frame,
    Located,
    MicroscopeState,
    OpticsChange,
    Outlook,
    Scan,
    StageMove,
)
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.port import Image


class NoMicroscope:
    """Refuses everything (implements `instruments.port.Microscope`): an auditor's analysis sends nothing."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotAvailable("there is no instrument here", "an analysis is recomputed from stored frames only")

    def capabilities(self) -> Capabilities:
        return self._refuse()

    def state(self) -> MicroscopeState:
        return self._refuse()

    def look_ahead(self, path: Sequence[StageMove]) -> Outlook:
        return self._refuse(path)

    def move_stage(self, target: StageMove) -> MicroscopeState:
        return self._refuse(target)

    def set_optics(self, change: OpticsChange) -> MicroscopeState:
        return self._refuse(change)

    def insert(self, detector: str, inside: bool) -> MicroscopeState:
        return self._refuse(detector, inside)

    def acquire(self, scan: Scan) -> tuple[Frame, ...]:
        return self._refuse(scan)

    def pixels(self, frame: Frame) -> Image:
        return self._refuse(frame)

    def store(self, pixels: Image, frame: Frame) -> Frame:
        return self._refuse(pixels, frame)

    def locate(self, place: Located) -> None:
        self._refuse(place)

    def wait(self, seconds: float) -> None:
        self._refuse(seconds)

    def blank(self) -> MicroscopeState:
        return self._refuse()

    def stop(self) -> MicroscopeState:
        return self._refuse()
