"""Record one scanned image."""

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.instrument import Frame
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import ScanArgs, frames_cost


class Args(ScanArgs):
    """One image on one or more detectors at once."""

    detectors: tuple[str, ...] = Field(("haadf",), min_length=1, max_length=4)
    """Detectors recorded at the same time, such as haadf and bf."""


class Result(Model):
    """The frames, one per detector."""

    frame: str
    """Id of the first detector's frame."""
    frames: tuple[Frame, ...]


def run(args: Args, context: Context) -> Result:
    """Expose once; the beam is blanked before and after."""
    scan = args.scan(context.microscope.state().optics["fov_nm"], args.detectors)
    frames = context.microscope.acquire(scan)
    return Result(frame=frames[0].id, frames=frames)


def cost(args: Args, setting: Setting) -> Cost:
    """One frame."""
    return frames_cost(args.scan(setting.state.optics["fov_nm"], args.detectors), setting)


def summary(result: Result) -> str:
    """Id, size and dose."""
    frame = result.frames[0]
    fov_nm = (frame.pixel_pm or 0) * frame.shape[1] / 1e3
    return (
        f"frame {frame.id}  {frame.detector.upper()} {frame.shape[1]}×{frame.shape[0]}, {fov_nm:g} nm, "
        f"{frame.mean_dose_e_per_a2 or 0:.3g} e/Å² mean, ≤ {frame.dose_e_per_a2 or 0:.3g} at any atom"
    )


TOOL: Tool[Args, Result] = Tool(
    "acquire_image",
    "Record one scanned image here (haadf and/or bf). Costs dose. The beam is blanked before and after.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
)
