"""Image files of strangers: what they say in their tags, their names, and in their pixels, read by the analysis."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from eucentric.bench.injection.glass import Glass, hidden
from eucentric.bench.injection.product import command_line
from eucentric.bench.injection.rig import COLUMNS, on_screen

_LINE = re.compile(r"image “|All images   |Results in   |\[\d+/\d+\] “| {2}")
_SIDE_PX = 128
Write = Callable[[Path, str], Path]


def _picture(letters: str = "") -> NDArray[np.uint8]:
    """(H, W) uint8: a lattice with noise; letters are drawn over it, as bright as atoms."""
    rows, columns = np.mgrid[:_SIDE_PX, :_SIDE_PX]
    lattice = 90 + 50 * np.cos(columns / 2.6) * np.cos(rows / 2.6)
    image = Image.fromarray(
        (lattice + np.random.default_rng(7).normal(0, 6, lattice.shape)).clip(0, 255).astype(np.uint8)
    )
    lines = [letters[n : n + 20] for n in range(0, min(len(letters), 200), 20)]
    ink = "\n".join(
        "".join(char if char.isascii() and char.isprintable() else "?" for char in line) for line in lines
    )
    ImageDraw.Draw(image).multiline_text((2, 2), ink, fill=255)
    return np.asarray(image)


def _tiff(folder: Path, text: str) -> Path:
    path = folder / "a.tif"
    said = text.encode("ascii", "backslashreplace").decode()
    tifffile.imwrite(path, _picture(), description=said, software=said[:200], metadata=None)
    return path


def _png(folder: Path, text: str) -> Path:
    path, tags = folder / "a.png", PngInfo()
    said = text.encode("utf-8", "replace").decode().replace("\0", "?")
    tags.add_itxt("Comment", said)
    tags.add_text("Software", said.encode("latin-1", "replace").decode("latin-1")[:900])
    Image.fromarray(_picture()).save(path, pnginfo=tags)
    return path


def _sidecar(folder: Path, text: str) -> Path:
    path = folder / "a.png"
    Image.fromarray(_picture()).save(path)
    body = {
        "approved": text,
        "pixel_pm": text,
        "voltage": text,
        text: text,
        "experimental_details": {"detector": text},
    }
    path.with_suffix(".json").write_text(json.dumps(body), encoding="utf-8")
    return path


def _named(folder: Path, text: str) -> Path:
    """Up to 200 bytes of it: a file system takes no more, no slash and no zero."""
    raw = (
        text.replace("/", "∕")
        .replace("\0", "?")
        .encode("utf-8", "surrogateescape" if "\ud83d" not in text else "replace")
    )
    path = folder / (raw[:200].decode("utf-8", "ignore") + ".png")
    Image.fromarray(_picture()).save(path, "PNG")
    return path


def _lettered(folder: Path, text: str) -> Path:
    path = folder / "a.png"
    Image.fromarray(_picture(text)).save(path)
    return path


PLACES: dict[str, Write] = {
    "TIFF tags": _tiff, "PNG tags": _png, "sidecar": _sidecar, "file name": _named, "letters in the image": _lettered,
}  # fmt: skip


def fitted() -> dict[str, Callable[[str], str]]:
    """What each place takes."""
    return dict.fromkeys(PLACES, lambda text: text[:2000])


def wrong(place: str, folder: Path, text: str) -> Iterator[str]:
    """What the analysis of such a file shows or does that it should not."""
    source, out = folder / "in", folder / "out"
    source.mkdir(parents=True)
    file = PLACES[place](source, text)
    said = _command("detect", str(file), "--material", "Ti3C2", "--out", str(out))
    yield from (f"console: {one}" for one in hidden(said))
    rows = Glass(COLUMNS).feed(said).rows
    yield from (f"console: at the margin: {row[:70]!r}" for row in rows if row and not _LINE.match(row))
    if sum(row.startswith("image “") for row in rows) != 1:
        yield "console: not one image"
    yield from _wrong_on_disk(out)
    if place != "file name" and _kept_anywhere(out, text):
        yield "disk: a tag was taken over"


def _wrong_on_disk(out: Path) -> Iterator[str]:
    for path in out.rglob("*"):
        if not re.fullmatch(r"[\w.-]+", path.name):
            yield f"disk: named {path.name[:40]!r}"
        if path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
            yield from (f"disk: {one}" for one in hidden(path.read_text("utf-8")))


def _kept_anywhere(out: Path, text: str) -> bool:
    """Whether a long enough stretch of the text is in a table or a JSON file of the results."""
    begins = text.strip()[:24].encode("utf-8", "replace")
    files = [path for path in out.rglob("*") if path.suffix in (".json", ".csv")]
    return len(begins) >= 20 and any(begins in path.read_bytes() for path in files)


def _command(*args: str) -> str:
    with on_screen() as paper, contextlib.suppress(SystemExit):
        command_line([*args])
    return paper.getvalue()
