"""What every exposing tool shares: the arguments of a scan, and the arithmetic of its cost."""

import math
from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import Unsupported
from eucentric.core.instrument import MicroscopeState, PatternShot, Scan
from eucentric.core.units import Unit
from eucentric.instruments.capabilities import Capabilities
from eucentric.knowledge.dose import ScanDose, Unsteady, frame_seconds, scan_dose
from eucentric.knowledge.electron_optics import probe_area_a2
from eucentric.tools.base import Setting

Pixels = Annotated[int, Field(ge=16, le=4096, strict=True)]
FovNm = Annotated[float, Field(ge=0.5, le=100_000), Unit("nm")]
DwellUs = Annotated[float, Field(ge=0.1, le=10_000), Unit("us")]


class ScanArgs(Model):
    """Arguments of a scanned frame; what is left out is the present setting or the disclosed default."""

    width_px: Pixels = 512
    """Columns of the image [px]."""
    height_px: Pixels = 512
    """Rows of the image [px]."""
    fov_nm: FovNm | None = None
    """Width of the field of view [nm]; left out: as it is set now."""
    dwell_us: DwellUs | None = None
    """Time on each pixel [µs]; left out: 2 µs."""

    def scan(self, present_fov_nm: float, detectors: tuple[str, ...], default_dwell_us: float = 2.0) -> Scan:
        """The scan these arguments mean."""
        return Scan(
            detectors=detectors,
            width_px=self.width_px,
            height_px=self.height_px,
            fov_nm=self.fov_nm or present_fov_nm,
            dwell_us=self.dwell_us or default_dwell_us,
        )


def pattern_scan(shot: PatternShot, state: MicroscopeState) -> Scan:
    """The scan that a pattern is: a raster of one pixel, as wide as the probe, unless it is a larger one.

    Raises
    ------
    Unsupported
        The instrument does not report what the probe's size is computed from.
    """
    return Scan(
        detectors=(shot.detector,),
        width_px=shot.grid_px,
        height_px=shot.grid_px,
        fov_nm=shot.fov_nm if shot.grid_px > 1 and shot.fov_nm else _probe_nm(state),
        dwell_us=shot.exposure_ms * 1e3,
        purpose="diffraction",
        pattern_px=shot.size_px,
    )


def _probe_nm(state: MicroscopeState) -> float:
    missing = [name for name in ("voltage_kv", "convergence_mrad") if name not in state.optics]
    if missing:
        raise Unsupported(
            f"the dose of a pattern can't be predicted: this instrument does not report {', '.join(missing)}",
            "nothing was exposed",
            "its driver must report them",
        )
    area_a2 = probe_area_a2(state.optics["voltage_kv"], state.optics["convergence_mrad"])
    return round(0.1 * math.sqrt(area_a2), 4)


def predicted_dose(scan: Scan, setting: Setting) -> ScanDose:
    """Dose of one frame at the settings of that point of the plan."""
    optics = setting.state.optics
    return scan_dose(
        current_pa=optics["probe_current_pa"],
        dwell_us=scan.dwell_us,
        pixel_nm=scan.pixel_nm,
        columns=scan.width_px,
        voltage_kv=optics["voltage_kv"],
        convergence_mrad=optics["convergence_mrad"],
        flyback_us=setting.capabilities.line_flyback_s * 1e6,
        rows=scan.height_px,
        unsteady=unsteady(setting.capabilities, setting.settled_s),
    )


def unsteady(capabilities: Capabilities, settled_s: float | None) -> Unsteady:
    """How a scan may differ from a steady raster on a stage that has stood for `settled_s` (None: for long)."""
    errors = capabilities.position_errors
    creep = (
        0.0 if settled_s is None else errors.creep_m / errors.creep_s * math.exp(-settled_s / errors.creep_s)
    )
    return Unsteady(
        drift_nm_per_s=(errors.drift_m_per_s + creep) * 1e9, parked_us=capabilities.parked_s * 1e6
    )


_LEFT_M = 15e-9
"""Creep that a settled stage may still have before it [m]."""
_SETTLES_S = (12.0, 120.0)
"""Shortest and longest wait for it [s]."""


def settling_s(capabilities: Capabilities) -> float:
    """How long after a move to wait until little of the stage's creep is left [s]."""
    errors = capabilities.position_errors
    needed = errors.creep_s * math.log(max(errors.creep_m / _LEFT_M, 1.0))
    return min(max(needed, _SETTLES_S[0]), _SETTLES_S[1])


def predicted_seconds(scan: Scan, setting: Setting) -> float:
    """Time of one frame [s]."""
    return frame_seconds(
        rows=scan.height_px,
        columns=scan.width_px,
        dwell_us=scan.dwell_us,
        flyback_us=setting.capabilities.line_flyback_s * 1e6,
        overhead_s=setting.capabilities.frame_overhead_s,
    )


def frames_cost(scan: Scan, setting: Setting, frames: int = 1, *, beside: bool = False) -> Cost:
    """Cost of `frames` equal frames at one place (`beside`: a place next to the target)."""
    dose = predicted_dose(scan, setting)
    bound = dose.bound_e_per_a2 * frames
    return Cost(
        seconds=predicted_seconds(scan, setting) * frames,
        mean_dose_e_per_a2=dose.mean_e_per_a2 * frames,
        dose_e_per_a2=0.0 if beside else bound,
        elsewhere_e_per_a2=bound if beside else 0.0,
        electrons=dose.electrons * frames,
        frames=frames * len(scan.detectors),
        megabytes=scan.width_px
        * scan.height_px
        * 4e-6
        * frames
        * len(scan.detectors)
        * max(scan.pattern_px, 1) ** 2,
    )


def move_seconds(setting: Setting, distance_um: float) -> float:
    """Declared time of a stage move in x or y [s]."""
    axis = setting.capabilities.axis("x")
    return axis.overhead_s + distance_um * 1e-6 / axis.speed if axis else 0.0
