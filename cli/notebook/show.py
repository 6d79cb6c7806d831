"""`eucentric notebook show`: what is in a notebook, in the order in which it is looked for."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eucentric.cli.notebook.opening import notebook_option, opened, tell
from eucentric.cli.options import json_option

if TYPE_CHECKING:
    from eucentric.knowledge.notebook import Notebook


@click.command()
@click.option("--grain", default="", help="Only this one's readings and orientations.")
@click.option(
    "--all", "everything", is_flag=True, help="Every entry in its order, with those that were replaced."
)
@notebook_option
@json_option
def show(path: Path | None, grain: str, everything: bool, as_json: bool) -> None:
    """Specimen, phases, calibrations, loadings, grains, readings, orientations, pictures."""
    from eucentric.knowledge.notebook.book import stored_form

    with opened(path) as file:
        book, folder = file.read(), file.path.resolve().parent
    only = book.grain_named(grain)[0] if grain else ""
    lines = list(_history(book) if everything else _lines(book, only, folder))
    entries = [{"id": row.id, **stored_form(row.entry)} for row in book.rows]
    tell(as_json, lines, notebook=str(file.path), id=book.id, digest=book.sha256, entries=entries)


def _lines(book: "Notebook", only: str, folder: Path) -> Iterator[str]:
    yield from _head(book)
    yield from _phases(book)
    yield from _calibrations(book)
    yield from _loadings(book)
    for key, entry in [*book.grains(), ("", None)]:
        if not only or key == only:
            yield from _grain(book, key, entry)
    yield from _pictures(book, folder)


def _head(book: "Notebook") -> Iterator[str]:
    from eucentric.core.text import visible

    about = book.specimen
    more = [f"session {about.session}" if about.session else "", about.licence]
    yield f"{visible(about.name, limit=120)}   {visible('   '.join(filter(None, more)), limit=200)}".rstrip()
    yield (
        f"begun {book.rows[0].entry.at[:16]} by {visible(book.rows[0].entry.by, limit=60)}, {len(book.rows)} entries, "
        f"convention C1, digest {book.sha256[:16]}…"
    )


def _phases(book: "Notebook") -> Iterator[str]:
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import PhaseEntry

    for key, entry in book.of(PhaseEntry):
        six = " ".join(f"{x:g}" for x in entry.crystal.cell.model_dump().values())
        yield (
            f"{key}  {visible(entry.crystal.name, limit=40)}  {visible(entry.crystal.space_group, limit=20)}  {six}   "
            f"{visible(entry.source, limit=60)}"
        )


def _calibrations(book: "Notebook") -> Iterator[str]:
    from eucentric.cli.notebook.calibration import lines_of
    from eucentric.knowledge.notebook import CalibrationEntry

    for key, entry in book.of(CalibrationEntry):
        yield from lines_of(key, entry)


def _loadings(book: "Notebook") -> Iterator[str]:
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import LoadingEntry

    for key, entry in book.of(LoadingEntry):
        before = f"   after {entry.after}, flip {entry.flip}" if entry.after else ""
        turn = "" if entry.turn_deg is None else f", turn {entry.turn_deg:+.2f}°"
        turn = f", turn from {len(entry.fiducials)} fiducials" if entry.fiducials else turn
        holder = book.latest(entry.calibration) or "a holder nobody named"
        yield f"{key}  {visible(entry.name, limit=60) or 'loading'} in {holder}{before}{turn}"


def _grain(book: "Notebook", key: str, entry: Any) -> Iterator[str]:
    from eucentric.cli.notebook.reading import told
    from eucentric.cli.notebook.solve import solution_lines
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import ReadingEntry, SolutionEntry

    readings = [(name, one) for name, one in book.of(ReadingEntry) if one.grain == key]
    if entry is not None:
        where = [f"{n[0]} {v:+.3f}" for n in ("x_um", "y_um", "z_um") if (v := getattr(entry, n)) is not None]
        place = f"   at {', '.join(where)} µm in {entry.loading or 'some loading'}" if where else ""
        yield f"{key}  grain {visible(entry.name, limit=60)}{place}   {entry.picture}".rstrip()
    elif readings:
        yield "readings of no grain"
    for name, one in readings:
        yield f"  {name:<5} {one.loading:<6} {told(book, name)}"
    loadings = dict.fromkeys(one.loading for _, one in book.of(SolutionEntry) if one.grain == key)
    for loading in loadings:
        found = book.last_solution(key, loading)
        if found is not None:
            yield from (f"  {line}" for line in solution_lines(book, *found))


def _pictures(book: "Notebook", folder: Path) -> Iterator[str]:
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook import PictureEntry

    for key, entry in book.of(PictureEntry):
        state = _state(folder / entry.path, entry.sha256)
        yield f"{key}  {visible(entry.path, limit=120)}   {visible(entry.what, limit=80)}   {state}"


def _state(path: Path, sha256: str) -> str:
    """Whether the file is there and is what it was."""
    try:
        same = hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return "not here"
    return "as it was" if same else "CHANGED since it was noted"


def _history(book: "Notebook") -> Iterator[str]:
    from eucentric.core.text import visible
    from eucentric.knowledge.notebook.book import stored_text

    replaced = {row.entry.replaces: row.id for row in book.rows if row.entry.replaces}
    for row in book.rows:
        later = f"   (replaced by {replaced[row.id]})" if row.id in replaced else ""
        yield f"{row.id:<9} {row.entry.at[:19]}  {visible(row.entry.by, limit=30)}{later}"
        yield f"          {visible(stored_text(row.entry), limit=300)}"
