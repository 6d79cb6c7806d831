"""Choose places in a survey: suspended areas of a wanted number of layers."""

import math
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.core.instrument import Frame
from eucentric.core.units import Unit
from eucentric.knowledge.dose import electrons
from eucentric.knowledge.layers import layer_share
from eucentric.knowledge.phases import Phase, phase
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.grid_positions import Um
from eucentric.tools.vision.flakes import Region, beam_share, find_regions

_FIELD_NM = 20.0
"""Field around a target whose earlier dose counts [nm]."""


class Args(Model):
    """What counts as a target."""

    frames: tuple[str, ...] = Field(min_length=1, max_length=10_000)
    """Overview frames to look in."""
    layers: int = Field(1, ge=1, le=10, strict=True)
    """Number of layers."""
    material: str | None = Field(None, max_length=80)
    """Left out: the specimen card's."""
    at_most: int = Field(3, ge=1, le=1000, strict=True)
    """How many to keep."""
    min_size_nm: Annotated[float, Field(gt=0, le=20_000), Unit("nm")] = 200.0
    """Diameter of the largest circle that must fit [nm]."""
    apart_um: Annotated[float, Field(ge=0, le=1000), Unit("um")] = 4.0
    """Smallest distance between targets [µm], so that the overview of one does not expose another."""
    max_before_e_per_a2: Annotated[float, Field(ge=0, le=1e9), Unit("e/angstrom^2")] | None = None
    """Most dose that a place may have had already [e/Å²]; left out: half of the specimen card's budget."""


class Target(Model):
    """A place to go to."""

    id: str
    """Name within this selection."""
    x_um: Um
    """In the stage frame, by the survey's reported positions [µm]."""
    y_um: Um
    """As x_um."""
    size_nm: Annotated[float, Field(ge=0, le=1e6), Unit("nm")]
    """Diameter of the largest circle that fits [nm]."""
    layers: Annotated[float, Field(ge=-100, le=1000), Unit("1")]
    """Measured: mean signal in units of one layer."""
    score: Annotated[float, Field(ge=0, le=1), Unit("1")]
    """How well it is one plain area of that many layers, 0 … 1."""
    frame: str
    """The overview frame in which it was seen."""


class Result(Model):
    """What was chosen and what was not."""

    targets: tuple[Target, ...]
    candidates: int
    excluded: tuple[str, ...]
    """Every other candidate, with the reason."""


def run(args: Args, context: Context) -> Result:
    """Segment each frame, then keep the best places that are far enough apart."""
    material = phase(args.material or context.specimen.material)
    found: list[tuple[Target, float]] = []
    for name in args.frames:
        frame = context.records.frame(name)
        found += [(target, margin) for target, margin in _in_frame(frame, context, material, args.layers)]
    most = args.max_before_e_per_a2
    limit = 0.5 * context.specimen.dose_budget_e_per_a2 if most is None else most
    return _choose(
        found,
        args,
        lambda target: context.records.reading_at(
            context.records.frame(target.frame), target.x_um, target.y_um
        ),
        lambda target: _overdosed(target, context, limit),
    )


def _in_frame(frame: Frame, context: Context, material: Phase, layers: int) -> list[tuple[Target, float]]:
    if (
        frame.counts_per_electron is None
        or frame.pixel_pm is None
        or frame.x_um is None
        or frame.y_um is None
    ):
        raise BadInput(
            f"frame {frame.id} has no calibration", "layers are counted from the detector's calibration"
        )
    share = beam_share(
        context.records.pixels(frame),
        electrons(frame.probe_current_pa or 0.0, (frame.dwell_us or 0.0) * 1e-6),
        frame.counts_per_electron,
        frame.offset_counts,
    )
    detector = context.microscope.capabilities().detector(frame.detector)
    angles = detector.collection_mrad if detector else (60.0, 140.0)
    one = layer_share(material, frame.voltage_kv or 60.0, angles)
    return [_target(frame, region) for region in find_regions(share, one, layers)]


def _target(frame: Frame, region: Region) -> tuple[Target, float]:
    pixel_um = (frame.pixel_pm or 0.0) * 1e-6
    height, width = frame.shape
    edge = min(region.row, region.column, height - 1 - region.row, width - 1 - region.column) * pixel_um
    target = Target(
        id="",
        x_um=round((frame.x_um or 0.0) + (region.column - (width - 1) / 2) * pixel_um, 4),
        y_um=round((frame.y_um or 0.0) + (region.row - (height - 1) / 2) * pixel_um, 4),
        size_nm=round(2 * region.radius_px * pixel_um * 1e3, 1),
        layers=round(region.layers, 3),
        score=round(region.score, 4),
        frame=frame.id,
    )
    return target, edge


_Place = Callable[[Target], tuple[float, float]]
"""Where a candidate lies in readings that are the same for all: two tiles may show one place under two readings."""


def _reason(target: Target, edge_um: float, kept: list[Target], args: Args, at: _Place) -> str:
    """Why a candidate is not kept ('' if it is)."""
    if target.size_nm < args.min_size_nm:
        return f"only {target.size_nm:.0f} nm wide, {args.min_size_nm:.0f} needed"
    if target.score < 0.3:
        return f"signal {target.layers:.2f} layers or uneven (score {target.score:.2f})"
    if edge_um < 1.5:
        return f"{edge_um:.1f} µm from the edge of its tile: could not be found again"
    near = [one for one in kept if math.dist(at(one), at(target)) < args.apart_um]
    if near:
        return f"within {args.apart_um:g} µm of target {near[0].id}"
    return f"beyond the {args.at_most} asked for" if len(kept) >= args.at_most else ""


def _overdosed(target: Target, context: Context, limit_e_per_a2: float) -> str:
    """Why a place can't be used for the dose it has had ('' if it can)."""
    place = {"x_um": target.x_um, "y_um": target.y_um, "shape": (2, 2), "pixel_pm": _FIELD_NM * 500.0}
    before = context.records.dose_at(context.records.frame(target.frame).model_copy(update=place))
    if before <= limit_e_per_a2:
        return ""
    return f"up to {before:.3g} e/Å² there already, at most {limit_e_per_a2:.3g} wanted"


def _choose(
    found: list[tuple[Target, float]], args: Args, at: _Place, refused: Callable[[Target], str]
) -> Result:
    kept: list[Target] = []
    excluded = []
    ranked = sorted(
        found, key=lambda pair: (-round(pair[0].score * min(1.0, pair[0].size_nm / 600), 3), pair[0].x_um)
    )
    for target, edge in ranked:
        if reason := _reason(target, edge, kept, args, at) or refused(target):
            excluded.append(f"({target.x_um:+.2f}, {target.y_um:+.2f}) µm in {target.frame}: {reason}")
        else:
            kept.append(target.model_copy(update={"id": f"t{len(kept) + 1}"}))
    return Result(targets=tuple(kept), candidates=len(found), excluded=tuple(excluded))


TOOL: Tool[Args, Result] = Tool(
    "select_targets",
    "Find suspended areas with the wanted number of layers in overview frames, by the share of the beam they "
    "scatter, and choose the best. Says what was not chosen and why. Exposes nothing.",
    "analyse",
    Args,
    Result,
    run,
    free,
    lambda result: (
        f"{len(result.targets)} of {result.candidates} candidates chosen: "
        + "; ".join(
            f"{t.id} ({t.x_um:+.2f}, {t.y_um:+.2f}) µm, {t.size_nm:.0f} nm wide" for t in result.targets
        )
    ),
)
