"""How a crystal lies, from the zone axes that were read: every orientation that fits, and which axis would decide."""

import numpy as np
from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.errors import Refused
from eucentric.core.text import visible
from eucentric.knowledge.crystal import NextAxis, next_axis, pointing_rms_deg, shown
from eucentric.knowledge.tilting import Situation
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.tilting.source import MOST_SIGMA_DEG, Lies, WhichCrystal, signs_known, situation_of

_MOST = 40


class Args(WhichCrystal):
    """Readings; left out: those in the specimen's notebook."""

    max_index: int = Field(3, ge=1, le=6, strict=True)
    """Largest index of the axes that are considered to look at next."""


class Fitting(Model):
    """One orientation that explains all readings."""

    orientation: Lies
    indices: tuple[tuple[int, int, int], ...]
    """What each reading then was, with its sense."""
    misfit_deg: float
    worst_sigmas: float


class Result(Model):
    """All that fit, best first. With more than one, nothing should be tilted on the first alone."""

    crystal: str
    fitting: tuple[Fitting, ...]
    orientations: tuple[Lies, ...]
    """The same without their reasons, to hand on."""
    next_axis: NextAxis | None
    """The reachable axis whose tilts differ most between them."""
    source: str
    convention: str = "C1"
    calibration: str
    """Id in the notebook; empty if nobody calibrated the stage."""
    signs_known: bool
    """False: which way the stage turns was never watched; directions on the screen can't be used."""
    candidates: int


def run(args: Args, context: Context) -> Result:
    """Solve, list, advise. Nothing moves.

    Raises
    ------
    BadInput
        If nothing is known of the orientation, or what is known contradicts itself.
    Refused
        If what is known leaves some direction open.
    """
    situation = situation_of(args, context)
    fitting = tuple(
        Fitting(
            orientation=Lies(matrix=one.orientation.matrix, sigma_deg=_sigma_deg(situation, n)),
            indices=one.indices,
            misfit_deg=one.misfit_deg,
            worst_sigmas=one.worst_sigmas,
        )
        for n, one in enumerate(situation.candidates[:_MOST])
    )
    return Result(
        crystal=situation.crystal.name,
        fitting=fitting,
        orientations=tuple(one.orientation for one in fitting),
        next_axis=next_axis(situation.crystal, situation.candidates, situation.stage, args.max_index),
        source=situation.source,
        calibration=situation.stage.calibration,
        signs_known=signs_known(situation.stage),
        candidates=len(situation.candidates),
    )


def _sigma_deg(situation: Situation, number: int) -> float:
    """Of a direction across the worst-known one, each way."""
    covariance = situation.candidates[number].orientation.covariance
    worst = max(pointing_rms_deg(covariance, axis) for axis in np.eye(3))
    sigma = max(worst / 2**0.5, 1e-3)
    if sigma > MOST_SIGMA_DEG:
        raise Refused(
            f"some directions of this crystal would be known to {sigma:.0f}° only",
            f"the readings lie too close together; more than {MOST_SIGMA_DEG:g}° is no orientation",
            "read another axis, further away",
        )
    return sigma


def summary(result: Result) -> str:
    """How many, how well, what next."""
    best = result.fitting[0]
    read = ", ".join(shown(one) for one in best.indices[:4])
    text = (
        f"{visible(result.crystal, limit=40)}: {result.candidates} orientation{'s' if result.candidates > 1 else ''} "
        f"fit {read or visible(result.source, limit=80)}, residual {best.misfit_deg:.2f}°"
    )
    look = result.next_axis
    if look is not None:
        text += (
            f"; look at {shown(look.uvw)}, alpha {look.alpha_deg:+.2f}, beta {look.beta_deg:+.2f} deg: that tells "
            f"{look.told_apart} of {look.pairs} pairs apart by {look.separation_deg:.1f}°"
        )
    return text


TOOL: Tool[Args, Result] = Tool(
    "solve_orientation",
    "Every way a crystal may lie, from two or more zone axes read at known tilts. The readings are given, or those in "
    "the specimen's notebook; all orientations that fit come with their error, and with the axis to look at next if "
    "there are several. Moves nothing.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
