"""What staff measured and allow on one instrument, as versioned data: a quantity that is not in here can't be steered.

Names and units are those a microscopist says (x_um, alpha_deg, probe_current_pa). `limits_file` finds and reads
the file, `allowance` turns it into what binds, `interlock` enforces it.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from eucentric.core.base import Model
from eucentric.core.canonical import digest
from eucentric.core.text import visible
from eucentric.core.units import OPTICS, STAGE
from eucentric.knowledge.clearance import Clearance

ANY = "*"
"""As a detector's or a holder's name: any. For simulated instruments only."""
_Number = Annotated[float, Field(strict=True)]
"""No text, and no true for 1."""
_Positive = Annotated[float, Field(gt=0, strict=True)]
_Words = Annotated[str, Field(max_length=400)]
_Name = Annotated[str, Field(min_length=1, max_length=80)]


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if not bounds[0] <= bounds[1]:
        raise ValueError(f"a range goes from low to high, not from {bounds[0]:g} to {bounds[1]:g}")
    return bounds


Bounds = Annotated[tuple[_Number, _Number], AfterValidator(_ordered)]


class Limit(Model):
    """One axis or control, in the unit of its field's name. Absent means not limited here; the driver's own holds."""

    lower: _Number
    upper: _Number
    max_step: _Positive | None = None
    """Largest single change."""
    max_per_minute: _Positive | None = None
    """Largest sum of changes, either way, within any 60 s of instrument time."""
    max_excursion: _Positive | None = None
    """Farthest from where the lease was taken; if not given, an axis takes its largest step: else a refused step could
    be made in two."""
    max_path: _Positive | None = None
    """Largest sum of changes, either way, in one lease."""
    measured_by: str = Field("", max_length=80)
    """Who drove there; an axis without it gets only a small travel on a real instrument."""
    measured_on: date | None = None

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if not self.lower < self.upper:
            raise ValueError(f"lower {self.lower:g} must be below upper {self.upper:g}")
        return self

    @property
    def measured(self) -> bool:
        """Whether somebody says who measured it and when."""
        return bool(self.measured_by.strip()) and self.measured_on is not None


class DetectorLimit(Model):
    """What a detector may be exposed to.

    There is no rate in electrons a second: which share of the beam falls on a detector is known to nobody before the
    exposure, and its safe upper bound, the whole beam, is the probe current (1 pA is 6.24e6 electrons a second).
    """

    max_probe_current_pa: _Positive | None = None
    """Largest probe current while the beam may fall on it; a file must give it."""
    max_charge_pc: _Positive | None = None
    """Beam charge while the beam may fall on it, summed over a lease [pC]."""


class Exclusion(Model):
    """What may never be in the beam together. An unknown control or device counts as if it were so."""

    detectors: tuple[_Name, ...] = Field(min_length=1)
    """None of these in the beam …"""
    with_inserted: tuple[_Name, ...] = ()
    """… while all of these are in …"""
    with_retracted: tuple[_Name, ...] = ()
    """… and all of these (a beam stop) are out …"""
    when: dict[str, Bounds] = Field(default_factory=dict)
    """… and each of these controls, axes or signals is within its range, ends included."""
    reason: _Words


class Window(Model):
    """A time in which the instrument is not for runs."""

    what: str = Field(min_length=1, max_length=200)
    begins: AwareDatetime
    ends: AwareDatetime

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if not self.begins < self.ends:
            raise ValueError("a window must begin before it ends")
        return self


class Suspender(Model):
    """A signal that pauses a run while it is out of its range."""

    signal: _Name
    """A key of `DriverState.signals`, or probe_current_pa."""
    low: _Number | None = None
    high: _Number | None = None
    drop_fraction: float | None = Field(None, gt=0, lt=1)
    """Largest relative fall since the run began."""
    then: Literal["ask", "resume"] = "ask"
    """Whether a person is asked, or the run goes on when the signal has been good for `hold_s`."""
    hold_s: float = Field(10.0, ge=0)
    at_most_s: float = Field(1800.0, gt=0)
    """Longest pause before a person is asked in any case."""
    words: _Words = ""
    """Why, for the person who reads it."""

    @model_validator(mode="after")
    def _watches(self) -> Self:
        if self.low is None and self.high is None and self.drop_fraction is None:
            raise ValueError("a suspender needs low, high or drop_fraction")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        return self


class Limits(Model):
    """The limits in force on one instrument."""

    version: int = Field(ge=1, strict=True)
    """Raised by staff with every change."""
    instrument: str = Field(min_length=1, max_length=300)
    """Identity or address it is for; * and ? stand for any text and any character."""
    author: str = Field("", max_length=80)
    notes: str = Field("", max_length=4000)
    axes: dict[str, Limit] = Field(default_factory=dict)
    """By field: x_um … beta_deg."""
    optics: dict[str, Limit] = Field(default_factory=dict)
    """By field: defocus_nm, probe_current_pa, …"""
    detectors: dict[_Name, DetectorLimit] = Field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    clearance: Clearance | None = None
    """The gap, the holders and what reaches into it; without it a real stage is not tilted."""
    maintenance: tuple[Window, ...] = ()
    booking_end: AwareDatetime | None = None
    suspenders: tuple[Suspender, ...] = ()
    declared: str = Field("", max_length=200)
    """The driver's own label, if nobody wrote a file; never in a file."""

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        _check_names("axes", self.axes, STAGE)
        _check_names("optics", self.optics, OPTICS)
        open_ended = [n for n, row in self.detectors.items() if row.max_probe_current_pa is None]
        if open_ended and not self.declared:
            raise ValueError(f"detectors.{visible(open_ended[0])} needs max_probe_current_pa")
        return self

    @property
    def sha256(self) -> str:
        """Of the content, however the file was laid out."""
        return digest(self.model_dump(mode="json"))

    @property
    def label(self) -> str:
        """Such as ``'v3 (sha256 9c1f2a…)'``: what approvals are tied to."""
        return self.declared or f"v{self.version} (sha256 {self.sha256[:12]}…)"

    @property
    def measured_by(self) -> str:
        """Who measured the axes, and when; which of them nobody did."""
        rows = sorted({_who(row) for row in self.axes.values() if row.measured})
        if not rows:
            return visible(self.author or "nobody")
        rest = [name for name, row in self.axes.items() if not row.measured]
        return visible("; ".join([*rows, *([f"nobody: {', '.join(rest)}"] if rest else [])]), limit=300)

    def detector(self, name: str) -> DetectorLimit | None:
        """The limits of a detector; "*" is any."""
        return self.detectors.get(name, self.detectors.get(ANY))

    def closed(self, begins: datetime, ends: datetime) -> tuple[str, datetime] | None:
        """What closes the instrument before `ends`, and since when; None if it stays open."""
        closings = [(f"{row.what} begins", row.begins) for row in self.maintenance if row.ends > begins]
        if self.booking_end is not None:
            closings.append(("the booking ends", self.booking_end))
        return min((one for one in closings if one[1] < ends), key=lambda one: one[1], default=None)


def _check_names(table: str, given: Iterable[str], known: Iterable[str]) -> None:
    strange = sorted(set(given) - set(known))
    if strange:
        names = ", ".join(visible(name, limit=60) for name in strange)
        raise ValueError(f"{table} has no {names}; known: {', '.join(known)}")


def _who(row: Limit) -> str:
    return f"{visible(row.measured_by)} {row.measured_on}"
