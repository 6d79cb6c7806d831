"""Frames on a stream socket: a length, a JSON object, raw array bytes. No pickle, nothing executable.

Layout: 4 bytes big-endian length of the JSON; the JSON object, with ``arrays: [[rows, columns], …]``;
then each array as C-ordered little-endian float32.
"""

import json
import math
import socket
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eucentric.core.errors import BadInput, ConnectionLost
from eucentric.instruments.driver import Pixels

PROTOCOL = 2
"""Counts incompatible changes of what host and client say to each other."""
MAX_HEADER = 1 << 20
"""Longest JSON object [bytes]."""
MAX_ARRAYS = 1 << 31
"""Most array bytes of one frame: four detectors of 8192 × 8192 are half of it."""
_LENGTH = struct.Struct(">I")
_PIXEL = np.dtype("<f4")


def send(line: socket.socket, message: dict[str, Any], arrays: Sequence[NDArray[np.float32]] = ()) -> None:
    """Send one frame.

    Raises
    ------
    BadInput
        The message is not JSON, or too large; nothing was sent.
    ConnectionLost
    """
    shapes = [list(array.shape) for array in arrays]
    header = _header({**message, "arrays": shapes})
    _check_size(sum(math.prod(shape) for shape in shapes) * _PIXEL.itemsize)
    try:
        line.sendall(_LENGTH.pack(len(header)) + header)
        for array in arrays:
            line.sendall(_raw(array))
    except OSError as error:
        raise _lost(str(error)) from error


def receive(line: socket.socket) -> tuple[dict[str, Any], Pixels]:
    """Wait for one frame; its arrays are (rows, columns) float32.

    Raises
    ------
    ConnectionLost
        The other side closed, or sent what is not a frame of this protocol.
    """
    (length,) = _LENGTH.unpack(_exactly(line, _LENGTH.size))
    if length > MAX_HEADER:
        raise _lost(f"a header of {length} bytes, at most {MAX_HEADER} are read")
    try:
        message = json.loads(bytes(_exactly(line, length)))
    except ValueError as error:
        raise _lost(f"a header that is not JSON ({error})") from error
    if not isinstance(message, dict):
        raise _lost("a header that is not an object")
    shapes = _shapes(message.pop("arrays", []))
    return message, tuple(_array(line, shape) for shape in shapes)


def _raw(array: NDArray[np.float32]) -> memoryview | bytes:
    plain = np.ascontiguousarray(array, dtype=_PIXEL)
    return plain.data.cast("B") if plain.size else b""


def _header(message: dict[str, Any]) -> bytes:
    try:  # NaN may travel: it is the guard that refuses it, with its reason
        header = json.dumps(message, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise BadInput(
            "the message is not plain JSON", str(error), "Nothing was sent to the instrument."
        ) from error
    if len(header) > MAX_HEADER:
        raise BadInput(f"a message of {len(header)} bytes", f"at most {MAX_HEADER}", "Nothing was sent.")
    return header


def _check_size(size: int) -> None:
    if size > MAX_ARRAYS:
        raise BadInput(
            f"frames of {size} bytes", f"at most {MAX_ARRAYS} fit one reply", "Use a smaller frame."
        )


def _shapes(value: Any) -> list[tuple[int, int]]:
    good = isinstance(value, list) and all(
        isinstance(shape, list) and len(shape) == 2 and all(type(edge) is int and edge >= 0 for edge in shape)
        for shape in value
    )
    if not good or sum(math.prod(shape) for shape in value) * _PIXEL.itemsize > MAX_ARRAYS:
        raise _lost("array shapes that are not (rows, columns) within the size limit")
    return [(shape[0], shape[1]) for shape in value]


def _array(line: socket.socket, shape: tuple[int, int]) -> NDArray[np.float32]:
    data = _exactly(line, math.prod(shape) * _PIXEL.itemsize)
    return np.frombuffer(data, dtype=_PIXEL).reshape(shape).astype(np.float32, copy=False)


def _exactly(line: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        try:
            count = line.recv_into(view[at:])
        except OSError as error:
            raise _lost(str(error)) from error
        if count == 0:
            raise _lost("the other side closed the connection")
        at += count
    return data


def _lost(why: str) -> ConnectionLost:
    return ConnectionLost(
        "the connection to the instrument host was lost",
        why,
        "The state is unknown: run 'eucentric stop', read the state, then go on.",
    )
