"""Take an image once more that could not be counted: on a fresh area beside the first, refocused if that was why.

The first area has had its dose. The new one lies beside it by beam shift, clear of it and of where focus was looked
for; the stage is not moved. The beam shift is put back afterwards, the focus that was found stays.
"""

import math
from typing import Annotated, Final, Literal

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.calls import Cost
from eucentric.core.errors import LimitRefused
from eucentric.core.instrument import Frame, OpticsChange
from eucentric.core.units import OPTICS, Unit
from eucentric.instruments.capabilities import Capabilities
from eucentric.tools import acquire_image, acquire_series, autofocus
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.scanning import ScanArgs, frames_cost

_FARTHEST_NM: Final = 2000.0
"""A fresh area farther away than this is another place."""
Why = Literal["refocus", "more_dose", "shorter_dwell"]


DETAIL = Field(None, json_schema_extra={"detail": True})


class Args(ScanArgs):
    """The image as it was, and what is to be different."""

    why: Why = "refocus"
    """refocus: find focus first. more_dose, shorter_dwell: frames and dwell are given as they shall be."""
    detector: str = Field("haadf", min_length=1, max_length=40, json_schema_extra={"detail": True})
    """One detector."""
    frames: int = Field(1, ge=1, le=200, strict=True)
    """Frames that are added up; 1 for a single image."""
    stop_at_e_per_a2: (
        Annotated[float, Field(gt=0, le=1e9, json_schema_extra={"detail": True}), Unit("e/angstrom^2")] | None
    ) = None
    """As for acquire_series [e/Å²]."""
    aside_nm: Annotated[float, Field(ge=0, le=2000, json_schema_extra={"detail": True}), Unit("nm")] = 0.0
    """How far beside the first area [nm]; 0: clear of it."""
    focus_beside_nm: Annotated[
        float, Field(ge=-2000, le=2000, json_schema_extra={"detail": True}), Unit("nm")
    ] = 0.0
    """Where to focus, from the new area [nm]; 0: clear of it."""


class Result(Model):
    """The new image."""

    frame: str
    """Its id; empty if there was no focus to be found, and nothing was taken."""
    total: Frame | None
    found: bool
    """False: no focus was found."""
    focus_change_nm: float | None
    aside_nm: float
    note: str = ""


def run(args: Args, context: Context) -> Result:
    """Shift the beam, refocus if asked, take the image, put the shift back.

    Raises
    ------
    LimitRefused
        If the beam shift does not reach a fresh area; nothing was exposed.
    """
    microscope = context.microscope
    state, able = microscope.state(), microscope.capabilities()
    fov = args.fov_nm or state.optics["fov_nm"]
    aside = args.aside_nm or _clear(able, fov)
    beside = args.focus_beside_nm or _clear(able, fov)
    if args.why == "refocus" and beside > _FARTHEST_NM:
        raise LimitRefused(
            f"no place to focus on within {_FARTHEST_NM:.0f} nm",
            f"a field of {fov:.0f} nm leaves none, nothing was exposed",
            "a smaller field",
        )
    before = state.optics.get("beam_shift_y_nm", 0.0)
    microscope.set_optics(OpticsChange(beam_shift_y_nm=_beside(before, aside, able)))
    try:
        return _taken(args, context, beside, aside)
    finally:
        microscope.set_optics(OpticsChange(beam_shift_y_nm=before))


def _clear(able: Capabilities, fov_nm: float) -> float:
    """Far enough that neither drift nor creep brings two fields together [nm]."""
    return 10.0 * math.ceil(max(autofocus.clear_nm(able, fov_nm), 1.5 * fov_nm) / 10)


def _beside(before_nm: float, aside_nm: float, able: Capabilities) -> float:
    """The shift to a fresh area, to whichever side the beam can be shifted."""
    spec = able.optic("beam_shift_y")
    unit = OPTICS["beam_shift_y_nm"].factor
    for target in (before_nm + aside_nm, before_nm - aside_nm):
        if spec is not None and aside_nm <= _FARTHEST_NM and spec.lower / unit <= target <= spec.upper / unit:
            return target
    raise LimitRefused(
        f"no fresh area {aside_nm:.0f} nm beside this one",
        "the beam shift does not reach it, nothing was exposed",
        "another place",
    )


def _taken(args: Args, context: Context, beside_nm: float, aside_nm: float) -> Result:
    focus = None
    if args.why == "refocus":
        focus = autofocus.run(autofocus.Args(beside_nm=beside_nm), context)
        if not focus.found:
            return Result(
                frame="", total=None, found=False, focus_change_nm=None, aside_nm=aside_nm, note=focus.note
            )
    total = _image(args, context)
    change = focus.change_nm if focus else None
    return Result(frame=total.id, total=total, found=True, focus_change_nm=change, aside_nm=aside_nm)


def _image(args: Args, context: Context) -> Frame:
    scan = {name: getattr(args, name) for name in ScanArgs.model_fields}
    if args.frames == 1:
        return acquire_image.run(acquire_image.Args(detectors=(args.detector,), **scan), context).frames[0]
    series = acquire_series.Args(
        frames=args.frames, detector=args.detector, stop_at_e_per_a2=args.stop_at_e_per_a2, **scan
    )
    return acquire_series.run(series, context).total


def cost(args: Args, setting: Setting) -> Cost:
    """The image on its fresh area, with the sweeps of a search for focus before it."""
    scan = args.scan(setting.state.optics["fov_nm"], (args.detector,), 2.0 if args.frames == 1 else 0.5)
    image = frames_cost(scan, setting, args.frames, beside=True)
    if args.why != "refocus":
        return image
    beside = args.focus_beside_nm or min(_clear(setting.capabilities, scan.fov_nm), _FARTHEST_NM)
    focus = autofocus.cost(autofocus.Args(beside_nm=beside), setting)
    return Cost(
        seconds=focus.seconds + image.seconds, mean_dose_e_per_a2=focus.mean_dose_e_per_a2,
        dose_e_per_a2=focus.dose_e_per_a2,
        elsewhere_e_per_a2=max(focus.elsewhere_e_per_a2, image.elsewhere_e_per_a2),
        electrons=focus.electrons + image.electrons, frames=focus.frames + image.frames,
        megabytes=focus.megabytes + image.megabytes,
    )  # fmt: skip


def summary(result: Result) -> str:
    """What was taken, where, and at which focus."""
    if not result.found or result.total is None:
        return f"not taken again: focus NOT found ({result.note})"
    focus = "" if result.focus_change_nm is None else f", focus {result.focus_change_nm:+.1f} nm"
    return (
        f"frame {result.frame}  taken again {result.aside_nm:.0f} nm beside{focus}, "
        f"{result.total.mean_dose_e_per_a2 or 0:.3g} e/Å² mean"
    )


TOOL: Tool[Args, Result] = Tool(
    "retake_image",
    "Take an image once more that could not be counted, on a fresh area beside the first by beam shift: refocused "
    "(why: refocus), with more frames (more_dose) or a shorter dwell (shorter_dwell), as the advice of detect_defects "
    "says. Costs the dose of the image on the fresh area, and that of a search for focus beside it. The stage stays.",
    "expose",
    Args,
    Result,
    run,
    cost,
    summary,
)
