"""What nobody can see better: half a column missing, for one who knows all but whether it is.

The observer knows places, probe, background, neighbours and how many columns are halved; only counts are by chance. Its
answer is the matched filter over the noise of every pixel (Barrett and Myers, Foundations of Image Science (2004), ch.
13), and it calls at a probability above one half, like the detector.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtr

from eucentric.bench.images.bound import column_width_a
from eucentric.bench.images.folder import Example

Array = NDArray[np.float64]

_READ_VARIANCE = 0.09
_HALF_KINDS = ("V_S", "V_Se")
_WIDTHS = np.linspace(0.75, 1.15, 9)
"""Of a column, tried over the usual one."""
_MOST_FULL, _FOR_WIDTH = 40, 12


@dataclass(frozen=True)
class Ideal:
    """Of one image, expected: halved columns found, and full ones called."""

    halved: int
    found: float
    false: float
    separation: float
    """Halved from full, in standard deviations of the counts."""


def ideal_of(example: Example) -> Ideal | None:
    """None for an image without halved columns, or without its noiseless counts or its probe."""
    fwhm = example.entry.get("source_fwhm_A")
    if example.noiseless is None or fwhm is None:
        return None
    near, away = (reach / example.pixel_a for reach in (0.3, 3.2 * _spacing_a(example)))
    half_at = example.vacancies_xy[np.isin(example.vacancy_kind, _HALF_KINDS)]
    other = np.array([element.startswith(("S", "Se")) for element in example.atoms_element], bool)
    limit = np.array(example.noiseless.shape[::-1]) - away
    inner = ((example.atoms_xy > away) & (example.atoms_xy < limit)).all(1) & other
    if not len(half_at) or not inner.any():
        return None
    halved = cKDTree(half_at).query(example.atoms_xy)[0] < near
    full = np.flatnonzero(inner & ~halved)
    rows = np.flatnonzero(inner & halved)
    if not len(rows) or len(full) < _FOR_WIDTH:
        return None
    some = full[:: -(-len(full) // _MOST_FULL)]
    look = _Look(example.noiseless, example.atoms_xy, _spacing_a(example) / example.pixel_a)
    usual = column_width_a(float(fwhm)) / example.pixel_a
    sigma = min(_WIDTHS * usual, key=lambda s: sum(look.fit(int(r), s)[1] for r in some[:_FOR_WIDTH]))
    whole, left = ([look.fit(int(r), sigma)[0] for r in kind] for kind in (some, rows))
    information = np.median([look.information(int(r), sigma) for r in some])
    d = float((np.median(whole) - np.mean(left)) * math.sqrt(information))
    return _called(len(rows), len(full), d) if d > 0 else None


def _spacing_a(example: Example) -> float:
    return float(example.entry["lattice_a_A"]) / math.sqrt(3)


def _called(halved: int, full: int, d: float) -> Ideal:
    """Two normal distributions `d` apart, called where the rarer is the more probable."""
    rare = math.log(full / halved) / d
    return Ideal(halved, halved * float(ndtr(d / 2 - rare)), full * float(ndtr(-d / 2 - rare)), d)


@dataclass(frozen=True)
class _Look:
    """Windows of the noiseless image around its columns."""

    image: Array
    xy: Array
    spacing: float

    def _window(self, row: int) -> tuple[Array, Array]:
        """(pixels (m, 2), expected counts (m,)) within a spacing."""
        half = math.ceil(self.spacing)
        x, y = np.rint(self.xy[row]).astype(int)
        down, across = (grid.ravel() for grid in np.mgrid[-half : half + 1, -half : half + 1])
        return np.stack([across + x, down + y], -1), self.image[down + y, across + x]

    def fit(self, row: int, sigma: float) -> tuple[float, float]:
        """(height, squared misfit) of a column beside its neighbours on a level background."""
        pixels, counts = self._window(row)
        away = np.hypot(*(self.xy - self.xy[row]).T)
        places = self.xy[np.argsort(away)[: int((away < 2.6 * self.spacing).sum())]]
        design = np.column_stack([_gauss(pixels, places, sigma), np.ones(len(pixels))])
        solution = np.linalg.lstsq(design, counts, rcond=None)[0]
        return float(solution[0]), float(((design @ solution - counts) ** 2).sum())

    def information(self, row: int, sigma: float) -> float:
        """About the height, all else known."""
        pixels, counts = self._window(row)
        own = _gauss(pixels, self.xy[row : row + 1], sigma)[:, 0]
        return float((own**2 / (np.maximum(counts, 0) + _READ_VARIANCE)).sum())


def _gauss(pixels: Array, places: Array, sigma: float) -> Array:
    """(m, n): columns of height 1."""
    gap2 = ((pixels[:, None] - places[None]) ** 2).sum(-1)
    value: Array = np.exp(-0.5 * gap2 / sigma**2)
    return value
