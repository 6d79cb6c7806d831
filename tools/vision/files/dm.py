"""DM3 and DM4: the image that is not the thumbnail, its calibration, and what the microscope said."""

import math
from pathlib import Path
from typing import Any

from eucentric.core.errors import UnreadableImage
from eucentric.core.text import visible
from eucentric.tools.vision.files.content import (
    Content,
    ambiguous,
    checked_shape,
    missing,
    number,
    picometres,
)
from eucentric.tools.vision.files.dm_tags import Stored, Tree, at, read_array, read_tags, stored_at

_REAL = {
    1: "i2",
    2: "f4",
    6: "u1",
    7: "i4",
    9: "i1",
    10: "u2",
    11: "u4",
    12: "f8",
    14: "u1",
    39: "i8",
    40: "u8",
}
"""Data types of real images; complex and colour ones are left out."""
_MOST_AXES = 4


def read_dm(file: Path, name: str, dataset: str | None) -> Content:
    """One image or a stack (planes are frames)."""
    tree = read_tags(file).tree
    images = {key: one for key, one in _images(tree).items() if _is_image(one)}
    if not images:
        raise UnreadableImage(
            f"{name} holds no image of real numbers", "only thumbnails, spectra or colours", "export it"
        )
    key = dataset or (next(iter(images)) if len(images) == 1 else None)
    if key is None:
        raise ambiguous(name, "images", [f"{k} ({_title(one)})" for k, one in images.items()])
    if key not in images:
        raise missing(name, key, list(images))
    return _content(file, name, key, images[key])


def _images(tree: Tree) -> dict[str, Tree]:
    """By their number in the list, without those that are thumbnails."""
    thumbnails = {
        at(one, "ImageIndex") for one in (at(tree, "Thumbnails") or {}).values() if isinstance(one, dict)
    }
    listed = at(tree, "ImageList")
    if not isinstance(listed, dict):
        return {}
    return {
        key: one
        for k, (key, one) in enumerate(listed.items())
        if k not in thumbnails and isinstance(one, dict)
    }


def _is_image(one: Tree) -> bool:
    return at(one, "ImageData", "DataType") in _REAL and _data(one) is not None and 2 <= len(_shape(one)) <= 3


def _data(one: Tree) -> Stored | None:
    return stored_at(one, "ImageData", "Data")


def _shape(one: Tree) -> tuple[int, ...]:
    """(frames, rows, columns) or (rows, columns); the file counts columns first. Axes of length 1 are none."""
    axes = at(one, "ImageData", "Dimensions")
    sizes = list(axes.values()) if isinstance(axes, dict) else []
    if not 2 <= len(sizes) <= _MOST_AXES or not all(isinstance(n, int) and n > 0 for n in sizes):
        return ()
    return tuple(reversed(sizes[:2] + [n for n in sizes[2:] if n > 1]))


def _content(file: Path, name: str, key: str, one: Tree) -> Content:
    shape, stored = _shape(one), _data(one)
    checked_shape(shape, name)
    if stored is None or stored.count != math.prod(shape):
        raise UnreadableImage(
            f"{name}: image {visible(key, limit=20)} does not fit its shape",
            f"{shape} needs {math.prod(shape):,} numbers, {stored.count if stored else 0:,} are stored",
            "save it again in DigitalMicrograph",
        )
    if _REAL[at(one, "ImageData", "DataType")][-1] != stored.dtype[-1]:
        raise UnreadableImage(
            f"{name}: type and data disagree", stored.dtype, "save it again in DigitalMicrograph"
        )
    axis = at(one, "ImageData", "Calibrations", "Dimension", "0")
    size = picometres(at(axis, "Scale"), at(axis, "Units"), name)
    return Content(read_array(file, stored).reshape(shape), size, _known(one), chosen=key)


def _title(one: Tree) -> str:
    return visible(str(at(one, "Name") or "no name"), limit=60)


def _known(one: Tree) -> dict[str, Any]:
    """Fields of a frame, converted from V, nA, µs, mm as DigitalMicrograph writes them."""
    tags = at(one, "ImageTags")
    scope = at(tags, "Microscope Info")
    place = at(scope, "Stage Position")
    bright = at(one, "ImageData", "Calibrations", "Brightness")
    electrons = str(at(bright, "Units") or "").strip().lower() in ("e-", "e", "electrons", "electron")
    per_count = number(at(bright, "Scale")) if electrons else None
    current = number(at(scope, "Probe Current (nA)"), factor=1e3)
    out: dict[str, Any] = {
        "detector": _detector(tags),
        "voltage_kv": number(at(scope, "Voltage"), factor=1e-3),
        "probe_current_pa": current,
        "dwell_us": number(at(tags, "DigiScan", "Sample Time")),
        "counts_per_electron": 1 / per_count if per_count else None,
        "offset_counts": number(at(bright, "Origin"), above=-1e9) if per_count else None,
        "alpha_deg": number(at(place, "Stage Alpha"), above=-360),
        "beta_deg": number(at(place, "Stage Beta"), above=-360),
        "x_um": number(at(place, "Stage X"), above=-1e6),
        "y_um": number(at(place, "Stage Y"), above=-1e6),
        "instrument": visible(str(at(scope, "Name") or at(scope, "Microscope") or ""), limit=120),
    }
    return {key: value for key, value in out.items() if value not in (None, "")}


def _detector(tags: Any) -> str | None:
    """Signal of the scan unit, small letters."""
    for path in (
        ("Microscope Info", "Signal Name"),
        ("DataBar", "Signal Name"),
        ("Acquisition", "Device", "Name"),
    ):
        value = at(tags, *path)
        if isinstance(value, str) and value.strip():
            return visible(value.strip().lower(), limit=40)
    return None
