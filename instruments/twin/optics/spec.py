"""Lenses, scan unit and detectors declared as data. Nothing here is drawn from the seed."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from eucentric.core.base import Model

Positive = Annotated[float, Field(gt=0)]
Knob = Literal["a1", "b2", "a2"]
"""An aberration with a stigmator or a corrector of its own."""


class AberrationSizes(Model):
    """One size for each aberration, without its direction."""

    c1_nm: float = Field(0.0, ge=0)
    a1_nm: float = Field(0.0, ge=0)
    b2_nm: float = Field(0.0, ge=0)
    a2_nm: float = Field(0.0, ge=0)


class WanderSpec(AberrationSizes):
    """How far the lenses wander without anybody touching them: one sigma, and how slowly."""

    time_s: float = Field(900.0, gt=0)
    """Between two independent states."""


class ShiftSpec(Model):
    """Aberrations that a beam shift brings, along and across its direction (Haider et al. 1998: off-axis)."""

    a1_nm_per_um: float = Field(0.0, ge=0)
    b2_nm_per_um: float = Field(0.0, ge=0)


class OpticsSpec(Model):
    """The column, aberrations included. A size that is not known to anybody is drawn from the seed."""

    voltage_kv: float = Field(60.0, gt=0)
    convergence_mrad: float = Field(30.0, gt=0)
    convergences_mrad: tuple[Positive, ...] = ()
    """Condenser apertures that can be chosen; empty: the one above."""
    probe_current_pa: float = Field(30.0, gt=0)
    currents_pa: tuple[Positive, ...] = ()
    """Currents that can be chosen; empty: any."""
    source_fwhm_angstrom: float = Field(0.8, ge=0)
    source_follows_current: bool = False
    """At one brightness the source image grows with the root of the current, over the convergence."""
    thermal_rms_angstrom: float = Field(0.075, ge=0)
    atom_rms_angstrom: float = Field(0.09, ge=0)
    """Width of the scattering potential; brings the lattice contrast to that of multislice Ti3C2O2."""
    c3_um: float = 0.0
    """Spherical aberration, known."""
    c5_mm: float = 0.0
    """Of fifth order, known."""
    residual: AberrationSizes = AberrationSizes()
    """What the last tuning left: one sigma of each, drawn from the seed."""
    wander: WanderSpec = WanderSpec()
    detune: AberrationSizes = AberrationSizes()
    """By which each other current or aperture is off: one sigma, drawn from the seed, the same at each choice."""
    shift: ShiftSpec = ShiftSpec()
    knobs: tuple[Knob, ...] = ("a1",)
    """Aberrations that can be set."""
    camera_length_mm: float = Field(98.0, gt=0)
    """At which the detectors have the collection angles that are declared."""
    camera_lengths_mm: tuple[float, float] = (20.0, 400.0)
    """Range that the projector lenses allow."""

    @model_validator(mode="after")
    def _among(self) -> "OpticsSpec":
        for name, value, choices in (
            ("convergence_mrad", self.convergence_mrad, self.convergences_mrad),
            ("probe_current_pa", self.probe_current_pa, self.currents_pa),
        ):
            if choices and value not in choices:
                raise ValueError(f"{name} {value:g} is none of {', '.join(f'{one:g}' for one in choices)}")
        return self


class ScanUnitSpec(Model):
    """What moves the probe over the specimen, and how far it goes wrong."""

    min_dwell_us: float = Field(0.1, gt=0)
    flyback_us: float = Field(20.0, ge=0)
    overhead_ms: float = Field(10.0, ge=0)
    """Before each frame."""
    scale_x: float = Field(1.0, gt=0.5, lt=2)
    """True width of a field over the declared one."""
    scale_y: float = Field(1.0, gt=0.5, lt=2)
    rotation_deg: float = Field(0.0, gt=-45, lt=45)
    """Of the scan against the stage, from +x to +y."""
    skew_deg: float = Field(0.0, gt=-45, lt=45)
    """By which the slow direction leans over to +x."""
    jitter_pm: float = Field(0.0, ge=0)
    """One sigma of each line's place, along and across."""
    jitter_px: float = Field(0.0, ge=0)
    """The same as a part of a pixel: noise of the scan amplifiers, which grows with the field."""
    hum_pm: float = Field(0.0, ge=0)
    """Amplitude of a stray field along the lines, unless the scan is synchronised with it."""
    hum_hz: float = Field(50.0, gt=0)
    lag_share: float = Field(0.0, ge=0, lt=0.1)
    """Part of the field by which the probe is late at the start of a line: it has not come back yet."""
    lag_us: float = Field(20.0, gt=0)
    """Time in which that falls to 1/e."""


class DetectorModel(Model):
    """A scanned detector."""

    kind: Literal["annular", "bright_field"]
    collection_mrad: tuple[float, float]
    counts_per_electron: float = Field(1.0, gt=0)
    offset_counts: float = 0.0
    read_noise_counts: float = Field(0.3, ge=0)
    saturation_counts: float = 65_535.0
    digital: bool = False
    """Whole numbers from 0 on, as a converter puts them out; else calibrated floats."""
    pulse_spread: float = Field(0.0, ge=0, le=3)
    """Relative standard deviation of what one electron gives."""
    response_us: float = Field(0.0, ge=0)
    """Time constant of scintillator and amplifier: a shorter dwell smears along the line."""
    afterglow: float = Field(0.0, ge=0, lt=0.5)
    """Part of the signal that comes later."""
    afterglow_us: float = Field(50.0, gt=0)
    """How much later: time constant."""
    loss_ratio: float = Field(10.0, ge=0)
    """Bright field only: what leaves the bright disc, as a multiple of what reaches 60-140 mrad (assumed)."""
    retractable: bool = False
    inserted: bool = True
    """Where a retractable detector is when the instrument is handed over."""
    insert_s: float = Field(4.0, ge=0)
    """Time to drive it in or out [s]."""

    @model_validator(mode="after")
    def _fits(self) -> "DetectorModel":
        inner, outer = self.collection_mrad
        if not 0 <= inner < outer:
            raise ValueError("collection_mrad needs 0 <= inner < outer")
        if not (self.inserted or self.retractable):
            raise ValueError("only a retractable detector can be out")
        return self


HAADF = DetectorModel(kind="annular", collection_mrad=(60, 140))
BRIGHT_FIELD = DetectorModel(kind="bright_field", collection_mrad=(0, 15), retractable=True)
DETECTORS = {"haadf": HAADF, "bf": BRIGHT_FIELD}
"""Of a world that declares none."""
