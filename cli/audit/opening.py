"""How an audit command opens what it reads: nothing is written, nothing is made."""

import glob
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from eucentric.core.many import ManyRows
    from eucentric.core.rows import Rows

stores_option = click.option(
    "--store",
    "stores",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Store folder [./eucentric-store]; give it several times, or a pattern such as 'archive/*', to read several.",
)


class OfStores(click.Command):
    """A command whose --store may be followed by several folders, as a shell makes them of a pattern."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the option before each further store."""
        out, after = list[str](), False
        for arg in args:
            if after and out[-1] != "--store" and _is_store(Path(arg)):
                out.append("--store")
            elif out and out[-1] != "--store":
                after = False
            after = after or arg == "--store"
            out.append(arg)
        return super().parse_args(ctx, out)


def folder_of(store: Path | None) -> Path:
    from eucentric.core.errors import BadInput
    from eucentric.core.settings_file import default_store

    folder = store or default_store()
    if not _is_store(folder):
        raise BadInput(f"no store at {folder}", remedy="name it with --store DIR")
    return folder


def rows_of(store: Path | None) -> "Rows":
    """The rows of a store, read only: an auditor needs no right to write. What is odd about it is told on stderr."""
    from eucentric.core.rows import open_rows

    opened = open_rows(folder_of(store) / "audit.db")
    _tell(opened.problems())
    return opened


def many_of(stores: tuple[Path, ...]) -> "ManyRows":
    """The rows of all stores that were named, or of the default one; what is odd about them is told on stderr."""
    from eucentric.core.many import ManyRows

    opened = ManyRows(folders_of(stores))
    _tell(opened.notes())
    return opened


def _tell(notes: list[str]) -> None:
    from eucentric.core.text import visible

    for note in notes:
        click.echo(f"note: {visible(note, limit=400)}", err=True)


def folders_of(stores: tuple[Path, ...]) -> list[Path]:
    """Each store that was named, once; the default one if none was."""
    found = [folder for store in stores for folder in _matching(store)] or [folder_of(None)]
    return [folder_of(folder) for folder in {one.resolve(): one for one in found}.values()]


def _is_store(folder: Path) -> bool:
    return (folder / "audit.db").is_file()


def _matching(store: Path) -> list[Path]:
    """The folder itself, or the stores that a pattern means."""
    if _is_store(store) or not glob.has_magic(str(store)):
        return [store]
    from eucentric.core.errors import BadInput

    found = [path for path in map(Path, sorted(glob.glob(str(store)))) if _is_store(path)]
    if not found:
        raise BadInput(f"no store matches {store}", remedy="name one with --store DIR")
    return found
