"""Two grains and the boundary between them: disorientation, coincidence, axes both have, the boundary's indices."""

from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from eucentric.core.base import Model
from eucentric.core.errors import Refused
from eucentric.core.text import visible
from eucentric.core.units import Unit
from eucentric.knowledge import crystal as cr
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.tilting import Situation
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.tilting.source import Deg, WhichCrystal, check_handedness, signs_known, situation_of

_MOST = 40
Azimuth = Annotated[float, Field(ge=-360, le=360), Unit("deg")]


class Trace(Model):
    """The boundary's trace in an image, edge-on."""

    azimuth_deg: Azimuth
    """Direction of the line, from image columns toward rows [deg]."""
    alpha_deg: Deg
    """Tilt at which it was seen edge-on [deg]."""
    beta_deg: Deg = 0.0
    """Its second axis [deg]."""


class Args(Model):
    """Two grains, and what is known of the boundary."""

    first: WhichCrystal
    """Grain A."""
    second: WhichCrystal
    """Grain B."""
    edge_on: Trace | None = None
    """Where the boundary was seen edge-on, for its plane indices; needs calibrated signs."""
    max_index: int = Field(3, ge=1, le=6, strict=True)
    """Largest index of common zone axes."""
    parallel_deg: Annotated[float, Field(ge=0, le=10), Unit("deg")] = 1.0
    """Axes nearer than this count as parallel [deg]."""

    @model_validator(mode="after")
    def _two_grains(self) -> Self:
        if self.first == self.second:
            raise ValueError("a boundary has two different grains: name both, or give the readings of both")
        return self


class Result(Model):
    """What is known of the boundary. Ambiguous if either grain has several orientations."""

    report: cr.BoundaryReport
    disorientations_deg: tuple[float, ...]
    """Of every pair of orientations that fit, the reported one first: more than one means nobody can tell yet."""
    crystal_a: str
    crystal_b: str
    convention: str = "C1"
    calibration: str
    candidates: int
    """Pairs of orientations."""


def run(args: Args, context: Context) -> Result:
    """Compute; nothing moves."""
    one, two = (situation_of(grain, context) for grain in (args.first, args.second))
    for situation in (one, two):
        check_handedness(situation)
    normal = _normal(args.edge_on, one)
    a, b = one.candidates[0].orientation, two.candidates[0].orientation
    report = cr.boundary_report(
        one.crystal, a, two.crystal, b, one.stage, None if normal is None else normal.tolist(), args.max_index,
        args.parallel_deg,
    )  # fmt: skip
    angles = [
        cr.disorientation(one.crystal, p.orientation, two.crystal, q.orientation).angle_deg
        for p in one.candidates
        for q in two.candidates
    ]
    return Result(
        report=report.model_copy(update={"common": report.common[:_MOST]}),
        disorientations_deg=tuple(angles[:_MOST]),
        crystal_a=one.crystal.name,
        crystal_b=two.crystal.name,
        calibration=one.stage.calibration,
        candidates=len(angles),
    )


def _normal(trace: Trace | None, situation: Situation) -> Array | None:
    """Normal of the boundary in the sample frame from its edge-on trace."""
    if trace is None:
        return None
    if not signs_known(situation.stage):
        raise Refused(
            "a trace in an image can't be used: which way the stage turns was never watched",
            "zone axes alone cannot reveal a wrong sign, and the boundary's normal would lean the wrong way",
            "tilt each axis a little, watch which way a feature moves, and add it with `eucentric notebook "
            "add-calibration`",
        )
    at = cr.Reading(alpha_deg=trace.alpha_deg, beta_deg=trace.beta_deg)
    found: Array = np.asarray(cr.trace_plane_normals(situation.stage, [at], [trace.azimuth_deg])[0])
    return found


def summary(result: Result) -> str:
    """Angle and axis, coincidence, the first common axis."""
    turn, report = result.report.disorientation, result.report
    text = f"disorientation {turn.angle_deg:.2f}° about {cr.shown(turn.nearest_uvw)}"
    if turn.nearest_off_deg > 0.5:
        text += f" ({turn.nearest_off_deg:.1f}° off)"
    if report.coincidence is not None:
        text += (
            f", {report.coincidence.label} within {report.coincidence.deviation_deg:.2f}° "
            f"(Brandon {report.coincidence.brandon_limit_deg:.2f}°)"
        )
    for letter, plane, name in (
        ("A", report.plane_a, result.crystal_a),
        ("B", report.plane_b, result.crystal_b),
    ):
        if plane is not None:
            text += (
                f"; boundary {cr.shown(plane.nearest_hkl, 'plane')} of {letter} {visible(name, limit=30)} "
                f"({plane.nearest_off_deg:.1f}° off)"
            )
    if report.common:
        best = report.common[0]
        text += (
            f"; both on axis at alpha {best.alpha_deg:+.2f}, beta {best.beta_deg:+.2f} deg: {cr.shown(best.uvw_a)} of "
            f"A, {cr.shown(best.uvw_b)} of B, {best.angle_deg:.2f}° apart"
        )
    if result.candidates > 1:
        others = sorted({round(x, 1) for x in result.disorientations_deg})
        text += f"; NOT unique: {result.candidates} pairs fit, {', '.join(f'{x:g}' for x in others[:6])}°"
    return text


TOOL: Tool[Args, Result] = Tool(
    "boundary_report",
    "Disorientation, common zone axes and plane indices of the boundary of two grains. With the operators of "
    "each crystal's setting and the coincidence lattice; plane indices need the trace seen edge-on. Moves nothing.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
