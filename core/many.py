"""Several ledgers read as one: rows merged by time, each with the store it is from. Nothing is written into any."""

import heapq
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from eucentric.core.errors import BadInput, ChainBroken
from eucentric.core.event import Event
from eucentric.core.rows import Rows, open_rows
from eucentric.core.text import visible


class Found(NamedTuple):
    """A row, and the label of the store that it is in."""

    store: str
    event: Event


class ManyRows:
    """The rows of one or more stores, open for reading.

    A run is named by its id, or as `STORE:RUN` where several stores have it.

    Parameters
    ----------
    folders
        Store folders; one that is named twice is opened once.

    Raises
    ------
    BadInput
        There is no store at one of them.
    LedgerError
        One can't be opened, or is no ledger.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        kept = list({folder.resolve(): folder for folder in folders}.values())
        self._open: dict[str, Rows] = {}
        try:
            for label, folder in zip(labels(kept), kept, strict=True):
                if not (folder / "audit.db").is_file():
                    raise BadInput(f"no store at {folder}", remedy="name it with --store DIR")
                self._open[label] = open_rows(folder / "audit.db")
        except BaseException:
            self.close()
            raise

    @property
    def stores(self) -> dict[str, Rows]:
        """The rows of each store, by its label."""
        return dict(self._open)

    def notes(self) -> list[str]:
        """What a reader should know before believing: changed triggers, a ledger that is here twice. One line each."""
        found = [f"{label}: {problem}" for label, rows in self._open.items() for problem in rows.problems()]
        first: dict[str, str] = {}
        for label, rows in self._open.items():
            try:
                name = rows.name
            except ChainBroken as error:
                found.append(f"{label}: {error.what}")
                continue
            if name in first:
                found.append(f"{label} is a copy of {first[name]}: the same ledger, its rows come twice")
            first.setdefault(name, label)
        return found

    def events(self, *, kinds: tuple[str, ...] = (), newest_first: bool = False) -> list[Found]:
        """Rows of all stores by time, oldest first unless asked otherwise."""
        return self._merged(
            [
                [Found(label, row) for row in rows.events(kinds=kinds, newest_first=newest_first)]
                for label, rows in self._open.items()
            ],
            newest_first=newest_first,
        )

    def search(self, text: str, limit: int = 50) -> list[Found]:
        """Full-text search over all stores, newest first; see `Rows.search`."""
        found = [
            [Found(label, row) for row in rows.search(text, limit)] for label, rows in self._open.items()
        ]
        return self._merged(found, newest_first=True)[:limit]

    def run(self, name: str) -> tuple[str, str]:
        """(store, run id) of the run that `name` means.

        Raises
        ------
        BadInput
            No store has it, or several have.
        """
        having = self._having(name)
        if len(having) == 1:
            return having[0], name
        shown = visible(name, limit=100)
        if having:
            raise BadInput(
                f"{len(having)} stores have a run {shown}: {', '.join(map(visible, having))}",
                remedy=f"say which, such as {visible(having[0])}:{shown}",
            )
        label, rest = self.split(name)
        if label and label in self._having(rest):
            return label, rest
        raise BadInput(f"there is no run '{shown}'", remedy="see `eucentric audit list`")

    def split(self, name: str) -> tuple[str, str]:
        """(store, rest) of `STORE:rest`; ('', name) if it does not begin with a store's label."""
        for label in sorted(self._open, key=len, reverse=True):
            if name.startswith(f"{label}:"):
                return label, name[len(label) + 1 :]
        return "", name

    def close(self) -> None:
        """Let all of them go."""
        for rows in self._open.values():
            rows.close()

    def _having(self, run: str) -> list[str]:
        return [label for label, rows in self._open.items() if rows.events(run=run, limit=1)]

    def _merged(self, found: Iterable[list[Found]], *, newest_first: bool) -> list[Found]:
        """By time; rows of one store keep their order, also where its clock was set back."""
        return list(heapq.merge(*found, key=lambda one: one.event.ts, reverse=newest_first))


def labels(folders: Sequence[Path]) -> list[str]:
    """A name for each folder: the end of its path, as long as it takes to tell it from the others."""
    parts = [folder.resolve().parts for folder in folders]
    longest = max(map(len, parts), default=1)
    for length in range(1, longest + 1):
        names = ["/".join(part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]
