"""How two overlapping frames lie to each other, from the part that they share, with a confidence that may say no.

`registration.locate` finds a whole image in a larger one; here only a strip is common, and how wide it is depends on
the answer. So each displacement is judged by the correlation over just the pixels that both would have in common
(masked normalised cross-correlation, Padfield 2012, doi 10.1109/TIP.2011.2181402; the masks are rectangles), in
standard deviations of Fisher's z, so that a wide overlap counts for more than a narrow one that fits by chance.

On the twin, tiles of 20 µm with 10 % overlap, after moves that happened and moves that did not
(`tests/tools/measure_neighbours.py` prints the figures again):

==========================================  =====  ============  ============  ===========  ============
pairs                                       n      correlation   lead          sure         error
==========================================  =====  ============  ============  ===========  ============
neighbours, searched where they are         1,179  0.93 … 1.00   0.40 … 0.74   all but one  p95 0.21 px
the same place, searched as the same place  1,179  0.98 … 1.00   0.58 … 0.72   all          p95 0.27 px
the same place, searched as neighbours      1,179  up to 0.78    up to 1.00    none         –
neighbours, searched as the same place      1,179  up to 0.48    up to 1.00    none         –
==========================================  =====  ============  ============  ===========  ============

A high lead alone means nothing (of a peak of next to nothing), nor does a high correlation of a narrow strip; wrong
pairs that had both reached 0.67 and 0.33.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.tools.vision.registration import Image, Match

MIN_PEAK = 0.75
MIN_LEAD = 0.4
"""Below either, the answer is not sure."""
_NARROWEST_PX = 10
"""Overlaps that are narrower are not looked at."""
_APART_PX = 8
"""A peak farther away than this is another place."""
_Grid = NDArray[np.float64]


def displaced(first: Image, second: Image, expected: tuple[float, float], reach: float) -> Match:
    """Where the centre of `second` lies in `first`, seen from the centre of `first`.

    Parameters
    ----------
    first, second
        (H, W) float32 [any unit], of the same pixel size.
    expected
        Believed displacement along rows and columns [px].
    reach
        Largest believable distance from it along either axis [px].

    Returns
    -------
    Match
        Displacement along rows and columns [px]; the margin is the lead of the best place over any other, as a share
        of its own height. Not sure if the images can't overlap by ten pixels.
    """
    cuts = [_cut(size, at, reach) for size, at in zip(first.shape, expected, strict=True)]
    if any(begin >= end for cut in cuts for begin, end in cut):
        return Match(expected[0], expected[1], 0.0, 0.0, False)
    (rows, rows2), (columns, columns2) = cuts
    a, b = _smooth(first)[slice(*rows), slice(*columns)], _smooth(second)[slice(*rows2), slice(*columns2)]
    correlation, common = _correlations(a, b)
    shifts = [
        np.arange(size) - (len2 - 1) + begin - begin2
        for size, len2, begin, begin2 in zip(
            correlation.shape, b.shape, (rows[0], columns[0]), (rows2[0], columns2[0]), strict=True
        )
    ]
    score = np.arctanh(np.clip(correlation, -0.999, 0.999)) * np.sqrt(np.maximum(common - 3, 0.0))
    believed = [
        (np.abs(shift - at) <= reach) & (size - np.abs(shift) >= _NARROWEST_PX)
        for shift, at, size in zip(shifts, expected, first.shape, strict=True)
    ]
    allowed = np.logical_and.outer(*believed)
    score[~allowed] = 0.0
    return _best(score, correlation, shifts, ndimage.binary_erosion(allowed))


def _cut(size: int, expected: float, reach: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """The part of each image, along one axis, that can lie in the other one."""
    low, high = int(np.floor(expected - reach)), int(np.ceil(expected + reach))
    return (max(0, low), min(size, size + high)), (max(0, -high), min(size, size - low))


def _smooth(image: Image) -> _Grid:
    return np.asarray(ndimage.gaussian_filter(image, 1.0) - float(image.mean()), np.float64)


def _correlations(a: _Grid, b: _Grid) -> tuple[_Grid, _Grid]:
    """Correlation of the common part, and its pixels, for every displacement of `b` in `a`."""
    full = [len_a + len_b - 1 for len_a, len_b in zip(a.shape, b.shape, strict=True)]
    fast = [scipy.fft.next_fast_len(size, real=True) for size in full]

    def spectrum(image: _Grid) -> NDArray[np.complex128]:
        return np.asarray(scipy.fft.rfft2(image, fast))

    def product(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> _Grid:
        return np.asarray(scipy.fft.irfft2(one * other, fast)[: full[0], : full[1]])

    turned = b[::-1, ::-1]
    of_a, of_b = spectrum(a), spectrum(turned)
    inside_a, inside_b = spectrum(np.ones_like(a)), spectrum(np.ones_like(b))
    common = np.maximum(np.round(product(inside_a, inside_b)), 1.0)
    sum_a, sum_b = product(of_a, inside_b), product(inside_a, of_b)
    spread_a = product(spectrum(a * a), inside_b) - sum_a**2 / common
    spread_b = product(inside_a, spectrum(turned * turned)) - sum_b**2 / common
    scale = np.sqrt(np.maximum(spread_a, 0.0) * np.maximum(spread_b, 0.0))
    floor = 1e-9 * float(np.abs(a).max() * np.abs(b).max()) * common + 1e-300
    return (product(of_a, of_b) - sum_a * sum_b / common) / np.maximum(scale, floor), common


def _best(
    score: _Grid, correlation: _Grid, shifts: list[NDArray[np.int64]], inside: NDArray[np.bool_]
) -> Match:
    """The highest place; on the border of what is believed it may be the flank of a peak outside."""
    row, column = (int(index) for index in np.unravel_index(int(np.argmax(score)), score.shape))
    height, peak = float(score[row, column]), float(correlation[row, column])
    others = score.copy()
    near = (slice(max(0, index - _APART_PX), index + _APART_PX + 1) for index in (row, column))
    others[tuple(near)] = 0.0
    lead = 1 - float(others.max()) / height if height > 0 else 0.0
    down, right = (
        float(shift[index]) + _vertex(values, index)
        for shift, index, values in (
            (shifts[0], row, correlation[:, column]),
            (shifts[1], column, correlation[row]),
        )
    )
    sure = bool(inside[row, column]) and peak >= MIN_PEAK and lead >= MIN_LEAD
    return Match(down, right, peak, lead, sure)


def _vertex(values: _Grid, index: int) -> float:
    """Of the parabola through a maximum and its neighbours, seen from the maximum [px]."""
    if not 0 < index < len(values) - 1:
        return 0.0
    before, at, after = values[index - 1 : index + 2]
    curve = before - 2 * at + after
    return 0.0 if curve >= 0 else float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5))
