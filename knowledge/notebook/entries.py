"""What a notebook is made of. Raw entries are what was seen and done; a solution is derived and can be made again.

Nothing is ever changed: a correction is a new entry that names the one it replaces. Fields that are added later must
be empty by default, since empty fields are not stored.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eucentric.core.base import Model
from eucentric.knowledge.crystal import Candidate, Crystal, Limits, NextAxis, parse_indices
from eucentric.knowledge.crystal.orientation import Flip
from eucentric.knowledge.crystal.stage import Holder, Sign
from eucentric.knowledge.notebook.fields import Name, Ref, ScreenAzimuth, ScreenMode, Sha256, Utc, Words

Angle = Annotated[float, Field(ge=-360, le=360)]
Span = Annotated[float, Field(ge=-1e6, le=1e6)]


class Entry(Model):
    """What every entry says about itself."""

    at: Utc
    """When it was written down."""
    by: Name
    """Who wrote it, or which program."""
    orcid: Annotated[str, Field(pattern=r"^(\d{4}-\d{4}-\d{4}-\d{3}[\dX])?$")] = ""
    """Of that person."""
    note: Words = ""
    """Anything else."""
    replaces: Ref = ""
    """The entry that this one corrects; both stay."""
    origin: Words = ""
    """Where it came from, if it was not typed: ledger, run and call."""


class SpecimenEntry(Entry):
    """What the notebook is about; the first entry."""

    kind: Literal["specimen"] = "specimen"
    name: Name
    """What it is called."""
    material: Words = ""
    """A phase or formula."""
    session: Words = ""
    """Session or project."""
    licence: Words = ""
    """Under which others may use it, such as CC-BY-4.0."""
    software: Words = ""
    """What began the notebook, with versions."""


class PhaseEntry(Entry):
    """A crystal that grains are made of."""

    kind: Literal["phase"] = "phase"
    crystal: Crystal
    """Cell and rotations of its Laue group, in the setting of the cell."""
    source: Words = ""
    """File name, or identifier in a database."""
    cif_sha256: Sha256 = ""
    """Of that file."""


class ScreenRow(Model):
    """How the screen is turned against the alpha axis, in one mode."""

    screen: ScreenMode
    """The mode."""
    azimuth_deg: Angle
    """Of the alpha axis' direction: `lab = screen + azimuth`, or `azimuth - screen` if mirrored."""
    mirrored: bool = False
    """True if the screen shows the specimen mirrored."""
    sigma_deg: float = Field(default=1.0, ge=0, le=30)
    """Standard deviation of the azimuth."""
    method: Words = ""
    """How it was found."""


class CalibrationEntry(Entry):
    """A microscope and a holder: signs, limits, and the screen's azimuth in each mode. Nothing here is a default."""

    kind: Literal["calibration"] = "calibration"
    microscope: Name
    """Which one."""
    holder_name: Name
    """Which holder."""
    holder: Holder = "double_tilt"
    """What it can turn."""
    alpha_sign: Sign | None = None
    """+1 if a positive reading turns counter-clockwise seen from the rod tip; None if nobody watched."""
    beta_sign: Sign | None = None
    """The same for the second axis."""
    limits: Limits | None = None
    """Readings it can be driven to."""
    repeatability_deg: float = Field(default=0.0, ge=0, le=10)
    """Standard deviation of the goniometer on each axis, backlash included."""
    screens: tuple[ScreenRow, ...] = Field(default=(), max_length=200)
    """How the screen is turned, for each mode in which it was measured."""
    method: Words = ""
    """How all this was found."""


class Fiducial(Model):
    """One mark on the specimen, seen flat (zero tilt) before and after it was taken out."""

    name: Name
    """Which mark."""
    before: ScreenAzimuth
    """As it was seen in the loading before."""
    after: ScreenAzimuth
    """As it is seen in this one."""


class LoadingEntry(Entry):
    """The specimen was put into a holder; after the first time, how it lay against the time before."""

    kind: Literal["loading"] = "loading"
    name: Words = ""
    """As the instrument or the specimen card calls it."""
    calibration: Ref = ""
    """Of the microscope and holder it is in."""
    after: Ref = ""
    """The loading before; empty for the first, or if how it lay then is not known."""
    flip: Flip = "none"
    """Which way it was turned over: about_alpha, about_beta, about_beam (half a turn in the plane)."""
    turn_deg: Angle | None = None
    """Right-handed turn about the beam after the flip; None if it comes from the fiducials."""
    fiducials: tuple[Fiducial, ...] = Field(default=(), max_length=50)
    """Marks that give the turn."""
    turn_sigma_deg: float = Field(default=1.0, ge=0, le=90)
    """Standard deviation of the turn."""
    seat_sigma_deg: float = Field(default=0.5, ge=0, le=45)
    """Of how flat it lies now against before, for each of the two directions across the beam."""

    @model_validator(mode="after")
    def _turn_is_known(self) -> Self:
        if self.after and (self.turn_deg is None) == (not self.fiducials):
            raise ValueError(
                "give the turn about the beam, or fiducials seen in both loadings: one of the two"
            )
        return self


class GrainEntry(Entry):
    """A grain, flake or precipitate on the map."""

    kind: Literal["grain"] = "grain"
    name: Name
    """What it is called."""
    phase: Ref = ""
    """What it is made of; may be left out if the notebook has one phase."""
    loading: Ref = ""
    """The loading in which its stage position was read."""
    x_um: Span | None = None
    """Stage position."""
    y_um: Span | None = None
    """As x_um."""
    z_um: Span | None = None
    """As x_um."""
    picture: Ref = ""
    """The picture it is marked on."""
    row_px: float | None = Field(default=None, ge=0, le=1e6)
    """Where on that picture, from the top."""
    column_px: float | None = Field(default=None, ge=0, le=1e6)
    """As row_px, from the left."""


Seen = Literal["axis", "g", "band", "unindexed"]


class ReadingEntry(Entry):
    """One reading, verbatim: what was seen, where the goniometer stood."""

    kind: Literal["reading"] = "reading"
    seen: Seen
    """A zone axis on the beam; a reflection g or a band through the centre, with its azimuth; or not indexed."""
    grain: Ref = ""
    """Of which grain; empty if there is only one crystal."""
    loading: Ref = ""
    """In which loading."""
    alpha_deg: Angle
    """As the goniometer reported it; this is what counts."""
    beta_deg: Angle = 0.0
    """The second axis, as it was reported."""
    commanded_alpha_deg: Angle | None = None
    """Where it was told to go."""
    commanded_beta_deg: Angle | None = None
    """As commanded_alpha_deg."""
    written: Words = ""
    """The index as it was written: [1 -1 0], <112>, (2 0 0). Brackets say exact or any of the family."""
    sense: Literal["either", "as_given"] = "either"
    """as_given only if it is known which end of the axis points to the gun."""
    sigma_deg: float = Field(default=0.2, gt=0, le=20)
    """Standard deviation, for each of the two directions across the axis, or of the azimuth."""
    azimuths: tuple[ScreenAzimuth, ...] = Field(default=(), max_length=100)
    """Of g, or of the band; of all bands if nothing is indexed."""
    spacings_angstrom: tuple[Annotated[float, Field(gt=0, le=1000)], ...] = Field(default=(), max_length=100)
    """Plane spacings measured in the pattern."""
    method: Words = ""
    """Kikuchi, CBED, spot pattern, FFT of an image, …"""
    frame: Words = ""
    """Id of the frame it was read from."""
    frame_sha256: Sha256 = ""
    """Of that frame's stored array."""
    x_um: Span | None = None
    """Where the stage was."""
    y_um: Span | None = None
    """As x_um."""
    z_um: Span | None = None
    """As x_um."""

    @model_validator(mode="after")
    def _says_what_was_seen(self) -> Self:
        if self.seen == "unindexed":
            if self.written:
                raise ValueError("an unindexed pattern has no index; call it an axis, g or band")
            return self
        kind = parse_indices(self.written)[1]
        wanted = "direction" if self.seen == "axis" else "plane"
        if kind != wanted:
            raise ValueError(f"{self.seen} takes a {wanted}: {'[uvw]' if wanted == 'direction' else '(hkl)'}")
        if (self.seen == "axis") == bool(self.azimuths) or len(self.azimuths) > 1:
            raise ValueError("an axis has no azimuth; g and band have one")
        return self


class PictureEntry(Entry):
    """A file kept elsewhere, by path and digest."""

    kind: Literal["picture"] = "picture"
    path: Name
    """From the notebook's folder if it lies in there, else the whole path."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the file."""
    size_bytes: int = Field(ge=0)
    """Of the file."""
    what: Words = ""
    """What it shows."""
    frame: Words = ""
    """Id of the frame it is."""
    readings: tuple[Ref, ...] = Field(default=(), max_length=1000)
    """Readings that were made on it."""


class SolutionEntry(Entry):
    """Orientations that explain the readings of one grain in one loading: every candidate, never one alone."""

    kind: Literal["solution"] = "solution"
    grain: Ref = ""
    """Of which grain."""
    phase: Ref
    """The crystal that went in."""
    loading: Ref = ""
    """In which loading."""
    calibration: Ref = ""
    """The calibration that went in."""
    readings: tuple[Ref, ...] = Field(min_length=2, max_length=1000)
    """The readings that went in, in this order."""
    candidates: tuple[Candidate, ...] = Field(min_length=1, max_length=1000)
    """Every orientation that fits, best first, with covariance."""
    next_axis: NextAxis | None = None
    """Where to look next if there are several."""
    inputs_sha256: Sha256
    """Of the crystal, the stage and the observations that went in."""
    software: Words
    """Program and libraries with their versions."""


Anything = Annotated[
    SpecimenEntry
    | PhaseEntry
    | CalibrationEntry
    | LoadingEntry
    | GrainEntry
    | ReadingEntry
    | PictureEntry
    | SolutionEntry,
    Field(discriminator="kind"),
]
KINDS: tuple[type[Entry], ...] = (
    SpecimenEntry, PhaseEntry, CalibrationEntry, LoadingEntry, GrainEntry, ReadingEntry, PictureEntry, SolutionEntry,
)  # fmt: skip
PREFIX = {
    "specimen": "specimen", "phase": "phase", "calibration": "cal", "loading": "load", "grain": "grain",
    "reading": "r", "picture": "pic", "solution": "sol",
}  # fmt: skip
"""Of an entry's id: r3 is the third reading."""
