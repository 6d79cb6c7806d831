"""Stage presets: how badly a stage moves. Values of the reference note, §3.1, all settable."""

from pydantic import Field

from eucentric.core.base import Model


class StagePreset(Model):
    """Errors of one kind of stage. They are assumed values, bracketed by published constants, not fitted."""

    backlash_nm: float = Field(0.0, ge=0)
    jitter_nm: float = Field(0.0, ge=0)
    """One sigma of each move of more than 1 nm."""
    scale: float = Field(0.0, ge=0)
    """One sigma over stages."""
    cross_axis: float = Field(0.0, ge=0)
    """The same, of a rotation; half as much of each axis alone."""
    matrix: tuple[tuple[float, float], tuple[float, float]] | None = None
    """True displacement in x, y for a commanded one, of a stage that was measured; else drawn with the two above."""
    thermal_nm_per_s: float = Field(0.0, ge=0)
    settle_nm: float = Field(0.0, ge=0)
    settle_s: float = Field(1.0, gt=0)
    miss: float = Field(0.0, ge=0, le=1)
    """Chance that a move does not happen though the controller says it did."""
    readback_nm: float = Field(0.0, ge=0)
    """Quantum of the reported position."""
    screw_period_um: float = Field(20.0, gt=0)
    screw_nm: float = Field(0.0, ge=0)
    speed_um_per_s: float = Field(30.0, gt=0)
    overhead_s: float = Field(0.5, ge=0)
    travel_um: float = Field(1000.0, gt=0)
    z_travel_um: float = Field(300.0, gt=0)
    tilt_jitter_deg: float = Field(0.0, ge=0)
    alpha_backlash_deg: float = Field(0.0, ge=0)
    beta_backlash_deg: float = Field(0.0, ge=0)
    tilt_readback_deg: float = Field(0.0, ge=0)
    tilt_speed_deg_per_s: float = Field(5.0, gt=0)
    tilt_drift_nm_per_deg: float = Field(0.0, ge=0)
    """How far the specimen still wanders after a tilt of a degree or more, in all, per degree tilted."""
    insertion_drift_nm: float = Field(0.0, ge=0)
    """The same after a detector was driven in or out."""
    transient_s: float = Field(60.0, gt=0)
    """Time constant of both."""


PRESETS: dict[str, StagePreset] = {
    "ideal": StagePreset(),
    "good": StagePreset(
        backlash_nm=250, jitter_nm=40, scale=0.002, cross_axis=0.004, thermal_nm_per_s=0.008, settle_nm=25,
        settle_s=8, miss=0.002, readback_nm=10, screw_nm=60, overhead_s=1.0, tilt_jitter_deg=0.002,
        tilt_readback_deg=0.01, alpha_backlash_deg=0.05, beta_backlash_deg=0.2, tilt_drift_nm_per_deg=0.4,
        insertion_drift_nm=5.0, transient_s=60,
    ),
    "worn": StagePreset(
        backlash_nm=1500, jitter_nm=180, scale=0.006, cross_axis=0.02, thermal_nm_per_s=0.05, settle_nm=80,
        settle_s=20, miss=0.02, readback_nm=100, screw_nm=200, overhead_s=1.5, tilt_jitter_deg=0.01,
        tilt_readback_deg=0.05, alpha_backlash_deg=0.05, beta_backlash_deg=0.5, tilt_drift_nm_per_deg=0.8,
        insertion_drift_nm=20.0, transient_s=120,
    ),
    "piezo": StagePreset(
        jitter_nm=2, scale=0.001, cross_axis=0.003, thermal_nm_per_s=0.008, settle_nm=1.5, settle_s=6,
        readback_nm=0.1, speed_um_per_s=2, overhead_s=0.4, travel_um=2, z_travel_um=2,
    ),
}  # fmt: skip
"""The names a query may use. The figures of tilts and transients are assumed."""
