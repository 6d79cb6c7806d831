"""A stored diffraction pattern as it can be read: its screen, its light, its phases, the tilts it was taken at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eucentric.core.errors import BadInput, NotAvailable, Refused
from eucentric.core.instrument import Frame
from eucentric.core.text import visible
from eucentric.knowledge.crystal import Reading, Stage, rotation
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction import Illumination, Reflections, Screen, reflections, structure_named
from eucentric.knowledge.diffraction.spots import WIDEST_MRAD
from eucentric.knowledge.notebook import LoadingEntry, Notebook, ScreenMode
from eucentric.knowledge.notebook.frames import screen_row
from eucentric.tools.base import Context

_MOST_PER_A = 2.4
"""Reflections are listed to the corners of the screen, at most to here [1/Å]."""


@dataclass(frozen=True)
class PatternIn:
    """What is known of a pattern before it is read."""

    frame: Frame
    screen: Screen
    light: Illumination
    reading: Reading | None
    """Tilts at which it was taken; None if nobody noted them."""
    turned: bool
    """Whether the screen is calibrated against the alpha axis, and the stage's signs are known."""
    why_not: str
    """What lacks for directions on it to be used in the specimen."""


def newest_pattern(context: Context, name: str) -> Frame:
    """A pattern by the id of its frame, or the newest for 'last'.

    Raises
    ------
    BadInput
        If there is none, or the frame is no pattern.
    """
    if name != "last":
        frame = context.records.frame(name)
        if frame.pixel_mrad is None:
            raise BadInput(
                f"frame {visible(name, limit=40)} is no diffraction pattern, or nobody calibrated its camera length",
                "spots are compared with spacings: the angle of a pixel is needed",
                "record a pattern with a calibrated camera length",
            )
        return frame
    for row in context.records.events(kind="returned", limit=2000):
        for data in row["body"].get("frames", ()):
            if data.get("purpose") == "diffraction" and data.get("pixel_mrad"):
                return Frame.model_validate(data)
    raise BadInput(
        "there is no diffraction pattern yet",
        "which axis is on the beam is read off a pattern, not off an image's look",
        "record one at the present tilt first",
    )


def pattern_in(context: Context, frame: Frame) -> PatternIn:
    """The pattern with what the notebook knows of its screen.

    Raises
    ------
    BadInput
        If its scale, high tension or convergence is not known, or its discs overlap.
    """
    light = _light_of(frame)
    if frame.pixel_mrad is None:
        raise _lacking(frame, "camera length", "angles become spacings by it")
    azimuth, mirrored, why = _screen_of(context, frame)
    screen = Screen(
        rows=frame.shape[0],
        columns=frame.shape[1],
        per_pixel=1e-3 * frame.pixel_mrad / light.wavelength_a,
        azimuth_deg=azimuth,
        mirrored=mirrored,
    )
    reading = (
        None
        if frame.alpha_deg is None
        else Reading(
            alpha_deg=frame.alpha_deg, beta_deg=frame.beta_deg if frame.beta_deg is not None else 0.0
        )
    )
    return PatternIn(frame, screen, light, reading, not why, why)


def _light_of(frame: Frame) -> Illumination:
    if frame.voltage_kv is None:
        raise _lacking(frame, "high tension", "angles become spacings by the wavelength")
    if frame.convergence_mrad is None:
        raise _lacking(frame, "convergence", "it says how large a spot is")
    if frame.convergence_mrad > WIDEST_MRAD:
        raise BadInput(
            f"pattern {frame.id} was recorded with {frame.convergence_mrad:g} mrad of convergence",
            f"above {WIDEST_MRAD:g} mrad its discs overlap",
            "record it again with a smaller condenser aperture",
        )
    return Illumination(voltage_kv=frame.voltage_kv, convergence_mrad=frame.convergence_mrad)


def _lacking(frame: Frame, what: str, why: str) -> BadInput:
    return BadInput(f"pattern {frame.id} lacks its {what}", why, "record it again with that known")


def _screen_of(context: Context, frame: Frame) -> tuple[float, bool, str]:
    """(azimuth, mirrored, why it can't be used)."""
    book: Notebook | None = context.records.notebook(context.specimen.name)
    newest = book.newest(LoadingEntry) if book is not None else None
    found = book.calibration_of(newest[0]) if book is not None and newest else None
    mode = ScreenMode(
        mode="diffraction", camera_length_mm=frame.camera_length_mm, high_tension_kv=frame.voltage_kv
    )
    try:
        row = screen_row(found[1] if found else None, mode)
    except Refused as error:
        return 0.0, False, f"{error.what}: {error.why}. {error.remedy}"
    return row.azimuth_deg, row.mirrored, ""


def phases_for(names: Sequence[str], screen: Screen) -> list[Reflections]:
    """Reflections of each phase out to the screen's corners."""
    largest = min(1.1 * screen.reach, _MOST_PER_A)
    return [reflections(structure_named(name), largest) for name in names]


def in_specimen(to_lab: Array, stage: Stage, reading: Reading) -> Array:
    """(3, 3) crystal Cartesian to specimen, from crystal to lab at a reading."""
    return np.asarray(rotation(stage, reading).T @ to_lab)


def moved_since(context: Context, one: PatternIn) -> tuple[float | None, float | None]:
    """(tilt since the pattern [deg], its age [s]); None where nobody can tell."""
    try:
        state = context.microscope.state()
    except NotAvailable:
        return None, None
    age = None if one.frame.time_s is None else state.time_s - one.frame.time_s
    if one.reading is None or "alpha_deg" not in state.stage:
        return None, age
    beta = state.stage["beta_deg"].reported if "beta_deg" in state.stage else 0.0
    away = np.hypot(state.stage["alpha_deg"].reported - one.reading.alpha_deg, beta - one.reading.beta_deg)
    return float(away), age
