"""What an instrument has and can do, declared by its driver and logged with each run (SI units)."""

from typing import Literal

from pydantic import Field

from eucentric.core.base import Model


class AxisSpec(Model):
    """One stage axis."""

    name: str
    unit: Literal["m", "rad"]
    lower: float
    upper: float
    tolerance: float = Field(gt=0)
    """Largest |reported - commanded| that counts as arrived."""
    max_step: float = Field(gt=0)
    """Largest single move."""
    dead_band: float = Field(0.0, ge=0)
    """Moves smaller than this are not trustworthy (backlash); correct by beam shift instead."""
    speed: float = Field(gt=0)
    """[unit/s], for predictions."""
    overhead_s: float = Field(0.0, ge=0)
    """Fixed time of a move [s]."""
    steerable: bool = True
    """False if nobody declared a limit for it: it is read, never sent anywhere."""


class OpticSpec(Model):
    """One optics control that may be set; a control without a spec can't be steered."""

    name: str
    unit: str
    lower: float
    upper: float
    settable: bool = True
    settle_s: float = Field(0.0, ge=0)


class DetectorSpec(Model):
    """One scanned detector."""

    name: str
    counts_per_electron: float | None = None
    offset_counts: float = 0.0
    collection_mrad: tuple[float, float]
    saturation_counts: float | None = None
    retractable: bool = False
    insert_s: float = Field(0.0, ge=0)
    """Time to drive it in or out [s]."""


class Capabilities(Model):
    """The whole declaration."""

    vendor: str
    model: str
    serial: str
    simulated: bool
    axes: tuple[AxisSpec, ...]
    optics: tuple[OpticSpec, ...]
    detectors: tuple[DetectorSpec, ...]
    min_dwell_s: float = Field(gt=0)
    max_pixels: int = Field(gt=0)
    """Most pixels along one edge of a frame."""
    line_flyback_s: float = Field(ge=0)
    frame_overhead_s: float = Field(ge=0)
    abort: Literal["mid_frame", "frame_boundary", "none"]
    responds_to: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """detector -> controls that change its image (what autofocus may rely on)."""
    limits_version: str = "driver"
    measured_by: str = ""
    """Who measured the limits, and when."""

    @property
    def identity(self) -> str:
        """One line for rows, files and pictures."""
        stamp = "SIMULATED " if self.simulated else ""
        return f"{stamp}{self.vendor} {self.model} {self.serial}"

    def axis(self, name: str) -> AxisSpec | None:
        """The axis of that name, if there is one."""
        return next((axis for axis in self.axes if axis.name == name), None)

    def optic(self, name: str) -> OpticSpec | None:
        """The control of that name, if there is one."""
        return next((optic for optic in self.optics if optic.name == name), None)

    def detector(self, name: str) -> DetectorSpec | None:
        """The detector of that name, if there is one."""
        return next((detector for detector in self.detectors if detector.name == name), None)
