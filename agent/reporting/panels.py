"""One frame as a panel of a figure: reduced, stretched, with scale bar, frame id and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import EucentricError
from eucentric.core.instrument import Frame
from eucentric.core.store import Readable
from eucentric.tools.vision.lettering import lettered

# Of Okabe and Ito, seen by colour-blind eyes; shapes differ as well.
ORANGE = "#E69F00"
_WORK_PX = 420
"""Panels are reduced to about so many pixels before drawing: a report is read, not measured."""


@dataclass(frozen=True)
class Mark:
    """Something drawn on a panel, in stage coordinates [µm] or pixels of the frame."""

    x: float
    y: float
    width: float = 0.0
    """Of a box [same unit]; 0: a point."""
    label: str = ""
    on_stage: bool = True


@dataclass(frozen=True)
class Panel:
    """What one panel shows."""

    frame: Frame
    title: str
    marks: tuple[Mark, ...] = ()


def pixels_of(store: Readable, frame: Frame) -> NDArray[np.float32] | None:
    """Pixels of a frame from the blobs, digest checked; None if they are missing or altered."""
    try:
        return store.get_array(frame.sha256)
    except (EucentricError, ValueError, OSError):
        return None


def reduced(pixels: NDArray[np.float32], most_px: int = _WORK_PX) -> NDArray[np.float32]:
    """Block means, at most about `most_px` wide; gaps (NaN) become the median."""
    known = np.isfinite(pixels)
    clean = pixels.astype(np.float32, copy=False)
    if not known.all():
        clean = np.where(
            known, clean, np.float32(np.median(clean[known])) if known.any() else np.float32(0.0)
        )
    factor = max(1, round(max(clean.shape) / most_px))
    rows, columns = (n // factor * factor for n in clean.shape)
    blocks = clean[:rows, :columns].reshape(rows // factor, factor, columns // factor, factor)
    small: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return small


def stretch(image: NDArray[np.float32]) -> tuple[float, float]:
    """Grey levels for display."""
    low, high = np.percentile(image, (0.5, 99.7))
    return float(low), float(high) if high > low else float(low) + 1.0


def draw(axes: Any, panel: Panel, store: Readable) -> None:
    """Draw a panel; one whose pixels are gone says so."""
    frame = panel.frame
    axes.set(xticks=[], yticks=[])
    axes.set_title(lettered(panel.title, limit=60), fontsize=8.5, loc="left", parse_math=False)
    pixels = pixels_of(store, frame)
    if pixels is None:
        axes.set_facecolor("#dddddd")
        text = f"{frame.id}: pixels missing or altered"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", fontsize=8, parse_math=False)
        return
    height, width = frame.shape
    image = reduced(pixels)
    low, high = stretch(image)
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear")
    for mark in panel.marks:
        _mark(axes, frame, mark)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    if frame.pixel_pm:
        scale_bar(axes, frame.pixel_pm * width * 1e-3, width, height)
    stamp = f"SIMULATED  {frame.id}" if frame.simulated else frame.id
    label(axes, 0.985, 0.018, stamp, ha="right", va="bottom")


def label(axes: Any, x: float, y: float, text: str, **where: Any) -> None:
    """White on a dark plate, readable on any image."""
    axes.text(
        x, y, lettered(text, limit=80), transform=axes.transAxes, color="white", fontsize=7.5, parse_math=False,
        bbox={"facecolor": "black", "alpha": 0.62, "pad": 1.6, "edgecolor": "none"}, **where,
    )  # fmt: skip


def scale_bar(axes: Any, fov_nm: float, width: float, height: float) -> None:
    """A bar of 1, 2 or 5 times a power of ten, about a quarter of the field, at the lower left."""
    nm = bar_nm(fov_nm)
    px = nm / fov_nm * width
    x, y = 0.045 * width, 0.94 * height
    axes.plot([x, x + px], [y, y], color="black", linewidth=5.2, solid_capstyle="butt")
    axes.plot([x, x + px], [y, y], color="white", linewidth=3.4, solid_capstyle="butt")
    text = f"{nm / 1e3:g} µm" if nm >= 1000 else f"{nm:g} nm" if nm >= 1 else f"{nm * 1e3:g} pm"
    label(axes, 0.045, 0.085, text, ha="left", va="bottom")


def bar_nm(fov_nm: float) -> float:
    """Length of the scale bar [nm]."""
    wanted = fov_nm / 3.2
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(max(step * power for step in (1, 2, 5) if step * power <= wanted))


def _mark(axes: Any, frame: Frame, mark: Mark) -> None:
    x, y, width = mark.x, mark.y, mark.width
    if mark.on_stage:
        if frame.pixel_pm is None or frame.x_um is None or frame.y_um is None:
            return
        pixel_um = frame.pixel_pm * 1e-6
        x = (x - frame.x_um) / pixel_um + (frame.shape[1] - 1) / 2
        y = (y - frame.y_um) / pixel_um + (frame.shape[0] - 1) / 2
        width /= pixel_um
    if not mark.width:
        axes.plot(
            [x], [y], marker="s", markersize=6.5, markerfacecolor="none", markeredgecolor=ORANGE, linewidth=0
        )
        return
    shown = max(width, 0.05 * frame.shape[1])
    xs, ys = _corners(x, y, shown)
    axes.plot(xs, ys, color="black", linewidth=2.6)
    axes.plot(xs, ys, color=ORANGE, linewidth=1.5)
    if mark.label:
        label_at = (x - 0.44 * shown, y - 0.44 * shown)
        axes.annotate(
            lettered(mark.label, limit=20), label_at, color="white", fontsize=7.5, va="top", parse_math=False,
            bbox={"facecolor": "black", "alpha": 0.62, "pad": 1.2, "edgecolor": "none"}, annotation_clip=True,
        )  # fmt: skip


def _corners(x: float, y: float, width: float) -> tuple[Sequence[float], Sequence[float]]:
    half = width / 2
    return (
        [x - half, x + half, x + half, x - half, x - half],
        [y - half, y - half, y + half, y + half, y - half],
    )
