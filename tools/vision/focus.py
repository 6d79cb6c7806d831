"""How sharp images are, above their own noise."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.float32]


def _spectrum(image: Image, pixel_nm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Windowed power spectrum and spatial frequency [1/nm], both (H, W)."""
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    power = np.abs(scipy.fft.fft2((image - image.mean()) * window)) ** 2 / (window**2).sum()
    fy = scipy.fft.fftfreq(image.shape[0], pixel_nm)[:, None]
    fx = scipy.fft.fftfreq(image.shape[1], pixel_nm)[None, :]
    return power, np.hypot(fx, fy)


def _gradient(image: NDArray[np.floating], sigma: float) -> NDArray[np.float64]:
    """(2, H, W): derivatives of the smoothed image."""
    plain = image.astype(np.float64)
    return np.stack([ndimage.gaussian_filter(plain, sigma, order=order) for order in ((1, 0), (0, 1))])


def edge_sharpness(images: list[Image]) -> NDArray[np.float64]:
    """How steep the edges of a scene are in each of several images of it, relative to their mean.

    The edges are where the sum of the *other* images is steepest, so that the noise of an image does not
    count as its sharpness. Works at a fraction of an electron per pixel.
    """
    total = np.sum(images, axis=0, dtype=np.float64)
    values = []
    for image in images:
        rest = _gradient(total - image, 1.5) / (len(images) - 1)
        steep = np.hypot(*rest)
        keep = steep > np.quantile(steep, 0.97)
        along = (_gradient(image, 1.0) * rest).sum(axis=0)
        values.append(float(along[keep].sum() / max(float((steep[keep] ** 2).sum()), 1e-30)))
    return np.array(values)


def edge_focus(
    defocus_nm: NDArray[np.floating], values: NDArray[np.floating], pixel_nm: float, convergence_mrad: float
) -> tuple[float, bool]:
    """Focus from edge sharpness over a sweep: a least-squares fit of 1/√(σ² + (α·Δf/p)²).

    Returns
    -------
    tuple
        (defocus [nm], inside): `inside` is False if the fit ends at the edge of the sweep.
    """
    trials = np.linspace(defocus_nm[0], defocus_nm[-1], 241)
    blur = convergence_mrad * 1e-3 * np.abs(defocus_nm[None, :] - trials[:, None]) / pixel_nm
    model = 1 / np.sqrt(1.35 + blur**2)
    scale = (model * values).sum(axis=1) / (model**2).sum(axis=1)
    misfit = ((values - scale[:, None] * model) ** 2).sum(axis=1) + (scale <= 0) * 1e9
    best = int(np.argmin(misfit))
    return float(trials[best]), 0 < best < len(trials) - 1


def lattice_sharpness(
    image: Image, pixel_nm: float, band_per_nm: tuple[float, float], peaks: int = 6
) -> float:
    """Mean height of the strongest peaks of the spectrum in a band [1/nm], in units of the noise.

    For crystals: a few electrons per column suffice, since the whole field adds up in each peak. Noise
    alone gives about the logarithm of the number of pixels in the band, 8 to 10.
    """
    power, radius = _spectrum(image, pixel_nm)
    values = power[(radius >= band_per_nm[0]) & (radius < band_per_nm[1])]
    if values.size < 10 * peaks:
        return 0.0
    floor = float(np.median(values)) / np.log(2)
    return float(np.partition(values, -peaks)[-peaks:].mean() / max(floor, 1e-12))


def vertex(positions: NDArray[np.floating], values: NDArray[np.floating]) -> tuple[float, bool]:
    """Position of the maximum of sampled values, by a parabola through the best three.

    Returns
    -------
    tuple
        (position, inside): `inside` is False if the best sample is the first or the last one.
    """
    best = int(np.argmax(values))
    if best in (0, len(values) - 1):
        return float(positions[best]), False
    before, at, after = (float(value) for value in values[best - 1 : best + 2])
    curve = before - 2 * at + after
    step = float(positions[best] - positions[best - 1])
    shift = 0.0 if curve >= 0 else 0.5 * (before - after) / curve
    return float(positions[best]) + float(np.clip(shift, -0.5, 0.5)) * step, True
