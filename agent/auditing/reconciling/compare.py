"""The comparison: stores, hosts' notes, the instrument as it answers now, and the disks."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from eucentric.agent.auditing.reconciling.disk import disk_of
from eucentric.agent.auditing.reconciling.halts import explained
from eucentric.agent.auditing.reconciling.model import Account, Life, Mark, Reconciliation
from eucentric.agent.auditing.reconciling.present import Present, present_of
from eucentric.agent.auditing.reconciling.sources import Act, Count, Source, told_by
from eucentric.agent.auditing.reconciling.walk import BLANKED, TOUCH_CLEARED, Span, Walk, span_of
from eucentric.core.errors import BadInput
from eucentric.core.many import labels
from eucentric.core.places import canonical_uri
from eucentric.core.rows import open_rows
from eucentric.instruments.notefile import read_notes
from eucentric.instruments.notes import Note


def reconciled(folders: Sequence[Path], instrument: str | None = None) -> Reconciliation:
    """Compare stores with their instruments and disks. Nothing is written, sent or deleted.

    Parameters
    ----------
    folders
        Stores that may share an instrument: what one explains has a row.
    instrument
        Only this one; None: all that the stores name.

    Raises
    ------
    BadInput
        No run of these stores used that instrument.
    """
    asked = None if instrument is None else canonical_uri(instrument)
    present: dict[str, Present] = {}
    if asked is not None:  # read before the rows: what is sent meanwhile must not look as if it had none
        present[asked] = present_of(asked)
    sources = [
        Source(name if len(folders) > 1 else "", open_rows(folder / "audit.db"))
        for name, folder in zip(labels(folders), folders, strict=True)
    ]
    try:
        present |= {uri: present_of(uri) for uri in _named(sources) if asked is None}
        books = _Books(sources)
    finally:
        for source in sources:
            source.rows.close()
    uris = books.addresses if asked is None else (asked,)
    if asked is not None and asked not in books.addresses:
        raise BadInput(
            f"no run of these stores sent anything to {asked}",
            f"they name: {', '.join(books.addresses) or 'none'}",
        )
    unasked = Present(why_not="its first row was written meanwhile")
    return Reconciliation(
        instruments=tuple(_account(uri, present.get(uri, unasked), books) for uri in uris),
        disks=tuple(disk_of(folder) for folder in folders),
    )


def _named(sources: Iterable[Source]) -> tuple[str, ...]:
    rows = [row for source in sources for row in source.rows.events(kinds=("requested",))]
    found = dict.fromkeys(str((row.body.get("request") or {}).get("instrument", "")) for row in rows)
    return tuple(dict.fromkeys(_canonical(uri) for uri in found if uri))


def _canonical(uri: str) -> str:
    try:
        return canonical_uri(uri)
    except BadInput:
        return uri


class _Books:
    """What all stores say, a copy of a store counted once."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.acts: dict[str, Act] = {}
        self.counts: list[Count] = []
        self._addresses: dict[str, str] = {}
        for source in sources:
            told = told_by(source)
            for act in told.acts:
                self.acts.setdefault(act.token, act)
            self.counts += told.counts
            self._addresses = told.addresses | self._addresses

    @property
    def addresses(self) -> tuple[str, ...]:
        """Instruments, in the order of their first row."""
        return tuple(dict.fromkeys(self._addresses.values()))

    def lives(self, uri: str) -> list[str]:
        """Lives of an instrument that rows name."""
        return [life for life, address in self._addresses.items() if address == uri]


def _account(uri: str, now: Present, books: _Books) -> Account:
    notes = read_notes(uri)
    lives = books.lives(uri)
    return Account(
        uri=uri,
        now=now.words(lives),
        lives=tuple(
            _life(life, books, now, [note for note in notes if note.incarnation == life]) for life in lives
        ),
    )


def _life(life: str, books: _Books, now: Present, notes: Sequence[Note]) -> Life:
    acts = [act for act in books.acts.values() if act.life == life]
    counts = [one for one in books.counts if one.life == life]
    here = now if now.incarnation == life else Present()
    marks = sorted(
        (*_marks(acts, counts, notes), *([here.mark] if here.mark else [])),
        key=lambda one: (one.commands, one.utc),
    )
    log = here.by_number
    spans = [*(span_of(act, marks, log) for act in acts), *_beside(counts, notes)]
    walked = Walk(spans, marks, log, here.logged_to).go()
    unexplained, halts = explained(walked.lost, notes, counts)
    runs = dict.fromkeys(f"{act.run}{act.store and f' of {act.store}'}" for act in acts)
    return Life(
        incarnation=life,
        runs=tuple(runs),
        acts=len(acts),
        first=marks[0] if marks else None,
        last=marks[-1] if marks else None,
        unexplained=tuple(unexplained),
        absent=tuple(walked.absent),
        halts=tuple(halts),
        log=here.log_words,
        notes=tuple(_said(walked.counted_less, marks, notes)),
    )


def _marks(acts: Iterable[Act], counts: Iterable[Count], notes: Iterable[Note]) -> Iterator[Mark]:
    for act in acts:
        yield from act.marks
    for one in counts:
        yield one.mark
        if one.before is not None:
            yield one.mark.model_copy(update={"commands": one.before})
    for note in notes:
        for count in (note.before, note.commands):
            if count is not None:
                yield Mark(commands=count, utc=note.utc, what=f"the host's note '{note.what}'")


def _beside(counts: Iterable[Count], notes: Iterable[Note]) -> Iterator[Span]:
    """Leases and releases, which may have blanked a beam that a hand had left on; a cleared touch alarm."""
    for one in counts:
        if one.before is not None:
            yield Span(one.before, one.mark.commands, BLANKED, one.mark.what, one.mark.utc)
    for note in notes:
        if note.before is not None and note.commands is not None:
            wanted = TOUCH_CLEARED if note.what == "touch cleared" else BLANKED
            yield Span(note.before, note.commands, wanted, f"{note.what} ({note.text})", note.utc)


def _said(counted_less: dict[str, int], marks: Sequence[Mark], notes: Sequence[Note]) -> Iterator[str]:
    """What a reader must know of how this was counted."""
    for name, number in counted_less.items():
        what = f"each {name} of this instrument adds {number} to its count"
        yield f"{what}, fewer than it sends: taken as its way to count"
    if marks and marks[0].commands > 0 and not any(note.what == "began" for note in notes):
        yield f"what came before {marks[0].what} (count {marks[0].commands}) is not known here"
