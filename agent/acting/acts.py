"""The executor's microscope: what a tool does with it passes the one door, act by act.

Tools receive this implementation of the port, so that every frame of an autofocus and every tile of
a survey is checked, recorded before and recorded after.
"""

from collections.abc import Sequence
from typing import Any

from eucentric.agent.acting.door import Door
from eucentric.agent.acting.exposure import Expose
from eucentric.agent.acting.frames import Keep
from eucentric.agent.consent.permit import Permit
from eucentric.agent.preview.outlook import outlook
from eucentric.agent.readback import named_state as named_state
from eucentric.agent.run import Run
from eucentric.core.calls import ToolCall
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
from eucentric.core.units import OPTICS, STAGE, to_si
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.port import Image
from eucentric.tools.scanning import pattern_scan


class _Move:
    """One absolute move; read back; never repeated."""

    name = "move_stage"
    commands = True
    seconds = 0.0

    def __init__(self, door: Door, target: StageMove) -> None:
        self.door, self.target = door, target
        self._step: tuple[float, ...] = (0.0, 0.0)
        """How far it is to go along x and y [µm]."""

    @property
    def args(self) -> dict[str, Any]:
        """Axes that are to move."""
        return self.target.model_dump(exclude_none=True)

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """The target lies in the approved box."""
        permit.check_move(self.target)
        here = {name: reading.reported for name, reading in now.stage.items()}
        self._step = tuple(
            self.args.get(name, here.get(name, 0.0)) - here.get(name, 0.0) for name in ("x_um", "y_um")
        )
        return {"moved_um": list(self._step)}

    def send(self, action_id: str, token: str) -> tuple[MicroscopeState, dict[str, Any]]:
        """A new stay of the stage begins even if the move fails."""
        run = self.door.run
        run.book.moved(f"{run.id}:{action_id}", *self._step)
        try:
            run.instrument.move(to_si(STAGE, self.args), token=token)
        finally:
            run.stay = f"{run.id}:{action_id}"
        state, row = _read(self.door)
        run.arrived_s = state.time_s
        return state, row

    def recall(self, body: dict[str, Any]) -> MicroscopeState:
        """The state after it, from its row."""
        return MicroscopeState.model_validate(body["state"])


class _Set:
    """One change of optics; read back."""

    name = "set_optics"
    commands = True
    seconds = 0.0

    def __init__(self, door: Door, change: OpticsChange) -> None:
        self.door, self.change = door, change

    @property
    def args(self) -> dict[str, Any]:
        """Controls that are to change."""
        return self.change.model_dump(exclude_none=True)

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """The current stays below the approved one."""
        permit.check_optics(self.change)
        return {}

    def send(self, action_id: str, token: str) -> tuple[MicroscopeState, dict[str, Any]]:
        """Set, read back."""
        self.door.run.instrument.set_optics(to_si(OPTICS, self.args), token=token)
        return _read(self.door)

    def recall(self, body: dict[str, Any]) -> MicroscopeState:
        """The state after it, from its row."""
        return MicroscopeState.model_validate(body["state"])


class _Insert:
    """One detector driven in or out; read back; never repeated."""

    name = "insert_detector"
    commands = True

    def __init__(self, door: Door, detector: str, inside: bool) -> None:
        self.door, self.detector, self.inside = door, detector, inside

    @property
    def args(self) -> dict[str, Any]:
        """Which, and whether in or out."""
        return {"detector": self.detector, "inside": self.inside}

    @property
    def seconds(self) -> float:
        """Declared time [s]."""
        spec = self.door.run.capabilities.detector(self.detector)
        return spec.insert_s if spec else 0.0

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """Its tool was approved."""
        return {}

    def send(self, action_id: str, token: str) -> tuple[MicroscopeState, dict[str, Any]]:
        """Drive, read back."""
        self.door.run.instrument.insert(self.detector, self.inside, token=token)
        return _read(self.door)

    def recall(self, body: dict[str, Any]) -> MicroscopeState:
        """The state after it, from its row."""
        return MicroscopeState.model_validate(body["state"])


class _Wait:
    """Instrument time passes, beam blanked."""

    name = "wait"
    commands = True

    def __init__(self, door: Door, seconds: float) -> None:
        self.door, self.seconds = door, seconds

    @property
    def args(self) -> dict[str, Any]:
        """How long [s]."""
        return {"seconds": self.seconds}

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """Its time was asked for with the state."""
        return {}

    def send(self, action_id: str, token: str) -> tuple[None, dict[str, Any]]:
        """Wait."""
        self.door.run.instrument.wait(self.seconds)
        return None, {}

    def recall(self, body: dict[str, Any]) -> None:
        """Nothing to hand back."""


class _Locate:
    """A measured position is entered; nothing is sent to the instrument."""

    name = "locate"
    commands = False
    seconds = 0.0

    def __init__(self, run: Run, place: Located) -> None:
        self.run, self.place = run, place

    @property
    def args(self) -> dict[str, Any]:
        """Which frame lies where in which."""
        return self.place.model_dump(mode="json")

    def check(self, permit: Permit, now: MicroscopeState) -> dict[str, Any]:
        """Nothing to ask."""
        return {}

    def send(self, action_id: str, token: str) -> tuple[None, dict[str, Any]]:
        """From now on the two stays are known to lie so."""
        self.run.book.located(f"{self.run.id}:{action_id}", self.place)
        return None, {"located": self.args}

    def recall(self, body: dict[str, Any]) -> None:
        """It is in the book already."""


def _read(door: Door) -> tuple[MicroscopeState, dict[str, Any]]:
    state = door.now()
    return state, {"state": state.model_dump(mode="json")}


class GatedMicroscope:
    """One tool call's microscope (implements `instruments.port.Microscope`)."""

    def __init__(self, run: Run, call: ToolCall, permit: Permit | None) -> None:
        self.run, self.call = run, call
        self.door = Door(run, call, permit)
        self.dose = 0.0
        self.frames: list[str] = []

    # --- reading: free ----------------------------------------------------------------------------------

    def capabilities(self) -> Capabilities:
        """What the instrument declares."""
        return self.run.capabilities

    def state(self) -> MicroscopeState:
        """Read-back."""
        return self.door.state()

    def pixels(self, frame: Frame) -> Image:
        """Stored pixels."""
        return self.run.pixels(frame)

    def look_ahead(self, path: Sequence[StageMove]) -> Outlook:
        """Limits, room and travel left, asked before anything is sent."""
        return outlook(path, self.door.state(), self.run.capabilities, self.run.instrument.limits())

    # --- safety: never gated ----------------------------------------------------------------------------

    def blank(self) -> MicroscopeState:
        """Blank and hold, at once."""
        self.run.instrument.blank(f"{self.call.tool} in run {self.run.id}")
        return self.door.now()

    def stop(self) -> MicroscopeState:
        """Blank, stop, hold, at once."""
        self.run.instrument.stop(f"{self.call.tool} in run {self.run.id}")
        return self.door.now()

    # --- acts: gated ------------------------------------------------------------------------------------

    def move_stage(self, target: StageMove) -> MicroscopeState:
        """One move; read back; never repeated."""
        return self.door.do(_Move(self.door, target))

    def set_optics(self, change: OpticsChange) -> MicroscopeState:
        """Set controls; read back."""
        return self.door.do(_Set(self.door, change))

    def insert(self, detector: str, inside: bool) -> MicroscopeState:
        """Drive a detector in or out; read back; never repeated."""
        return self.door.do(_Insert(self.door, detector, inside))

    def wait(self, seconds: float) -> None:
        """Let instrument time pass, beam blanked."""
        self.door.do(_Wait(self.door, seconds))

    def acquire(self, scan: Scan) -> tuple[Frame, ...]:
        """Expose once; the frames are on disk before the result row is written."""
        act = Expose(self.run, scan)
        frames = self.door.do(act)
        self.dose += act.charge.dose_e_per_a2 if act.charge else 0.0
        self.frames += [frame.id for frame in frames]
        return frames

    def acquire_diffraction(self, shot: PatternShot) -> Frame:
        """One pattern, or a small raster of them in one array."""
        return self.acquire(pattern_scan(shot, self.door.state()))[0]

    def store(self, pixels: Image, frame: Frame) -> Frame:
        """Keep a computed image."""
        kept = self.door.do(Keep(self.run, pixels, frame))
        self.frames.append(kept.id)
        return kept

    def locate(self, place: Located) -> None:
        """Keep a measured position."""
        self.door.do(_Locate(self.run, place))
