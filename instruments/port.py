"""The port: what a tool may do with a microscope. In a run it is the executor's, so every act is checked."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from eucentric.core.instrument import (
    Frame,
    Located,
    MicroscopeState,
    OpticsChange,
    Outlook,
    PatternShot,
    Scan,
    StageMove,
)
from eucentric.instruments.capabilities import Capabilities

Image = NDArray[np.float32]
"""(rows, columns) float32 [counts]."""


class Microscope(Protocol):
    """Named units in, frozen models out."""

    def capabilities(self) -> Capabilities:
        """What the instrument declares (SI)."""
        ...

    def state(self) -> MicroscopeState:
        """Fresh read-back."""
        ...

    def look_ahead(self, path: Sequence[StageMove]) -> Outlook:
        """Whether the stage may go that path from here, and what travel is left at its end. Sends nothing."""
        ...

    def move_stage(self, target: StageMove) -> MicroscopeState:
        """Go to an absolute position and read back. Never repeated by itself."""
        ...

    def set_optics(self, change: OpticsChange) -> MicroscopeState:
        """Change optics and read back."""
        ...

    def insert(self, detector: str, inside: bool) -> MicroscopeState:
        """Drive a retractable detector in or out, blanked, and read back. Never repeated by itself."""
        ...

    def acquire(self, scan: Scan) -> tuple[Frame, ...]:
        """Expose once: one frame per detector, stored before it is returned; the beam is blanked after."""
        ...

    def pixels(self, frame: Frame) -> Image:
        """The stored pixels of a frame."""
        ...

    def store(self, pixels: Image, frame: Frame) -> Frame:
        """Keep a computed image (a sum) with its parents; returns it with id and digest."""
        ...

    def locate(self, place: Located) -> None:
        """Keep where a frame was found to lie by its image: from then on the stage is known to have stood there."""
        ...

    def wait(self, seconds: float) -> None:
        """Let instrument time pass [s], beam blanked."""
        ...

    def blank(self) -> MicroscopeState:
        """Blank the beam. Never gated."""
        ...

    def stop(self) -> MicroscopeState:
        """Blank, then stop scan and motion. Never gated."""
        ...


@runtime_checkable
class Diffracts(Protocol):
    """What a microscope that records diffraction patterns offers besides: `isinstance(microscope, Diffracts)`."""

    def acquire_diffraction(self, shot: PatternShot) -> Frame:
        """Expose one pattern at the middle of the field; the beam is blanked after.

        The frame has the purpose "diffraction", `pixel_mrad` and both tilts, is charged as a parked beam, and is stored
        before it is returned.
        """
        ...
