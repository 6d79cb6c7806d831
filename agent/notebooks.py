"""The notebook of a specimen in a store, filled from the ledger: the rows are the truth, the file is for people.

It may also have entries that people made by hand (`eucentric notebook … -n FILE`); those count as well.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from eucentric.core.canonical import sha256_text
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.rows import Rows
from eucentric.core.store import Store
from eucentric.knowledge.crystal import Crystal
from eucentric.knowledge.notebook import SUFFIX, Notebook, NotebookFile
from eucentric.knowledge.notebook.fromrun import Noted, RunReading, begun, entries_for

TOOL = "notebook_add"


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
    noted = noted_in(store.ledger.rows, specimen)
    if not path.exists():
        if not noted:
            return None
        path.parent.mkdir(exist_ok=True)
        NotebookFile.copy(path, begun(noted[0], crystal_of_material(noted[0].one.material))).close()
    with NotebookFile(path) as file:
        book = file.read()
        fresh = entries_for(book, noted)
        if fresh:
            file.add(*fresh)
            book = file.read()
    return book


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


def crystal_of_material(material: str) -> Crystal | None:
    """The crystal of a specimen's material, if one of that name ships."""
    from eucentric.knowledge.diffraction.structure import structure_named

    try:
        return structure_named(material).crystal
    except BadInput:
        return None
