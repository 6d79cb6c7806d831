"""Sessions at a microscope that nobody had: random grains, readings with errors, all written into a notebook."""

import math
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.core.errors import BadInput
from eucentric.knowledge import crystal as cr
from eucentric.knowledge import notebook as nb
from eucentric.knowledge.crystal.orientation import Flip
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.crystal.stage import Sign
from eucentric.knowledge.diffraction import structure_named
from eucentric.knowledge.notebook.book import row_of
from eucentric.knowledge.notebook.entries import Anything

CRYSTALS = ("SrTiO3", "Si", "Ti", "Ti3C2", "quartz", "Al2O3", "TiO2", "BaTiO3", "MoO3", "ZrO2")
SIGMA_DEG = 0.1
"""Of a reading, for each direction across the axis."""
TURN_SIGMA_DEG, SEAT_SIGMA_DEG = 0.5, 0.3
_FLIPS: tuple[Flip, ...] = ("none", "about_alpha", "about_beta", "about_beam")
_AT = {"at": "2026-11-28T03:45:17.123Z", "by": "bench"}
_SIDES = {"none": (1, 1, 1), "about_alpha": (1, -1, -1), "about_beta": (-1, 1, -1), "about_beam": (-1, -1, 1)}


@dataclass(frozen=True)
class Session:
    """What was written, and what was true."""

    crystal: cr.Crystal
    true: cr.Orientation
    """In the first loading."""
    after: cr.Orientation
    """As it truly lies in the second loading."""
    book: nb.Notebook


def session(rng: np.random.Generator, path: Path) -> Session:
    """A crystal read on three of its axes, taken out, put back; the file is left at `path`."""
    crystal = structure_named(str(rng.choice(CRYSTALS))).crystal
    calibration = _calibration(rng)
    stage = nb.stage_of(calibration)
    while True:
        true = cr.orientation_of(_rotation(rng))
        readings = _readings(rng, crystal, true, stage)
        book = _begun(crystal, calibration, readings) if readings else None
        if book is not None:
            break
    flip, turn = _FLIPS[int(rng.integers(4))], float(rng.uniform(-180, 180))
    with nb.NotebookFile.copy(path, book) as file:
        file.add(nb.solved(book, "grain1", "load1", "bench"))
        file.add(
            nb.LoadingEntry(
                **_AT, calibration="cal1", after="load1", flip=flip, turn_deg=turn,
                turn_sigma_deg=TURN_SIGMA_DEG, seat_sigma_deg=SEAT_SIGMA_DEG,
            )
        )  # fmt: skip
        book = file.read()
    return Session(crystal, true, _put_back(rng, true, flip, turn), book)


def _begun(
    crystal: cr.Crystal, calibration: nb.CalibrationEntry, readings: list[nb.ReadingEntry]
) -> nb.Notebook | None:
    """A notebook with these readings; None if they contradict each other by chance: then one reads again."""
    specimen = nb.SpecimenEntry(**_AT, name=f"a piece of {crystal.name}")
    book = nb.Notebook(id=uuid.uuid4().hex, rows=(row_of("specimen1", specimen),))
    grain = nb.GrainEntry(**_AT, name="A", phase="phase1", loading="load1")
    loading, phase = nb.LoadingEntry(**_AT, calibration="cal1"), nb.PhaseEntry(**_AT, crystal=crystal)
    entries: list[Anything] = [calibration, loading, phase, grain, *readings]
    for one in entries:
        book = book.plus(one)
    try:
        nb.solved(book, "grain1", "load1", "bench")
    except BadInput:
        return None
    return book


def _calibration(rng: np.random.Generator) -> nb.CalibrationEntry:
    screens = [
        nb.ScreenRow(
            screen=nb.ScreenMode(camera_length_mm=float(length), high_tension_kv=200.0),
            azimuth_deg=float(rng.uniform(-180, 180)),
            mirrored=bool(rng.integers(2)),
        )
        for length in (100, 245)
    ]
    return nb.CalibrationEntry(
        **_AT, microscope="M", holder_name="H", alpha_sign=_sign(rng),
        beta_sign=_sign(rng), limits=cr.Box(alpha=(-40, 40), beta=(-35, 35)),
        screens=tuple(screens),
    )  # fmt: skip


def _sign(rng: np.random.Generator) -> Sign:
    return 1 if rng.integers(2) else -1


def _readings(
    rng: np.random.Generator, crystal: cr.Crystal, true: cr.Orientation, stage: cr.Stage
) -> list[nb.ReadingEntry]:
    """Three zone axes in reach, well apart and not in one plane, each seen with its error; none if there are not."""
    tilts = cr.reachable_axes(crystal, true, stage, 2)
    directions = np.array([true.array @ crystal.direction(t.uvw) for t in tilts]).reshape(-1, 3)
    for _ in range(20):
        if len(tilts) < 3:
            return []
        chosen = rng.choice(len(tilts), 3, replace=False)
        volume = abs(float(np.linalg.det(directions[chosen])))
        cosines = directions[chosen] @ directions[chosen].T
        if (
            volume > 0.02
            and np.degrees(np.arccos(min(1.0, float(np.abs(cosines[np.triu_indices(3, 1)]).max())))) > 8
        ):
            return [_reading(rng, tilts[int(k)].uvw, directions[k], stage) for k in chosen]
    return []


def _reading(rng: np.random.Generator, uvw: Any, direction: Array, stage: cr.Stage) -> nb.ReadingEntry:
    """Seen with an error across the axis, written down to a hundredth of a degree."""
    off = np.cross(rng.normal(scale=math.radians(SIGMA_DEG), size=3), direction)
    tilt = cr.tilt_to_direction(stage, cr.unit(direction + off), sense="as_given")
    return nb.ReadingEntry(
        **_AT, seen="axis", written=cr.shown(uvw), grain="grain1", loading="load1", sigma_deg=SIGMA_DEG,
        alpha_deg=round(tilt.alpha_deg, 2), beta_deg=round(tilt.beta_deg, 2), frame=f"f-{rng.integers(100_000):05d}",
    )  # fmt: skip


def _put_back(rng: np.random.Generator, true: cr.Orientation, flip: str, turn: float) -> cr.Orientation:
    """Turned over and about the beam, not quite as it is written down, and not quite flat."""
    about = cr.axis_angle((0, 0, 1), turn + rng.normal(scale=TURN_SIGMA_DEG))
    seat = cr.axis_angle((1, 0, 0), rng.normal(scale=SEAT_SIGMA_DEG)) @ cr.axis_angle(
        (0, 1, 0), rng.normal(scale=SEAT_SIGMA_DEG)
    )
    return cr.orientation_of(seat @ about @ np.diag(_SIDES[flip]) @ true.array)


def _rotation(rng: np.random.Generator) -> Array:
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return np.asarray(q * np.sign(np.linalg.det(q)))
