"""What a change of loading, holder or microscope leaves of what was known (reference: G_new = Rz(turn) F G_old)."""

import math
from typing import NamedTuple

import numpy as np

from eucentric.core.base import Model
from eucentric.core.errors import BadInput, Refused
from eucentric.core.text import visible
from eucentric.knowledge.crystal import (
    Candidate,
    Orientation,
    orientation_of,
    reloaded,
    turn_between_deg,
)
from eucentric.knowledge.notebook.book import Notebook
from eucentric.knowledge.notebook.entries import CalibrationEntry, GrainEntry, LoadingEntry
from eucentric.knowledge.notebook.frames import lab_deg
from eucentric.knowledge.notebook.solving import candidates_of, inputs_of

CARRIES_OVER = (
    "orientations of grains, turned by the loading, with the error of the turn and of the seat added",
    "phases, grains and their names, pictures, all raw readings as they were made",
)
"""Through a loading whose flip and turn are known."""
STAYS_BEHIND = (
    "tilts: each zone axis is at another reading now",
    "stage positions: find the grain again on its picture",
    "signs, limits and the screen's azimuth, if the holder or the microscope is another one",
)


class Turn(NamedTuple):
    """The turn about the beam of a loading, and what it was made of."""

    turn_deg: float
    sigma_deg: float


class Carried(Model):
    """Candidates of an earlier loading in the frame of a later one."""

    candidates: tuple[Candidate, ...]
    source: str
    """What they are from."""
    loadings: tuple[str, ...]
    """From the loading of that solution to the present one."""


def turn_of(book: Notebook, name: str) -> Turn:
    """The turn of a loading about the beam: as stated, or the mean of its fiducials.

    Raises
    ------
    Refused
        If a fiducial was read in a mode that was never calibrated.
    BadInput
        If it is the first loading, which has none.
    """
    loading = book.get(name, LoadingEntry)
    if not loading.after:
        raise BadInput(f"{name} is not known to follow another loading", "its flip and turn are not known")
    if loading.turn_deg is not None:
        return Turn(loading.turn_deg, loading.turn_sigma_deg)
    old, new = (_calibration(book, key) for key in (loading.after, name))
    before = [lab_deg(old, one.before) for one in loading.fiducials]
    after = [lab_deg(new, one.after) for one in loading.fiducials]
    return Turn(turn_between_deg(before, after, loading.flip), loading.turn_sigma_deg)


def carried(book: Notebook, grain: str, loading: str) -> Carried:
    """The candidates of the newest earlier loading in which a grain can be solved, brought into a later loading.

    Raises
    ------
    BadInput
        If the grain was solved in no loading that this one follows.
    Refused
        If the signs of a stage on the way are not known: then its sample frame isn't.
    """
    chain = [loading]
    while True:
        before = book.get(chain[-1], LoadingEntry).after if chain[-1] else ""
        if not before:
            raise BadInput(
                f"grain {_shown(book, grain)} has no orientation that carries over to {loading or 'this loading'}",
                "it was solved in no loading that this one is known to follow",
                "read two zone axes here, or say how the specimen was put back with `eucentric notebook reload`",
            )
        chain.append(before)
        solved = _solved(book, grain, before)
        if solved is not None:
            break
    candidates, source = solved
    for name in reversed(chain[:-1]):
        candidates = tuple(_through(book, name, one) for one in candidates)
    return Carried(candidates=candidates, source=source, loadings=tuple(reversed(chain)))


def _solved(book: Notebook, grain: str, loading: str) -> tuple[tuple[Candidate, ...], str] | None:
    """Candidates of a grain in one loading from its raw readings as they are read today; None if there are too few.

    A solution that was made of other readings, or with other signs, is not carried: what is known now may deny it.
    """
    if sum(one.seen != "unindexed" for _, one in book.readings_of(grain, loading)) < 2:
        return None
    inputs = inputs_of(book, grain, loading)
    return candidates_of(inputs), f"readings {', '.join(inputs.readings)} of {loading}"


def _through(book: Notebook, name: str, candidate: Candidate) -> Candidate:
    loading = book.get(name, LoadingEntry)
    for key in (loading.after, name):
        _check_signs(book, key)
    turn = turn_of(book, name)
    moved = reloaded(candidate.orientation, loading.flip, turn.turn_deg)
    widened = moved.covariance + np.diag(_variances(loading, turn))
    return candidate.model_copy(update={"orientation": _with(moved, widened)})


def _variances(loading: LoadingEntry, turn: Turn) -> list[float]:
    seat = math.radians(loading.seat_sigma_deg) ** 2
    return [seat, seat, math.radians(turn.sigma_deg) ** 2]


def _with(orientation: Orientation, covariance: np.ndarray) -> Orientation:
    return orientation_of(orientation.array, covariance)


def _check_signs(book: Notebook, name: str) -> None:
    calibration = _calibration(book, name)
    if calibration is None or calibration.alpha_sign is None or calibration.beta_sign is None:
        raise Refused(
            f"an orientation can't be carried through {name}",
            "which way its stage turns is not known, so neither is the frame the orientation is in",
            "add the signs of alpha and beta with `eucentric notebook add-calibration`",
        )


def _calibration(book: Notebook, loading: str) -> CalibrationEntry | None:
    found = book.calibration_of(loading)
    return None if found is None else found[1]


def _shown(book: Notebook, grain: str) -> str:
    return visible(book.get(book.latest(grain), GrainEntry).name, limit=60) if grain else "-"
