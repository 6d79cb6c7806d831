"""What a call could read when it was made: records up to an event."""

from typing import Any, NoReturn

from eucentric.agent.notebooks import on_record
from eucentric.core.calls import Finding
from eucentric.core.errors import BadInput, NotAvailable
from eucentric.core.instrument import Frame
from eucentric.core.store import Store
from eucentric.instruments.port import Image
from eucentric.knowledge.notebook import Notebook


class Past:
    """Records as of the row `before` (implements `tools.base.Records`)."""

    def __init__(self, store: Store, run: str, before: int) -> None:
        self.store, self.run, self.before = store, run, before

    def frame(self, name: str) -> Frame:
        """A frame recorded before, of this run if it has one of that name; 'last' is the newest image."""
        rows = self.store.ledger.events(kinds=("returned",), newest_first=True)
        rows = [row for row in rows if row.seq < self.before]
        for row in sorted(rows, key=lambda one: one.run_id != self.run):
            for data in row.body.get("frames", ()):
                if data["id"] == name or (name == "last" and data["purpose"] == "image"):
                    return Frame.model_validate(data)
        raise BadInput(f"there was no frame {name!r} before event {self.before}")

    def pixels(self, frame: Frame) -> Image:
        """Stored pixels, digest checked."""
        return self.store.get_array(frame.sha256)

    def events(
        self, *, run: str | None = None, kind: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Rows before, newest first, as plain dicts."""
        rows = self.store.ledger.events(run=run, kinds=(kind,) if kind else (), newest_first=True)
        return [row.model_dump(mode="json") for row in rows if row.seq < self.before][:limit]

    def findings(self) -> tuple[Finding, ...]:
        """Findings of this run before."""
        rows = self.store.ledger.events(run=self.run, kinds=("found",))
        return tuple(Finding.model_validate(row.body["finding"]) for row in rows if row.seq < self.before)

    def dose_at(self, frame: Frame | None) -> NoReturn:
        """Not asked by an analysis of frames."""
        raise NotAvailable("the dose at a place is not recomputed", "it is charged when a frame is sent")

    def reading_at(self, frame: Frame, x_um: float, y_um: float) -> NoReturn:
        """Not asked by an analysis of frames."""
        raise NotAvailable("where the stage would go is not recomputed", "an auditor moves nothing")

    def notebook(self, specimen: str) -> Notebook | None:
        """What runs had read of a specimen by then, and what people had added where a run put that on record."""
        return on_record(self.store, specimen, self.before)

    def dose_of(self, x_um: float | None, y_um: float | None) -> NoReturn:
        """Not asked by an analysis of frames."""
        self.dose_at(None)
