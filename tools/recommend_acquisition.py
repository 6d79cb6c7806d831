"""Which acquisition a wanted recall or precision takes, from a frame's own limits or from physics."""

from typing import Annotated

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput, Unsupported
from eucentric.core.instrument import MicroscopeState
from eucentric.core.units import Unit
from eucentric.knowledge.detection import LEAST_RECALL, MOST_RECALL
from eucentric.knowledge.phases import phase
from eucentric.knowledge.recommendation import (
    USUAL_DENSITY_PERCENT,
    Optics,
    Recommendation,
    Wanted,
    recommend,
)
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.scanning import Pixels, unsteady
from eucentric.tools.vision.limits import Limits, measure_limits


class Args(Model):
    """What is to be seen, and how surely."""

    kind: str = Field("vacancy", min_length=1, max_length=20)
    """Which vacancy: 'V_Ti', 'V_S', 'S'; 'vacancy' is the faintest of the material."""
    recall: Annotated[float, Field(ge=LEAST_RECALL, le=MOST_RECALL), Unit("1")] = 0.95
    """Share of them that is to be found."""
    density_error_percent: Annotated[float, Field(gt=0, lt=50), Unit("percent")] | None = None
    """Half-width wanted of the density's 95 % interval [% of the sites]; it says how many fields are needed."""
    density_percent: Annotated[
        float, Field(gt=0, lt=50, json_schema_extra={"detail": True}), Unit("percent")
    ] = USUAL_DENSITY_PERCENT
    """Density that is expected [% of the sites]."""
    frame: str | None = Field(None, min_length=1, max_length=120)
    """A frame to measure the limits on, or 'last'; left out: predicted from physics."""
    material: str | None = Field(None, max_length=200)
    """A known phase; left out: from the specimen card."""
    max_dose_e_per_a2: Annotated[float, Field(gt=0, le=1e9), Unit("e/angstrom^2")] | None = None
    """Most that any atom may receive; left out: the specimen card's budget [e/Å²]."""
    probe_current_pa: Annotated[float, Field(gt=0, le=1e5), Unit("pA")] | None = None
    """Left out: the present one."""
    pixel_pm: Annotated[float, Field(ge=1, le=60, json_schema_extra={"detail": True}), Unit("pm")] | None = (
        None
    )
    """Pixel size that is given; left out: chosen."""
    width_px: Annotated[Pixels, Field(json_schema_extra={"detail": True})] = 512
    """Pixels along an edge of the field."""


class Result(Model):
    """The recommendation, and the series it rests on if there was a frame."""

    material: str
    frame: str | None
    recommendation: Recommendation
    limits: Limits | None
    """Recall by dose and pixel size, made by thinning the frame."""
    assumed: tuple[str, ...]


def run(args: Args, context: Context) -> Result:
    """Measure the limits if there is a frame, else predict them; then fit the settings into the dose limit.

    Raises
    ------
    BadInput
        Unknown material or vacancy; a frame in which no lattice can be read.
    Unsupported
        The instrument reports no probe current, voltage or convergence.
    """
    material = phase(args.material or context.specimen.material)
    limits = _limits(args, context)
    wanted = Wanted(
        kind=args.kind, recall=args.recall, density_error_percent=args.density_error_percent,
        density_percent=args.density_percent,
    )  # fmt: skip
    limit = args.max_dose_e_per_a2 or context.specimen.dose_budget_e_per_a2
    advice = recommend(
        material, wanted, optics_of(args.probe_current_pa, context), limit_e_per_a2=limit,
        law=limits.law if limits else None, dose_per_count=limits.dose_per_count if limits else None,
        least_counts=(limits.silent_below or 0.0) if limits else 0.0, pixel_pm=args.pixel_pm, width_px=args.width_px,
    )  # fmt: skip
    return Result(
        material=material.name, frame=args.frame and context.records.frame(args.frame).id, recommendation=advice,
        limits=limits, assumed=_assumed(args, limits, advice),
    )  # fmt: skip


def _limits(args: Args, context: Context) -> Limits | None:
    if args.frame is None:
        return None
    frame = context.records.frame(args.frame)
    pixels = np.asarray(context.records.pixels(frame), np.float32) - np.float32(frame.offset_counts)
    limits = measure_limits(
        pixels, phase(args.material or context.specimen.material), args.kind, pixel_pm=frame.pixel_pm,
        counts_per_electron=frame.counts_per_electron, dose_e_per_a2=frame.mean_dose_e_per_a2, note=context.note,
    )  # fmt: skip
    if frame.counts_per_electron is None and frame.mean_dose_e_per_a2 is None:
        raise BadInput(
            f"neither dose nor detector calibration of frame {frame.id} is known",
            "so its limits can't be told as a dose",
            "leave the frame out for a prediction, or name one taken in a run",
        )
    if limits.law is None:
        raise BadInput(
            f"frame {frame.id} shows no limits: {limits.cannot_tell or 'too few counts to thin'}",
            "nothing can be measured on it",
            "leave the frame out for a prediction from physics, or name one in focus",
        )
    return limits


def optics_of(current_pa: float | None, context: Context) -> Optics:
    """The instrument as it is, with another current if one is given."""
    state, able = context.microscope.state(), context.microscope.capabilities()
    return Optics(
        current_pa=current_pa or _known(state, "probe_current_pa"), voltage_kv=_known(state, "voltage_kv"),
        convergence_mrad=_known(state, "convergence_mrad"), flyback_us=able.line_flyback_s * 1e6,
        overhead_s=able.frame_overhead_s, min_dwell_us=able.min_dwell_s * 1e6, unsteady=unsteady(able, None),
    )  # fmt: skip


def _known(state: MicroscopeState, name: str) -> float:
    value = state.optics.get(name)
    if not value:
        raise Unsupported(
            f"this instrument reports no {name}",
            "counts and dose can't be predicted",
            "its driver must report it",
        )
    return value


def _assumed(args: Args, limits: Limits | None, advice: Recommendation) -> tuple[str, ...]:
    notes = [] if args.probe_current_pa else [f"probe current {advice.current_pa:g} pA, as it is set now"]
    if limits is None:
        notes.append(
            "predicted from cross-sections, probe size and usual contamination: no frame was measured"
        )
    else:
        notes.append(f"limits by thinning the frame: {limits.thinning}")
        if limits.dose_per_count is None:
            notes.append("the frame's dose is not known: dose by cross-sections")
    if args.density_error_percent is not None:
        notes.append(f"density expected: {args.density_percent:g} % of the sites, without clustering")
    notes.append("survey, approach and focus are not in this dose")
    return tuple(notes)


def summary(result: Result) -> str:
    """The sentence."""
    return result.recommendation.say


TOOL: Tool[Args, Result] = Tool(
    "recommend_acquisition",
    "Say which dose, dwell and pixel size a wanted recall or density of vacancies takes. Also how many frames and "
    "fields (for a density to ± so many % of the sites), and what would be found at the dose limit if that is too "
    "little. Call it before planning images for counting defects, and use its numbers. With a frame it measures the "
    "limits by thinning that frame; without one it predicts. No exposure, no motion.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
