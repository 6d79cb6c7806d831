"""Frames as files that other programs open: TIFF or NPY, each with its description beside it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eucentric.agent.auditing.crate.verify import tiff_pixels
from eucentric.core.errors import Defect, LedgerError
from eucentric.core.instrument import Frame
from eucentric.core.store import blob_path, load_array, read_blob

Form = Literal["tiff", "npy", "none"]
HEADERS = "npy-headers.json"
_PM_PER_CM = 1e10


def write_frames(store: Path, run: str, frames: Iterable[Frame], form: Form, folder: Path) -> list[str]:
    """Write frames and their descriptions into `folder`; one line for each whose pixels can't be had.

    A TIFF holds the same bytes as the array file that the row's digest is of, which begins with a header; that header
    is kept in `npy-headers.json`, so that the digest can be had from the TIFF.
    """
    missing: list[str] = []
    headers: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        beside = store / "runs" / run / "frames" / f"{frame.id}.json"
        if beside.is_file():
            (folder / beside.name).write_bytes(beside.read_bytes())
        try:
            if form != "none":
                _write(store, frame, form, folder, headers)
        except LedgerError as error:
            missing.append(f"{run}/{frame.id}: {error.what}")
    if headers:
        (folder / HEADERS).write_text(json.dumps(headers, indent=1, sort_keys=True), "ascii")
    return missing


def _write(store: Path, frame: Frame, form: Form, folder: Path, headers: dict[str, str]) -> None:
    data = read_blob(store, frame.sha256)
    if form == "npy":
        (folder / f"{frame.id}.npy").write_bytes(data)
        return
    pixels = load_array(data, frame.sha256)
    path = folder / f"{frame.id}.tiff"
    _write_tiff(path, pixels, frame)
    headers[path.name] = _header(data, path)


def _header(data: bytes, path: Path) -> str:
    """What the array file has before its pixels, base64; the rest must be the TIFF's pixels, byte by byte."""
    import base64

    pixels = tiff_pixels(path.read_bytes())
    if not data.endswith(pixels):
        raise Defect(f"the pixels of {path.name} are not those that were kept")
    return base64.b64encode(data[: len(data) - len(pixels)]).decode("ascii")


def _write_tiff(path: Path, pixels: NDArray[np.float32], frame: Frame) -> None:
    """Plain, uncompressed, one strip; the pixel size in the resolution tags, the rest in the description."""
    import tifffile

    more: dict[str, Any] = {}
    if frame.pixel_pm:
        per_cm = _PM_PER_CM / frame.pixel_pm
        more = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(
        path, np.ascontiguousarray(pixels, dtype="<f4"), photometric="minisblack", byteorder="<",
        rowsperstrip=pixels.shape[0], metadata=None, software="eucentric", description=description(frame), **more,
    )  # fmt: skip


def description(frame: Frame) -> str:
    """ASCII JSON for the TIFF's description, SIMULATED first if it is."""
    told = {key: value for key, value in frame.model_dump(mode="json").items() if value not in (None, (), [])}
    stamp = {"SIMULATED": "no real instrument, no real specimen"} if frame.simulated else {}
    return json.dumps({**stamp, **told}, ensure_ascii=True)


def size_of(store: Path, frames: Iterable[Frame]) -> int:
    """Bytes of the pixels on disk."""
    return sum(path.stat().st_size for frame in frames if (path := blob_path(store, frame.sha256)).is_file())
