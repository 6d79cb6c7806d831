"""One run: its identity, its rows, its frames, and read-only records for the tools."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.agent.dosebook import Charge, DoseBook
from eucentric.core.calls import Finding
from eucentric.core.errors import BadInput
from eucentric.core.event import Event
from eucentric.core.instrument import Frame
from eucentric.core.request import SpecimenCard
from eucentric.core.store import Store
from eucentric.instruments.instrument import Instrument
from eucentric.instruments.port import Image


class Run:
    """What everything in `agent/` shares during one run."""

    def __init__(
        self,
        store: Store,
        run_id: str,
        instrument: Instrument,
        specimen: SpecimenCard | None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.store, self.id, self.instrument, self.specimen, self.note = (
            store,
            run_id,
            instrument,
            specimen,
            note,
        )
        self.capabilities = instrument.capabilities()
        axis = self.capabilities.axis("x")
        self.book = DoseBook((axis.dead_band * 1e6 + 0.3) if axis else 1.0)
        self.stay = "start"
        self.stopping = threading.Event()
        self._pixels: dict[str, Image] = {}
        state = instrument.state()
        self._load_doses(self.capabilities.identity, state.loading)

    @property
    def folder(self) -> Path:
        """`runs/ID/` of the store."""
        return self.store.run_folder(self.id)

    def log(
        self,
        kind: str,
        summary: str,
        body: dict[str, Any] | None = None,
        *,
        actor: str = "eucentric",
        action_id: str | None = None,
        tool: str | None = None,
    ) -> Event:
        """Append a row of this run."""
        return self.store.ledger.append(self.id, kind, actor, summary, body, action_id=action_id, tool=tool)

    def _load_doses(self, instrument: str, loading: str) -> None:
        rows = self.store.ledger.events(kinds=("intended", "returned", "failed", "in_doubt"))
        self.book.load(rows, instrument, loading)
        moves = [
            row for row in rows if row.kind in ("returned", "failed") and row.body.get("act") == "move_stage"
        ]
        if moves:
            self.stay = f"{moves[-1].run_id}:{moves[-1].action_id}"

    # --- frames ---------------------------------------------------------------------------------------

    def keep_pixels(self, frame: Frame, pixels: Image) -> None:
        """Remember the newest few images, so that a tool reads what was just recorded without the disk."""
        self._pixels[frame.sha256] = pixels
        while len(self._pixels) > 40:
            self._pixels.pop(next(iter(self._pixels)))

    def pixels(self, frame: Frame) -> Image:
        """The stored pixels of a frame, digest checked."""
        if frame.sha256 not in self._pixels:
            self.keep_pixels(frame, self.store.get_array(frame.sha256))
        view = self._pixels[frame.sha256].view()
        view.flags.writeable = False
        return view

    def frame(self, name: str) -> Frame:
        """A frame of this run by id, else of the newest run that has it; 'last' is the newest image."""
        for event in self.store.ledger.events(kinds=("returned",), newest_first=True):
            for data in event.body.get("frames", ()):
                frame = Frame.model_validate(data)
                if frame.id == name or (name == "last" and frame.purpose == "image"):
                    return frame
        raise BadInput(
            f"there is no frame {name!r}" if name != "last" else "there is no image yet",
            remedy="acquire one first, or name a frame that `eucentric audit show RUN` lists",
        )

    def events(
        self, *, run: str | None = None, kind: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Rows, newest first, as plain dicts."""
        kinds = (kind,) if kind else ()
        rows = self.store.ledger.events(run=run, kinds=kinds, newest_first=True, limit=limit)
        return [row.model_dump(mode="json") for row in rows]

    def findings(self) -> tuple[Finding, ...]:
        """Findings of this run so far."""
        rows = self.store.ledger.events(run=self.id, kinds=("found",))
        return tuple(Finding.model_validate(row.body["finding"]) for row in rows)

    def dose_at(self, frame: Frame | None) -> float:
        """Upper bound of the dose so far in a frame's field, or at the present place [e/Å²]."""
        if frame is None or frame.x_um is None or frame.y_um is None:
            state = self.instrument.state()
            x = (state.reported["x"] + state.optics["beam_shift_x"]) * 1e6
            y = (state.reported["y"] + state.optics["beam_shift_y"]) * 1e6
            field = Charge(x_um=x, y_um=y, width_um=1e-3, height_um=1e-3, dose_e_per_a2=0, stay=self.stay)
        else:
            pixel_um = (frame.pixel_pm or 1.0) * 1e-6
            field = Charge(
                x_um=frame.x_um,
                y_um=frame.y_um,
                width_um=pixel_um * frame.shape[1],
                height_um=pixel_um * frame.shape[0],
                dose_e_per_a2=0,
                stay=self.stay,
            )
        return self.book.before(field)

    def new_pixels(self, pixels: Image) -> tuple[str, Image]:
        """Store pixels (synced) and return (sha256, array)."""
        array = np.ascontiguousarray(pixels, dtype=np.float32)
        return self.store.put_array(array), array
