"""A diffraction pattern read from its picture: spots, phase and orientation, and how far the zone axis is off."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eucentric.core.base import Model
from eucentric.core.errors import BadInput
from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction import (
    Illumination,
    Indexed,
    Indexing,
    LayerTilt,
    Reflections,
    Screen,
    Seen,
    ZoneOffset,
    index_spots,
    layer_tilt,
    offset_by_spots,
)
from eucentric.tools.vision.pattern_bands import offset_by_bands
from eucentric.tools.vision.pattern_peaks import Peaks, find_spots

Image = NDArray[np.float32]
_NEAREST_PER_A = 0.08
"""Nothing of the crystal is nearer to the direct beam, whose own foot is bright there [1/Å]."""
_PLACE_PX = 0.5
"""Error of a spot's place along an axis [px]."""
_AGREE = 5.0
"""Spots and bands that differ by more than so many of their errors contradict each other."""
_BRIGHTEST = 120
_ON_NET, _FEWEST = 0.25, 6
"""Of a layer's lattice: spots nearer to a node than this are its own; so many are asked for."""
_CAMERA_STRAIN = 0.005
"""A camera's own distortion, uncorrected."""
_LAYER = "a single layer has no Kikuchi bands, and its spots do not fade with tilt"
_REACH_DEG = 1.5
"""How far an orientation by the places of spots alone may be off."""


class PatternReading(Model):
    """What a picture of a pattern says."""

    indexing: Indexing
    offset: ZoneOffset | None
    """The better of the two below; None: the tilt is unknown."""
    by_spots: ZoneOffset | None
    by_bands: ZoneOffset | None
    centre_px: tuple[float, float]
    """(row, column) of the direct beam."""
    per_pixel: float
    """[1/Å], as the indexing corrected it."""
    layer: LayerTilt | None = None
    """Of a single layer: what the distortion of its lattice says of its tilt."""
    why: str = ""
    """Why the tilt is unknown, or what contradicts."""


def read_pattern(
    image: Image,
    phases: Sequence[Reflections],
    light: Illumination,
    screen: Screen,
    scale_error: float = 0.02,
    *,
    layer: bool = False,
) -> PatternReading:
    """Read a pattern.

    Parameters
    ----------
    image
        (H, W) float32 [counts].
    screen
        As far as it is calibrated; its centre is where the direct beam is expected.
    layer
        True for a single layer: it has no bands, and its spots are equally bright at any small tilt.

    Raises
    ------
    BadInput
        If the picture is no pattern, or its size is not that of the screen.
    """
    if image.shape != (screen.rows, screen.columns):
        raise BadInput(
            f"a picture of {image.shape} for a screen of {screen.rows} × {screen.columns}",
            "the calibration is for one size of picture",
            "bin the picture, or calibrate for its size",
        )
    peaks = find_spots(image, centre=screen.middle)
    screen = screen.model_copy(update={"centre": peaks.centre})
    seen = seen_spots(peaks, screen)
    indexing = index_spots(seen, phases, light, screen.per_pixel, scale_error, screen.turn)
    if indexing.best is None or indexing.verdict not in ("indexed", "ambiguous"):
        return _unread(indexing, screen, "the pattern is not indexed")
    screen = _corrected(screen, indexing)
    known = next(one for one in phases if one.crystal.name == indexing.best.phase)
    if layer:
        told = _layer_tilt(seen_spots(peaks, screen).at, known.crystal, indexing.best)
        return _unread(indexing, screen, _LAYER).model_copy(update={"layer": told})
    return _with_offset(image, peaks, known, indexing, light, screen)


def seen_spots(peaks: Peaks, screen: Screen) -> Seen:
    """The peaks of a picture as indexing takes them, brightest first, those on the screen's inner circle."""
    at = screen.to_lab(peaks.at)
    row, column = screen.middle
    farthest = screen.per_pixel * min(row, column, screen.rows - 1 - row, screen.columns - 1 - column)
    away = np.hypot(at[:, 0], at[:, 1])
    keep = np.flatnonzero((away > _NEAREST_PER_A) & (away < farthest))[:_BRIGHTEST]
    return Seen(at[keep], peaks.counts[keep], _PLACE_PX * screen.per_pixel, _NEAREST_PER_A, farthest)


def _layer_tilt(at: Array, crystal: Crystal, best: Indexed) -> LayerTilt | None:
    """The tilt by the distortion of the lattice of spots (n, 2) [1/Å]; None if they span none."""
    both = [crystal.normal(hkl) / crystal.spacing_angstrom(hkl) for hkl in ((1, 0, 0), (0, 1, 0))]
    net = (np.array(best.to_lab) @ np.transpose(both))[:2]
    for _ in range(3):
        places = at @ np.linalg.inv(net).T
        numbers = np.round(places)
        on = (np.abs(places - numbers).max(axis=1) < _ON_NET) & numbers.any(axis=1)
        if on.sum() < _FEWEST or np.linalg.matrix_rank(numbers[on]) < 2:
            return None
        net = np.linalg.lstsq(numbers[on], at[on], rcond=None)[0].T
    try:
        return layer_tilt(net.T, crystal.cell, _CAMERA_STRAIN, reciprocal=True)
    except BadInput:
        return None


def _with_offset(
    image: Image, peaks: Peaks, known: Reflections, indexing: Indexing, light: Illumination, screen: Screen
) -> PatternReading:
    best = indexing.best
    assert best is not None
    to_lab = np.array(best.to_lab)
    by_spots = offset_by_spots(seen_spots(peaks, screen), known, to_lab, light)
    start = to_lab if by_spots is None else np.array(by_spots.to_lab)
    reach = _REACH_DEG if by_spots is None else min(_REACH_DEG, 0.15 + 4 * by_spots.sigma_deg)
    by_bands = offset_by_bands(image, known, start, light, screen, peaks.at, reach)
    offset, why = _agreed(by_spots, by_bands)
    return PatternReading(
        indexing=indexing,
        offset=offset,
        by_spots=by_spots,
        by_bands=by_bands,
        centre_px=screen.middle,
        per_pixel=screen.per_pixel,
        why=why,
    )


def _agreed(spots: ZoneOffset | None, bands: ZoneOffset | None) -> tuple[ZoneOffset | None, str]:
    """The sharper of the two if they agree."""
    if spots is None or bands is None:
        one = spots or bands
        return one, "" if one else "neither the brightness of spots nor Kikuchi bands tell the tilt"
    apart = apart_deg(spots, bands)
    error = math.hypot(spots.sigma_deg, bands.sigma_deg)
    if apart > _AGREE * error:
        return None, (
            f"spots and bands put the beam {apart:.2f}° apart, {apart / error:.0f} times their error: "
            "bent or overlapping crystals"
        )
    return (bands if bands.sigma_deg < spots.sigma_deg else spots), ""


def apart_deg(first: ZoneOffset, second: ZoneOffset) -> float:
    """Angle between the beam directions of two readings of one crystal."""
    one, two = (np.array(offset.to_lab)[2] for offset in (first, second))
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(one, two))), float(one @ two)))


def _corrected(screen: Screen, indexing: Indexing) -> Screen:
    best = indexing.best
    assert best is not None
    row, column = screen.middle
    centre = (row + best.shift_px[0], column + best.shift_px[1])
    return screen.model_copy(update={"centre": centre, "per_pixel": screen.per_pixel * best.scale})


def _unread(indexing: Indexing, screen: Screen, why: str) -> PatternReading:
    return PatternReading(
        indexing=indexing,
        offset=None,
        by_spots=None,
        by_bands=None,
        centre_px=screen.middle,
        per_pixel=screen.per_pixel,
        why=indexing.why or why,
    )
