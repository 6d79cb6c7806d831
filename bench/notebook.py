"""Does a notebook come back to the last bit, with every tilt? Are altered files refused? `eucentric bench notebook`."""

import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eucentric.bench.contract import at_most, report, share_at_least
from eucentric.bench.crystals.sessions import Session, session
from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb
from eucentric.knowledge.notebook.jsonld import from_jsonld, to_jsonld
from eucentric.knowledge.notebook.nexus import from_hdf5, to_hdf5
from eucentric.knowledge.tilting import answered, target_of
from eucentric.knowledge.tilting.chart import chart_of
from eucentric.knowledge.tilting.from_notebook import situation_in
from eucentric.knowledge.tilting.picture import picture

_TARGETS = ("<111>", "[210]", "(101)")
_LETTERS = '0123456789abz"{}[],:. -\n#'
T = TypeVar("T")


def run(quick: bool = False, seed: int = 7) -> dict[str, Any]:
    """Random sessions written down, sent through both formats, altered, carried over into a second loading."""
    rng = np.random.default_rng(seed)
    sessions, changes = (16, 30) if quick else (200, 30)
    with tempfile.TemporaryDirectory() as folder:
        cases = [_case(rng, Path(folder), k, changes) for k in range(sessions)]
        drawing = _map_seconds(rng, Path(folder), 3 if quick else 10)
    count = len(cases)
    altered = sum(case["altered"] for case in cases)
    arrivals = [one for case in cases for one in case["arrivals"]]
    bars = [
        share_at_least(
            "SQLite → JSON-LD → SQLite → HDF5 → SQLite is the same", _sum(cases, "same"), count, 1.0
        ),
        share_at_least(
            "tilts from the copy are the same to the last bit", _sum(cases, "tilts_same"), count, 1.0
        ),
        share_at_least("solutions come out again from raw readings", _sum(cases, "remade"), count, 1.0),
        share_at_least(
            "the true orientation is among the candidates", _sum(cases, "true_found"), count, 0.97
        ),
        share_at_least(
            "altered files refused, or nothing in them is changed", _sum(cases, "refused"), altered, 1.0
        ),
        share_at_least(
            "after reloading, axes land within the error said (95 %)", sum(arrivals), len(arrivals), 0.9
        ),
        at_most("an answer from a notebook, median CPU ms", _median(cases, "answer_ms"), 50.0, n=count),
        at_most("a map as PNG, median CPU s", drawing, 2.0, n=3),
    ]
    figures = {
        "sessions": count,
        "altered_files": altered,
        "read_ms": _median(cases, "read_ms"),
        "jsonld_ms": _median(cases, "jsonld_ms"),
        "hdf5_ms": _median(cases, "hdf5_ms"),
        "jsonld_bytes": statistics.median(case["jsonld_bytes"] for case in cases),
        "hdf5_bytes": statistics.median(case["hdf5_bytes"] for case in cases),
    }
    return report("notebook", seed, figures, bars, cases=cases)


def _case(rng: np.random.Generator, folder: Path, number: int, changes: int) -> dict[str, Any]:
    made = session(rng, folder / f"{number}.notebook")
    text, jsonld_ms = _timed(lambda: to_jsonld(made.book))
    with nb.NotebookFile.copy(folder / f"{number}-two.notebook", from_jsonld(text, "sent")) as two:
        (second, read_ms), file = _timed(two.read), folder / f"{number}.h5"
    data, hdf5_ms = _timed(lambda: to_hdf5(second))
    file.write_bytes(data)
    with nb.NotebookFile.copy(folder / f"{number}-three.notebook", from_hdf5(file)) as three:
        last = three.read()
    mine, answer_ms = _timed(lambda: _answers(made.book))
    refused = _refused(rng, made.book, text, data, folder / "altered.h5", changes)
    return {
        "id": f"{number:03d}",
        "crystal": made.crystal.name,
        "same": last.sha256 == made.book.sha256 and to_jsonld(last) == text,
        "tilts_same": _answers(last) == mine,
        "remade": nb.remade(last, "sol1").identical,
        "true_found": _true_found(made),
        "altered": changes,
        "refused": refused,
        "arrivals": _arrivals(made),
        "jsonld_ms": jsonld_ms, "hdf5_ms": hdf5_ms, "read_ms": read_ms, "answer_ms": answer_ms / len(_TARGETS),
        "jsonld_bytes": len(text.encode()), "hdf5_bytes": len(data),
    }  # fmt: skip


def _answers(book: nb.Notebook) -> list[dict[str, Any]]:
    """Everything that is answered about some targets, from the raw readings."""
    situation = situation_in(book, "A", "load1").situation
    return [answered(situation, target_of(text)).model_dump() for text in _TARGETS]


def _true_found(made: Session) -> bool:
    candidates = made.book.get("sol1", nb.SolutionEntry).candidates
    return any(
        cr.equivalent(made.crystal, made.true.array, one.orientation.array, _three_sigmas(one.orientation))
        for one in candidates
    )


def _three_sigmas(orientation: cr.Orientation) -> float:
    """Three standard deviations of the whole turn [degree]."""
    return 3 * math.degrees(math.sqrt(float(np.trace(orientation.covariance))))


def _arrivals(made: Session) -> list[bool]:
    """Whether axes lie where they are said to be after reloading, for the candidate that is the true one."""
    situation = situation_in(made.book, "A", "load2").situation
    turned = made.after.array @ made.true.array.T
    first = made.book.get("sol1", nb.SolutionEntry).candidates
    found = []
    for one, before in zip(situation.candidates, first, strict=True):
        if not cr.equivalent(
            made.crystal, made.true.array, before.orientation.array, _three_sigmas(before.orientation)
        ):
            continue
        for axis in ((0, 0, 1), (1, 1, 1), (2, 1, 0)):
            names = before.orientation.array @ made.crystal.direction(axis)
            tilt = cr.tilt_to_axis(made.crystal, one.orientation, axis, situation.stage)
            said = cr.predicted_arrival(made.crystal, one.orientation, tilt)
            true = turned @ _nearest_true(made, names)
            lands = one.orientation.array @ made.crystal.direction(axis)
            off = math.degrees(math.acos(min(1.0, abs(float(lands @ true)))))
            found.append(off <= said.within_95_deg)
        break
    return found


def _nearest_true(made: Session, direction: np.ndarray) -> np.ndarray:
    """The true direction of the family that a solved one stands for: candidates name axes up to symmetry."""
    best, closest = direction, -1.0
    for rotation in made.crystal.cartesian:
        for sign in (1.0, -1.0):
            true = sign * made.true.array @ rotation @ made.true.array.T @ direction
            if float(true @ direction) > closest:
                best, closest = true, float(true @ direction)
    return best


def _refused(
    rng: np.random.Generator, book: nb.Notebook, text: str, data: bytes, file: Path, changes: int
) -> int:
    """One letter of the JSON-LD or one bit of the HDF5 changed at random: how many are refused or say the same."""
    held = 0
    start = text.index('"entries"')
    for number in range(changes):
        try:
            if number % 2:
                file.write_bytes(_flipped(rng, data))
                found = from_hdf5(file)
            else:
                at = int(rng.integers(start, len(text)))
                found = from_jsonld(text[:at] + str(rng.choice(list(_LETTERS))) + text[at + 1 :], "altered")
        except BadInput:
            held += 1
        else:
            held += found.sha256 == book.sha256
    return held


def _flipped(rng: np.random.Generator, data: bytes) -> bytes:
    at = int(rng.integers(len(data)))
    return data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]


def _map_seconds(rng: np.random.Generator, folder: Path, count: int) -> float:
    seconds = []
    for number in range(count + 1):
        made = session(rng, folder / f"map-{number}.notebook")
        situation = situation_in(made.book, "A", "load1").situation
        answer = answered(situation, target_of("<111>"))
        _, spent = _timed(lambda s=situation, a=answer: picture(chart_of(s, a), s.crystal, ("", "")))  # type: ignore[misc]
        seconds.append(spent / 1e3)
    return statistics.median(seconds[1:])  # the first one imports matplotlib


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What it returns, and CPU milliseconds."""
    start = time.process_time()
    result = work()
    return result, (time.process_time() - start) * 1e3


def _sum(cases: list[dict[str, Any]], key: str) -> int:
    return sum(int(case[key]) for case in cases)


def _median(cases: list[dict[str, Any]], key: str) -> float:
    return round(float(statistics.median(case[key] for case in cases)), 3)
