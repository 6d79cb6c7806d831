"""Sub-pixel places of all columns at once: Gauss-Newton on windows of the joint model, with a covariance.

Neighbours are in the model, so they do not pull on each other. The noise is taken from what the model
leaves over, its correlation between pixels included. A weak prior, the lattice site with the scatter
that the image itself shows, keeps columns of few counts from wandering; it is nothing for bright ones.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Refined:
    """Places after refinement."""

    xy: Array
    """(n, 2) float64 [px]."""
    sigma_px: Array
    """(n,) float64 [px]: standard deviation along one axis (mean of both)."""
    height: Array
    """(n,) float64 [image units]."""
    noise_px: float
    """Localisation noise of the median column by the data alone, along one axis [px]."""
    prior_px: float
    """Scatter of columns about the lattice along one axis, that the prior uses [px]."""
    background: NDArray[np.float32]
    """(H, W) float32 [image units]."""
    covariance: Array
    """(n, 2, 2) float64 [px²] of the place."""
    free_covariance: Array
    """(n, 2, 2) float64 [px²]: by the data alone, as if there were no lattice."""
    black: float
    """Level at which the noise says that no electrons come, 0 if that is as likely [image units]."""
    free_xy: Array
    """(n, 2) float64 [px]: where the data alone put the column; for displacements, which the lattice would shrink."""


_CHUNK = 250
"""Columns worked on at once: their windows stay in the processor's cache."""
_NOISE_PIXELS, _BAND = 1 << 17, 128
"""Noise of images with more pixels is measured on bands of this many rows: its variance is then known to 0.5 %."""


@dataclass(frozen=True)
class _Windows:
    """Square windows of s×s pixels around n columns; what a column looks like is a product of both axes."""

    rows: NDArray[np.int64]
    """(n, s) int64, and so are the columns of the image; 0 outside it."""
    cols: NDArray[np.int64]
    dx: NDArray[np.float32]
    """(n, s) float32: distance from the column [px]."""
    dy: NDArray[np.float32]
    gx: NDArray[np.float32]
    """(n, s) float32: column of height 1 along one axis, 0 outside the image."""
    gy: NDArray[np.float32]
    width: int
    """Of the image [px]."""

    def some(self, part: slice) -> "_Windows":
        """Those of a few columns."""
        pixels, distances = (self.rows[part], self.cols[part]), (self.dx[part], self.dy[part])
        return _Windows(*pixels, *distances, self.gx[part], self.gy[part], self.width)

    @property
    def flat(self) -> NDArray[np.int64]:
        """(n, s, s) int64: pixels as indices into the flattened image."""
        pixels: NDArray[np.int64] = (self.rows * self.width)[:, :, None] + self.cols[:, None, :]
        return pixels


def refine(
    image: NDArray[np.float32], xy: Array, height: Array, sigma_px: float, spacing_px: float,
    movable: NDArray[np.bool_], field_px: float = 0.0,
) -> Refined:  # fmt: skip
    """Refine the places and heights of columns.

    Parameters
    ----------
    image
        (H, W) float32 [any unit].
    xy
        (n, 2) float64 [px]: sites of the lattice, x then y.
    height
        (n,) float64 [image units].
    sigma_px
        Width of a column [px].
    spacing_px
        Distance of neighbouring sites [px].
    movable
        (n,) bool: False for empty sites, whose brightness stays in the model but whose place is not fitted.
    field_px
        Uncertainty of the sites themselves along one axis [px].
    """
    place, peak = xy.copy(), height.copy()
    prior, limit = 0.10 * spacing_px, 0.35 * spacing_px
    background = np.zeros(image.shape, np.float32)
    for turn in range(4):
        windows = _windows(place, sigma_px, image.shape)
        columns = _columns(windows, peak, image.shape)
        residual = image - columns
        background = _smooth(residual, 0.8 * spacing_px)
        residual -= background
        columns += background
        variance, colour, black = _noise(residual, columns, sigma_px)
        step, covariance, free_covariance = _step(
            residual, variance, windows, peak, sigma_px, place - xy, prior, colour
        )
        free = _axis_sigma(free_covariance)
        step[~movable] = 0.0
        offset = place + step[:, :2] - xy
        length = np.maximum(np.hypot(offset[:, 0], offset[:, 1]), 1e-12)
        place = xy + offset * np.minimum(1.0, limit / length)[:, None]
        peak = peak + np.clip(step[:, 2], -0.5 * np.abs(peak), 0.5 * np.abs(peak))
        if turn >= 1 and movable.sum() > 20:
            prior = math.hypot(_scatter(place - xy, free, prior, movable, spacing_px), field_px)
    noise = float(np.median(free[movable])) if movable.any() else math.inf
    apart = _unshrunk(place - xy, covariance, free_covariance, limit)
    return Refined(
        place,
        _axis_sigma(covariance),
        peak,
        noise,
        prior,
        background,
        covariance,
        free_covariance,
        black,
        xy + apart,
    )


def _unshrunk(offset: Array, covariance: Array, free: Array, limit: float) -> Array:
    """Offsets from the sites with the prior taken out again: free covariance over the posterior one."""
    raw: Array = (free @ np.linalg.solve(covariance, offset[:, :, None]))[:, :, 0]
    length = np.maximum(np.hypot(raw[:, 0], raw[:, 1]), 1e-12)
    return raw * np.minimum(1.0, limit / length)[:, None]


def _smooth(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian smoothing as three running means: for what varies slowly the cost need not grow with the width."""
    size = max(1, 2 * round((math.sqrt(4 * sigma**2 + 1) - 1) / 2) + 1)  # 3 (size² - 1) / 12 = sigma²
    for _ in range(3):
        image = ndimage.uniform_filter(image, size, mode="nearest")
    return image


def _chunks(n: int) -> list[slice]:
    return [slice(first, min(first + _CHUNK, n)) for first in range(0, n, _CHUNK)]


def _windows(xy: Array, sigma_px: float, shape: tuple[int, ...]) -> _Windows:
    half = math.ceil(2.2 * sigma_px)
    span = np.arange(-half, half + 1)
    (cols, dx, gx), (rows, dy, gy) = (_axis(xy[:, k], span, sigma_px, shape[1 - k]) for k in (0, 1))
    return _Windows(rows, cols, dx, dy, gx, gy, shape[1])


def _axis(
    place: Array, span: NDArray[np.int64], sigma_px: float, size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """(pixel, distance, Gaussian) along one axis; outside the image pixel and Gaussian are 0."""
    pixel = np.rint(place[:, None]).astype(np.int64) + span
    distance = pixel - place[:, None]
    inside = (pixel >= 0) & (pixel < size)
    gauss = np.exp(-0.5 * (distance / sigma_px) ** 2) * inside
    return np.where(inside, pixel, 0), distance.astype(np.float32), gauss.astype(np.float32)


def _columns(windows: _Windows, height: Array, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """(H, W) float32: all columns without background."""
    total = np.zeros(shape[0] * shape[1], np.float32)
    for part in _chunks(len(height)):
        some = windows.some(part)
        value = (some.gy * height[part, None].astype(np.float32))[:, :, None] * some.gx[:, None, :]
        low, high = int(some.rows.min()) * shape[1], (int(some.rows.max()) + 1) * shape[1]
        total[low:high] += np.bincount((some.flat - low).ravel(), value.ravel(), high - low)
    return total.reshape(shape)


def _noise(
    residual: NDArray[np.float32], level: NDArray[np.float32], sigma_px: float
) -> tuple[NDArray[np.float32], float, float]:
    """Variance of a pixel as c0 + c1·level, the excess of noise at the scale of a column (1 if white), black level."""
    bands = _bands(residual.shape)
    fine = [residual[rows] - _smooth(residual[rows], 2.0 * sigma_px) for rows in bands]
    x = np.concatenate([level[rows].ravel()[::3] for rows in bands]).astype(float)
    y = np.concatenate([one.ravel()[::3] for one in fine]).astype(float) ** 2
    slope = float(np.cov(x, y)[0, 1] / max(np.var(x), 1e-30))
    base = float(y.mean() - slope * x.mean())
    mean = float(y.mean())
    black = _black(slope, base, float(np.quantile(x, 0.01)))
    if slope < 0 or base < 0:
        slope, base = (0.0, mean) if slope < 0 else (mean / max(float(x.mean()), 1e-30), 0.0)
    variance = np.maximum(base + slope * level, 0.1 * mean + 1e-30).astype(np.float32)
    smooth = float(np.mean([np.var(ndimage.gaussian_filter(one, sigma_px, truncate=3.0)) for one in fine]))
    colour = smooth * 4 * math.pi * sigma_px**2 / max(mean, 1e-30)
    return variance, max(colour, 0.5), black


def _black(slope: float, base: float, darkest: float) -> float:
    """Where variance in proportion to counts ends, if that is above 0, or if levels below 0 show that 0 is not black.

    Noise left over at level 0 is taken for read noise.
    """
    if slope <= 0:
        return min(darkest, 0.0)
    end = -base / slope
    return float(min(end, darkest)) if end > 0 or darkest < 0 else 0.0


def _bands(shape: tuple[int, ...]) -> list[slice]:
    """Rows on which noise is measured: all of a small image, evenly spread bands of a large one."""
    count = max(2, _NOISE_PIXELS // (_BAND * shape[1]))
    if shape[0] * shape[1] <= _NOISE_PIXELS or shape[0] < 2 * count * _BAND:
        return [slice(0, shape[0])]
    first = np.linspace(0, shape[0] - _BAND, count).astype(int)
    return [slice(row, row + _BAND) for row in first.tolist()]


def _step(
    residual: NDArray[np.float32], variance: NDArray[np.float32], windows: _Windows, height: Array,
    sigma_px: float, offset: Array, prior_px: float, colour: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """One Gauss-Newton step of (x, y, height); covariance of (x, y) with the prior, and by the data alone."""
    # No column dimmer than a fifth of the median is moved as if it were nothing.
    strength = np.maximum(height, 0.2 * max(float(np.median(height)), 1e-12))
    normal, right = np.zeros((len(height), 3, 3)), np.zeros((len(height), 3))
    inverse = (1 / max(colour, 1.0) / variance).ravel()
    for part in _chunks(len(height)):
        some = windows.some(part)
        normal[part], right[part] = _equations(some, residual.ravel(), inverse, strength[part], sigma_px)
    tiny = 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None] + 1e-30
    free = np.linalg.inv(normal + tiny[:, :, None] * np.eye(3))
    normal[:, 0, 0] += prior_px**-2
    normal[:, 1, 1] += prior_px**-2
    right[:, :2] -= offset / prior_px**2
    covariance = np.linalg.inv(normal + tiny[:, :, None] * np.eye(3))
    step = (covariance @ right[:, :, None])[:, :, 0]
    step[:, :2] = np.clip(step[:, :2], -0.5 * sigma_px, 0.5 * sigma_px)
    return step, covariance[:, :2, :2], free[:, :2, :2]


def _equations(
    windows: _Windows, residual: NDArray[np.float32], inverse: NDArray[np.float32], strength: Array, sigma_px: float
) -> tuple[Array, Array]:  # fmt: skip
    """(n, 3, 3) and (n, 3): normal equations of (x, y, height).

    Sums over a window are moments along both axes, of Gaussians times powers of the distance.
    """
    flat = windows.flat
    weight = inverse[flat]
    moments = _moments(windows.gy**2, windows.dy, weight, windows.gx**2, windows.dx, 3)
    rest = _moments(windows.gy, windows.dy, weight * residual[flat], windows.gx, windows.dx, 2)
    unit = np.stack([strength / sigma_px**2, strength / sigma_px**2, np.ones(len(strength))], 1)
    powers = np.array([[0, 1], [1, 0], [0, 0]])  # of y and x in the slopes along x, y and height
    both = powers[:, None] + powers[None]
    normal = moments[:, both[..., 0], both[..., 1]]
    right = rest[:, powers[:, 0], powers[:, 1]]
    return normal * unit[:, :, None] * unit[:, None, :], right * unit


def _moments(
    gy: NDArray[np.float32], dy: NDArray[np.float32], value: NDArray[np.float32], gx: NDArray[np.float32],
    dx: NDArray[np.float32], powers: int,
) -> Array:  # fmt: skip
    """(n, p, p): sums of gy·dyⁱ·value·gx·dxʲ over the windows."""
    along_x = np.stack([gx * dx**k for k in range(powers)], -1)
    along_y = np.stack([gy * dy**k for k in range(powers)], 1)
    total: Array = (along_y @ (value @ along_x)).astype(np.float64)
    return total


def _axis_sigma(covariance: Array) -> Array:
    sigma: Array = np.sqrt(0.5 * (covariance[:, 0, 0] + covariance[:, 1, 1]))
    return sigma


def _scatter(
    offset: Array, free: Array, prior_px: float, movable: NDArray[np.bool_], spacing_px: float
) -> float:
    """True scatter about the lattice, undone for the shrinkage of the last turn and freed of the fit's noise."""
    shrink = prior_px**2 / (prior_px**2 + free**2)
    raw = (offset / shrink[:, None])[movable]
    spread = 1.4826 * float(np.median(np.abs(raw)))
    noise = float(np.median(free[movable]))
    return float(np.clip(math.sqrt(max(spread**2 - noise**2, 0.0)), 0.015 * spacing_px, 0.15 * spacing_px))
