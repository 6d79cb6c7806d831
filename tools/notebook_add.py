"""Write down what is seen at the present tilt: a zone axis, the azimuth of a g or band, or a pattern nobody indexed."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from eucentric.core.base import Model
from eucentric.core.clock import utc_now
from eucentric.core.errors import BadInput, Unsupported
from eucentric.core.instrument import MicroscopeState
from eucentric.core.units import Unit
from eucentric.knowledge.crystal import Box, parse_indices
from eucentric.knowledge.notebook.entries import ReadingEntry, Seen
from eucentric.knowledge.notebook.fields import ScreenAzimuth, ScreenMode
from eucentric.knowledge.notebook.fromrun import RunReading
from eucentric.tools.base import Context, Tool, free

_PLAIN = r"^[^\x00-\x1f\x7f]*$"
Azimuth = Annotated[float, Field(ge=-360, le=360), Unit("deg")]


class Args(Model):
    """What was seen; where the stage is, is read."""

    index: str = Field("", max_length=40, pattern=_PLAIN)
    """[uvw] or <uvw> (any of the family) on the beam, (hkl) or {hkl} with an azimuth; left out: not indexed."""
    azimuths_deg: tuple[Azimuth, ...] = Field((), max_length=40)
    """Directions on the screen: one of the g or band (hkl), or those of all bands of a pattern nobody indexed."""
    band: bool = Field(False, strict=True)
    """True if the azimuth is that of a band through the centre, not of the reflection."""
    sense_known: bool = Field(False, strict=True)
    """True if it is known which end of the axis points to the gun."""
    sigma_deg: Annotated[float, Field(gt=0, le=20), Unit("deg")] = 0.2
    """Standard deviation of the reading, each direction."""
    grain: str = Field("", max_length=40, pattern=_PLAIN)
    """Which grain or flake; a new name begins one."""
    frame: str = Field("", max_length=60, pattern=r"^[A-Za-z0-9_.:-]*$")
    """The frame it was read from, or 'last'."""
    mode: str = Field("diffraction", min_length=1, max_length=40, pattern=_PLAIN)
    """In which an azimuth was read: diffraction, image, stem."""
    method: str = Field("", max_length=40, pattern=_PLAIN)
    """Kikuchi, CBED, spots, FFT, …"""
    note: str = Field("", max_length=400)
    """Anything else."""

    @field_validator("index")
    @classmethod
    def _is_an_index(cls, text: str) -> str:
        if text.strip():
            try:
                parse_indices(text)
            except BadInput as error:
                raise ValueError(str(error)) from error
        return text.strip()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        plane = bool(self.index) and parse_indices(self.index)[1] == "plane"
        if plane and len(self.azimuths_deg) != 1:
            raise ValueError("a plane (hkl) needs the one azimuth at which it was seen")
        if self.index and not plane and self.azimuths_deg:
            raise ValueError("a zone axis is on the beam and has no azimuth")
        return self


class Result(Model):
    """What was written down; the notebook of this specimen takes it from the ledger."""

    noted: RunReading


def run(args: Args, context: Context) -> Result:
    """Read the tilts and note what was seen. Nothing moves, nothing is exposed."""
    state = context.microscope.state()
    missing = [name for name in ("alpha_deg", "beta_deg") if name not in state.stage]
    if missing:
        raise Unsupported(
            f"this stage reports no {missing[0]}", "a reading is made at two tilts", "write it down by hand"
        )
    return Result(
        noted=RunReading(
            reading=_reading(args, state, context),
            grain=args.grain,
            specimen=context.specimen.name,
            material=context.specimen.material,
            loading=state.loading,
            instrument=state.instrument,
            holder=state.holder,
            limits=_limits(context),
        )
    )


def _reading(args: Args, state: MicroscopeState, context: Context) -> ReadingEntry:
    """The reading itself: the tilts as reported, what was seen there, and in which frame."""
    frame = context.records.frame(args.frame) if args.frame else None
    alpha, beta = state.stage["alpha_deg"], state.stage["beta_deg"]
    return ReadingEntry(
        at=utc_now(),
        by="eucentric",
        note=args.note,
        seen=_seen(args),
        alpha_deg=alpha.reported,
        beta_deg=beta.reported,
        commanded_alpha_deg=alpha.commanded,
        commanded_beta_deg=beta.commanded,
        written=args.index,
        sense="as_given" if args.sense_known else "either",
        sigma_deg=args.sigma_deg,
        azimuths=tuple(ScreenAzimuth(azimuth_deg=a, screen=_screen(args, state)) for a in args.azimuths_deg),
        method=args.method,
        frame=frame.id if frame else "",
        frame_sha256=frame.sha256 if frame else "",
        x_um=_reported(state, "x_um"),
        y_um=_reported(state, "y_um"),
        z_um=_reported(state, "z_um"),
    )


def summary(result: Result) -> str:
    """The line as it stands in the notebook."""
    one = result.noted.reading
    what = one.written or "a pattern nobody indexed"
    at = f" at {one.azimuths[0].azimuth_deg:g}°" if one.written and one.azimuths else ""
    grain = f", grain {result.noted.grain}" if result.noted.grain else ""
    frame = f", frame {one.frame}" if one.frame else ""
    return f"noted {what}{at} at alpha {one.alpha_deg:+.2f}, beta {one.beta_deg:+.2f} deg (as reported){grain}{frame}"


def _seen(args: Args) -> Seen:
    if not args.index:
        return "unindexed"
    if parse_indices(args.index)[1] == "direction":
        return "axis"
    return "band" if args.band else "g"


def _screen(args: Args, state: MicroscopeState) -> ScreenMode:
    length = state.optics.get("camera_length_mm") if args.mode.casefold() == "diffraction" else None
    return ScreenMode(
        mode=args.mode,
        camera_length_mm=length or None,
        high_tension_kv=state.optics.get("voltage_kv") or None,
    )


def _reported(state: MicroscopeState, name: str) -> float | None:
    axis = state.stage.get(name)
    return None if axis is None else axis.reported


def _limits(context: Context) -> Box | None:
    from eucentric.core.units import STAGE

    able = context.microscope.capabilities()
    spans = []
    for field in ("alpha_deg", "beta_deg"):
        axis = able.axis(STAGE[field].si)
        if axis is None or not axis.steerable:
            return None
        spans.append((axis.lower / STAGE[field].factor, axis.upper / STAGE[field].factor))
    return Box(alpha=spans[0], beta=spans[1])


TOOL: Tool[Args, Result] = Tool(
    "notebook_add",
    "Write into the specimen's notebook what is seen at the present tilt: a zone axis on the beam, the azimuth of a g "
    "or band, or a pattern that is not indexed, with the frame it was read from. Moves nothing, exposes nothing.",
    "read",
    Args,
    Result,
    run,
    free,
    summary,
)
