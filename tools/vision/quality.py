"""What can be trusted: flags with their reason, and when to say nothing rather than guess."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.knowledge.phases import Phase

Flag = tuple[str, str]
"""(code, text for a person)."""

LATTICE_SEEN = 0.5
"""Where the local mean column has less than this share of its brightness, the lattice is lost."""
LATTICE_GONE = 0.15
MIN_COHERENCE = 0.60
"""Real images in focus, turned and rescaled, have 0.61 and more, one out of focus 0.51-0.55."""
RESIDUAL_FACTOR = 1.5
MIN_MODULATION = 0.2
"""In focus, the columns of a monolayer hold half of the intensity and more; its zero is where the noise ends."""
_SUPPORT_UNDERNEATH = 0.98
"""How far little contrast alone raises the doubt: real images in focus have a modulation of 0.07-0.13."""
MIN_RECALL, GOOD_RECALL = 0.3, 0.8
SCALE_TOLERANCE = 0.01
MOST_STRETCH = 0.1
"""Of a lattice whose pixel size nobody stated: from 0.2 on the wrong ring may be taken."""
CAPACITY_TOLERANCE = 0.03
GOOD_AREA = 0.98
MOST_CLIPPED, MUCH_CLIPPED = 0.005, 0.05
"""Share of pixels at the detector's ceiling: worth saying, and too many to compare brightnesses."""
ON_THE_LATTICE = 0.06
"""Lattice residual over the spacing of sites below which neighbours must form hexagons."""
WIDEST_COLUMN = 0.36
"""Column width over the spacing of sites. In focus it is 0.25-0.30 with a source of 0.7-1.1 Å (multislice images)."""
WIDEST_BESIDE_HOLLOW, WIDEST_PM = 0.42, 75.0
"""The same for a honeycomb of columns alike, each with three neighbours, and for columns that are far apart."""
FATAL = ("no_lattice", "out_of_focus", "saturated", "low_counts")


@dataclass(frozen=True)
class Picture:
    """The figures that the flags are read from."""

    coherence: float
    residual_pm: float
    column_sigma_pm: float
    fit_noise_pm: float
    """Localisation noise along one axis [pm]."""
    pixel_pm: float
    stated_pixel_pm: float | None
    columns: int
    capacity: float
    usable: float
    recall: float
    modulation: float
    """Net volume of the columns over all intensity of the image."""
    spacing_pm: float = 0.0
    """Distance of neighbouring sites [pm]."""
    clipped: float = 0.0
    """Share of the pixels piled up at the highest value."""
    stretch: float = 0.0
    """Longer over shorter axis of the lattice, minus 1: drift during the scan."""
    turns_deg: tuple[float, ...] = ()
    """Direction of every grain [deg]."""
    shares: tuple[float, ...] = ()
    """Share of the area of every grain."""
    boundary: float = 0.0
    """Share of the area within a boundary of grains."""
    wrong_cell: str = ""
    """What speaks against the cell of the phase."""
    widest_pm: float = math.inf
    """Width of a column from which on the image is out of focus [pm]."""


def flags_of(p: Picture) -> tuple[Flag, ...]:
    """All flags of a picture, worst first."""
    found = (
        _focus(p) or _width(p),
        _cell(p),
        _clipped(p),
        _counts(p),
        _scale(p),
        _capacity(p),
        _area(p),
        _several(p),
    )
    return tuple(flag for flag in found if flag)


def doubt(p: Picture) -> float:
    """0 (nothing odd) to 1; 0.5 where the worst figure meets its limit."""
    expected = 2**0.5 * max(p.fit_noise_pm, 1e-9)
    off_scale = (
        0.0 if p.stated_pixel_pm is None else abs(p.pixel_pm / p.stated_pixel_pm - 1) / _scale_tolerance(p)
    )
    disorder = (1 - p.coherence) / (1 - MIN_COHERENCE)
    strength = max(
        (1 - p.recall) / (1 - MIN_RECALL),
        p.clipped / MOST_CLIPPED,
        2.0 if _cell(p) or _several(p) else 0.0,
        p.column_sigma_pm / p.widest_pm,
        disorder * min(1.0, p.residual_pm / (RESIDUAL_FACTOR * expected)),
        min(max(disorder, _SUPPORT_UNDERNEATH), MIN_MODULATION / max(p.modulation, 1e-9)),
        off_scale,
        0.5 * (1 - p.usable) / (1 - GOOD_AREA),
    )
    return float(strength / (1 + strength))


def verdict(flags: tuple[Flag, ...]) -> str:
    """Why nothing is said about vacancies, or an empty text."""
    return "; ".join(text for code, text in flags if code in FATAL)


def _focus(p: Picture) -> Flag | None:
    """Disorder that the counts do not explain, or columns that hardly stand out of what lies between them."""
    if p.coherence >= MIN_COHERENCE:
        return None
    seen = f"coherence of neighbours {p.coherence:.2f} < {MIN_COHERENCE}"
    expected = 2**0.5 * p.fit_noise_pm
    if p.residual_pm > RESIDUAL_FACTOR * expected:
        off = f"peaks lie {p.residual_pm:.0f} pm off the lattice where noise explains {expected:.0f}"
        return ("out_of_focus", f"{seen}, and {off}: out of focus, tilted or disordered")
    if p.modulation < MIN_MODULATION:
        return (
            "out_of_focus",
            f"{seen}, and columns hold only {p.modulation:.0%} of the intensity: out of focus",
        )
    return None  # few counts alone do this; `_counts` says what that costs


def _cell(p: Picture) -> Flag | None:
    """Peaks that sit on the lattice but have no neighbours at its distance: it is the lattice of another cell."""
    if p.wrong_cell:
        return ("scale_disagrees", f"{p.wrong_cell}: pixel size or material is wrong")
    if p.coherence >= MIN_COHERENCE or p.spacing_pm <= 0 or p.residual_pm > ON_THE_LATTICE * p.spacing_pm:
        return None
    return (
        "scale_disagrees",
        f"peaks lie within {p.residual_pm:.0f} pm of the lattice, but their coherence is {p.coherence:.2f}: "
        "pixel size or material is wrong",
    )


def _width(p: Picture) -> Flag | None:
    """Where the sublattices differ, the lattice is seen long after its columns have run into each other."""
    if p.column_sigma_pm <= p.widest_pm:
        return None
    return (
        "out_of_focus",
        f"columns are {p.column_sigma_pm:.0f} pm wide (limit {p.widest_pm:.0f} pm): out of focus or tilted",
    )


def widest_column_pm(phase: Phase) -> float:
    """Width of a column from which on its neighbours run into it, or its probe is out of focus [pm]."""
    beside_hollow = phase.alike and phase.occupied_fraction < 1
    share = WIDEST_BESIDE_HOLLOW if beside_hollow else WIDEST_COLUMN
    return min(share * 100 * phase.spacing_angstrom, WIDEST_PM)


def pile_up(image: NDArray[np.float32]) -> float:
    """Share of the pixels at the highest value, 0 unless more are there than just below it."""
    finite = image[np.isfinite(image)]
    if not len(finite):
        return 0.0
    top, span = float(finite.max()), float(np.ptp(finite))
    at = float((finite == top).mean())
    below = float(((finite >= top - 0.05 * span) & (finite < top)).mean())
    return at if at > below else 0.0


def _clipped(p: Picture) -> Flag | None:
    if p.clipped <= MOST_CLIPPED:
        return None
    seen = f"{p.clipped:.1%} of the pixels are at the highest value"
    if p.clipped > MUCH_CLIPPED:
        return ("saturated", f"{seen}: the detector was saturated, brightnesses cannot be compared")
    return ("clipped", f"{seen}: the brightest columns may be cut off")


def _counts(p: Picture) -> Flag | None:
    text = f"a vacancy here is found with a probability of {p.recall:.0%}"
    if p.recall < MIN_RECALL:
        return ("low_counts", f"{text}: too few counts in a column to tell")
    return ("low_recall", f"{text}; a density is corrected for it") if p.recall < GOOD_RECALL else None


def _scale(p: Picture) -> Flag | None:
    if p.stated_pixel_pm is None:
        return _stretched(p)
    off = p.pixel_pm / p.stated_pixel_pm - 1
    seen = f"the lattice gives {p.pixel_pm:.2f} pm/px, {p.stated_pixel_pm:.2f} was told ({off:+.1%}): "
    if abs(off) > _scale_tolerance(p):
        return (
            "scale_disagrees",
            f"{seen}pixel size or material is wrong; the lattice's value is used",
        )
    if abs(off) > SCALE_TOLERANCE:
        return (
            "distorted",
            f"{seen}no more than the image is stretched along one axis ({p.stretch:.1%}), by drift or its scan",
        )
    return None


def _stretched(p: Picture) -> Flag | None:
    """No pixel size was stated that could say whether the reading is right."""
    if p.stretch <= MOST_STRETCH:
        return None
    seen = f"the lattice is {p.stretch:.0%} longer along one axis than along the other"
    return (
        "distorted",
        f"{seen}, by drift or its scan: give the pixel size, so that the reading can be checked",
    )


def _scale_tolerance(p: Picture) -> float:
    """Drift stretches one axis: the mean of both then differs by half of that, with a pixel size that is right."""
    return SCALE_TOLERANCE + 0.5 * p.stretch


def _capacity(p: Picture) -> Flag | None:
    expected = p.capacity * p.usable
    if expected <= 0 or abs(p.columns / expected - 1) <= CAPACITY_TOLERANCE + 2.0 / max(expected, 1) ** 0.5:
        return None
    return ("off_capacity", f"{p.columns} sites where the area holds {expected:.0f}")


def _area(p: Picture) -> Flag | None:
    if p.usable + p.boundary >= GOOD_AREA:
        return None
    return ("partly_lost", f"the lattice is seen on {p.usable:.0%} of the area only")


def _several(p: Picture) -> Flag | None:
    if len(p.turns_deg) < 2:
        return None
    grains = ", ".join(
        f"{share:.0%} at {turn:.1f}°" for share, turn in zip(p.shares, p.turns_deg, strict=True)
    )
    return (
        "several_grains",
        f"{len(p.turns_deg)} grains ({grains}); each is read on its own lattice, and {p.boundary:.0%} of the area at "
        "their boundaries is not counted",
    )


def not_counted(p: Picture, at_edge: int, missing: float) -> tuple[str, ...]:
    """Sentences for the person: what was left out, and why."""
    out = [f"{at_edge} sites at the edge of the image"]
    if p.boundary > 0:
        out.append(f"{p.boundary:.1%} of the area, at the boundaries of {len(p.turns_deg)} grains")
    if p.usable + p.boundary < 1:
        out.append(f"{1 - p.usable - p.boundary:.1%} of the sites, where the lattice is not seen")
    if missing > 0:
        out.append(f"{missing:.1%} of the pixels, which hold no image")
    return tuple(out)


def gap_to_missing(xy: NDArray[np.float64], missing: NDArray[np.bool_], factor: int) -> NDArray[np.float64]:
    """(n,) float64 [working px]: distance of places from the nearest pixel that holds no image, inf without any."""
    if not missing.any():
        return np.full(len(xy), math.inf)
    distance = ndimage.distance_transform_edt(~missing)
    place = np.rint(xy[:, ::-1] * factor).astype(int)
    place = np.clip(place, 0, np.array(missing.shape) - 1)
    gap: NDArray[np.float64] = distance[place[:, 0], place[:, 1]] / factor
    return gap
