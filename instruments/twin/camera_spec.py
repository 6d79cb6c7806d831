"""A camera declared as data."""

from pydantic import Field

from eucentric.core.base import Model


class CameraModel(Model):
    """A pixelated detector in the diffraction plane; it counts single electrons with gain and offset."""

    max_px: int = Field(512, ge=32, le=4096)
    """Pixels along each edge; fewer are binned."""
    width_mrad: float = Field(77.0, gt=0)
    """Angle of the whole edge at the declared camera length; other lengths scale it."""
    azimuth_deg: float = 0.0
    """From the direction of columns, toward rows, to the stage's x axis: true, and for a calibration to find."""
    mirrored: bool = False
    spread_px: float = Field(1.0, gt=0.2, le=10)
    """Point spread, one sigma, unbinned."""
    counts_per_electron: float = Field(1.0, gt=0)
    read_noise_counts: float = Field(0.3, ge=0)
    saturation_counts: float = Field(1e6, gt=0)
    min_exposure_ms: float = Field(1.0, gt=0)
    max_exposure_s: float = Field(10.0, gt=0)
    max_patterns: int = Field(1024, ge=1, le=4096)
    """Of one scan."""
