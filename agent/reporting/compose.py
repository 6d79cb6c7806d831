"""The order of a report: the answer, what was not counted, the pictures, then how it came about."""

from pathlib import Path

from eucentric.agent.reporting import pictures, sections
from eucentric.agent.reporting.answer import answer, headline, not_counted
from eucentric.agent.reporting.blocks import Block, Document, Para, Picture, Section
from eucentric.agent.reporting.methods import methods
from eucentric.agent.reporting.record import RunRecord
from eucentric.core.store import Readable

_MOST_BYTES = 2_700_000
"""Of pictures inside the HTML; base64 adds a third."""


def compose(record: RunRecord, store: Readable, folder: Path) -> Document:
    """The whole report of a run as blocks; `folder` is where tools put their pictures."""
    blocks: list[Block] = [*answer(record), not_counted(record), *_pictures(record, store, folder)]
    if len(record.findings) > len(headline(record)):
        blocks.append(sections.numbers(record))
    blocks += [
        sections.cost(record),
        places(record),
        sections.decisions(record),
        sections.plan(record),
        Section("Methods", (Para(methods(record)),)),
        sections.evidence(record),
    ]
    return Document(_title(record), stamp(record), record.simulated, tuple(blocks))


def _title(record: RunRecord) -> str:
    asked = record.request.text if record.request else record.events[0].summary
    return f"{record.run} · {record.outcome} · {asked}"


def stamp(record: RunRecord) -> str:
    name = record.instrument
    if record.simulated is None:
        return f"{name} (the ledger does not say whether it is simulated)"
    if record.simulated:
        plain = name.removeprefix("SIMULATED ")
        return f"SIMULATED — no real instrument, no real specimen — {plain}"
    return name


def places(record: RunRecord) -> Section:
    """The table of places, with the dose map."""
    section, drawn = sections.places(record), pictures.doses(record)
    return section if drawn is None else Section(section.title, (*section.blocks, drawn))


def _pictures(record: RunRecord, store: Readable, folder: Path) -> list[Block]:
    made = [pictures.ladder(record, store), pictures.intervals(record), *pictures.drawn(record, folder)]
    found = [picture for picture in made if picture is not None]
    if not found:
        return [Section("Pictures", (Para("No image was recorded."),))] if not record.frames else []
    kept: list[Picture] = []
    left: list[Picture] = []
    size = 0
    for picture in found:
        size += len(picture.png)
        (kept if size <= _MOST_BYTES or not kept else left).append(picture)
    blocks: list[Block] = list(kept)
    if left:
        names = ", ".join(picture.name.removeprefix("report-") for picture in left)
        blocks.append(Para(f"Not shown, to keep this file small; see the run's folder pictures/: {names}"))
    return [Section("Pictures", tuple(blocks))]


def pictures_of(document: Document) -> tuple[Picture, ...]:
    """Every picture of a document, to be written beside the Markdown."""
    inside = [
        block for section in document.blocks if isinstance(section, Section) for block in section.blocks
    ]
    return tuple(block for block in inside if isinstance(block, Picture))
