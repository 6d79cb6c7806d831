"""A notebook as it stands: its entries in order, and what they say of each other. It is read, never changed."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from eucentric.core.base import Model
from eucentric.core.canonical import canonical, digest
from eucentric.core.errors import BadInput
from eucentric.core.text import visible
from eucentric.knowledge.notebook.entries import (
    PREFIX,
    Anything,
    CalibrationEntry,
    Entry,
    GrainEntry,
    LoadingEntry,
    PhaseEntry,
    ReadingEntry,
    SolutionEntry,
    SpecimenEntry,
)

E = TypeVar("E", bound=Entry)
_ANYTHING: TypeAdapter[Anything] = TypeAdapter(Anything)


class Row(Model):
    """An entry with its id and the digest of its content."""

    id: str
    entry: Anything
    sha256: str


class Notebook(Model):
    """All entries, oldest first."""

    id: str
    """Random, given once; the same in every copy."""
    rows: tuple[Row, ...]

    @cached_property
    def _by_id(self) -> dict[str, Row]:
        return {row.id: row for row in self.rows}

    @cached_property
    def _replaced(self) -> set[str]:
        return {row.entry.replaces for row in self.rows if row.entry.replaces}

    @cached_property
    def sha256(self) -> str:
        """Of all entries in their order: two copies with the same digest are the same."""
        return digest([self.id, *([row.id, row.sha256] for row in self.rows)])

    @property
    def specimen(self) -> SpecimenEntry:
        """What it is about, as it was said last."""
        return self.of(SpecimenEntry)[-1][1]

    def of(self, kind: type[E]) -> list[tuple[str, E]]:
        """(id, entry) of one kind, oldest first, without those that were replaced."""
        return [
            (row.id, row.entry)
            for row in self.rows
            if isinstance(row.entry, kind) and row.id not in self._replaced
        ]

    def get(self, name: str, kind: type[E]) -> E:
        """The entry of that id and kind, also if it was replaced.

        Raises
        ------
        BadInput
            There is none.
        """
        row = self._by_id.get(name)
        if row is None or not isinstance(row.entry, kind):
            what = str(kind.model_fields["kind"].default)
            there = ", ".join(one for one, _ in self.of(kind)) or "none"
            raise BadInput(
                f"the notebook has no {what} {visible(name, limit=40)!r}",
                f"there are: {there}",
                "`eucentric notebook show` lists what is in it",
            )
        return row.entry

    def newest(self, kind: type[E]) -> tuple[str, E] | None:
        """The newest entry of a kind that is in force; None if there is none."""
        found = self.of(kind)
        return found[-1] if found else None

    def latest(self, name: str) -> str:
        """The entry that took the place of another one last; itself if none did."""
        for row in self.rows:
            if name and row.entry.replaces == name:
                name = row.id
        return name

    def first(self, name: str) -> str:
        """The id that a corrected entry was known by at first; others name it by that."""
        while before := self._by_id[name].entry.replaces:
            name = before
        return name

    def grains(self) -> list[tuple[str, GrainEntry]]:
        """(id it got first, what is said of it now) of every grain."""
        return [(self.first(key), grain) for key, grain in self.of(GrainEntry)]

    def grain_named(self, name: str) -> tuple[str, GrainEntry]:
        """A grain by id or name, the newest of that name: (id it got first, what is said of it now).

        Raises
        ------
        BadInput
            There is none.
        """
        for key, grain in reversed(self.grains()):
            if name == key or name.casefold() == grain.name.casefold():
                return key, grain
        names = ", ".join(visible(grain.name, limit=40) for _, grain in self.grains()) or "none"
        raise BadInput(
            f"the notebook has no grain {visible(name, limit=60)!r}",
            f"there are: {names}",
            f"add it with `eucentric notebook grain {visible(name, limit=60)}`",
        )

    def phase_of(self, grain: str) -> tuple[str, PhaseEntry]:
        """The phase of a grain, or the only one there is, as it was corrected last.

        Raises
        ------
        BadInput
            None, or several and the grain does not say which.
        """
        named = self.get(self.latest(grain), GrainEntry).phase if grain else ""
        if named:
            key = self.latest(named)
            return key, self.get(key, PhaseEntry)
        found = self.of(PhaseEntry)
        if len(found) == 1:
            return found[0]
        shown = ", ".join(f"{key} ({visible(phase.crystal.name, limit=30)})" for key, phase in found)
        raise BadInput(
            "which crystal this is, the notebook does not say",
            f"it has {shown or 'no phase'}",
            "name one of them for the grain" if found else "add one with `eucentric notebook phase FILE.cif`",
        )

    def readings_of(self, grain: str, loading: str) -> list[tuple[str, ReadingEntry]]:
        """Readings of one grain in one loading, oldest first."""
        return [
            (key, one) for key, one in self.of(ReadingEntry) if one.grain == grain and one.loading == loading
        ]

    def calibration_of(self, loading: str) -> tuple[str, CalibrationEntry] | None:
        """The calibration of the holder that a loading is in, with what was corrected since; None if unknown."""
        named = self.get(loading, LoadingEntry).calibration if loading else ""
        if not named:
            return None if loading else self.newest(CalibrationEntry)
        key = self.latest(named)
        return key, self.get(key, CalibrationEntry)

    def last_solution(self, grain: str, loading: str) -> tuple[str, SolutionEntry] | None:
        """The newest solution of a grain in one loading."""
        found = [
            (k, one) for k, one in self.of(SolutionEntry) if one.grain == grain and one.loading == loading
        ]
        return found[-1] if found else None

    def plus(self, entry: Anything) -> "Notebook":
        """The notebook with one more entry at its end.

        Raises
        ------
        BadInput
            The entry names another one that is not there, or replaces one of another kind.
        """
        strange = [ref for ref in refs_of(entry) if ref not in self._by_id]
        if strange:
            raise BadInput(
                f"the notebook has no {visible(strange[0], limit=40)}",
                "an entry can only name what was written before it",
                "`eucentric notebook show` lists what is in it",
            )
        if entry.replaces and not isinstance(self._by_id[entry.replaces].entry, type(entry)):
            raise BadInput(f"{entry.replaces} is no {entry.kind}", "an entry replaces one of its own kind")
        count = sum(row.entry.kind == entry.kind for row in self.rows)
        return Notebook(id=self.id, rows=(*self.rows, row_of(f"{PREFIX[entry.kind]}{count + 1}", entry)))


def stored_form(entry: Entry) -> dict[str, Any]:
    """The content as it is kept: plain JSON without what is empty, so that later fields change no digest."""
    plain: dict[str, Any] = _without_empty(entry.model_dump(mode="json"))
    return plain


def stored_text(entry: Entry) -> str:
    """The same as canonical JSON; floats in the shortest form that reads back to the last bit."""
    return canonical(stored_form(entry))


def row_of(name: str, entry: Anything) -> Row:
    """An entry with its digest."""
    return Row(id=name, entry=entry, sha256=digest(stored_form(entry)))


def entry_of(data: Any, where: str) -> Anything:
    """An entry from plain JSON.

    Raises
    ------
    BadInput
        It is none of ours; `where` says what was read.
    """
    try:
        return _ANYTHING.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the entry"
        raise BadInput(
            f"{visible(where, limit=120)}: {visible(field, limit=80)}: {visible(str(first['msg']), limit=200)}",
            "it is not an entry as this version writes it",
            "check the file, or read it with the version that wrote it",
        ) from error


def checked_rows(found: Sequence[tuple[str, Any, str]], where: str) -> tuple[Row, ...]:
    """Rows of (id, plain JSON, digest), in order, each held against its digest and its references.

    Raises
    ------
    BadInput
        An entry is malformed or was altered, ids repeat, or one names an entry that comes later or never.
    """
    rows: list[Row] = []
    known: set[str] = set()
    for name, data, sha256 in found:
        row = row_of(name, entry_of(data, f"{where}, {name}"))
        if row.sha256 != sha256:
            raise _altered(where, name, "its content does not fit its digest")
        if name in known or not name.removeprefix(PREFIX[row.entry.kind]).isdecimal():
            raise _altered(where, name, "its id is taken or is not one of its kind")
        strange = [ref for ref in refs_of(row.entry) if ref not in known]
        if strange:
            raise _altered(where, name, f"it names {strange[0]}, which is not before it")
        known.add(name)
        rows.append(row)
    if not rows or not isinstance(rows[0].entry, SpecimenEntry):
        raise BadInput(f"{visible(where, limit=200)} is no notebook", "it does not begin with a specimen")
    return tuple(rows)


def refs_of(entry: Entry) -> Iterator[str]:
    """The ids of other entries that an entry names."""
    for name in ref_fields(type(entry)):
        value = getattr(entry, name)
        yield from (value if isinstance(value, tuple) else [value] if value else [])


def ref_fields(kind: type[Entry]) -> list[str]:
    """Fields of an entry that name other entries."""
    return [name for name, field in kind.model_fields.items() if _is_ref(field.metadata, field.annotation)]


def _is_ref(metadata: Sequence[Any], annotation: Any) -> bool:
    inner = [
        meta for part in getattr(annotation, "__args__", ()) for meta in getattr(part, "__metadata__", ())
    ]
    return "ref" in (*metadata, *inner)


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (None, "", [], {})}
    if isinstance(value, list):
        return [_without_empty(one) for one in value]
    return value


def _altered(where: str, name: str, why: str) -> BadInput:
    return BadInput(
        f"{visible(where, limit=200)}: entry {visible(name, limit=40)} was altered or is incomplete",
        why,
        "ask for the file again; nothing was taken from it",
    )
