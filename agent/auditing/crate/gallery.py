"""Frames as small pictures, each with what it is; a simulated one is stamped."""

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.reporting.blocks import Gallery, Para, Picture, Section
from eucentric.agent.reporting.panels import pixels_of, reduced, stretch
from eucentric.agent.reporting.png import png_of
from eucentric.agent.reporting.quantities import dose, length, plural
from eucentric.agent.reporting.record import FrameRecord, RunRecord
from eucentric.core.store import Readable

_PX = 128
_MOST = 120
"""Pictures in one gallery; of more, the beginning and the end are shown."""


def gallery(record: RunRecord, store: Readable) -> Section:
    """The section."""
    if not record.frames:
        return Section("Frames", (Para("No image was recorded."),))
    shown = _chosen(record)
    cut = len(shown) > _MOST
    if cut:
        shown = [*shown[: _MOST // 2], *shown[-_MOST // 2 :]]
    words = f"{plural(len(record.frames), 'frame')}, in the order in which they were recorded."
    if len(shown) < len(record.frames):
        which = f", and of the rest the first and last {_MOST // 2}" if cut else ""
        words += (
            f" Of a series for focusing the first and last are shown{which}; all are in the folder of frames."
        )
    return Section("Frames", (Para(words), Gallery(tuple(_small(one, store) for one in shown))))


def _chosen(record: RunRecord) -> list[FrameRecord]:
    """All but the frames between the first and last of a series for focusing."""
    series: dict[str, list[FrameRecord]] = {}
    for one in record.frames:
        if one.frame.purpose == "focus":
            series.setdefault(one.call, []).append(one)
    ends = {frame.frame.id for frames in series.values() for frame in (frames[0], frames[-1])}
    return [one for one in record.frames if one.frame.purpose != "focus" or one.frame.id in ends]


def _small(one: FrameRecord, store: Readable) -> Picture:
    frame = one.frame
    pixels = pixels_of(store, frame)
    gone = " (pixels missing or altered)" if pixels is None else ""
    return Picture(f"{frame.id}.png", _png(pixels, frame.simulated), f"{_caption(one)}{gone}")


def _caption(one: FrameRecord) -> str:
    frame = one.frame
    what = f"sum of {len(frame.parents)}" if frame.parents else frame.purpose
    parts = [f"{frame.shape[1]}×{frame.shape[0]}", length(one.fov_nm) if one.fov_nm else "unknown field"]
    if frame.dose_e_per_a2:
        parts.append(f"≤ {dose(frame.dose_e_per_a2)} e/Å²")
    stamp = "SIMULATED " if frame.simulated else ""
    return f"{stamp}{frame.id}: {what}, {frame.detector.upper()}, {', '.join(parts)}, event {one.seq}"


def _png(pixels: NDArray[np.float32] | None, simulated: bool) -> bytes:
    """Grey, square pixels, at most `_PX` wide, the stamp burnt in."""
    image = np.full((_PX // 2, _PX), 0.5, np.float32) if pixels is None else reduced(pixels, _PX)
    low, high = (0.0, 1.0) if pixels is None else stretch(image)
    grey = np.clip((image - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return png_of(
        _stamped(np.repeat(grey[..., None], 3, axis=2))
        if simulated
        else np.repeat(grey[..., None], 3, axis=2)
    )


def _stamped(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """SIMULATED at the lower right, white on black; a picture that is too small for it is enlarged."""
    from PIL import Image, ImageDraw

    factor = max(1, -(-80 // rgb.shape[1]), -(-16 // rgb.shape[0]))
    image = Image.fromarray(np.kron(rgb, np.ones((factor, factor, 1), np.uint8)))
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = draw.textbbox((0, 0), "SIMULATED")
    x, y = image.width - (right - left) - 4, image.height - (bottom - top) - 5
    draw.rectangle((x - 2, y - 2, image.width, image.height), fill=(0, 0, 0))
    draw.text((x - left, y - top), "SIMULATED", fill=(255, 255, 255))
    return np.asarray(image)
