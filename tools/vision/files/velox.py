"""Velox EMD: images by detector, frames along the last axis, metadata as JSON in bytes, in SI units."""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

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

_LONGEST = 4_000_000
_PREFERRED = "haadf"


def read_velox(images: Any, name: str, dataset: str | None) -> Content:
    """The image of the HAADF detector, or the one named by its detector or its identity."""
    own = {
        key: images[key]
        for key in images
        if _has(images, key, "Group") and _has(images[key], "Data", "Dataset")
    }
    found = {key: _metadata(group) for key, group in own.items()}
    if not found:
        raise UnreadableImage(f"{name} holds no image", "its Data/Image is empty", "export it again")
    key = _chosen(found, name, dataset)
    data = images[key]["Data"]
    if data.is_virtual or data.external or len(data.shape) not in (2, 3):
        raise UnreadableImage(
            f"{name}: image {visible(key, limit=40)} has shape {data.shape}",
            "(rows, columns, frames) is read",
            "export it",
        )
    checked_shape(data.shape[2:] + data.shape[:2], name)
    pixels = data[()] if len(data.shape) == 2 else np.moveaxis(data[()], -1, 0)
    known = found[key]
    size, unit = _at(known, "BinaryResult", "PixelSize", "width"), _at(known, "BinaryResult", "PixelUnitX")
    return Content(pixels, picometres(size, unit, name), _known(known), chosen=_detector(known) or key)


def _chosen(found: dict[str, dict[str, Any]], name: str, dataset: str | None) -> str:
    labels = {key: _detector(known) for key, known in found.items()}
    wanted = (dataset or _PREFERRED).lower()
    same = [key for key, label in labels.items() if wanted in (label, key.lower())]
    if len(same) == 1:
        return same[0]
    shown = [f"{label or 'no detector'} ({key})" for key, label in labels.items()]
    if dataset is not None and not same:
        raise missing(name, dataset, shown)
    if len(found) == 1 and dataset is None:
        return next(iter(found))
    raise ambiguous(name, "images", shown)


def _has(group: Any, key: str, kind: str) -> bool:
    """Whether an object of this file is there, not a link to another."""
    link = type(group.get(key, getlink=True)).__name__
    return link == "HardLink" and type(group[key]).__name__ == kind


def _metadata(group: Any) -> dict[str, Any]:
    """Of the first frame; what cannot be read is not there."""
    try:
        if not _has(group, "Metadata", "Dataset"):
            return {}
        raw = group["Metadata"]
        if len(raw.shape) != 2 or raw.shape[0] > _LONGEST:
            return {}
        text = bytes(np.asarray(raw[:, 0], np.uint8)).split(b"\0", 1)[0]
        value = json.loads(text)
    except (KeyError, ValueError, IndexError, TypeError, OSError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _at(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _detector(known: Mapping[str, Any]) -> str:
    """Name of the detector, small letters."""
    named = str(_at(known, "BinaryResult", "Detector") or "")
    index = named or str(_at(known, "BinaryResult", "DetectorIndex") or "")
    if index.isdigit():
        named = str(_at(known, "Detectors", f"Detector-{index}", "DetectorName") or "")
    return visible(named.strip().lower(), limit=40)


def _known(known: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a frame."""
    optics = ("Optics",)
    stage = {
        axis: _at(known, "Stage", key) for axis, key in (("alpha_deg", "AlphaTilt"), ("beta_deg", "BetaTilt"))
    }
    place = {f"{axis}_um": _at(known, "Stage", "Position", axis) for axis in "xy"}
    instrument = " ".join(
        str(_at(known, "Instrument", key) or "")
        for key in ("Manufacturer", "InstrumentClass", "InstrumentId")
    )
    out: dict[str, Any] = {
        "detector": _detector(known) or None,
        "voltage_kv": number(_at(known, *optics, "AccelerationVoltage"), factor=1e-3),
        "probe_current_pa": number(_at(known, *optics, "LastMeasuredScreenCurrent"), factor=1e12),
        "convergence_mrad": number(_at(known, *optics, "BeamConvergence"), factor=1e3),
        "dwell_us": number(_at(known, "Scan", "DwellTime"), factor=1e6),
        "duration_s": number(_at(known, "Scan", "FrameTime")),
        "instrument": visible(instrument.strip(), limit=120),
        **{axis: number(value, factor=180 / math.pi, above=-10) for axis, value in stage.items()},
        **{axis: number(value, factor=1e6, above=-1) for axis, value in place.items()},
    }
    return {key: value for key, value in out.items() if value not in (None, "")}
