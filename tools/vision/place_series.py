"""Maps of one place put on the sites of the first, whatever the drift: density against dose, site by site."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from eucentric.core.errors import BadInput
from eucentric.tools.vision.saved import Saved
from eucentric.tools.vision.statistics import DoseSeries, Look, dose_series

_REACH = 0.4
"""A site is the same within this share of the distance of neighbours."""
_AGAIN = 0.7
"""Fewer of the first frame's calls than this share of the recall, seen again, are no damage."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """One place, frame after frame."""

    series: DoseSeries
    first: Saved
    """The map whose sites are numbered."""
    left_out: tuple[tuple[str, str], ...]
    """(frame, why)."""
    remarks: tuple[str, ...]


def followed(maps: Sequence[Saved], dose_per_frame: float | None, dose_before: float) -> Followed:
    """Density against dose.

    Parameters
    ----------
    maps
        What `detect` wrote about frames of one place, in any order.
    dose_per_frame
        [e/Å²]; None takes what the files say, or counts frames.
    dose_before
        That the place had had before the first frame [e/Å²].

    Raises
    ------
    BadInput
        If they are not frames of one place, or fewer than two can be used.
    """
    frames = sorted((one for one in maps if one.series), key=_number)
    if not frames or len({str((one.series or {})["place"]) for one in frames}) > 1:
        raise BadInput(
            "these are not frames of one place",
            f"{len(frames)} of {len(maps)} maps belong to a series",
            "run `eucentric detect --series` (or --frames each) on one place into a folder of its own",
        )
    used, left = _usable(frames)
    each, unit = _doses(frames, dose_per_frame)
    doses = dict(
        zip(map(_number, frames), middles(each, dose_before if unit != "frames" else 0.0), strict=True)
    )
    looks = [_look(used[0], one, doses[_number(one)]) for one in used]
    first = used[0].finding if used else frames[0].finding
    spread = float(first.details.get("overdispersion", 1.0))
    series = dose_series(looks, what=first.what, unit=unit, spread=spread)
    return Followed(series, used[0], left, tuple(_remarks(looks, unit)))


def _number(one: Saved) -> int:
    return int((one.series or {})["number"])


def _usable(frames: Sequence[Saved]) -> tuple[list[Saved], tuple[tuple[str, str], ...]]:
    """Frames that can be laid on the first one that can be read."""
    used: list[Saved] = []
    left: list[tuple[str, str]] = []
    for one in frames:
        lost = (one.series or {})["shift_px"] is None
        why = one.finding.cannot_tell or ("it is not recognised as the same place" if lost else "")
        if why:
            left.append((one.frame, why))
        else:
            used.append(one)
    return used, tuple(left)


def _doses(frames: Sequence[Saved], stated: float | None) -> tuple[list[float], str]:
    """Dose of every frame, also of those that were left out; numbers of frames if nobody knows it."""
    if stated is not None:
        return [stated] * len(frames), "e/Å²"
    known = [one.dose_e_per_a2 for one in frames if one.dose_e_per_a2]
    return (known, "e/Å²") if len(known) == len(frames) else ([1.0] * len(frames), "frames")


def middles(each: Sequence[float], before: float) -> list[float]:
    """Dose that a place had had by the middle of each frame."""
    sums = np.concatenate([[0.0], np.cumsum(each)])
    return [float(before + sums[k] + dose / 2) for k, dose in enumerate(each)]


def _look(first: Saved, other: Saved, dose: float) -> Look:
    (x, y), (x0, y0) = ((one.series or {})["shift_px"] for one in (other, first))
    calls = calls_at(first.xy, other.xy, (x - x0, y - y0), other.p > 0.5, other.examined)
    calls[~first.examined] = -1
    return Look(dose, calls, other.recall, other.false_calls / max(int(other.examined.sum()), 1))


def calls_at(
    first: Array,
    other: Array,
    shift: tuple[float, float],
    vacant: NDArray[np.bool_],
    counted: NDArray[np.bool_],
) -> NDArray[np.int8]:
    """(n,) int8 of the first frame's sites in another frame: 1 called, 0 not, -1 not seen.

    Parameters
    ----------
    first
        (n, 2) [px] of the first frame.
    other
        (m, 2) [px] of the other one.
    shift
        Of the content from the first to the other, x and y [px].
    vacant, counted
        (m,) bool of the other frame.
    """
    out = np.full(len(first), -1, np.int8)
    near, _ = cKDTree(first).query(first, k=2)
    far, row = cKDTree(other).query(first + np.asarray(shift))
    seen = (far < _REACH * float(np.median(near[:, 1]))) & counted[row]
    out[seen] = vacant[row[seen]]
    return out


def _remarks(looks: Sequence[Look], unit: str) -> list[str]:
    out = []
    both = (looks[0].called == 1) & (looks[1].called >= 0)
    again = float((looks[1].called[both] == 1).mean()) if both.any() else 1.0
    if again < _AGAIN * looks[1].recall:
        out.append(
            f"only {again:.0%} of the first frame's vacancies are called again: is it one place, in focus?"
        )
    if unit == "frames":
        out.append("current or dwell is not known: the dose is counted in frames (give --dose-per-frame)")
    return out
