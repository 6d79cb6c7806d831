"""What an instrument has and can do, declared by its driver and logged with each run (SI units)."""

import math
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
    choices: tuple[float, ...] = ()
    """The only values that can be set, ascending; empty: any in the range."""

    def offers(self, value: float) -> bool:
        """Whether a value in the range can be set."""
        return not self.choices or any(math.isclose(value, one, rel_tol=1e-6) for one in self.choices)


class PatternsSpec(Model):
    """What a camera records: diffraction patterns."""

    max_px: int = Field(ge=32)
    """Most pixels along an edge; fewer are binned."""
    min_exposure_s: float = Field(gt=0)
    max_exposure_s: float = Field(10.0, gt=0)
    max_patterns: int = Field(1, ge=1)
    """Of one scan; 1: only single ones."""


class DetectorSpec(Model):
    """One detector: it counts what falls on it while the beam is scanned, or it is a camera."""

    name: str
    counts_per_electron: float | None = None
    offset_counts: float = 0.0
    collection_mrad: tuple[float, float]
    saturation_counts: float | None = None
    retractable: bool = False
    insert_s: float = Field(0.0, ge=0)
    """Time to drive it in or out [s]."""
    exposable: bool = True
    """False if nobody declared a limit for it: the beam may not fall on it."""
    patterns: PatternsSpec | None = Field(None, exclude_if=lambda spec: spec is None)
    """Of a camera; None: it is none."""


class PositionErrors(Model):
    """How far a place may lie from where the readings say: largest errors, of the vendor or measured by staff.

    What can't be bounded from readings must be looked for with the beam, so the dose of a place is charged
    wherever the place may be. The defaults are assumed for an instrument that declares nothing.
    """

    fixed_m: float = Field(0.0, ge=0)
    """Between any two readings: screw error, rounding of the read-back [m]."""
    move_m: float = Field(0.3e-6, ge=0)
    """Of one move besides the dead band; errors of several moves add in squares [m]."""
    one_way_m: float = Field(0.0, ge=0)
    """Of one move, always along it: adds up over moves in one direction [m]."""
    scale: float = Field(0.02, ge=0, lt=0.5)
    """Relative error of a travelled distance."""
    cross: float = Field(0.05, ge=0, lt=0.5)
    """Share of a travelled distance that goes into the other axis."""
    creep_m: float = Field(0.05e-6, ge=0)
    """How far the stage still creeps after a move, in all [m]."""
    creep_s: float = Field(10.0, gt=0)
    """Time constant of it [s]."""
    drift_m_per_s: float = Field(1e-9, ge=0)
    """Fastest drift of a settled stage [m/s]."""
    missed_moves: int = Field(0, ge=0, le=2)
    """How many of a row of moves may not have happened though the read-back says they did."""


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
    beam_idle: Literal["blanked", "parked"] = "blanked"
    """Between unblanking and the first pixel, and after the last one: the scan unit keeps the beam off the specimen,
    or it stands on the first and the last pixel."""
    unblank_s: float = Field(0.0, ge=0)
    """How long it stands there each time if it is parked [s]; 0: for as long as `frame_overhead_s`."""
    abort: Literal["mid_frame", "frame_boundary", "none"]
    responds_to: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """detector -> controls that change its image (what autofocus may rely on)."""
    position_errors: PositionErrors = PositionErrors()
    limits_version: str = "driver"
    measured_by: str = ""
    """Who measured the limits, and when."""

    @property
    def parked_s(self) -> float:
        """How long the beam stands on the first pixel, and as long on the last [s]."""
        return 0.0 if self.beam_idle == "blanked" else self.unblank_s or self.frame_overhead_s

    @property
    def identity(self) -> str:
        """One line for rows, files and pictures."""
        stamp = "SIMULATED " if self.simulated else ""
        return f"{stamp}{self.vendor} {self.model} {self.serial}"

    def move_error(self, distance: float) -> float:
        """How far from its reading one stage move of that length may end, along x or y [m]."""
        errors, axes = self.position_errors, (self.axis("x"), self.axis("y"))
        dead = max((axis.dead_band for axis in axes if axis), default=0.0)
        of_way = (errors.scale + errors.cross) * abs(distance)
        return dead + errors.fixed_m + errors.move_m + errors.one_way_m + errors.creep_m + of_way

    def axis(self, name: str) -> AxisSpec | None:
        """The axis of that name, if there is one."""
        return next((axis for axis in self.axes if axis.name == name), None)

    def optic(self, name: str) -> OpticSpec | None:
        """The control of that name, if there is one."""
        return next((optic for optic in self.optics if optic.name == name), None)

    def camera(self, name: str = "camera") -> PatternsSpec | None:
        """What the camera of that name records, if there is such a camera."""
        found = self.detector(name)
        return found.patterns if found else None

    def detector(self, name: str) -> DetectorSpec | None:
        """The detector of that name, if there is one."""
        return next((detector for detector in self.detectors if detector.name == name), None)
