"""Images made from the noiseless ones of a set: such that nobody should count in, and the same view at other scales."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from eucentric.bench.images.folder import Example

Array = NDArray[np.float64]

_READ = 0.3
"""Read noise [electrons]."""


@dataclass(frozen=True)
class Odd:
    """An image with what the detector is told."""

    kind: str
    image: NDArray[np.float32]
    told_pixel_a: float | None
    told_material: str


@dataclass(frozen=True)
class View:
    """The same specimen at another pixel size and rotation."""

    image: NDArray[np.float32]
    atoms_xy: Array
    pixel_a: float


def _counted(expected: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    noisy: NDArray[np.float32] = (
        rng.poisson(np.maximum(expected, 0)) + rng.normal(0, _READ, expected.shape)
    ).astype(np.float32)
    return noisy


def _defocused(expected: Array, pixel_a: float, rng: np.random.Generator) -> Array:
    """As a probe several times too wide leaves it: the rings still show, the columns hardly."""
    blurred: Array = ndimage.gaussian_filter(expected, rng.uniform(0.55, 0.75) / pixel_a)
    return blurred


def _amorphous(expected: Array, pixel_a: float, rng: np.random.Generator) -> Array:
    """Same spectrum averaged over directions, random phases."""
    height, width = expected.shape
    power = np.abs(np.fft.fft2(expected - expected.mean())) ** 2
    radius = np.rint(
        np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width)[None, :] * width)
    ).astype(int)
    mean = np.bincount(radius.ravel(), power.ravel()) / np.maximum(np.bincount(radius.ravel()), 1)
    smooth = ndimage.gaussian_filter1d(mean, 4.0)[radius]
    noise = np.fft.fft2(rng.normal(size=expected.shape)) / math.sqrt(expected.size)
    field = np.fft.ifft2(noise * np.sqrt(smooth)).real
    result: Array = np.maximum(expected.mean() + field, 0)
    return result


def _boundary(expected: Array, pixel_a: float, rng: np.random.Generator) -> Array:
    """Two grains that meet in a line through the middle."""
    turned = ndimage.rotate(expected, rng.uniform(12, 28), reshape=False, order=1, mode="reflect")
    rows, cols = np.indices(expected.shape) - np.array(expected.shape)[:, None, None] / 2
    angle = rng.uniform(0, math.pi)
    side: Array = np.where(rows * math.cos(angle) + cols * math.sin(angle) > 0, expected, turned)
    return side


def _tilted(expected: Array, pixel_a: float, rng: np.random.Generator) -> Array:
    """Columns drawn out along one direction, as far off the zone axis."""
    drawn = ndimage.rotate(expected, angle := rng.uniform(0, 180), reshape=False, order=1, mode="reflect")
    drawn = ndimage.gaussian_filter1d(drawn, 0.85 / pixel_a, axis=0)
    back: Array = ndimage.rotate(drawn, -angle, reshape=False, order=1, mode="reflect")
    return back


def _empty(expected: Array, pixel_a: float, rng: np.random.Generator) -> Array:
    return np.full_like(expected, expected.mean())


_MADE: dict[str, Callable[[Array, float, np.random.Generator], Array]] = {
    "defocus": _defocused, "amorphous": _amorphous, "grain boundary": _boundary, "off zone": _tilted, "empty": _empty,
}  # fmt: skip
_WRONG_SCALE = (0.577, 0.8, 0.95, 1.05, 1.25, 1.732)


def odd_images(example: Example, rng: np.random.Generator) -> list[Odd]:
    """One of each kind that should be flagged."""
    expected, told = example.noiseless, example.pixel_a
    if expected is None:
        return []
    name = str(example.entry["material"])
    made = [Odd(kind, _counted(make(expected, told, rng), rng), told, name) for kind, make in _MADE.items()]
    made.append(Odd("wrong scale", example.image, told * float(rng.choice(_WRONG_SCALE)), name))
    ceiling = np.quantile(expected, 0.7)
    made.append(Odd("saturated", np.minimum(example.image, np.float32(ceiling)), told, name))
    made.append(Odd("few counts", _counted(expected * 0.02, rng), told, name))
    made.append(Odd("another material", example.image, None, "Ti3C2" if name == "MoS2" else "MoS2"))
    return made


def view_at(example: Example, pixel_a: float, degrees: float, rng: np.random.Generator) -> View | None:
    """The middle of an image at another pixel size and turned, with the same counts in a column."""
    if example.noiseless is None:
        return None
    factor = pixel_a / example.pixel_a
    side = min(512, int(min(example.noiseless.shape) / 1.42 / factor))
    if side < 128:
        return None
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[c, -s], [s, c]]) * factor
    rows, cols = np.mgrid[0:side, 0:side] - (side - 1) / 2
    middle = (np.array(example.noiseless.shape[::-1]) - 1) / 2
    place = np.stack([cols.ravel(), rows.ravel()], -1) @ turn.T + middle
    values = ndimage.map_coordinates(example.noiseless, place.T[::-1], order=3, mode="nearest")
    xy = (example.atoms_xy - middle) @ np.linalg.inv(turn).T + (side - 1) / 2
    inside = ((xy > -0.5) & (xy < side - 0.5)).all(1)
    return View(_counted(values.reshape(side, side) * factor**2, rng), xy[inside], pixel_a)
