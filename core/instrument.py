"""What a microscope is asked and what it says, in the units a microscopist uses (images: row, col; y down)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from eucentric.core.base import Model
from eucentric.core.units import Unit

Purpose = Literal["image", "survey", "tracking", "focus", "diffraction"]


class Reading(Model):
    """One stage axis: three positions, never mixed up."""

    commanded: float
    """Where it was last told to go, in the unit of the field name."""
    reported: float
    """What the controller reads back."""
    measured: float | None = None
    """Known only from a measurement, such as an image registration."""


class MicroscopeState(Model):
    """A snapshot of the instrument."""

    instrument: str
    """Who it is: vendor, model and serial, or SIMULATED and the world's name."""
    simulated: bool
    stage: dict[str, Reading]
    """By field: x_um, y_um, z_um, alpha_deg, beta_deg."""
    optics: dict[str, float]
    """By field: defocus_nm, beam_shift_x_nm, beam_shift_y_nm, probe_current_pa, fov_nm, convergence_mrad,
    voltage_kv."""
    blanked: bool
    held: str | None = None
    """Why the beam is held blanked (a stop, a watchdog), or nothing. Only a person's approval releases it."""
    holder: str = "unknown"
    loading: str = "unknown"
    """Identity of the specimen loading; an exchange changes it and voids approvals."""
    epoch: int = 0
    """Counts changes made outside this program (hands on the knobs, mode change)."""
    time_s: float = 0.0
    """The instrument's own clock [s]."""
    commands: int = 0
    """The driver's own count of state-changing commands."""
    inserted: dict[str, bool] = Field(default_factory=dict)
    """Retractable detectors and apertures: whether each is in."""
    touch: bool = False
    """Whether the touch alarm is on: the holder touched something, motion is locked until staff clear it."""
    signals: dict[str, float] = Field(default_factory=dict)
    """What the instrument says about its health, by name with unit: vacuum_mbar, emission_ua, …"""


class StageMove(Model):
    """An absolute stage target; axes left out stay where they are."""

    x_um: Annotated[float, Unit("um")] | None = None
    y_um: Annotated[float, Unit("um")] | None = None
    z_um: Annotated[float, Unit("um")] | None = None
    alpha_deg: Annotated[float, Unit("deg")] | None = None
    beta_deg: Annotated[float, Unit("deg")] | None = None


class OpticsChange(Model):
    """Optics settings to change; those left out stay."""

    defocus_nm: Annotated[float, Unit("nm")] | None = None
    beam_shift_x_nm: Annotated[float, Unit("nm")] | None = None
    beam_shift_y_nm: Annotated[float, Unit("nm")] | None = None
    probe_current_pa: Annotated[float, Field(gt=0), Unit("pA")] | None = None
    fov_nm: Annotated[float, Field(gt=0), Unit("nm")] | None = None
    a1_x_nm: Annotated[float, Unit("nm")] | None = None
    a1_y_nm: Annotated[float, Unit("nm")] | None = None


_LEAST_PX = 16
_LONGEST_US = 1e5


class Scan(Model):
    """One scanned frame on one or more detectors at once, or a camera's pattern at each pixel."""

    detectors: tuple[str, ...] = Field(default=("haadf",), min_length=1, max_length=4)
    width_px: int = Field(512, ge=1, le=8192, strict=True)
    """At least 16 unless patterns are recorded."""
    height_px: int = Field(512, ge=1, le=8192, strict=True)
    fov_nm: Annotated[float, Field(gt=0, le=1e6), Unit("nm")]
    """Width of the field [nm]; pixels are square."""
    dwell_us: Annotated[float, Field(gt=0, le=1e8), Unit("us")]
    """Up to 0.1 s, or 100 s for patterns."""
    purpose: Purpose = "image"
    pattern_px: int = Field(0, ge=0, le=4096, strict=True, exclude_if=lambda edge: edge == 0)
    """Edge of the diffraction pattern that a camera records at each pixel; 0: none, intensities are recorded."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Scan":
        small = min(self.width_px, self.height_px) < _LEAST_PX
        if not self.pattern_px and (small or self.dwell_us > _LONGEST_US):
            raise ValueError(
                f"an image has at least {_LEAST_PX} pixels along an edge, of {_LONGEST_US:g} µs at most"
            )
        if self.pattern_px and len(self.detectors) != 1:
            raise ValueError("patterns are recorded by one camera at a time")
        return self

    @property
    def pixel_nm(self) -> float:
        """Edge of a pixel [nm]."""
        return self.fov_nm / self.width_px


class PatternShot(Model):
    """One diffraction pattern, the beam standing still at the middle of the field."""

    detector: str = Field("camera", min_length=1, max_length=40)
    size_px: int = Field(256, ge=32, le=4096, strict=True)
    """Rows and columns, binned if the camera has more."""
    exposure_ms: Annotated[float, Field(gt=0, le=1e5), Unit("ms")] = 50.0
    """Of each pattern."""
    grid_px: int = Field(1, ge=1, le=64, strict=True)
    """Patterns along each edge of a square raster; 1: one, with the beam at the middle of the field."""
    fov_nm: Annotated[float, Field(gt=0, le=1e5), Unit("nm")] | None = None
    """Width of the raster; one pattern needs none."""

    @model_validator(mode="after")
    def _raster_has_a_width(self) -> "PatternShot":
        if self.grid_px > 1 and self.fov_nm is None:
            raise ValueError("a raster of patterns needs fov_nm")
        return self


class Outlook(Model):
    """Whether a path of the stage can be gone, as far as limits and the room in the gap tell. Nothing was sent."""

    problems: tuple[str, ...] = ()
    """Why not, each with the limit; empty if nothing speaks against it."""
    clearance_known: bool = False
    """False if nobody declared the gap and this holder: a real stage is then not tilted."""
    x_um: tuple[float, float] | None = None
    """Travel of x that is left at the path's end [µm]; None if the clearance is not known."""
    y_um: tuple[float, float] | None = None
    """As x_um."""


class Frame(Model):
    """One recorded image. Pixels are a blob; they are read when needed."""

    id: str
    sha256: str
    """Of the stored array file."""
    detector: str
    shape: tuple[int, int]
    """(rows, columns)."""
    dtype: str
    """[counts], unless `counts_per_electron` is None: then arbitrary units."""
    pixel_pm: float | None = None
    """Edge of a square pixel [pm]; None if nobody knows."""
    dwell_us: float | None = None
    probe_current_pa: float | None = None
    voltage_kv: float | None = None
    convergence_mrad: float | None = None
    defocus_nm: float | None = None
    counts_per_electron: float | None = None
    """Detector calibration: digital counts for one detected electron, after offset."""
    offset_counts: float = 0.0
    x_um: float | None = None
    """Centre of the field in the stage frame: reported stage position plus beam shift [µm]."""
    y_um: float | None = None
    alpha_deg: float | None = None
    """Tilts as they were reported [deg]; None if the stage has none or nobody read them."""
    beta_deg: float | None = None
    pixel_mrad: float | None = None
    """Of a diffraction pattern: angle of a pixel's edge [mrad]; None for an image."""
    camera_length_mm: float | None = None
    grid: tuple[int, int] | None = None
    """(rows, columns) of patterns that lie side by side in the array, one for each place of a raster."""
    dose_e_per_a2: float | None = None
    """Charged for this frame: upper bound at any atom [e/Å²]."""
    mean_dose_e_per_a2: float | None = None
    time_s: float | None = None
    """Instrument clock at the start of the scan [s]."""
    duration_s: float | None = None
    purpose: str = "image"
    simulated: bool = False
    instrument: str = ""
    parents: tuple[str, ...] = ()
    """Frames it was computed from (a drift-corrected sum)."""
    path: str | None = None
    """For a frame read from a file of the user."""


class Located(Model):
    """Where a frame lies in another one, by their images: the actual position, in the other frame's readings."""

    frame: str
    """The frame that was recognised."""
    in_frame: str
    """The frame in which it was recognised."""
    x_um: Annotated[float, Unit("um")]
    """Its centre, in the readings under which the other frame was taken [µm]."""
    y_um: Annotated[float, Unit("um")]
    """As x_um."""
    uncertainty_um: Annotated[float, Field(ge=0), Unit("um")]
    """One standard deviation [µm]."""
    confidence: Annotated[float, Unit("1")]
    """Lead of the registration over the next best place, as its tool states it."""
