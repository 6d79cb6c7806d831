"""Which notebook a command means, who writes, and how an answer is printed."""

import getpass
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from eucentric.cli.options import json_option

if TYPE_CHECKING:
    from eucentric.knowledge.notebook import Notebook, NotebookFile

F = TypeVar("F", bound=Callable[..., Any])
VARIABLE = "EUCENTRIC_NOTEBOOK"

notebook_option = click.option(
    "-n", "--notebook", "path", type=click.Path(path_type=Path), help="The notebook [the only one here]."
)


def writing_options(command: F) -> F:
    """What every entry may say about itself."""
    for option in (
        json_option,
        click.option("--note", default="", help="Free words."),
        click.option("--orcid", default="", help="Of who writes."),
        click.option("--by", default="", help="Who writes [your login]."),
        notebook_option,
    ):
        command = option(command)
    return command


def opened(path: Path | None) -> "NotebookFile":
    """The notebook that is meant.

    Raises
    ------
    BadInput
        None is named and there is none, or more than one, in this folder.
    """
    from eucentric.knowledge.notebook import NotebookFile

    return NotebookFile(found(path))


def found(path: Path | None) -> Path:
    """Its file: named, from the environment, or the only one in this folder, else in the store of the settings."""
    from eucentric.core.errors import BadInput
    from eucentric.core.settings_file import default_store
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import SUFFIX

    if path is not None:
        return path if path.suffix or path.exists() else path.with_suffix(SUFFIX)
    if named := os.environ.get(VARIABLE):
        return Path(named)
    here = sorted(Path.cwd().glob(f"*{SUFFIX}")) or sorted((default_store() / "notebooks").glob(f"*{SUFFIX}"))
    if len(here) == 1:
        return here[0]
    names = ", ".join(visible(one.name, limit=60) for one in here[:6])
    raise BadInput(
        f"{len(here)} notebooks are here: {names}" if here else "there is no notebook in this folder",
        "which one is meant is not said",
        f"name it with --notebook FILE or ${VARIABLE}"
        + ("" if here else ", or begin one: eucentric notebook new NAME"),
    )


def said(by: str, orcid: str, note: str, replaces: str = "") -> dict[str, str]:
    """What every entry says about itself: when, by whom."""
    from eucentric.core.clock import utc_now

    return {"at": utc_now(), "by": by or login(), "orcid": orcid, "note": note, "replaces": replaces}


def restated(entry: Any) -> dict[str, Any]:
    """What an entry says, without who said it when: to be said anew with corrections."""
    words: dict[str, Any] = entry.model_dump(
        exclude={"kind", "at", "by", "orcid", "note", "replaces", "origin"}
    )
    return words


def login() -> str:
    """The login name, or the number of the account."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def made(kind: type[Any], **words: Any) -> Any:
    """An entry; what is wrong with it in one line.

    Raises
    ------
    BadInput
        Naming the first wrong field.
    """
    from pydantic import ValidationError

    from eucentric.core.errors import BadInput
    from eucentric.core.text import visible

    try:
        return kind(**words)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or kind.__name__
        message = str(first["msg"]).removeprefix("Value error, ")
        raise BadInput(
            f"{visible(field, limit=60)}: {visible(message, limit=200)}", "nothing was written", "see --help"
        ) from error


def tell(as_json: bool, lines: Iterable[str], **body: Any) -> None:
    """The lines for a person, or one JSON object."""
    if as_json:
        click.echo(json.dumps({"ok": True, **body}, ensure_ascii=False))
        return
    for line in lines:
        click.echo(line)


def loading_of(book: "Notebook", named: str = "") -> str:
    """The loading that is meant: by id, else the newest; empty if there is none."""
    from eucentric.knowledge.notebook import LoadingEntry

    if named:
        book.get(named, LoadingEntry)
        return named
    newest = book.newest(LoadingEntry)
    return newest[0] if newest else ""
