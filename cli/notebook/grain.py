"""`eucentric notebook grain` and `picture`."""

import hashlib
from pathlib import Path
from typing import Any

import click

from eucentric.cli.notebook.opening import loading_of, made, opened, restated, said, tell, writing_options


@click.command()
@click.argument("name")
@click.option("--phase", default="", help="Id of its phase, if there are several.")
@click.option("--position", metavar="X,Y[,Z]", help="Stage position [µm] in the present loading.")
@click.option("--picture", "picture_id", default="", help="Id of the picture it is marked on.")
@click.option("--pixel", metavar="ROW,COLUMN", help="Where on that picture.")
@click.option("--loading", default="", help="In which the position was read [the newest].")
@writing_options
def grain(name: str, path: Path | None, by: str, orcid: str, note: str, as_json: bool, **given: Any) -> None:
    """Add the grain NAME; if there is one of that name, correct what is said of it."""
    from eucentric.knowledge.notebook import GrainEntry

    with opened(path) as file:
        book = file.read()
        known = [key for key, one in book.grains() if name in (key, one.name)]
        old = book.latest(known[-1]) if known else ""
        before = restated(book.get(old, GrainEntry)) if old else {"name": name}
        words = {**before, **_where(given)}
        if given["position"] or given["loading"] or not old:
            words["loading"] = loading_of(book, given["loading"])
        entry = made(GrainEntry, **said(by, orcid, note, old), **words)
        (key,) = file.add(entry)
        key = file.read().first(key)
    corrected = "   (what was said of it before stays, too)" if old else ""
    tell(as_json, [f"{key}  grain {entry.name}{_position(entry)}{corrected}"], id=key, name=entry.name)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--what", default="", help="What it shows.")
@click.option(
    "--reading", "readings", multiple=True, help="Reading that was made on it; may be given more than once."
)
@click.option("--frame", default="", help="Id of the frame it is.")
@click.option("--replaces", default="", help="The picture that this one corrects.")
@writing_options
def picture(
    file: Path, what: str, readings: tuple[str, ...], frame: str, replaces: str, path: Path | None, by: str,
    orcid: str, note: str, as_json: bool,
) -> None:  # fmt: skip
    """Keep FILE by its path and sha256; the file itself stays where it is."""
    from eucentric.knowledge.notebook import PictureEntry

    data = file.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    with opened(path) as book:
        entry = made(
            PictureEntry, **said(by, orcid, note, replaces), path=beside(file, book.path), sha256=sha256,
            size_bytes=len(data), what=what, readings=readings, frame=frame,
        )  # fmt: skip
        (key,) = book.add(entry)
    tell(as_json, [f"{key}  {entry.path}  sha256 {sha256[:12]}…"], id=key, sha256=sha256, path=entry.path)


def beside(file: Path, notebook: Path) -> str:
    """The path from the notebook's folder if it is in there, else the whole path: a folder can be moved as one."""
    folder = notebook.resolve().parent
    whole = file.resolve()
    return str(whole.relative_to(folder) if whole.is_relative_to(folder) else whole)


def _where(given: dict[str, Any]) -> dict[str, Any]:
    from eucentric.core.errors import BadInput
    from eucentric.knowledge.tilting.written import numbers_of

    words: dict[str, Any] = {"phase": given["phase"]} if given["phase"] else {}
    if given["position"]:
        numbers = numbers_of(given["position"], "a position is X,Y or X,Y,Z in µm")
        if len(numbers) not in (2, 3):
            raise BadInput(f"{len(numbers)} numbers for --position", "X,Y or X,Y,Z in µm", "write 31.2,-4.75")
        words |= dict(zip(("x_um", "y_um", "z_um"), numbers, strict=False))
    if given["picture_id"]:
        words["picture"] = given["picture_id"]
    if given["pixel"]:
        pixel = numbers_of(given["pixel"], "a pixel is ROW,COLUMN")
        if len(pixel) != 2:
            raise BadInput(f"{len(pixel)} numbers for --pixel", "ROW,COLUMN", "write 120,340")
        words |= {"row_px": pixel[0], "column_px": pixel[1]}
    return words


def _position(entry: Any) -> str:
    parts = [
        f"{name[0]} {value:+.3f}"
        for name in ("x_um", "y_um", "z_um")
        if (value := getattr(entry, name)) is not None
    ]
    return f"   at {', '.join(parts)} µm" if parts else ""
