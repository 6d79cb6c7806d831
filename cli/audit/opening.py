"""How an audit command opens what it reads: nothing is written, nothing is made."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eucentric.core.rows import Rows


def folder_of(store: Path | None) -> Path:
    from eucentric.core.errors import BadInput
    from eucentric.core.settings_file import default_store

    folder = store or default_store()
    if not (folder / "audit.db").is_file():
        raise BadInput(f"no store at {folder}", remedy="name it with --store DIR")
    return folder


def rows_of(store: Path | None) -> "Rows":
    """The rows of a store, read only: an auditor needs no right to write."""
    from eucentric.core.rows import open_rows

    return open_rows(folder_of(store) / "audit.db")
