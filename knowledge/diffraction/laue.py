"""The tilt of a zone axis from the beam, by which spots are bright: the Laue circle, with its uncertainty.

A reflection is bright near s = 0. For a trial tilt and thickness every spot has a kinematic brightness; measured ones
may differ from it by a factor (standard deviation e^0.8: thickness, bending, multiple scattering), and a reflection
that should be bright and is not there counts as well. The likelihood is searched over tilt and thickness; its curvature
gives the error, widened where the residuals are larger than assumed.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from eucentric.core.base import Model
from eucentric.knowledge.crystal.crystal import Crystal
from eucentric.knowledge.crystal.indices import Indices
from eucentric.knowledge.crystal.orientation import Matrix, as_matrix
from eucentric.knowledge.crystal.rotation import Array
from eucentric.knowledge.diffraction.factors import extinction_distance_a
from eucentric.knowledge.diffraction.matching import Seen
from eucentric.knowledge.diffraction.refine import matches, tilted
from eucentric.knowledge.diffraction.reflections import Reflections
from eucentric.knowledge.diffraction.spots import Illumination, excitation_errors, off_sphere
from eucentric.knowledge.diffraction.zone import nearest_zone_axis

_THICKNESS_A = (60.0, 120.0, 240.0, 480.0, 960.0, 1600.0)
_SPREAD = 0.8
"""Standard deviation of the logarithm of a spot's brightness about the kinematic one."""
_TAIL = 4.0
"""Degrees of freedom of the residuals' distribution (Student): a few may be far off."""
_SEARCH = ((3.0, 0.3, 2.0), (0.3, 0.1, 1.3), (0.1, 0.02, 1.0))
"""(reach [degree], step [degree], times the spread): wide first, so that no maximum falls between the steps."""
_STARTS = 4
"""Maxima of the first search that are followed."""
_CURVED_DEG = 0.08
_OPTIMISTIC = 1.3
"""By which the curvature alone is too sure: measured on simulated patterns of six crystals (`bench diffraction`)."""
_FEWEST = 5
_FLAT_DEG = 1.5
"""Where the likelihood is flatter than this, the tilt is not told."""


class ZoneOffset(Model):
    """How far a zone axis is from the beam."""

    zone_axis: Indices
    """Low-index axis nearest to the beam, pointing to the gun."""
    off_deg: float
    """Its angle to the beam."""
    sigma_deg: float
    """Standard error along each of the two directions of tilt, the larger one."""
    toward_deg: float
    """Azimuth in the lab, from x toward y, to which the axis leans from the gun."""
    to_lab: Matrix
    """The orientation, corrected."""
    thickness_nm: float | None
    """That explains the brightness best, to a factor of two; None from bands."""
    method: str
    """'spots' or 'bands'."""


@dataclass(frozen=True, eq=False)
class _Case:
    """What stays the same over all trial tilts."""

    g: Array
    rate: Array
    """(n,) [1/Å] pi over the extinction distance."""
    bright: Array
    """(n,) logarithm of the counts; NaN where no spot was found."""
    faintest: float
    """Logarithm of the counts of the faintest spot found."""
    k: float


def offset_by_spots(seen: Seen, known: Reflections, to_lab: Array, light: Illumination) -> ZoneOffset | None:
    """The offset of the zone axis from the spots of an indexed pattern; None if they do not tell it.

    Parameters
    ----------
    seen
        Spots with scale and centre as the indexing corrected them.
    to_lab
        (3, 3) crystal Cartesian to lab, from the indexing.
    """
    case = _case(seen, known, to_lab, light)
    if int(np.isfinite(case.bright).sum()) < _FEWEST:
        return None
    a, b, thickness = _search(case, to_lab)
    sigma = _sigma_deg(case, to_lab, a, b, thickness)
    if sigma is None or sigma > _FLAT_DEG:
        return None
    return offset_of(known.crystal, tilted(to_lab, a, b), sigma, "spots", thickness / 10)


def offset_of(
    crystal: Crystal, to_lab: Array, sigma_deg: float, method: str, thickness_nm: float | None = None
) -> ZoneOffset:
    """The same as a value, from a corrected orientation."""
    axis, off = nearest_zone_axis(crystal, to_lab)
    x, y, _ = (to_lab @ crystal.direction(axis)).tolist()
    return ZoneOffset(
        zone_axis=axis,
        off_deg=off,
        sigma_deg=sigma_deg,
        toward_deg=math.degrees(math.atan2(y, x)),
        to_lab=as_matrix(to_lab),
        thickness_nm=thickness_nm,
        method=method,
    )


def brightness_nat(seen: Seen, known: Reflections, to_lab: Array, light: Illumination) -> tuple[Array, float]:
    """The orientation (3, 3) with the tilt that explains the brightness best, and by how much it does [nat].

    Zero is what spots of no relation to the crystal, but as different from each other, would give.
    """
    case = _case(seen, known, to_lab, light)
    found = np.isfinite(case.bright)
    if int(found.sum()) < _FEWEST:
        return to_lab, 0.0
    a, b, thickness = _search(case, to_lab)
    spread = max(float(np.std(case.bright[found])), _SPREAD)
    by_chance = -int(found.sum()) * (math.log(spread / _SPREAD) + 0.5)
    best = tilted(to_lab, a, b)
    return best, float(_likelihood(case, best[None], thickness)[0]) - by_chance


def _case(seen: Seen, known: Reflections, to_lab: Array, light: Illumination) -> _Case:
    """Reflections of the pattern that are on the screen and could be excited within the search."""
    g, k = known.g @ to_lab.T, light.k
    across = np.hypot(g[:, 0], g[:, 1])
    reach = 0.01 + across * math.radians(_SEARCH[0][0] + 0.5)
    near = (np.abs(excitation_errors(g, k)) < reach) & (across > seen.nearest) & (across < seen.farthest)
    pairs = matches(seen, known, to_lab, k, 0.03, 0.004)
    bright = np.full(len(known), np.nan)
    bright[pairs[:, 1]] = np.log(seen.counts[pairs[:, 0]])
    near |= np.isfinite(bright)
    rate = math.pi / extinction_distance_a(known.factor[near], known.crystal.cell.volume_a3, light.voltage_kv)
    return _Case(known.g[near], rate, bright[near], float(np.log(seen.counts.min(initial=np.inf))), k)


def _search(case: _Case, to_lab: Array) -> tuple[float, float, float]:
    """Tilt (a, b) [degree] and thickness [Å] of greatest likelihood, coarse to fine from several maxima."""
    starts = _maxima(case, to_lab)
    best = (-math.inf, (0.0, 0.0), starts[0][2])
    for a, b, thickness in starts:
        place, value = (a, b), -math.inf
        for level in _SEARCH[1:]:
            place, value = _climb(case, to_lab, place, level, thickness)
        best = max(best, (value, place, thickness))
    return *best[1], best[2]


def _climb(
    case: _Case,
    to_lab: Array,
    place: tuple[float, float],
    level: tuple[float, float, float],
    thickness: float,
) -> tuple[tuple[float, float], float]:
    grid = [(place[0] + a, place[1] + b) for a, b in _grid(level)]
    found = _likelihood(case, np.array([tilted(to_lab, a, b) for a, b in grid]), thickness, level[2])
    n = int(found.argmax())
    return grid[n], float(found[n])


def _maxima(case: _Case, to_lab: Array) -> list[tuple[float, float, float]]:
    """The best few places of the first search, at least two steps apart, each with its thickness."""
    grid = _grid(_SEARCH[0])
    turned = np.array([tilted(to_lab, a, b) for a, b in grid])
    values = np.array([_likelihood(case, turned, t, _SEARCH[0][2]) for t in _THICKNESS_A])
    top, which = values.max(axis=0), values.argmax(axis=0)
    chosen: list[int] = []
    for n in np.argsort(-top, kind="stable").tolist():
        if all(math.dist(grid[n], grid[m]) > 2 * _SEARCH[0][1] for m in chosen):
            chosen.append(n)
        if len(chosen) == _STARTS:
            break
    return [(*grid[n], _THICKNESS_A[int(which[n])]) for n in chosen]


def _grid(level: tuple[float, float, float]) -> list[tuple[float, float]]:
    reach, step, _ = level
    steps = (np.arange(-round(reach / step), round(reach / step) + 1) * step).tolist()
    return [(a, b) for a in steps for b in steps if math.hypot(a, b) <= reach * 1.01]


def _likelihood(case: _Case, to_lab: Array, thickness_a: float, wider: float = 1.0) -> Array:
    """(m,) [nat] of rotations (m, 3, 3); `wider` times the assumed spread."""
    g = to_lab @ case.g.T
    s = off_sphere(g[:, 0] ** 2 + g[:, 1] ** 2, g[:, 2], case.k)
    kinematic = 2 * np.log(case.rate * thickness_a) + _log_shape(s, thickness_a)
    expected = kinematic - np.logaddexp(0.0, kinematic)  # what is taken from the beam is given back
    found, spread = np.isfinite(case.bright), wider * _SPREAD
    off = case.bright[found] - expected[:, found]
    level = np.median(off, axis=1)
    residual = (off - level[:, None]) / spread
    missing = (case.faintest - expected[:, ~found] - level[:, None]) / spread
    fit = -0.5 * (_TAIL + 1) * np.log1p(residual**2 / _TAIL).sum(axis=1)
    return np.asarray(fit + np.maximum(log_ndtr(missing), -4.0).sum(axis=1))


def _log_shape(s: Array, thickness_a: float) -> Array:
    """Logarithm of sin²(pi t s)/(pi t s)² without its zeros, which bending and convergence fill."""
    x2 = (math.pi * thickness_a * s) ** 2
    return np.asarray(-0.5 * np.log1p(2 / 3 * x2 + 4 * x2**2))


def _sigma_deg(case: _Case, to_lab: Array, a: float, b: float, thickness: float) -> float | None:
    """Larger standard error of the tilt from the curvature over ±0.08°, widened by the residuals; None if flat."""
    h = _CURVED_DEG
    places = [(0, 0), (h, 0), (-h, 0), (0, h), (0, -h), (h, h), (-h, -h), (h, -h), (-h, h)]
    value = _likelihood(case, np.array([tilted(to_lab, a + x, b + y) for x, y in places]), thickness)
    aa, bb = (value[1] + value[2] - 2 * value[0]) / h**2, (value[3] + value[4] - 2 * value[0]) / h**2
    ab = (value[5] + value[6] - value[7] - value[8]) / (4 * h**2)
    least = float(np.linalg.eigvalsh(-np.array([[aa, ab], [ab, bb]]))[0])
    if least <= 0:
        return None
    found = int(np.isfinite(case.bright).sum())
    wide = max(1.0, -2 * float(value[0]) / max(found - 3, 1))
    return _OPTIMISTIC * math.sqrt(wide / least)
