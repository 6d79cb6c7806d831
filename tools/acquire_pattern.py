"""Record a diffraction pattern, or a small raster of them."""

from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import Unsupported
from eucentric.core.instrument import Frame, PatternShot
from eucentric.core.units import Unit
from eucentric.instruments.capabilities import Capabilities
from eucentric.instruments.port import Diffracts
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import FovNm, frames_cost, pattern_scan


class Args(Model):
    """One pattern with the beam at the middle of the field, or a raster."""

    exposure_ms: Annotated[float, Field(ge=0.1, le=10_000), Unit("ms")] = 50.0
    """Of each pattern [ms]."""
    size_px: int = Field(256, ge=32, le=4096, strict=True)
    """Rows and columns of each, binned if the camera has more [px]."""
    grid_px: int = Field(1, ge=1, le=64, strict=True)
    """Patterns along each edge of a square raster (4D-STEM); 1: one pattern [1]."""
    fov_nm: FovNm | None = None
    """Width of the raster [nm]; left out: the field as it is set now. One pattern needs none."""
    camera: str = Field("camera", min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.-]+$")
    """Name of the camera."""

    def shot(self, present_fov_nm: float) -> PatternShot:
        """What these arguments mean."""
        return PatternShot(
            detector=self.camera,
            size_px=self.size_px,
            exposure_ms=self.exposure_ms,
            grid_px=self.grid_px,
            fov_nm=(self.fov_nm or present_fov_nm) if self.grid_px > 1 else None,
        )


class Result(Model):
    """The recorded frame; patterns of a raster lie side by side in its array."""

    frame: str
    """Id of the frame."""
    recorded: Frame


def run(args: Args, context: Context) -> Result:
    """Expose; the beam is blanked before and after.

    Raises
    ------
    Unsupported
        There is no such camera here. Nothing was exposed.
    """
    microscope = context.microscope
    _check_camera(args.camera, microscope.capabilities())
    if not isinstance(microscope, Diffracts):
        raise Unsupported("this microscope records no diffraction patterns", "nothing was exposed")
    frame = microscope.acquire_diffraction(args.shot(microscope.state().optics["fov_nm"]))
    return Result(frame=frame.id, recorded=frame)


def _check_camera(name: str, capabilities: Capabilities) -> None:
    if capabilities.camera(name) is None:
        known = ", ".join(one.name for one in capabilities.detectors if one.patterns) or "none"
        raise Unsupported(
            f"no camera {name!r}", "nothing was exposed", f"cameras of this instrument: {known}"
        )


def cost(args: Args, setting: Setting) -> Cost:
    """All patterns, under the probe."""
    return frames_cost(pattern_scan(args.shot(setting.state.optics["fov_nm"]), setting.state), setting)


def summary(result: Result) -> str:
    """Id, size, scale and dose."""
    frame = result.recorded
    rows, columns = frame.grid or (1, 1)
    scale = (
        "no calibrated camera length" if frame.pixel_mrad is None else f"{frame.pixel_mrad:.3g} mrad a pixel"
    )
    many = f"{rows}×{columns} patterns of " if rows * columns > 1 else "pattern of "
    size = f"{frame.shape[1] // columns}×{frame.shape[0] // rows}"
    return f"frame {frame.id}  {many}{size}, {scale}, ≤ {frame.dose_e_per_a2 or 0:.3g} e/Å² under the probe"


TOOL: Tool[Args, Result] = Tool(
    "acquire_pattern",
    "Record a diffraction pattern here with a camera, or a small raster of them (4D-STEM). The beam stands still for "
    "each: high dose under the probe. Read it with index_diffraction. The beam is blanked before and after.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
)
