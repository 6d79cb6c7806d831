"""What is known of a crystal in a holder before it is tilted: every orientation it may have, and where it stands."""

from collections.abc import Sequence

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal import (
    Candidate,
    Crystal,
    NextAxis,
    Observation,
    Reading,
    Stage,
    next_axis,
    solve_orientation,
)


class Situation(Model):
    """A crystal of one or several possible orientations on a stage."""

    crystal: Crystal
    stage: Stage
    candidates: tuple[Candidate, ...]
    """Best first."""
    now: Reading
    repeatability_deg: float = 0.0
    source: str = ""
    """Readings, or the notebook's solution, that the candidates are from."""


def from_readings(
    crystal: Crystal,
    observations: Sequence[Observation],
    stage: Stage,
    now: Reading | None = None,
    repeatability_deg: float = 0.0,
) -> Situation:
    """The situation after readings; the stage stands at the last of them unless `now` says otherwise.

    Raises
    ------
    BadInput
        If they fix no orientation, or contradict each other.
    Refused
        If an azimuth is used and the screen is not calibrated.
    """
    if not observations:
        raise BadInput(
            "no reading was given", "two zone axes fix an orientation", "give --at alpha,beta=[uvw] twice"
        )
    return Situation(
        crystal=crystal,
        stage=stage,
        candidates=solve_orientation(crystal, observations, stage),
        now=now or observations[-1].reading,
        repeatability_deg=repeatability_deg,
        source=f"{len(observations)} readings",
    )


def look_next(situation: Situation, max_index: int = 3) -> NextAxis | None:
    """The axis that tells the candidates apart; None if there is one candidate, or none within reach does."""
    return next_axis(situation.crystal, situation.candidates, situation.stage, max_index)
