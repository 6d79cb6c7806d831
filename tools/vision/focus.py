"""How sharp images are, above their own noise."""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]


def _gradient(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """(2, H, W): derivatives of the smoothed image."""
    smooth = ndimage.gaussian_filter(image, sigma, truncate=3.0)
    return np.stack(np.gradient(smooth))


def edge_sharpness(images: list[Image]) -> NDArray[np.float64]:
    """How steep the edges of a scene are in each of several images of it, relative to their mean.

    The edges are where the sum of the *other* images is steepest, so that the noise of an image does not
    count as its sharpness. Works at a fraction of an electron per pixel.

    Parameters
    ----------
    images
        n images (H, W) float32 [counts] of one scene.

    Returns
    -------
    numpy.ndarray
        (n,) mean slope across the edges over that of the other images' mean.
    """
    plain = [np.asarray(image, np.float32) for image in images]
    steep = [_gradient(image, 1.0) for image in plain]
    wide = [_gradient(image, 1.5) for image in plain]
    total = np.sum(wide, axis=0, dtype=np.float32)
    others = np.float32(len(images) - 1)
    return np.array([_slope(own, (total - mine) / others) for own, mine in zip(steep, wide, strict=True)])


def _slope(own: NDArray[np.floating], rest: NDArray[np.floating]) -> float:
    steepness = (rest**2).sum(axis=0)
    keep = steepness > np.partition(steepness.ravel(), -steepness.size // 32)[-steepness.size // 32]
    along = (own * rest).sum(axis=0)
    return float(along[keep].sum() / max(float(steepness[keep].sum()), 1e-30))


_WIDTHS = (0.7, 1.0, 1.4, 2.0, 3.0, 4.5)
"""Trial widths of an edge in focus, for a sweep that shows its flanks [px]."""
_SHARP_WIDTH = 1.16
"""Width of an edge in focus after the smoothing of `edge_sharpness` [px]."""


def edge_focus(
    defocus_nm: NDArray[np.floating],
    values: NDArray[np.floating],
    pixel_nm: float,
    convergence_mrad: float,
    *,
    wide: bool,
) -> tuple[float, bool]:
    """Focus from edge sharpness over a sweep: a least-squares fit of a/√(σ² + (α·Δf/p)²) + c.

    Parameters
    ----------
    defocus_nm, values
        (n,) settings [nm] and sharpness.
    wide
        True for a sweep that need not lie symmetrically about focus: then σ and c are fitted too, or the
        longer flank would pull the answer towards the middle of the sweep (by 0.2 of its offset).

    Returns
    -------
    tuple
        (defocus [nm], inside): `inside` is False if the fit ends at the edge of the sweep.
    """
    trials = np.linspace(defocus_nm[0], defocus_nm[-1], 241)
    blur = convergence_mrad * 1e-3 * np.abs(defocus_nm[None, :] - trials[:, None]) / pixel_nm
    widths = _WIDTHS if wide else (_SHARP_WIDTH,)
    misfit = np.min([_misfit(values, 1 / np.hypot(width, blur), free=wide) for width in widths], axis=0)
    best = int(np.argmin(misfit))
    return float(trials[best]), 0 < best < len(trials) - 1


def _misfit(values: NDArray[np.floating], model: NDArray[np.float64], *, free: bool) -> NDArray[np.float64]:
    """(trials,) squared residual of a·model (+ c if `free`); infinite where a is not positive."""
    if free:
        model, values = model - model.mean(axis=1, keepdims=True), values - values.mean()
    scale = (model * values).sum(axis=1) / np.maximum((model**2).sum(axis=1), 1e-30)
    residual = ((values - scale[:, None] * model) ** 2).sum(axis=1)
    return np.asarray(np.where(scale > 0, residual, np.inf))


@dataclass(frozen=True)
class LatticeFocus:
    """What a fine sweep over a crystal says."""

    defocus_nm: float
    heights: NDArray[np.float64]
    """(n,) mean height of the lattice peaks in each image, in units of the noise (1: nothing but noise)."""
    contrast: float
    """Height of the strongest peaks at the best place of the sweep, averaged over the depth of focus, in
    units of the noise. Noise alone has a ceiling that `MIN_CONTRAST` clears."""
    inside: bool
    """False if the best place is at the edge of the sweep."""


def _powers(images: list[Image], pixel_nm: float, band_per_nm: tuple[float, float]) -> NDArray[np.float64]:
    """(n, K): power of each image at the K frequencies of a band, in units of the image's own noise."""
    height, width = images[0].shape
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    radius = np.hypot(
        scipy.fft.fftfreq(height, pixel_nm)[:, None], scipy.fft.rfftfreq(width, pixel_nm)[None, :]
    )
    band = (radius >= band_per_nm[0]) & (radius < band_per_nm[1])
    rows = [np.abs(scipy.fft.rfft2((image - image.mean()) * window)[band]) ** 2 for image in images]
    stack = np.asarray(rows, np.float64)
    floor = np.median(stack, axis=1, keepdims=True) / np.log(2)  # of an exponential distribution
    return np.asarray(stack / np.maximum(floor, 1e-12))


def lattice_focus(
    defocus_nm: NDArray[np.floating],
    images: list[Image],
    pixel_nm: float,
    band_per_nm: tuple[float, float],
    depth_nm: float,
    peaks: int = 6,
) -> LatticeFocus:
    """Focus from the lattice itself, over an evenly spaced fine sweep.

    A lattice is visible only within the depth of focus, but there a few electrons per column suffice,
    since the whole field adds up in each peak. The spectra are averaged over neighbouring settings with
    the weight that the depth of focus gives them; where the strongest peaks of that average are highest,
    a Gaussian is fitted to the height of those same peaks in the single images.

    Parameters
    ----------
    defocus_nm
        (n,) settings [nm].
    images
        n images (H, W) float32 [counts].
    band_per_nm
        Where lattice peaks are looked for [1/nm].
    depth_nm
        Standard deviation of the peaks' height over defocus [nm].
    """
    powers = _powers(images, pixel_nm, band_per_nm)
    near = np.exp(-0.5 * ((defocus_nm[:, None] - defocus_nm[None, :]) / depth_nm) ** 2)
    near /= near.sum(axis=1, keepdims=True)
    averaged = near @ powers
    top = np.argpartition(averaged, -peaks, axis=1)[:, -peaks:]
    contrast = np.take_along_axis(averaged, top, axis=1).mean(axis=1)
    best = int(np.argmax(contrast))
    heights = powers[:, top[best]].mean(axis=1)
    focus = _fitted(defocus_nm, heights - 1, float(defocus_nm[best]), depth_nm)
    inside = 0 < best < len(images) - 1
    return LatticeFocus(focus, heights, float(contrast[best]), inside)


def _fitted(
    places: NDArray[np.floating], heights: NDArray[np.floating], near: float, depth_nm: float
) -> float:
    """Centre of a Gaussian of that width fitted to the heights, within one depth of `near`."""
    trials = np.linspace(near - 1.5 * depth_nm, near + 1.5 * depth_nm, 121)
    shapes = np.exp(-0.5 * ((places[None, :] - trials[:, None]) / depth_nm) ** 2)
    gain = np.maximum((shapes * heights).sum(axis=1), 0.0) ** 2 / (shapes**2).sum(axis=1)
    return float(trials[int(np.argmax(gain))])
