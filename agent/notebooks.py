"""The notebook of a specimen in a store, filled from the ledger: the rows are the truth, the file is for people.

It may also have entries that people made by hand (`eucentric notebook … -n FILE`); those count as well. A run that
reads such a notebook puts a copy of it on record first, so that an auditor sees what a tilt was decided on.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eucentric.core.canonical import sha256_text
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.rows import Rows
from eucentric.core.store import Store
from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.notebook import SUFFIX, Notebook, NotebookFile
from eucentric.knowledge.notebook.fromrun import Noted, RunReading, begun, entries_for, folded
from eucentric.knowledge.notebook.jsonld import from_jsonld, to_jsonld

TOOL = "notebook_add"
COPY = "notebook"
"""Of the body of a row that holds a copy."""


def notebook_path(store: Path, specimen: str) -> Path:
    """`notebooks/NAME-1a2b3c4d.notebook` of a store: readable, and different for different specimens."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", specimen).strip("-")[:40] or "specimen"
    return store / "notebooks" / f"{plain}-{sha256_text(specimen)[:8]}{SUFFIX}"


def notebook_of(store: Store, specimen: str) -> Notebook | None:
    """The notebook of a specimen with everything that the ledger has for it; None if there is nothing.

    Raises
    ------
    StoreFull, LedgerError
        It can't be written.
    """
    path = notebook_path(store.folder, specimen)
    noted, copied = noted_in(store.ledger.rows, specimen), _copied(store, specimen)
    if not path.exists():
        if not noted and copied is None:
            return None
        path.parent.mkdir(exist_ok=True)
        first = copied or begun(noted[0], crystal_of_material(noted[0].one.material))
        NotebookFile.copy(path, first).close()
    with NotebookFile(path) as file:
        book = file.read()
        if copied is not None and copied.id == book.id and file.take(copied.rows):
            book = file.read()
        fresh = entries_for(book, noted)
        if fresh:
            file.add(*fresh)
            book = file.read()
    return book


def on_record(store: Store, specimen: str, before: int | None = None) -> Notebook | None:
    """What the ledger alone tells of a specimen, before a row: the newest copy in it, and what runs noted since."""
    noted, book = noted_in(store.ledger.rows, specimen, before), _copied(store, specimen, before)
    if book is None:
        return folded(noted, crystal_of_material(noted[0].one.material) if noted else None)
    for entry in entries_for(book, noted):
        book = book.plus(entry)
    return book


def copy_for(store: Store, specimen: str, book: Notebook) -> dict[str, Any] | None:
    """The body of a row with a copy of a notebook; None if the ledger tells all of it already."""
    known = on_record(store, specimen)
    if known is not None and known.sha256 == book.sha256:
        return None
    text = to_jsonld(book)
    kept = store.put_text(text.encode("utf-8"))
    whole = kept == sha256_text(
        text
    )  # else something in it looked like a secret, and the copy is for reading only
    return {COPY: {"specimen": specimen, "sha256": book.sha256, "blob": kept, "whole": whole}}


def is_copy(row: Event) -> bool:
    """Whether a row holds a copy of a notebook."""
    return row.kind == "changed" and COPY in row.body


def _copied(store: Store, specimen: str, before: int | None = None) -> Notebook | None:
    """The newest whole copy on record."""
    for row in store.ledger.rows.events(kinds=("changed",), newest_first=True):
        if (before is None or row.seq < before) and is_copy(row):
            told = row.body[COPY]
            if told["specimen"] == specimen and told["whole"]:
                return from_jsonld(store.get_blob(told["blob"]).decode("utf-8"), f"event {row.seq}")
    return None


def noted_in(rows: Rows, specimen: str, before: int | None = None) -> list[Noted]:
    """Readings of a specimen that a ledger holds, oldest first."""
    name = rows.name
    events = rows.events(kinds=("concluded",))
    kept = [row for row in events if before is None or row.seq < before]
    return [one for one in _noted(kept, name) if one.one.specimen == specimen]


def _noted(events: Sequence[Event], ledger: str) -> Iterator[Noted]:
    for row in events:
        if row.tool == TOOL and row.body.get("ok"):
            one = RunReading.model_validate(row.body["value"]["noted"])
            yield Noted(
                one=one,
                by=f"eucentric, run {row.run_id}",
                origin=f"ledger {ledger} event {row.seq} call {row.action_id}",
            )


def noted_at(row: Event) -> str:
    """When a call read the clock for the reading that it notes; empty if the row notes none."""
    if row.kind != "concluded" or row.tool != TOOL or not row.body.get("ok"):
        return ""
    return str(row.body["value"]["noted"]["reading"]["at"])


def crystal_of_material(material: str) -> Crystal | None:
    """The crystal of a specimen's material, if one of that name ships."""
    from eucentric.knowledge.diffraction.structure import structure_named

    try:
        return structure_named(material).crystal
    except BadInput:
        return None
