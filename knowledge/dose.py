"""Dose arithmetic for scanned images. One formula for calculator, preview, budget and report.

The mean dose of a well-sampled scan is I·t/(e·p²). Where the pixel is larger than the probe the
electrons land on the probe's own area, so an overview is *not* dose-free where the probe lands:
the bound at any atom is the larger of the two. Flyback is a sweep back along the line just scanned.
"""

import math

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.units import ELECTRON_C
from eucentric.knowledge.electron_optics import probe_area_a2


class ScanDose(Model):
    """What one frame costs the specimen."""

    electrons_per_pixel: float
    mean_e_per_a2: float
    """Over the frame, flyback not included: what the image is made of [e/Å²]."""
    estimate_e_per_a2: float = 0.0
    """Over the frame, flyback and parked time included: the best estimate of the dose [e/Å²]."""
    bound_e_per_a2: float
    """Upper bound at any atom in the frame [e/Å²]."""
    rate_e_per_a2_s: float
    """Peak dose rate under the probe [e/Å² s]."""
    electrons: float = 0.0
    """All that the frame puts on the specimen, at most."""


class Unsteady(Model):
    """What a scan does besides a steady raster: a stage that moves under it, a beam that stands still."""

    drift_nm_per_s: float = Field(0.0, ge=0)
    """Fastest that the specimen may move. Along the slow direction it presses lines together."""
    parked_us: float = Field(0.0, ge=0)
    """How long the beam stands on the first pixel, and as long on the last."""


STEADY = Unsteady()


class PlaceExposure(Model):
    """One exposure that touched a place, or may have."""

    run: str
    event: int
    """Row of the ledger that announced it."""
    utc: str
    frames: tuple[str, ...]
    """Empty if no frame was kept."""
    purpose: str
    bound_e_per_a2: float
    estimate_e_per_a2: float
    by_readings: bool
    """True if it covers the place by the readings; else only errors of the stage can have brought it there."""


class PlaceDose(Model):
    """What dose a spot has had."""

    x_um: float
    y_um: float
    bound_e_per_a2: float
    """Upper bound at any atom there, wherever stage errors may have put the exposures."""
    estimate_e_per_a2: float
    """Best estimate of the mean dose: readings and images taken as they are."""
    budget_e_per_a2: float | None
    exposures: tuple[PlaceExposure, ...]

    @property
    def left_e_per_a2(self) -> float | None:
        """What is left of the budget."""
        return None if self.budget_e_per_a2 is None else max(0.0, self.budget_e_per_a2 - self.bound_e_per_a2)


CURRENT_ERROR = 0.03
"""Relative error of a probe current reading taken as the upper bound (assumed until measured)."""


def electrons(current_pa: float, seconds: float) -> float:
    """Electrons that a current delivers."""
    return current_pa * 1e-12 * seconds / ELECTRON_C


def scan_dose(
    *,
    current_pa: float,
    dwell_us: float,
    pixel_nm: float,
    columns: int,
    voltage_kv: float,
    convergence_mrad: float,
    flyback_us: float = 0.0,
    rows: int | None = None,
    unsteady: Unsteady = STEADY,
) -> ScanDose:
    """Dose of one frame with `columns` pixels a line and `flyback_us` of beam-on time between lines.

    The probe is taken as a Gaussian of the area `probe_area_a2`. A raster of pitch p then has the peak density
    N·C(p)² with C(p) = Σ exp(-(np)²/2σ²) / (√(2π) σ): 1/p where pixels are finer than the probe, 1/(√(2π) σ) where
    they are coarser. Where the specimen may drift along with the lines, their pitch shrinks by 1 - v/u, u being the
    speed of the scan from line to line.

    Parameters
    ----------
    rows
        Lines; left out: as many as columns.
    """
    lines = rows or columns
    per_pixel = electrons(current_pa, dwell_us * 1e-6)
    pixel_a, probe_a2 = pixel_nm * 10, probe_area_a2(voltage_kv, convergence_mrad)
    mean, flyback = per_pixel / pixel_a**2, electrons(current_pa, flyback_us * 1e-6)
    parked = electrons(current_pa, unsteady.parked_us * 1e-6)
    line_s = (columns * dwell_us + flyback_us) * 1e-6
    pressed_a = pixel_a * max(0.0, 1 - unsteady.drift_nm_per_s * line_s / pixel_nm)
    across = _comb(pressed_a, probe_a2, lines)
    peak = per_pixel * _comb(pixel_a, probe_a2, columns) * across + flyback / (columns * pixel_a) * across
    total = lines * (columns * per_pixel + flyback) + 2 * parked
    return ScanDose(
        electrons_per_pixel=per_pixel,
        mean_e_per_a2=mean,
        estimate_e_per_a2=total / (lines * columns * pixel_a**2),
        bound_e_per_a2=(peak + parked / probe_a2) * (1 + CURRENT_ERROR),
        rate_e_per_a2_s=electrons(current_pa, 1.0) / probe_a2,
        electrons=total * (1 + CURRENT_ERROR),
    )


def _comb(pitch_a: float, probe_a2: float, count: int) -> float:
    """Peak of `count` Gaussian lines in a row, each of area 1, `pitch_a` apart [1/Å]."""
    alone = 1 / math.sqrt(probe_a2)  # 1 / (sqrt(2π) σ)
    if pitch_a <= 0:
        return count * alone
    if pitch_a**2 < probe_a2 / 4:  # the sum is an integral to 1e-5
        return min(1 / pitch_a, count * alone)
    terms = (math.exp(-math.pi * (n * pitch_a) ** 2 / probe_a2) for n in range(1, 12))
    return min(count, 1 + 2 * sum(terms)) * alone


def frame_seconds(
    *, rows: int, columns: int, dwell_us: float, flyback_us: float = 0.0, overhead_s: float = 0.0
) -> float:
    """Time of one frame [s]."""
    return rows * (columns * dwell_us + flyback_us) * 1e-6 + overhead_s


def counts_per_column(dose_e_per_a2: float, cross_section_a2: float) -> float:
    """Detected electrons that one atom column adds to an image."""
    return dose_e_per_a2 * cross_section_a2


def dwell_for_dose_us(dose_e_per_a2: float, current_pa: float, pixel_nm: float) -> float:
    """Dwell time that gives a mean dose [µs]."""
    return dose_e_per_a2 * (pixel_nm * 10) ** 2 / electrons(current_pa, 1e-6)
