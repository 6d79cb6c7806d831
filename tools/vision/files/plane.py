"""From stored values to one image that can be looked at, or a reason why not."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import UnreadableImage
from eucentric.tools.vision.files.content import MOST_PIXELS

_MIN_SIDE = 64


def plane(raw: Any, name: str) -> NDArray[np.float32]:
    """One 2D image, mostly of finite numbers.

    A few NaN pixels are kept as NaN: the analysis leaves them out.

    Raises
    ------
    UnreadableImage
        If it is no such image.
    """
    array = np.asarray(raw)
    if array.dtype.kind not in "fiub":
        raise UnreadableImage(
            f"{name} holds {array.dtype}, not real numbers", remedy="export magnitudes as float"
        )
    if array.ndim != 2:
        raise UnreadableImage(
            f"{name} has shape {tuple(np.shape(raw))}",
            "one two-dimensional image is needed",
            "export a single frame",
        )
    if min(array.shape) < _MIN_SIDE or array.size > MOST_PIXELS:
        raise UnreadableImage(
            f"{name} is {array.shape[1]}×{array.shape[0]} px",
            f"at least {_MIN_SIDE} px a side are needed, at most 16384² in all",
            "give one frame of the usual size",
        )
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite, and is refused just below
        pixels = array.astype(np.float32)
    finite = np.isfinite(pixels)
    if finite.mean() < 0.5:
        raise UnreadableImage(
            f"{name}: {1 - finite.mean():.0%} of the pixels are not finite numbers",
            "more than half",
            "export it again",
        )
    if float(np.ptp(pixels[finite])) == 0:
        raise UnreadableImage(
            f"{name}: every pixel has the same value", "there is nothing to see", "check the export"
        )
    return np.where(finite, pixels, np.float32(np.nan))


def without_colours(array: NDArray[Any], name: str) -> NDArray[Any]:
    """The grey values of a picture whose channels are equal, (…, rows, columns)."""
    colours = array[..., : 1 if array.shape[-1] == 2 else 3]
    if np.any(colours != colours[..., :1]):
        raise UnreadableImage(
            f"{name} is a colour picture",
            "colours are a display, not counts; a colour map cannot be undone safely",
            "export the raw grey values as 16-bit or 32-bit TIFF",
        )
    grey: NDArray[Any] = colours[..., 0]
    return grey
