"""The half of a port that a guarded twin in this process gives by itself: state, motion, optics, a safe end.

No ledger, no gate, no disk: what is measured over it is the tool and the microscope, nothing else. Acquiring and the
records are the port's own.
"""

from collections.abc import Sequence

import numpy as np

from eucentric.agent.preview.outlook import outlook
from eucentric.agent.readback import named_state
from eucentric.core.instrument import Frame, MicroscopeState, OpticsChange, Outlook, StageMove
from eucentric.core.units import OPTICS, STAGE, to_si
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.guard import Guard
from eucentric.instruments.port import Image
from eucentric.instruments.twin import TwinDriver
from eucentric.instruments.twin.oracle import Oracle


class GuardedTwin:
    """A leased guard over a twin, and the frames that were kept."""

    def __init__(self, twin: TwinDriver) -> None:
        self.twin, self.oracle, self.guard = twin, Oracle(twin), Guard(twin)
        self.guard.lease("bench")
        self.frames: dict[str, Frame] = {}
        self.arrays: dict[str, Image] = {}

    def capabilities(self) -> Capabilities:
        return self.guard.capabilities()

    def state(self) -> MicroscopeState:
        caps = self.guard.capabilities()
        return named_state(caps.identity, caps.simulated, self.guard.state(), self.guard.held())

    def look_ahead(self, path: Sequence[StageMove]) -> Outlook:
        return outlook(path, self.state(), self.capabilities(), self.guard.limits())

    def move_stage(self, target: StageMove) -> MicroscopeState:
        self.guard.move(to_si(STAGE, target.model_dump(exclude_none=True)))
        return self.state()

    def set_optics(self, change: OpticsChange) -> MicroscopeState:
        self.guard.set_optics(to_si(OPTICS, change.model_dump(exclude_none=True)))
        return self.state()

    def insert(self, detector: str, inside: bool) -> MicroscopeState:
        self.guard.insert(detector, inside)
        return self.state()

    def wait(self, seconds: float) -> None:
        self.guard.wait(seconds)

    def blank(self) -> MicroscopeState:
        self.guard.blank("bench")
        return self.state()

    def stop(self) -> MicroscopeState:
        self.guard.stop("bench")
        return self.state()

    def keep(self, pixels: Image, frame: Frame) -> Frame:
        """The frame under its number; its pixels can't be written any more."""
        array = np.ascontiguousarray(pixels, np.float32)
        array.flags.writeable = False
        kept = frame.model_copy(update={"id": f"f-{len(self.frames) + 1:05d}", "shape": array.shape})
        self.frames[kept.id], self.arrays[kept.id] = kept, array
        return kept

    def pixels(self, frame: Frame) -> Image:
        return self.arrays[frame.id]

    def store(self, pixels: Image, frame: Frame) -> Frame:
        return self.keep(pixels, frame)
