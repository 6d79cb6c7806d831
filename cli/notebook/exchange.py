"""`eucentric notebook export` and `import`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli.notebook.opening import found, notebook_option, opened, tell
from eucentric.cli.options import json_option

if TYPE_CHECKING:
    from eucentric.knowledge.notebook import Notebook

_H5 = (".h5", ".hdf5", ".nxs")
_JSON = (".jsonld", ".json")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@notebook_option
@json_option
def export(file: Path, path: Path | None, as_json: bool) -> None:
    """Write all of it to FILE.jsonld (JSON-LD) or FILE.h5 / FILE.nxs (HDF5 with the names of NeXus)."""
    from eucentric.core.errors import BadInput

    with opened(path) as notebook:
        book = notebook.read()
    data = _bytes(book, file)
    try:
        with open(file, "xb") as out:
            out.write(data)
    except FileExistsError as error:
        raise BadInput(
            f"{file} exists", "an export never writes over a file", "choose another name"
        ) from error
    except OSError as error:
        raise BadInput(f"can't write {file}", str(error.strerror), "choose another folder") from error
    lines = [f"{file}   {len(book.rows)} entries, {len(data)} bytes", f"digest {book.sha256}"]
    tell(as_json, lines, file=str(file), entries=len(book.rows), digest=book.sha256)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Begin this notebook with it [FILE's name, .notebook]."
)
@click.option(
    "-n", "--into", type=click.Path(path_type=Path), help="Add what is new to this copy of the same notebook."
)
@json_option
def import_notebook(file: Path, out: Path | None, into: Path | None, as_json: bool) -> None:
    """Take in FILE.jsonld or FILE.h5: each entry is held against its digest, all of them against the notebook's."""
    from eucentric.core.errors import BadInput
    from eucentric.knowledge.notebook import SUFFIX, NotebookFile

    book = read_exported(file)
    if into is not None:
        with opened(into) as mine:
            here = mine.read()
            if here.id != book.id:
                raise BadInput(
                    f"{file} is another notebook than {into}",
                    f"ids {book.id[:8]}… and {here.id[:8]}…",
                    "take it in as a file of its own: --out NAME",
                )
            fresh = mine.take(book.rows)
        tell(as_json, [f"{into}   {fresh} new entries"], notebook=str(into), new=fresh, digest=book.sha256)
        return
    path = found(out) if out is not None else Path.cwd() / f"{file.stem}{SUFFIX}"
    NotebookFile.copy(path, book).close()
    lines = [f"{path}   {len(book.rows)} entries, as they were sent", f"digest {book.sha256}",
             "eucentric notebook check makes its solutions again"]  # fmt: skip
    tell(as_json, lines, notebook=str(path), new=len(book.rows), digest=book.sha256)


def read_exported(file: Path) -> "Notebook":
    """A notebook from an exported file, whatever its kind."""
    from eucentric.core.errors import BadInput

    if file.suffix.lower() in _H5:
        from eucentric.knowledge.notebook.nexus import from_hdf5

        return from_hdf5(file)
    if file.suffix.lower() not in _JSON:
        raise _unknown(file)
    from eucentric.knowledge.notebook.jsonld import LARGEST_BYTES, from_jsonld

    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise BadInput(
                f"{file} is larger than {LARGEST_BYTES} bytes", "a notebook is not", "check the file"
            )
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"can't read {file}", str(error), "check the path") from error
    return from_jsonld(text, file.name)


def _bytes(book: "Notebook", file: Path) -> bytes:
    if file.suffix.lower() in _H5:
        from eucentric.knowledge.notebook.nexus import to_hdf5

        return to_hdf5(book)
    if file.suffix.lower() in _JSON:
        from eucentric.knowledge.notebook.jsonld import to_jsonld

        return to_jsonld(book).encode("utf-8")
    raise _unknown(file)


def _unknown(file: Path) -> Exception:
    from eucentric.core.errors import BadInput

    return BadInput(
        f"{file.name} is of no kind that is written or read",
        f"{', '.join(_JSON)} are JSON-LD, {', '.join(_H5)} are HDF5",
        "name it FILE.jsonld or FILE.h5",
    )
