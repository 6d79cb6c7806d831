"""Readings made in a run, and how they become entries: grain, loading and calibration are looked up or begun.

What a run noted is in its ledger first. A notebook is filled from there, as often as one likes: an entry says where it
came from, and what is there already is not added again.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from eucentric.core.base import Model
from eucentric.core.canonical import sha256_text
from eucentric.knowledge.crystal import Box, Crystal
from eucentric.knowledge.notebook.book import Notebook, row_of
from eucentric.knowledge.notebook.entries import (
    Anything,
    CalibrationEntry,
    LoadingEntry,
    PhaseEntry,
    ReadingEntry,
    SpecimenEntry,
)
from eucentric.knowledge.notebook.entries import GrainEntry as Grain
from eucentric.knowledge.notebook.fields import Name, Words


class RunReading(Model):
    """A reading as a tool notes it: the entry, and the names of what it belongs to."""

    reading: ReadingEntry
    """Without grain and loading: a notebook gives them its own ids."""
    grain: Words = ""
    specimen: Name
    material: Words = ""
    loading: Words = ""
    instrument: Name
    """Vendor, model and serial, or SIMULATED and the world's name."""
    holder: Words = ""
    limits: Box | None = None
    """Of the tilt axes, as they are declared there."""


class Noted(Model):
    """A reading with where it is on record."""

    one: RunReading
    by: Name
    origin: str = Field(min_length=1, max_length=400)


def begun(noted: Noted, crystal: Crystal | None) -> Notebook:
    """A notebook for the specimen of a reading, with its phase if that is known. Its id is that of the specimen's name:
    what is made again from the same rows is the same notebook."""
    one, at = noted.one, noted.one.reading.at
    specimen = SpecimenEntry(
        at=at, by=noted.by, name=one.specimen, material=one.material, origin=noted.origin
    )
    book = Notebook(
        id=sha256_text(f"{noted.origin} {one.specimen}")[:32], rows=(row_of("specimen1", specimen),)
    )
    if crystal is None:
        return book
    return book.plus(
        PhaseEntry(at=at, by=noted.by, crystal=crystal, source=f"{one.material}, shipped with eucentric")
    )


def entries_for(book: Notebook, noted: Sequence[Noted]) -> tuple[Anything, ...]:
    """What has to be added to a notebook for readings that are not in it yet, in order."""
    known = {row.entry.origin for row in book.rows if isinstance(row.entry, ReadingEntry)}
    found: list[Anything] = []
    for one in noted:
        if one.origin in known:
            continue
        known.add(one.origin)
        for entry in _entries(book, one):
            book = book.plus(entry)
            found.append(entry)
    return tuple(found)


def folded(noted: Sequence[Noted], crystal: Crystal | None = None) -> Notebook | None:
    """A notebook of nothing but these readings; None if there are none."""
    if not noted:
        return None
    book = begun(noted[0], crystal)
    for entry in entries_for(book, noted):
        book = book.plus(entry)
    return book


def _entries(book: Notebook, noted: Noted) -> Iterable[Anything]:
    """The reading, after the calibration, loading and grain that it needs."""
    one = noted.one
    said: dict[str, Any] = {"at": one.reading.at, "by": noted.by, "origin": noted.origin}
    calibration = _calibration_of(book, one)
    if calibration is None:
        fresh = CalibrationEntry(
            **said, microscope=one.instrument, holder_name=one.holder or "unknown", limits=one.limits
        )
        yield fresh
        book = book.plus(fresh)
        calibration = book.rows[-1].id
    loading = _loading_of(book, one)
    if loading is None:
        begins = LoadingEntry(**said, name=one.loading, calibration=calibration)
        yield begins
        book = book.plus(begins)
        loading = book.rows[-1].id
    grain = _grain_of(book, one.grain)
    if grain is None:
        new = Grain(**said, name=one.grain, loading=loading, x_um=one.reading.x_um, y_um=one.reading.y_um,
                    z_um=one.reading.z_um)  # fmt: skip
        yield new
        grain = book.plus(new).rows[-1].id
    yield one.reading.model_copy(
        update={"grain": grain, "loading": loading, "by": noted.by, "origin": noted.origin}
    )


def _calibration_of(book: Notebook, one: RunReading) -> str | None:
    """That of the microscope and holder, by the id it got first."""
    for key, entry in reversed(book.of(CalibrationEntry)):
        if (entry.microscope, entry.holder_name) == (one.instrument, one.holder or "unknown"):
            return book.first(key)
    return None


def _loading_of(book: Notebook, one: RunReading) -> str | None:
    for key, entry in reversed(book.of(LoadingEntry)):
        if entry.name == one.loading:
            return book.first(key)
    return None


def _grain_of(book: Notebook, name: str) -> str | None:
    """By name; "" is no grain."""
    if not name:
        return ""
    for key, entry in reversed(book.grains()):
        if entry.name.casefold() == name.casefold():
            return key
    return None
