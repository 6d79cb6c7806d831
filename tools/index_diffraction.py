"""Which zone axis is on the beam, how far off, how the crystal lies, from a diffraction pattern; or "cannot tell"."""

from typing import Annotated

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.text import visible
from eucentric.core.units import Unit
from eucentric.knowledge.diffraction import Indexed, LayerTilt
from eucentric.knowledge.diffraction.indexing import Verdict
from eucentric.knowledge.tilting.target import name_of
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.tilting.pattern_in import (
    PatternIn,
    in_specimen,
    moved_since,
    newest_pattern,
    pattern_in,
    phases_for,
)
from eucentric.tools.tilting.source import PLAIN, Lies, calibrated_stage, crystal_named
from eucentric.tools.vision.pattern import PatternReading, read_pattern

_TURN_SIGMA_DEG = 0.3
"""Of an orientation by a pattern: of the turn about the beam, and of an azimuth as people calibrate it."""
_SINCE_DEG = 0.02


class Args(Model):
    """Which pattern, of what."""

    frame: str = Field("last", max_length=60, pattern=r"^[A-Za-z0-9_.:-]+$")
    """Id of the pattern's frame, or 'last' for the newest pattern."""
    phases: tuple[Annotated[str, Field(max_length=60, pattern=PLAIN)], ...] = Field((), max_length=8)
    """Phases it may be of, by name; left out: the specimen card's material."""
    scale_error_percent: Annotated[float, Field(ge=0, le=10), Unit("percent")] = 2.0
    """How well the camera constant is known [%]."""
    single_layer: bool = Field(False, strict=True)
    """True for a monolayer: it has no Kikuchi bands and its tilt is not told by a pattern."""


class Result(Model):
    """What the pattern says."""

    verdict: Verdict
    """indexed, ambiguous, too_few_spots or no_phase_fits."""
    frame: str
    phase: str | None
    zone_axis: str | None
    """Nearest low-index axis, as a microscopist of that crystal writes it."""
    uvw: tuple[int, int, int] | None
    off_deg: float | None
    """Angle from it to the beam; None: the tilt is unknown."""
    off_sigma_deg: float | None
    told_by: str | None
    """spots or bands."""
    layer: LayerTilt | None = None
    """Of a single layer: its tilt by the distortion of its lattice, without sign, with its interval."""
    runner_up: str | None
    """The next best answer of another phase or axis, and how far it is behind."""
    explained: int
    spots: int
    orientations: tuple[Lies, ...]
    """How the crystal may lie in the specimen, to hand on; empty if the screen is not calibrated against the stage."""
    why: str
    """What could not be told, and why."""
    alpha_deg: float | None
    """Tilts at which it was taken."""
    beta_deg: float | None
    tilted_since_deg: float | None
    """How far the stage was tilted since: the answer is for the pattern's tilt."""
    age_s: float | None
    convention: str = "C1"
    calibration: str
    candidates: int


def run(args: Args, context: Context) -> Result:
    """Read the stored pattern. Nothing moves, nothing is exposed."""
    frame = newest_pattern(context, args.frame)
    one = pattern_in(context, frame)
    names = args.phases or (context.specimen.material,)
    found = read_pattern(
        context.records.pixels(frame),
        phases_for(names, one.screen),
        one.light,
        one.screen,
        args.scale_error_percent / 100,
        layer=args.single_layer,
    )
    return _result(found, one, context, single_layer=args.single_layer)


def _result(found: PatternReading, one: PatternIn, context: Context, *, single_layer: bool) -> Result:
    indexing, offset = found.indexing, found.offset
    told = indexing.verdict in ("indexed", "ambiguous")
    best = indexing.best if told else None
    crystal = crystal_named(best.phase, context) if best else None
    axis = offset.zone_axis if offset else (best.zone_axis if best else None)
    axis = (
        (0, 0, 1) if single_layer and axis else axis
    )  # rods cut anywhere look like any axis near the normal
    known = indexing.verdict == "indexed" and not single_layer
    orientations = _orientations(found, one, context) if known else ()
    since, age = moved_since(context, one)
    reasons = [found.why, "" if orientations or single_layer or not told else one.why_not]
    return Result(
        verdict=indexing.verdict,
        frame=one.frame.id,
        phase=best.phase if best else None,
        zone_axis=name_of(crystal, axis) if crystal and axis else None,
        uvw=axis,
        off_deg=offset.off_deg if offset else None,
        off_sigma_deg=offset.sigma_deg if offset else None,
        layer=found.layer,
        told_by=offset.method if offset else None,
        runner_up=_runner_up(indexing.runner_up, indexing.lead_nat),
        explained=best.explained if best else 0,
        spots=indexing.spots,
        orientations=orientations,
        why="; ".join(reason for reason in reasons if reason)[:900],
        alpha_deg=one.reading.alpha_deg if one.reading else None,
        beta_deg=one.reading.beta_deg if one.reading else None,
        tilted_since_deg=since,
        age_s=age,
        calibration=calibrated_stage(context.records.notebook(context.specimen.name)).calibration,
        candidates=len(orientations),
    )


def _orientations(found: PatternReading, one: PatternIn, context: Context) -> tuple[Lies, ...]:
    """The best orientation, corrected by its offset, and the one that spots can't tell from it."""
    best, turned = found.indexing.best, found.indexing.turned
    if best is None or not one.turned or one.reading is None:
        return ()
    stage = calibrated_stage(context.records.notebook(context.specimen.name))
    first = np.array(found.offset.to_lab if found.offset else best.to_lab)
    rows = [first, *([np.array(turned.to_lab)] if turned else [])]
    return tuple(
        Lies(
            matrix=tuple(tuple(row) for row in in_specimen(to_lab, stage, one.reading).tolist()),
            sigma_deg=_TURN_SIGMA_DEG,
        )
        for to_lab in rows
    )


def _runner_up(answer: Indexed | None, lead: float | None) -> str | None:
    if answer is None or lead is None:
        return None
    axis = " ".join(str(x) for x in answer.zone_axis)
    return f"{visible(answer.phase, limit=30)} [{axis}], {lead:.0f} nat behind"


def summary(result: Result) -> str:
    """The answer with its error and age, or why there is none."""
    age = "" if result.age_s is None else f", {result.age_s / 60:.0f} min old"
    if result.verdict != "indexed" or result.zone_axis is None:
        return f"pattern {result.frame}{age}: cannot tell ({result.verdict.replace('_', ' ')}); {result.why}"
    off = (
        f"off by {result.off_deg:.2f} ± {max(result.off_sigma_deg, 0.01):.2f}° (by {result.told_by})"
        if result.off_deg is not None and result.off_sigma_deg is not None
        else _by_lattice(result.layer)
    )
    text = (
        f"pattern {result.frame}{age}: {visible(result.phase or '', limit=30)} {result.zone_axis}, {off}; "
        f"{result.explained} of {result.spots} spots"
    )
    if result.candidates > 1:
        text += f"; {result.candidates} orientations, which its spots can't tell apart"
    if result.tilted_since_deg is not None and result.tilted_since_deg > _SINCE_DEG:
        text += f"; the stage was tilted {result.tilted_since_deg:.1f}° since"
    return text + (f"; {result.why}" if result.why else "")


def _by_lattice(layer: LayerTilt | None) -> str:
    if layer is None:
        return "tilt unknown"
    if not layer.informative:
        return f"tilt unknown, below {layer.high_deg:.0f}° (95 %) by its lattice"
    span = f"{layer.low_deg:.0f} … {layer.high_deg:.0f}°, 95 %"
    return f"tilted {layer.tilt_deg:.0f}° ({span}) by its lattice, sign unknown"


TOOL: Tool[Args, Result] = Tool(
    "index_diffraction",
    "Which zone axis a recorded diffraction pattern shows, and how far off the beam it is. Tells phase, "
    "errors, orientation, runner-up; or that it can't be told (too few spots, ambiguous, another phase). Moves nothing "
    "and exposes nothing.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
