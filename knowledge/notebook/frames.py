"""From what was read to what the mathematics takes: a stage from a calibration, observations from readings.

Azimuths of different modes and camera lengths are brought into the lab frame here, each by its own calibration, so
that the stage which goes with them has a screen that is not turned.
"""

from eucentric.core.errors import Refused
from eucentric.core.text import visible
from eucentric.knowledge.crystal import (
    Observation,
    Pattern,
    Reading,
    Stage,
    direction_indices,
    lab_azimuth_deg,
    parse_indices,
    plane_indices,
)
from eucentric.knowledge.notebook.entries import CalibrationEntry, ReadingEntry, ScreenRow
from eucentric.knowledge.notebook.fields import ScreenAzimuth, ScreenMode

_BAND_DEG = 90.0
"""From the direction of a band to that of its normal."""


def stage_of(calibration: CalibrationEntry | None, name: str = "") -> Stage:
    """The stage of a calibration; its screen is the lab frame if both signs are known, else it has none.

    Without signs +1 is taken: zone axes and the tilts between them come out right all the same (the angle between
    two readings does not depend on them), directions on the screen do not, and are refused.
    """
    if calibration is None:
        return Stage()
    known = calibration.alpha_sign is not None and calibration.beta_sign is not None
    return Stage(
        holder=calibration.holder,
        alpha_sign=calibration.alpha_sign or 1,
        beta_sign=calibration.beta_sign or 1,
        limits=calibration.limits,
        screen_azimuth_deg=0.0 if known else None,
        calibration=name,
    )


def lab_deg(calibration: CalibrationEntry | None, seen: ScreenAzimuth) -> float:
    """The azimuth in the lab frame of a direction on the screen, by the calibration of its very mode.

    Raises
    ------
    Refused
        If that mode, or a sign of the stage, was never calibrated.
    """
    row = screen_row(calibration, seen.screen)
    return lab_azimuth_deg(
        Stage(screen_azimuth_deg=row.azimuth_deg, screen_mirrored=row.mirrored), seen.azimuth_deg
    )


def screen_row(calibration: CalibrationEntry | None, screen: ScreenMode) -> ScreenRow:
    """How the screen is turned in a mode.

    Raises
    ------
    Refused
        If nobody measured it, if several rows fit and disagree, or if a sign of the stage is not known.
    """
    what = f"a direction read in {visible(screen.label, limit=80)} can't be used"
    if calibration is None:
        raise Refused(what, "the notebook has no calibration of this microscope and holder", _HOW)
    if calibration.alpha_sign is None or calibration.beta_sign is None:
        raise Refused(
            what,
            "which way the stage turns is not known, and no pair of zone axes can reveal it",
            "watch a pattern while each axis is tilted a little, and add the signs with "
            "`eucentric notebook add-calibration`",
        )
    rows = [row for row in calibration.screens if row.screen.fits(screen)]
    exact = [row for row in rows if row.screen == screen]
    rows = exact[-1:] or rows
    if not rows:
        known = "; ".join(visible(row.screen.label, limit=60) for row in calibration.screens) or "none"
        raise Refused(what, f"the screen was calibrated in these modes: {known}", _HOW)
    if len({(row.azimuth_deg, row.mirrored) for row in rows}) > 1:
        raise Refused(
            what,
            f"{len(rows)} calibrations fit and disagree",
            "state the camera length and high tension with the reading",
        )
    return rows[0]


_HOW = (
    "tilt alpha a little, see which way the pattern moves on the screen, and add that azimuth with "
    "`eucentric notebook add-calibration`"
)


def observation_of(reading: ReadingEntry, calibration: CalibrationEntry | None) -> Observation:
    """What a reading says, for the solver; azimuths in the lab frame.

    Raises
    ------
    Refused
        If it has an azimuth in a mode that was never calibrated.
    BadInput
        If its index is none.
    """
    indices, kind, family = parse_indices(reading.written)
    at = Reading(alpha_deg=reading.alpha_deg, beta_deg=reading.beta_deg)
    if kind == "direction":
        return Observation(
            reading=at, uvw=direction_indices(indices), family=family, sense=reading.sense,
            sigma_deg=reading.sigma_deg,
        )  # fmt: skip
    seen = lab_deg(calibration, reading.azimuths[0])
    return Observation(
        reading=at, hkl=plane_indices(indices), azimuth_deg=seen + (_BAND_DEG if reading.seen == "band" else 0.0),
        family=family, sense=reading.sense, sigma_deg=reading.sigma_deg,
    )  # fmt: skip


def pattern_of(reading: ReadingEntry, calibration: CalibrationEntry | None) -> Pattern:
    """An unindexed reading for the map of an unknown crystal; its bands in the lab frame."""
    return Pattern(
        reading=Reading(alpha_deg=reading.alpha_deg, beta_deg=reading.beta_deg),
        traces_deg=tuple(lab_deg(calibration, seen) for seen in reading.azimuths),
        spacings_angstrom=reading.spacings_angstrom,
        sigma_deg=reading.sigma_deg,
    )
