"""The store of a replay: a folder that is thrown away, with the same rows before the run as the one that is audited."""

import contextlib
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from eucentric.core.chain import read_only
from eucentric.core.errors import LedgerError
from eucentric.core.event import Event
from eucentric.core.event_table import COLUMNS, has_clocks, selected
from eucentric.core.ledger import Ledger
from eucentric.core.store import Store, read_blob


class Writer(Protocol):
    """Who is told of each row before it is written."""

    def write(self, append: Any, run_id: str, kind: str, *args: Any) -> Event:
        """Write it with `append`, or raise."""
        ...


class ScratchLedger(Ledger):
    """A ledger that begins with a stranger's rows, byte for byte, and lets a writer hear of each one that follows.

    Parameters
    ----------
    audited
        The database that is only read.
    before
        Number of the first row that is not taken over.
    """

    def __init__(self, path: Path, audited: Path, before: int) -> None:
        self._audited, self._before = audited, before
        self.writer: Writer | None = None
        super().__init__(path, create=True)
        self._connection.execute("PRAGMA synchronous=OFF")  # nothing here outlives the process

    def append_in_transaction(
        self,
        run_id: str,
        kind: str,
        actor: str,
        summary: str,
        body: dict[str, Any] | None = None,
        *,
        action_id: str | None = None,
        tool: str | None = None,
        instrument_s: float | None = None,
    ) -> Event:
        """As the ledger does, unless the writer says otherwise; it begins with the audited rows."""
        append = partial(
            super().append_in_transaction, action_id=action_id, tool=tool, instrument_s=instrument_s
        )
        if kind == "opened":
            self._insert_earlier()
            return self.events(limit=1)[0]
        if self.writer is None:
            return append(run_id, kind, actor, summary, body)
        return self.writer.write(append, run_id, kind, actor, summary, body)

    def _insert_earlier(self) -> None:
        names = ",".join((*COLUMNS, "hash"))
        marks = ",".join("?" * (len(COLUMNS) + 1))
        with contextlib.closing(read_only(self._audited)) as line:
            sql = f"SELECT {selected(has_clocks(line))} FROM event WHERE seq < ? ORDER BY seq"
            rows = line.execute(sql, (self._before,))
            self._connection.executemany(f"INSERT INTO event({names}) VALUES({marks})", rows)

    def copy(self, row: Event) -> Event:
        """A row of the audited ledger, at this place of this one."""
        append = super().append_in_transaction
        with contextlib.nullcontext() if self._connection.in_transaction else self.transaction():
            return append(
                row.run_id, row.kind, row.actor, row.summary, row.body, action_id=row.action_id, tool=row.tool
            )


class ScratchStore(Store):
    """Frames that were there before are read from the audited store; nothing is written to it, nor anchored."""

    def __init__(self, folder: Path, audited: Path, before: int) -> None:
        self.folder, self.audited = folder, audited
        self.ledger: ScratchLedger = ScratchLedger(folder / "audit.db", audited / "audit.db", before)

    def get_blob(self, sha256: str) -> bytes:
        """From here, else from there."""
        try:
            return super().get_blob(sha256)
        except LedgerError:
            return read_blob(self.audited, sha256)

    def anchor(self) -> tuple[int, str]:
        """The head; it vouches for nothing, and the audited ledger has the same name."""
        return self.ledger.head()
