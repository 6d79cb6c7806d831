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
    free_xy: Array
    """(n, 2) float64 [px]: where the data alone put the column; for displacements, which the lattice would shrink."""


@dataclass(frozen=True)
class _Windows:
    """Pixels around every column, as flat indices; those outside the image weigh nothing."""

    flat: NDArray[np.int64]
    dx: Array
    dy: Array
    inside: NDArray[np.bool_]


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
        columns = _columns(windows, peak, sigma_px, image.shape)
        background = ndimage.gaussian_filter(image - columns, 0.8 * spacing_px, truncate=3.0)
        residual = image - columns - background
        variance, colour = _noise(residual, columns + background, sigma_px)
        step, covariance, free_covariance = _step(
            windows, residual, variance, peak, sigma_px, place - xy, prior, colour
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
        xy + apart,
    )


def _unshrunk(offset: Array, covariance: Array, free: Array, limit: float) -> Array:
    """Offsets from the sites with the prior taken out again: free covariance over the posterior one."""
    raw: Array = (free @ np.linalg.solve(covariance, offset[:, :, None]))[:, :, 0]
    length = np.maximum(np.hypot(raw[:, 0], raw[:, 1]), 1e-12)
    return raw * np.minimum(1.0, limit / length)[:, None]


def _windows(xy: Array, sigma_px: float, shape: tuple[int, ...]) -> _Windows:
    half = math.ceil(2.2 * sigma_px)
    dy0, dx0 = (grid.ravel() for grid in np.mgrid[-half : half + 1, -half : half + 1])
    disc = np.hypot(dx0, dy0) <= half + 0.3
    cols = np.rint(xy[:, :1]).astype(int) + dx0[disc]
    rows = np.rint(xy[:, 1:]).astype(int) + dy0[disc]
    inside = (cols >= 0) & (rows >= 0) & (cols < shape[1]) & (rows < shape[0])
    flat = np.where(inside, rows * shape[1] + cols, 0)
    return _Windows(flat, cols - xy[:, :1], rows - xy[:, 1:], inside)


def _gaussian(windows: _Windows, sigma_px: float) -> Array:
    value: Array = np.exp(-0.5 * (windows.dx**2 + windows.dy**2) / sigma_px**2) * windows.inside
    return value


def _columns(
    windows: _Windows, height: Array, sigma_px: float, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    value = (_gaussian(windows, sigma_px) * height[:, None]).ravel()
    total = np.bincount(windows.flat.ravel(), value, shape[0] * shape[1])
    return total.reshape(shape).astype(np.float32)


def _noise(
    residual: NDArray[np.float32], level: NDArray[np.float32], sigma_px: float
) -> tuple[NDArray[np.float32], float]:
    """Variance of a pixel as c0 + c1·level, and the excess of noise at the scale of a column (1 if white)."""
    fine = residual - ndimage.gaussian_filter(residual, 2.0 * sigma_px)
    x, y = level.ravel()[::7].astype(float), (fine.ravel()[::7] ** 2).astype(float)
    slope = float(np.cov(x, y)[0, 1] / max(np.var(x), 1e-30))
    base = float(y.mean() - slope * x.mean())
    mean = float(y.mean())
    if slope < 0 or base < 0:
        slope, base = (0.0, mean) if slope < 0 else (mean / max(float(x.mean()), 1e-30), 0.0)
    variance = np.maximum(base + slope * level, 0.1 * mean + 1e-30).astype(np.float32)
    smooth = ndimage.gaussian_filter(fine, sigma_px)
    colour = float(np.var(smooth)) * 4 * math.pi * sigma_px**2 / max(mean, 1e-30)
    return variance, max(colour, 0.5)


def _step(
    windows: _Windows, residual: NDArray[np.float32], variance: NDArray[np.float32], height: Array,
    sigma_px: float, offset: Array, prior_px: float, colour: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """One Gauss-Newton step of (x, y, height); covariance of (x, y) with the prior, and by the data alone."""
    gauss = _gaussian(windows, sigma_px)
    # No column dimmer than a fifth of the median is moved as if it were nothing.
    strength = np.maximum(height, 0.2 * max(float(np.median(height)), 1e-12))[:, None]
    slopes = np.stack(
        [strength * gauss * windows.dx / sigma_px**2, strength * gauss * windows.dy / sigma_px**2, gauss], 1
    )
    weighted = slopes * (windows.inside / variance.ravel()[windows.flat] / max(colour, 1.0))[:, None, :]
    normal = weighted @ slopes.transpose(0, 2, 1)
    right = (weighted @ residual.ravel()[windows.flat][:, :, None])[:, :, 0]
    tiny = 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None] + 1e-30
    free = np.linalg.inv(normal + tiny[:, :, None] * np.eye(3))
    normal[:, 0, 0] += prior_px**-2
    normal[:, 1, 1] += prior_px**-2
    right[:, :2] -= offset / prior_px**2
    covariance = np.linalg.inv(normal + tiny[:, :, None] * np.eye(3))
    step = (covariance @ right[:, :, None])[:, :, 0]
    step[:, :2] = np.clip(step[:, :2], -0.5 * sigma_px, 0.5 * sigma_px)
    return step, covariance[:, :2, :2], free[:, :2, :2]


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
