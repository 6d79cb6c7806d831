"""Weights as plain arrays in one npz file, with the model card inside. No pickles, and nothing is executed.

The shapes must be those of the architecture; what does not fit is refused before torch sees it.
"""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.tools.vision.network.card import FORMAT, Card

Arrays = dict[str, NDArray[np.generic]]

_CARD = "card.json"
_MOST_BYTES = 16_000_000
_TYPES = ("float16", "float32")


def digest_of(arrays: Arrays) -> str:
    """sha256 over names, types, shapes and bytes, in the order of names."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()


def write_weights(path: Path, arrays: Arrays, card: Card) -> None:
    """One file; the same arrays and card give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as file:
        _put(file, _CARD, card.model_dump_json(indent=1).encode())
        for name in sorted(arrays):
            plain = io.BytesIO()
            np.lib.format.write_array(plain, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            _put(file, f"{name}.npy", plain.getvalue())
    path.write_bytes(whole.getvalue())


def _put(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # no clock: the same model is the same file
    entry.compress_type = zipfile.ZIP_DEFLATED
    file.writestr(entry, content)


def read_weights(path: Path) -> tuple[Arrays, Card]:
    """Arrays and card of a model file.

    Raises
    ------
    BadInput
        If it cannot be read, is of another format, or its weights are not those of its card.
    """
    try:
        return _read(path)
    except (
        OSError,
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        EOFError,
        NotImplementedError,
        ValidationError,
    ) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"{visible(str(path), limit=200)} is no model that can be used", visible(first, limit=200),
            "give a file written by `eucentric train`",
        ) from error  # fmt: skip


def _read(path: Path) -> tuple[Arrays, Card]:
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        if sum(entry.file_size for entry in file.infolist()) > _MOST_BYTES or len(names) > 200:
            raise ValueError("it is larger than any model of this kind")
        card = Card.model_validate_json(file.read(_CARD))
        if card.format != FORMAT:
            raise ValueError(f"format {card.format}; this version reads {FORMAT}")
        arrays = {name[:-4]: _array(file.read(name)) for name in names if name.endswith(".npy")}
    if digest_of(arrays) != card.sha256:
        raise ValueError("the weights are not those that its card names (sha256)")
    return arrays, card


def _array(content: bytes) -> NDArray[np.generic]:
    array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if array.dtype.name not in _TYPES or not np.isfinite(array).all():
        raise ValueError(f"weights of type {array.dtype.name}, or not finite")
    return np.asarray(array)
