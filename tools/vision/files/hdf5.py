"""HDF5: Velox EMD, NeXus, EMD of Berkeley, HyperSpy, or the one image that any other file holds.

Nothing outside the file is opened: external links, external storage and virtual datasets are refused.
"""

from pathlib import Path
from typing import Any

import numpy as np

from eucentric.core.errors import UnreadableImage
from eucentric.core.text import visible
from eucentric.tools.vision.files.content import Content, ambiguous, checked_shape, missing, picometres
from eucentric.tools.vision.files.velox import read_velox

_SMALLEST = 32
_MOST_OBJECTS, _MOST_LINKS, _LONGEST_AXIS = 20_000, 8, 1_000_000


def read_hdf5(file: Path, name: str, dataset: str | None) -> Content:
    """An image or a stack of frames, the first axis counting them (in Velox files the last)."""
    import h5py

    with h5py.File(file, "r") as root:
        velox = inner(root, "Data/Image")
        if isinstance(velox, h5py.Group) and "/" not in (dataset or ""):
            return read_velox(velox, name, dataset)
        path = _path(root, name, dataset)
        data = root[path]
        _own(data, name)
        checked_shape(data.shape, name)
        return Content(data[()], _scale(root, path, name), chosen=path)


def _path(root: Any, name: str, dataset: str | None) -> str:
    """Of the dataset that is meant."""
    images = _images(root)  # paths by hard links only
    if dataset is not None:
        wanted = dataset.strip("/")
        if wanted not in images:
            raise missing(name, dataset, images)
        return wanted
    default = _nexus_default(root)
    if default in images:
        return default
    if len(images) == 1:
        return images[0]
    named = [path for path in images if path.rsplit("/", 1)[-1] in ("data", "image")]
    if len(named) == 1:
        return named[0]
    if images:
        raise ambiguous(name, "datasets that may be images", images)
    raise UnreadableImage(
        f"{name} holds no image", "no dataset of two or three axes of real numbers", "export one frame"
    )


def _images(root: Any) -> list[str]:
    """Paths of datasets that can be an image; links are not followed, one object is named once."""
    import h5py

    found: list[str] = []
    seen = 0

    def look(path: str, one: Any) -> Any:
        nonlocal seen
        seen += 1
        real = isinstance(one, h5py.Dataset) and one.dtype.kind in "fiub" and len(one.shape) in (2, 3)
        if real and min(one.shape[-2:]) >= _SMALLEST:
            found.append(path)
        return True if seen > _MOST_OBJECTS else None

    root.visititems(look)
    return found


def inner(group: Any, path: str, depth: int = 0) -> Any:
    """What lies at a path inside the file, soft links followed; None if nothing does, or another file is meant."""
    import h5py

    for step in path.strip("/").split("/"):
        if not isinstance(group, h5py.Group) or depth > _MOST_LINKS:
            return None
        link = group.get(step, getlink=True) if step else None
        if isinstance(link, h5py.SoftLink):
            start = group.file["/"] if link.path.startswith("/") else group
            group = inner(start, link.path, depth + 1)
        else:
            group = group[step] if isinstance(link, h5py.HardLink) else None
    return group


def _own(data: Any, name: str) -> None:
    if data.is_virtual or data.external:
        raise UnreadableImage(
            f"{name}: the data lie in other files",
            "only what is in the file itself is read",
            "export one frame",
        )


def _nexus_default(root: Any) -> str:
    """Path of what NeXus says is to be plotted; empty if it doesn't."""
    group = root
    for _ in range(4):
        below = inner(group, _text(group.attrs.get("default")))
        if below is None or not hasattr(below, "keys"):
            break
        group = below
    signal = inner(group, _text(group.attrs.get("signal")))
    return str(signal.name).strip("/") if signal is not None else ""


def _scale(root: Any, path: str, name: str) -> float | None:
    """Pixel size along the last axis [pm], as EMD, NeXus or HyperSpy write it."""
    group = root[path].parent
    last = len(root[path].shape)
    for key in (f"dim{last}", _nexus_axis(group, last - 1)):
        axis = inner(group, key)
        if axis is not None and hasattr(axis, "shape") and 1 < axis.size <= _LONGEST_AXIS:
            values = np.asarray(axis[()], float).ravel()
            step = abs(float(values[-1] - values[0])) / (len(values) - 1)
            return picometres(step, _text(axis.attrs.get("units")), name)
    axis = inner(group, f"axis-{last - 1}")
    return None if axis is None else picometres(axis.attrs.get("scale"), _text(axis.attrs.get("units")), name)


def _nexus_axis(group: Any, number: int) -> str:
    axes = group.attrs.get("axes")
    if axes is None or isinstance(axes, str | bytes) or len(axes) <= number:
        return ""
    return _text(axes[number])


def _text(value: Any) -> str:
    """An attribute as text, in either spelling of HDF5; older EMD files write [n_m]."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return visible(text.strip("[]").replace("_", "") if text.startswith("[") else text, limit=200)
