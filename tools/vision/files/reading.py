"""Images from files of users: which reader, what went wrong, and what is known about the frame."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput, UnreadableImage
from eucentric.core.instrument import Frame
from eucentric.core.text import visible
from eucentric.tools.vision.files.arrays import read_npy, read_npz
from eucentric.tools.vision.files.content import MOST_FRAMES, Content
from eucentric.tools.vision.files.dm import read_dm
from eucentric.tools.vision.files.hdf5 import read_hdf5
from eucentric.tools.vision.files.pictures import read_png, read_tiff
from eucentric.tools.vision.files.plane import plane, without_colours
from eucentric.tools.vision.files.sidecar import sidecar

Pixels = NDArray[np.float32]
_Reader = Callable[[Path, str, str | None], Content]
_READERS: dict[str, _Reader] = {
    ".tif": read_tiff, ".tiff": read_tiff, ".npy": read_npy, ".npz": read_npz, ".png": read_png, ".h5": read_hdf5,
    ".hdf5": read_hdf5, ".hspy": read_hdf5, ".nxs": read_hdf5, ".emd": read_hdf5, ".dm3": read_dm, ".dm4": read_dm,
}  # fmt: skip
SUFFIXES = tuple(_READERS)
_LARGEST = 16 * 2**30


def read_image(
    path: str | Path, *, dataset: str | None = None, frame: int | None = None
) -> tuple[Pixels, Frame]:
    """Pixels (H, W) float32 and a frame with what the file says about them.

    A few NaN pixels are kept as NaN: the analysis leaves them out. RGB is refused unless all channels are equal.

    Parameters
    ----------
    path
        TIFF, NPY, NPZ, PNG, HDF5 (Velox, NeXus, EMD, HyperSpy), DM3 or DM4.
    dataset
        Which image of the file: a path in HDF5, a detector in Velox, a number in DM and TIFF, a key in NPZ.
    frame
        Of a stack, from 1.

    Raises
    ------
    UnreadableImage
        If the file is missing, damaged, of an unknown kind, empty, constant, too small, or not one 2D image.
    """
    stack, name, content = _stack(Path(path), dataset)
    if frame is None and len(stack) > 1:
        raise UnreadableImage(
            f"{name} has shape {np.shape(content.pixels)}",
            f"it is a stack of {len(stack)} frames, one image is needed",
            "say which: --frames sum, --frames each, or --frames with a number",
        )
    chosen = frame or 1
    if not 1 <= chosen <= len(stack):
        raise UnreadableImage(f"{name} has no frame {chosen}", f"it holds {len(stack)}", "count from 1")
    pixels = plane(stack[chosen - 1], name)
    return pixels, _frame(Path(path), name, content, pixels, chosen if len(stack) > 1 else None)


def read_frames(path: str | Path, *, dataset: str | None = None) -> list[tuple[Pixels, Frame]]:
    """All frames of a file, in its order; one of an image.

    Raises
    ------
    UnreadableImage
        As `read_image`.
    """
    stack, name, content = _stack(Path(path), dataset)
    several = len(stack) > 1
    planes = [plane(one, f"{name}, frame {k}" if several else name) for k, one in enumerate(stack, 1)]
    return [
        (one, _frame(Path(path), name, content, one, k if several else None))
        for k, one in enumerate(planes, 1)
    ]


def _stack(file: Path, dataset: str | None) -> tuple[Any, str, Content]:
    """(n, H, W) of any real type, the file's name for a person, and all that was read."""
    name = visible(file.name, limit=160)
    if file.is_dir():
        shown = visible(str(file), limit=300)
        raise UnreadableImage(f"{shown} is a folder", remedy=f"name its files, such as {shown}/*.tif")
    if not file.is_file():
        raise UnreadableImage(f"there is no file {visible(str(file), limit=300)}", remedy="check the path")
    if file.suffix.lower() not in _READERS:
        raise UnreadableImage(
            f"{name} is of a kind that is not read",
            f"read here: {', '.join(SUFFIXES)}",
            "export it as 32-bit TIFF or NPY",
        )
    if not file.stat().st_size:
        raise UnreadableImage(f"{name} is empty", "it has 0 bytes", "copy or export it again")
    if file.stat().st_size > _LARGEST:
        raise UnreadableImage(
            f"{name} has {file.stat().st_size:,} bytes", f"{_LARGEST:,} are read", "export one frame"
        )
    content = _read(file, name, dataset)
    array = np.asarray(content.pixels)
    if array.dtype.kind not in "fiub":
        raise UnreadableImage(
            f"{name} holds {array.dtype}, not real numbers", remedy="export magnitudes as float"
        )
    while array.ndim > 2 and array.shape[0] == 1:
        array = array[0]
    if array.ndim in (3, 4) and array.shape[-1] in (2, 3, 4) and array.shape[-2] > 4:
        array = without_colours(array, name)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    stack = array[None] if array.ndim == 2 else array
    if stack.ndim != 3 or len(stack) > MOST_FRAMES:
        raise UnreadableImage(
            f"{name} has shape {tuple(np.shape(content.pixels))}",
            f"a two-dimensional image is needed, or a stack of at most {MOST_FRAMES}",
            "export a single frame",
        )
    return stack, name, content


def _read(file: Path, name: str, dataset: str | None) -> Content:
    try:
        return _READERS[file.suffix.lower()](file, name, dataset)
    except BadInput:
        raise
    except PermissionError as error:
        raise UnreadableImage(
            f"{name} cannot be read",
            "you have no permission to read it",
            "change its permissions, or copy it",
        ) from error
    except Exception as error:  # each reader has its own errors for a damaged file
        said = visible(str(error) or type(error).__name__, limit=160)
        raise UnreadableImage(
            f"{name} cannot be read", f"it seems damaged: {said}", "export it again"
        ) from error


def _frame(file: Path, name: str, content: Content, pixels: Pixels, number: int | None) -> Frame:
    side = sidecar(file, pixels.shape[1])
    known = {"detector": "haadf", "pixel_pm": content.pixel_pm, **content.known, **side}
    digest = digest_of(file)
    if number is not None:
        digest = hashlib.sha256(f"{digest}#{number}".encode()).hexdigest()
    return Frame(
        id=name if number is None else f"{name}#{number}", sha256=digest, shape=(pixels.shape[0], pixels.shape[1]),
        dtype=str(np.asarray(content.pixels).dtype), path=str(file), **known,
    )  # fmt: skip


def digest_of(file: Path) -> str:
    """Of the whole file, in hexadecimal."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
