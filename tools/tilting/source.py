"""Which crystal lies how: from readings or orientations given with the call, else from the specimen's notebook."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from eucentric.core.base import Model
from eucentric.core.errors import BadInput, Refused
from eucentric.core.text import visible
from eucentric.core.units import STAGE, Unit
from eucentric.instruments.capabilities import Capabilities
from eucentric.knowledge.crystal import (
    Box,
    Candidate,
    Crystal,
    Limits,
    Observation,
    Polygon,
    Reading,
    Stage,
    orientation_of,
    parse_indices,
)
from eucentric.knowledge.diffraction import structure_named
from eucentric.knowledge.notebook import LoadingEntry, Notebook, stage_of
from eucentric.knowledge.tilting import Situation, from_readings
from eucentric.knowledge.tilting.from_notebook import situation_in
from eucentric.tools.base import Context

PLAIN = r"^[^\x00-\x1f\x7f]*$"
Deg = Annotated[float, Field(ge=-90, le=90), Unit("deg")]
MOST_SIGMA_DEG = 20.0
"""A direction that is known less well is not known [deg]."""
Sigma = Annotated[float, Field(gt=0, le=MOST_SIGMA_DEG), Unit("deg")]
Index = Annotated[str, Field(min_length=3, max_length=40, pattern=PLAIN)]
Three = tuple[float, float, float]
_CORNERS = 90


class SeenAxis(Model):
    """A zone axis that was on the beam."""

    index: Index
    """[uvw], or <uvw> if any of the family may be meant; four indices as well."""
    alpha_deg: Deg
    """Reading of the first axis [deg]."""
    beta_deg: Deg = 0.0
    """Reading of the second axis [deg]."""
    sigma_deg: Sigma = 0.2
    """Standard deviation, each direction [deg]."""
    sense: Literal["either", "as_given"] = "either"
    """as_given only if it is known which end points to the gun."""

    @field_validator("index")
    @classmethod
    def _is_an_axis(cls, text: str) -> str:
        if _indices(text)[1] != "direction":
            raise ValueError(f"{text} is a plane; give the axis on the beam as [uvw] or <uvw>")
        return text

    @property
    def observation(self) -> Observation:
        """The same for the solver."""
        indices, _, family = parse_indices(self.index)
        return Observation(
            reading=Reading(alpha_deg=self.alpha_deg, beta_deg=self.beta_deg), uvw=indices, family=family,
            sigma_deg=self.sigma_deg, sense=self.sense,
        )  # fmt: skip


class Lies(Model):
    """How a crystal lies: crystal Cartesian axes to the specimen at zero tilt (C1)."""

    matrix: tuple[Three, Three, Three]
    """Rows first; a proper rotation."""
    sigma_deg: Sigma = 0.3
    """Standard deviation about each direction [deg]."""

    @property
    def candidate(self) -> Candidate:
        """The same as one candidate."""
        covariance = np.radians(self.sigma_deg) ** 2 * np.eye(3)
        return Candidate(
            orientation=orientation_of(self.matrix, covariance), indices=(), misfit_deg=0.0, worst_sigmas=0.0
        )


class WhichCrystal(Model):
    """Where its orientation is known from: given here, else the specimen's notebook."""

    grain: str = Field("", max_length=40, pattern=PLAIN)
    """Grain or flake in the notebook; may be left out if there is one."""
    crystal: str = Field("", max_length=60, pattern=PLAIN)
    """Phase by name, such as SrTiO3; left out: the notebook's, else the specimen card's material."""
    readings: tuple[SeenAxis, ...] = Field((), max_length=40)
    """Zone axes that were read, if they are not in the notebook."""
    orientations: tuple[Lies, ...] = Field((), max_length=40)
    """Or how it may lie, as index_diffraction and solve_orientation return it: all that are left."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.readings and self.orientations:
            raise ValueError("give readings or orientations, not both")
        return self


def situation_of(args: WhichCrystal, context: Context, now: Reading | None = None) -> Situation:
    """Crystal, stage and every orientation it may have.

    Raises
    ------
    BadInput
        If nothing is known of the orientation, or what is known contradicts itself.
    Refused
        If a notebook's azimuths need a calibration that nobody made.
    """
    book = context.records.notebook(context.specimen.name)
    now = now or reading_now(context)
    if args.readings or args.orientations:
        found = _from_call(args, book, context, now)
    elif book is not None:
        found = _from_notebook(args, book, now)
    else:
        raise BadInput(
            "how this crystal lies is not known",
            "nothing was read of it: no zone axis, no pattern",
            "read two zone axes (tilt there, then notebook_add), or index a diffraction pattern",
        )
    limits = narrowed(found.stage.limits, context.microscope.capabilities())
    return found.model_copy(update={"stage": found.stage.model_copy(update={"limits": limits})})


def reading_now(context: Context) -> Reading:
    """What the goniometer reports."""
    stage = context.microscope.state().stage
    missing = [name for name in ("alpha_deg", "beta_deg") if name not in stage]
    if "alpha_deg" in missing:
        raise Refused("this stage reports no alpha", "nothing can be tilted", "use a tilting holder")
    return Reading(
        alpha_deg=stage["alpha_deg"].reported,
        beta_deg=0.0 if missing else stage["beta_deg"].reported,
    )


def crystal_named(name: str, context: Context) -> Crystal:
    """A phase that ships, by name; the specimen card's material if none is given."""
    return structure_named(name or context.specimen.material).crystal


def signs_known(stage: Stage) -> bool:
    """True if somebody watched which way both axes turn; `stage_of` gives such a stage a screen."""
    return stage.screen_azimuth_deg is not None


def check_handedness(situation: Situation) -> None:
    """Refused where an unknown sign of the stage would put axes on the wrong side.

    One wrong sign mirrors the crystal. Where its Laue class has a mirror that only renames axes; the classes -1 and -3
    have none, and two zone axes can't tell the crystal from its mirror image. Three out of a plane can.
    """
    crystal, best = situation.crystal, situation.candidates[0]
    traces = np.trace(crystal.matrices, axis1=1, axis2=2)
    if signs_known(situation.stage) or bool((traces == -1).any()):
        return
    axes = [crystal.direction(uvw) for uvw in best.indices]
    spanned = len(axes) >= 3 and float(np.linalg.svd(np.array(axes), compute_uv=False)[2]) > 0.15
    if not spanned:
        raise Refused(
            f"{visible(crystal.name, limit=40) or 'this crystal'} has no mirror, and which way the stage turns was "
            "never watched",
            "it and its mirror image explain the readings equally well, with axes on different sides",
            "watch a pattern while each axis is tilted a little and add the signs with `eucentric notebook "
            "add-calibration`, or read a third zone axis out of the plane of the others",
        )


def narrowed(own: Limits | None, capabilities: Capabilities) -> Limits | None:
    """Tilts that both the notebook's calibration and the instrument's limits allow; None if neither declares any."""
    box = tilt_box(capabilities)
    if box is None or own is None:
        return own or box
    if isinstance(own, Box):
        return Box(alpha=_overlap(own.alpha, box.alpha), beta=_overlap(own.beta, box.beta))
    edge = own.boundary(np.arange(_CORNERS) / _CORNERS)
    if bool(box.contains_many(edge).all()):
        return own
    low = np.array([box.alpha[0], box.beta[0]])
    high = np.array([box.alpha[1], box.beta[1]])
    return Polygon(vertices=tuple((a, b) for a, b in np.clip(edge, low, high).tolist()))


def tilt_box(capabilities: Capabilities) -> Box | None:
    """What the instrument's limits allow each axis; an axis that is not there stays at zero."""
    spans = []
    for field in ("alpha_deg", "beta_deg"):
        axis = capabilities.axis(STAGE[field].si)
        usable = axis is not None and axis.steerable
        spans.append(
            (axis.lower / STAGE[field].factor, axis.upper / STAGE[field].factor)
            if axis and usable
            else (0.0, 0.0)
        )
    return None if spans[0] == (0.0, 0.0) else Box(alpha=spans[0], beta=spans[1])


def _from_call(args: WhichCrystal, book: Notebook | None, context: Context, now: Reading) -> Situation:
    crystal, stage = _phase(args, book, context), calibrated_stage(book)
    if args.readings:
        return from_readings(crystal, [one.observation for one in args.readings], stage, now)
    return Situation(
        crystal=crystal,
        stage=stage,
        candidates=tuple(one.candidate for one in args.orientations),
        now=now,
        source=f"{len(args.orientations)} orientation{'s' if len(args.orientations) > 1 else ''} given",
    )


def _phase(args: WhichCrystal, book: Notebook | None, context: Context) -> Crystal:
    if args.crystal or book is None:
        return crystal_named(args.crystal, context)
    try:
        return book.phase_of(args.grain and book.grain_named(args.grain)[0])[1].crystal
    except BadInput:
        return crystal_named("", context)


def calibrated_stage(book: Notebook | None) -> Stage:
    """The stage of the present loading as somebody calibrated it; a plain one if nobody did."""
    newest = book.newest(LoadingEntry) if book is not None else None
    found = book.calibration_of(newest[0]) if book is not None and newest else None
    return stage_of(found[1], found[0]) if found else Stage()


def _from_notebook(args: WhichCrystal, book: Notebook, now: Reading) -> Situation:
    told = situation_in(book, args.grain, now=now).situation
    named = told.crystal.name
    if args.crystal and structure_named(args.crystal).crystal.name.casefold() != named.casefold():
        raise BadInput(
            f"the request says {visible(args.crystal, limit=40)}, the notebook says {visible(named, limit=40)}",
            "the readings were made of the notebook's phase",
            "name the grain that is meant, or give the readings with the call",
        )
    return told


def _indices(text: str) -> tuple[tuple[int, ...], str, bool]:
    try:
        return parse_indices(text)
    except BadInput as error:
        raise ValueError(str(error)) from error


def _overlap(one: tuple[float, float], two: tuple[float, float]) -> tuple[float, float]:
    low, high = max(one[0], two[0]), min(one[1], two[1])
    return (low, high) if low <= high else (low, low)
