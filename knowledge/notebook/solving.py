"""Orientations made from the raw readings of a notebook, and made again to see whether the same comes out."""

from typing import Any

import numpy as np

from eucentric import __version__
from eucentric.core.base import Model
from eucentric.core.canonical import digest
from eucentric.core.clock import utc_now
from eucentric.core.errors import BadInput, EucentricError, Refused
from eucentric.knowledge.crystal import (
    Candidate,
    Crystal,
    Observation,
    Stage,
    next_axis,
    quaternion,
    solve_orientation,
)
from eucentric.knowledge.crystal.rotation import angle_of
from eucentric.knowledge.notebook.book import Notebook
from eucentric.knowledge.notebook.entries import CalibrationEntry, PhaseEntry, ReadingEntry, SolutionEntry
from eucentric.knowledge.notebook.frames import observation_of, stage_of

_INDEXED = ("axis", "g", "band")


class Inputs(Model):
    """What goes into a solution, taken from raw entries only."""

    phase: str
    crystal: Crystal
    calibration: str
    """Empty if the holder was never calibrated."""
    stage: Stage
    readings: tuple[str, ...]
    observations: tuple[Observation, ...]
    left_out: tuple[str, ...] = ()
    """Readings whose azimuth nobody can use yet, each with why."""

    @property
    def sha256(self) -> str:
        """Of all that the result depends on."""
        parts = (self.crystal, self.stage.model_copy(update={"calibration": ""}), *self.observations)
        return digest([part.model_dump(mode="json") for part in parts])


class Remade(Model):
    """A solution made again from its raw readings."""

    solution: str
    same_inputs: bool
    """True if crystal, stage and observations are to the last bit what they were."""
    identical: bool
    """True if every candidate is, too."""
    turned_deg: float | None
    """Largest angle between a candidate then and now; None if their number is another."""
    problem: str = ""
    """Why it can't be made again, if it can't."""
    software_then: str
    software_now: str


def software() -> str:
    """What computed this."""
    return f"eucentric {__version__}, numpy {np.__version__}"


def inputs_of(book: Notebook, grain: str, loading: str) -> Inputs:
    """The indexed readings of a grain in one loading, with the stage and crystal they are solved with.

    Raises
    ------
    BadInput
        If no phase is known, or fewer than two readings are indexed.
    Refused
        If fewer than two are left without the azimuths that were read in a mode nobody calibrated.
    """
    found = book.calibration_of(loading)
    usable, refused = _sorted_out(book, grain, loading, found[1] if found else None)
    if len(usable) < 2:
        if refused:
            raise next(iter(refused.values()))
        raise BadInput(
            f"{len(usable)} indexed reading{'s' if len(usable) != 1 else ''} of this grain in this loading",
            "two fix an orientation",
            "add one with `eucentric notebook add-reading 10.9,5.0=[110]`",
        )
    inputs = _inputs(book, usable, book.phase_of(grain)[0], found[0] if found else "")
    left = tuple(f"{key}: {error.what}, {error.why}" for key, error in refused.items())
    return inputs.model_copy(update={"left_out": left})


def solved(book: Notebook, grain: str, loading: str, by: str, max_index: int = 3) -> SolutionEntry:
    """All orientations that fit the indexed readings of a grain, with the next axis to look at.

    Raises
    ------
    BadInput
        If the readings fix no orientation or contradict each other.
    """
    inputs = inputs_of(book, grain, loading)
    candidates = candidates_of(inputs)
    return SolutionEntry(
        at=utc_now(),
        by=by,
        grain=grain,
        phase=inputs.phase,
        loading=loading,
        calibration=inputs.calibration,
        readings=inputs.readings,
        candidates=candidates,
        next_axis=next_axis(inputs.crystal, candidates, inputs.stage, max_index),
        inputs_sha256=inputs.sha256,
        software=software(),
    )


def candidates_of(inputs: Inputs) -> tuple[Candidate, ...]:
    """All orientations that fit.

    Raises
    ------
    BadInput
        If the readings fix none or contradict each other; it names them and says how one is corrected.
    """
    try:
        return solve_orientation(inputs.crystal, inputs.observations, inputs.stage)
    except BadInput as error:
        raise BadInput(
            error.what,
            error.why,
            f"{error.remedy}; these are readings {', '.join(inputs.readings)}: a right one takes a wrong one's place "
            "with `eucentric notebook add-reading … --replaces ID`",
        ) from error


def remade(book: Notebook, name: str) -> Remade:
    """A solution again, from the very readings, phase and calibration that it names."""
    old = book.get(name, SolutionEntry)
    told = {"solution": name, "software_then": old.software, "software_now": software()}
    try:
        inputs = _inputs(book, old.readings, old.phase, old.calibration)
        now = solve_orientation(inputs.crystal, inputs.observations, inputs.stage)
    except EucentricError as error:
        return Remade(same_inputs=False, identical=False, turned_deg=None, problem=error.what, **told)
    return Remade(
        same_inputs=inputs.sha256 == old.inputs_sha256,
        identical=_plain(now) == _plain(old.candidates),
        turned_deg=_turned(old.candidates, now),
        **told,
    )


def _sorted_out(
    book: Notebook, grain: str, loading: str, calibration: CalibrationEntry | None
) -> tuple[list[str], dict[str, Refused]]:
    """Indexed readings that can be used, and those that can't until somebody calibrates the screen."""
    usable: list[str] = []
    refused: dict[str, Refused] = {}
    for key, one in book.readings_of(grain, loading):
        if one.seen in _INDEXED:
            try:
                observation_of(one, calibration)
                usable.append(key)
            except Refused as error:
                refused[key] = error
    return usable, refused


def _inputs(book: Notebook, names: list[str] | tuple[str, ...], phase: str, calibration: str) -> Inputs:
    held = book.get(calibration, CalibrationEntry) if calibration else None
    readings = [book.get(name, ReadingEntry) for name in names]
    return Inputs(
        phase=phase,
        crystal=book.get(phase, PhaseEntry).crystal,
        calibration=calibration,
        stage=stage_of(held, calibration),
        readings=tuple(names),
        observations=tuple(observation_of(one, held) for one in readings),
    )


def _plain(candidates: tuple[Candidate, ...]) -> list[dict[str, Any]]:
    """Numbers only: models that have been used carry cached arrays, which have no one truth."""
    return [one.model_dump() for one in candidates]


def _turned(then: tuple[Candidate, ...], now: tuple[Candidate, ...]) -> float | None:
    """Largest angle between candidates in their order [degree]."""
    if len(then) != len(now):
        return None
    between = [a.orientation.array.T @ b.orientation.array for a, b in zip(then, now, strict=True)]
    return max(angle_of(quaternion(one)) for one in between)
