"""The situation that a notebook tells: solved from the raw readings of the present loading, else carried over."""

from typing import NamedTuple

from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal import Candidate, Reading
from eucentric.knowledge.notebook import Inputs, LoadingEntry, Notebook, carried, inputs_of, stage_of
from eucentric.knowledge.notebook.solving import candidates_of
from eucentric.knowledge.tilting.situation import Situation


class Told(NamedTuple):
    """A situation, and the grain and loading it is of."""

    situation: Situation
    grain: str
    loading: str


def situation_in(book: Notebook, grain_name: str = "", loading: str = "", now: Reading | None = None) -> Told:
    """Where a grain can be tilted to from what is written down.

    Parameters
    ----------
    grain_name
        Id or name; empty if the notebook has one grain or none.
    loading
        The newest if not given.

    Raises
    ------
    BadInput
        If the grain is not known, or neither readings here nor an earlier loading fix its orientation.
    Refused
        If an azimuth, or the way from an earlier loading, needs a calibration that nobody made.
    """
    grain = chosen_grain(book, grain_name)
    newest = book.newest(LoadingEntry)
    loading = loading or (newest[0] if newest else "")
    found = book.calibration_of(loading)
    stage = stage_of(found[1] if found else None, found[0] if found else "")
    try:
        inputs = inputs_of(book, grain, loading)
        candidates, source = _solved(inputs)
    except BadInput as missing:
        candidates, source = _carried(book, grain, loading, missing)
    readings = book.readings_of(grain, loading)
    last = readings[-1][1] if readings else None
    here = Reading(alpha_deg=last.alpha_deg, beta_deg=last.beta_deg) if last else Reading(alpha_deg=0.0)
    return Told(
        Situation(
            crystal=book.phase_of(grain)[1].crystal,
            stage=stage,
            candidates=candidates,
            now=now or here,
            repeatability_deg=found[1].repeatability_deg if found else 0.0,
            source=source,
        ),
        grain,
        loading,
    )


def chosen_grain(book: Notebook, name: str) -> str:
    """The id of a grain by name, or of the only one; empty if there is none and none was named.

    Raises
    ------
    BadInput
        If there are several, or none of that name.
    """
    if name:
        return book.grain_named(name)[0]
    grains = book.grains()
    if len(grains) > 1:
        names = ", ".join(grain.name for _, grain in grains)
        raise BadInput(
            "which grain is meant is not said", f"the notebook has {names}", "name one with --grain"
        )
    return grains[0][0] if grains else ""


def _solved(inputs: Inputs) -> tuple[tuple[Candidate, ...], str]:
    found = candidates_of(inputs)
    left = (
        f" (not used: {', '.join(one.split(':')[0] for one in inputs.left_out)})" if inputs.left_out else ""
    )
    return found, f"readings {', '.join(inputs.readings)}{left}"


def _carried(
    book: Notebook, grain: str, loading: str, missing: BadInput
) -> tuple[tuple[Candidate, ...], str]:
    """From an earlier loading, if this one has not two indexed readings; else what was wrong with its own."""
    here = [one for _, one in book.readings_of(grain, loading) if one.seen != "unindexed"]
    if len(here) >= 2:
        raise missing
    try:
        found = carried(book, grain, loading)
    except BadInput as nothing:
        raise nothing if book.get(loading, LoadingEntry).after else missing from None
    return found.candidates, f"{found.source} carried over"
