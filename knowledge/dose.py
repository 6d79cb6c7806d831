"""Dose arithmetic for scanned images. One formula for calculator, preview, budget and report.

The mean dose of a well-sampled scan is I·t/(e·p²). Where the pixel is larger than the probe the
electrons land on the probe's own area, so an overview is *not* dose-free where the probe lands:
the bound at any atom is the larger of the two. Flyback exposes the ends of the lines; it is charged
as if spread over the frame.
"""

from eucentric.core.base import Model
from eucentric.core.units import ELECTRON_C
from eucentric.knowledge.electron_optics import probe_area_a2


class ScanDose(Model):
    """What one frame costs the specimen."""

    electrons_per_pixel: float
    mean_e_per_a2: float
    """Over the frame, flyback not included [e/Å²]."""
    bound_e_per_a2: float
    """Upper bound at any atom in the frame [e/Å²]."""
    rate_e_per_a2_s: float
    """Peak dose rate under the probe [e/Å² s]."""


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
) -> ScanDose:
    """Dose of one frame with `columns` pixels a line and `flyback_us` of beam-on time between lines."""
    per_pixel = electrons(current_pa, dwell_us * 1e-6)
    pixel_a2 = (pixel_nm * 10) ** 2
    probe_a2 = probe_area_a2(voltage_kv, convergence_mrad)
    mean = per_pixel / pixel_a2
    overhead = 1 + flyback_us / (columns * dwell_us)
    return ScanDose(
        electrons_per_pixel=per_pixel,
        mean_e_per_a2=mean,
        bound_e_per_a2=max(mean * overhead, per_pixel / probe_a2 if probe_a2 < pixel_a2 else 0.0)
        * (1 + CURRENT_ERROR),
        rate_e_per_a2_s=electrons(current_pa, 1.0) / probe_a2,
    )


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
