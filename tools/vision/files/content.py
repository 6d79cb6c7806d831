"""What a reader hands on: pixels as they are stored, and what the file says about them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eucentric.core.errors import UnreadableImage
from eucentric.core.text import visible

MOST_PIXELS = 16384 * 16384
"""In one frame."""
MOST_FRAMES = 4096
MOST_VALUES = 2**30
"""In all frames together."""
_RECIPROCAL = ("1/", "^-1", "⁻¹", "-1", "mrad", "rad")
_PM = {
    "m": 1e12, "cm": 1e10, "mm": 1e9, "um": 1e6, "µm": 1e6, "μm": 1e6, "\\u00b5m": 1e6, "micron": 1e6, "microns": 1e6,
    "nm": 1e3, "a": 100.0, "å": 100.0, "ang": 100.0, "angstrom": 100.0, "pm": 1.0,
}  # fmt: skip


@dataclass(frozen=True)
class Content:
    """One image (H, W), or frames of one place (n, H, W), of any real type."""

    pixels: Any
    pixel_pm: float | None = None
    known: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `Frame` that the file states, such as voltage_kv."""
    chosen: str = ""
    """Which dataset of the file it is."""


def picometres(scale: Any, unit: Any, name: str) -> float | None:
    """Pixel size [pm]; None if the unit is none of length (or the size none of a micrograph).

    Raises
    ------
    UnreadableImage
        If the unit is one of reciprocal space.
    """
    text = visible(str(unit or "").strip(), limit=40)
    folded = text.lower()
    if any(mark in folded for mark in _RECIPROCAL):
        raise UnreadableImage(
            f"{name} is calibrated in {text}",
            "that is reciprocal space: a diffraction pattern or a transform, not an image",
            "give the image that it was made from",
        )
    size = number(scale)
    return None if size is None or folded not in _PM else plausible(size * _PM[folded])


def plausible(pixel_pm: float) -> float | None:
    """A pixel size that a micrograph can have."""
    return pixel_pm if math.isfinite(pixel_pm) and 0.1 < pixel_pm < 1e6 else None


def number(value: Any, *, factor: float = 1.0, above: float = 0.0) -> float | None:
    """A finite number above a bound, times a factor; None for anything else."""
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (
        result * factor if math.isfinite(result) and result > above and not isinstance(value, bool) else None
    )


def checked_shape(shape: tuple[int, ...], name: str) -> None:
    """Refuse what is too large before it is read.

    Raises
    ------
    UnreadableImage
        If the declared shape holds more than this program reads.
    """
    plane = math.prod(shape[-2:])
    if plane > MOST_PIXELS or math.prod(shape) > MOST_VALUES:
        raise UnreadableImage(
            f"{name} declares {' × '.join(map(str, shape))} values",
            f"at most {MOST_PIXELS:,} in a frame and {MOST_VALUES:,} in all are read",
            "cut it, or export fewer frames",
        )


def ambiguous(name: str, what: str, choices: list[str]) -> UnreadableImage:
    """Several images in one file, and nobody said which."""
    shown = ", ".join(visible(one, limit=80) for one in choices[:8]) + (", …" if len(choices) > 8 else "")
    return UnreadableImage(
        f"{name} holds {len(choices)} {what}", f"which one is meant is not known: {shown}", "name one with --dataset"
    )  # fmt: skip


def missing(name: str, dataset: str, choices: list[str]) -> UnreadableImage:
    """A named dataset that is not there."""
    shown = ", ".join(visible(one, limit=80) for one in choices[:8]) or "none"
    return UnreadableImage(
        f"{name} has no image {visible(dataset, limit=120)!r}", f"in it: {shown}", "name one of these with --dataset"
    )  # fmt: skip
