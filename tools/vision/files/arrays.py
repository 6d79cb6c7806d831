"""NPY and NPZ, without pickles: a pickle could run code."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.core.errors import UnreadableImage
from eucentric.tools.vision.files.content import (
    MOST_VALUES,
    Content,
    ambiguous,
    checked_shape,
    missing,
    number,
    plausible,
)

_LARGEST_MEMBER = 8 * MOST_VALUES


def read_npy(file: Path, name: str, dataset: str | None) -> Content:
    """One array; mapped first, so that a header that lies costs nothing."""
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    checked_shape(array.shape, name)
    return Content(np.array(array))


def read_npz(file: Path, name: str, dataset: str | None) -> Content:
    """The array named `image`, or the one that is two- or three-dimensional; `pixel_pm` or `pixel_size_A` beside it."""
    with zipfile.ZipFile(file) as archive:
        large = [member.filename for member in archive.infolist() if member.file_size > _LARGEST_MEMBER]
    if large:
        raise UnreadableImage(f"{name} holds more than is read", f"{large[0]!r}", "export one frame")
    with np.load(file, allow_pickle=False) as arrays:
        shapes = {key: _shape(arrays, key) for key in arrays.files}
        images = [key for key, shape in shapes.items() if len(shape) in (2, 3) and min(shape[-2:]) >= 16]
        key = dataset or ("image" if "image" in shapes else images[0] if len(images) == 1 else None)
        if key is None and images:
            raise ambiguous(name, "arrays", images)
        if key is None or key not in shapes:
            raise missing(name, dataset or "image", images)
        checked_shape(shapes[key], name)
        pixel = number(_scalar(arrays, "pixel_pm")) or number(_scalar(arrays, "pixel_size_A"), factor=100.0)
        return Content(arrays[key], plausible(pixel) if pixel else None, chosen=key)


def _shape(arrays: Any, key: str) -> tuple[int, ...]:
    """From the header; the data is not unpacked."""
    with arrays.zip.open(f"{key}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape: tuple[int, ...] = read(member)[0]
        return shape


def _scalar(arrays: Any, key: str) -> Any:
    return arrays[key].item() if key in arrays.files and _shape(arrays, key) in ((), (1,)) else None
