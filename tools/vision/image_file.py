"""Images from files of the user: TIFF, NPY and PNG, with the metadata that can be read without guessing."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import UnreadableImage
from eucentric.core.instrument import Frame
from eucentric.core.text import visible

SUFFIXES = (".tif", ".tiff", ".npy", ".png")
_MIN_SIDE, _MAX_PIXELS = 64, 16384 * 16384
_LENGTH_PM = {
    "pm": 1.0,
    "a": 100.0,
    "å": 100.0,
    "angstrom": 100.0,
    "nm": 1e3,
    "um": 1e6,
    "µm": 1e6,
    "\\u00b5m": 1e6,
}


def read_image(path: str | Path) -> tuple[NDArray[np.float32], Frame]:
    """Pixels (H, W) float32 and a frame with what the file says about them.

    A few NaN pixels are kept as NaN: the analysis leaves them out. RGB is refused unless all channels are equal.

    Raises
    ------
    UnreadableImage
        If the file is missing, damaged, of an unknown kind, empty, constant, too small, or not one 2D image.
    """
    file = Path(path)
    name = visible(file.name, limit=160)
    if not file.is_file():
        raise UnreadableImage(f"there is no file {visible(str(file), limit=300)}", remedy="check the path")
    if file.suffix.lower() not in SUFFIXES:
        raise UnreadableImage(
            f"{name} is of a kind that is not read",
            f"read here: {', '.join(SUFFIXES)}",
            "export it as 32-bit TIFF or NPY",
        )
    try:
        raw, pixel_pm = _READERS[file.suffix.lower()](file)
    except UnreadableImage:
        raise
    except Exception as error:  # each reader has its own errors for a damaged file
        raise UnreadableImage(
            f"{name} cannot be read",
            visible(f"{type(error).__name__}: {error}", limit=160),
            "export it again",
        ) from error
    pixels = _plane(raw, name)
    side = _sidecar(file, pixels.shape[1])
    frame = Frame(
        id=name, sha256=hashlib.sha256(file.read_bytes()).hexdigest(), detector=side.get("detector", "haadf"),
        shape=(pixels.shape[0], pixels.shape[1]), dtype=str(np.asarray(raw).dtype),
        pixel_pm=side.get("pixel_pm", pixel_pm), voltage_kv=side.get("voltage_kv"),
        probe_current_pa=side.get("probe_current_pa"), simulated=bool(side.get("simulated", False)), path=str(file),
    )  # fmt: skip
    return pixels, frame


def _tiff(file: Path) -> tuple[Any, float | None]:
    import tifffile

    with tifffile.TiffFile(file) as tif:
        if len(tif.pages) == 0:
            raise UnreadableImage(f"{visible(file.name)} holds no image", remedy="export it again")
        array = tif.asarray()
        imagej = tif.imagej_metadata or {}
        tag = tif.pages[0].tags.get("XResolution")  # type: ignore[union-attr]
        resolution = tag.value if tag is not None else None
    unit = str(imagej.get("unit", "")).lower()
    if resolution and unit in _LENGTH_PM and resolution[0] and resolution[1]:
        return array, _plausible(_LENGTH_PM[unit] * resolution[1] / resolution[0])
    return array, None


def _npy(file: Path) -> tuple[Any, float | None]:
    return np.load(file, allow_pickle=False), None  # a pickle could run code


def _png(file: Path) -> tuple[Any, float | None]:
    from PIL import Image

    with Image.open(file) as picture:
        picture.load()
        return np.asarray(picture), None


_READERS = {".tif": _tiff, ".tiff": _tiff, ".npy": _npy, ".png": _png}


def _plane(raw: Any, name: str) -> NDArray[np.float32]:
    """One finite-enough 2D image, or a reason why not."""
    array = np.asarray(raw)
    if array.dtype.kind not in "fiub":
        raise UnreadableImage(
            f"{name} holds {array.dtype}, not real numbers", remedy="export magnitudes as float"
        )
    array = np.squeeze(array)
    if array.ndim == 3 and array.shape[-1] in (2, 3, 4):
        array = _grey(array, name)
    if array.ndim != 2:
        raise UnreadableImage(
            f"{name} has shape {tuple(np.shape(raw))}",
            "one two-dimensional image is needed",
            "export a single frame",
        )
    if min(array.shape) < _MIN_SIDE or array.size > _MAX_PIXELS:
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


def _grey(array: NDArray[Any], name: str) -> NDArray[Any]:
    colours = array[..., : 1 if array.shape[-1] == 2 else 3]
    if np.any(colours != colours[..., :1]):
        raise UnreadableImage(
            f"{name} is a colour picture",
            "colours are a display, not counts; a colour map cannot be undone safely",
            "export the raw grey values as 16-bit or 32-bit TIFF",
        )
    plane: NDArray[Any] = colours[..., 0]
    return plane


def _plausible(pixel_pm: float) -> float | None:
    return pixel_pm if math.isfinite(pixel_pm) and 0.1 < pixel_pm < 1e6 else None


def _sidecar(file: Path, width: int) -> dict[str, Any]:
    """Known numbers of a JSON file beside the image; anything else in it is ignored."""
    side = file.with_suffix(".json")
    if not side.is_file() or side.stat().st_size > 1_000_000:
        return {}
    try:
        data = json.loads(side.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    details = data.get("experimental_details")
    details = details if isinstance(details, dict) else data
    out: dict[str, Any] = {
        "pixel_pm": _pixel_of(data, details, width),
        "voltage_kv": _number(details.get("voltage"), "kv"),
        "probe_current_pa": _number(details.get("probe_current"), "pa"),
        "simulated": data.get("simulated") is True,
    }
    return {key: value for key, value in out.items() if value is not None}


def _pixel_of(data: dict[str, Any], details: dict[str, Any], width: int) -> float | None:
    if (direct := _number(data.get("pixel_pm"), "")) is not None:
        return _plausible(direct)
    space = details.get("spatial_info")
    if not isinstance(space, dict):
        return None
    field = _number(space.get("field_of_view_x"), "")
    unit = _LENGTH_PM.get(str(space.get("field_of_view_units", "")).lower())
    return _plausible(field * unit / width) if field and unit else None


def _number(value: Any, unit: str) -> float | None:
    """A finite positive number, given plainly or as a text with exactly this unit."""
    if isinstance(value, str):
        text = value.strip().lower()
        if unit and not text.endswith(unit):
            return None
        value = text[: len(text) - len(unit)] if unit else text
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 and not isinstance(value, bool) else None
