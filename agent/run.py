"""One run: its identity, its rows, its frames, and read-only records for the tools."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from eucentric.agent.consent.rules import BUILT_IN, RuleBook
from eucentric.agent.dose.book import DoseBook
from eucentric.agent.dose.charge import Charge
from eucentric.agent.dose.map import place_dose
from eucentric.agent.dose.stage_errors import SAME_STAY_UM, Errors
from eucentric.agent.lastseen import WITH_STATE, LastSeen
from eucentric.agent.notebooks import copy_for, notebook_of
from eucentric.agent.readback import named_state
from eucentric.core.calls import Finding
from eucentric.core.errors import BadInput, EucentricError, Parked, Refused
from eucentric.core.event import Event
from eucentric.core.instrument import Frame, MicroscopeState
from eucentric.core.redaction import redact
from eucentric.core.request import Like, SpecimenCard
from eucentric.core.store import Store
from eucentric.core.text import visible
from eucentric.core.units import STAGE, from_si
from eucentric.instruments.driver import DriverState
from eucentric.instruments.instrument import Instrument
from eucentric.instruments.port import Image
from eucentric.knowledge.damage import with_budget
from eucentric.knowledge.dose import PlaceDose
from eucentric.knowledge.notebook import Notebook
from eucentric.tools.move_stage import saved_places


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
        self.store, self.id = store, run_id
        self.instrument, self.note = instrument, note
        self.specimen = with_budget(specimen) if specimen else None
        self.capabilities = instrument.capabilities()
        self.book = DoseBook(Errors.declared(self.capabilities))
        self.rules: RuleBook = BUILT_IN
        """The site's rules: which call is asked of whom."""
        self.planner = ""
        """Who made the plan that is in force."""
        self.like: Like | None = None
        """The run whose plan this one makes again."""
        self.stopping = threading.Event()
        self.until: datetime | None = None
        """When the person who asked wants it to be over, at the latest."""
        self.checkpoint: Callable[[str], None] = lambda act: None
        """Called before each act that commands the instrument: here a run pauses, or ends (it then raises)."""
        self.broken: EucentricError | None = None
        """Set once an act is in doubt: nothing may be sent on top of it."""
        self._pixels: dict[str, Image] = {}
        self._frames: dict[str, Frame] = {}
        self._instrument_s: float | None = None
        """The instrument's clock, as it was last read; rows carry it."""
        state = self.read()
        self._heard = 0
        """Last row whose dose is in the book."""
        _check_names(self.capabilities.identity, state.loading, state.holder)
        self._load_doses(self.capabilities.identity, state.loading)
        self.arrived_s: float | None = None
        """When the stage last arrived, by the instrument's clock; None if nobody here moved it."""
        self.stay = self._present_stay(state)
        self._left = LastSeen.of(store.ledger.events(run=run_id, kinds=WITH_STATE))

    @property
    def folder(self) -> Path:
        """`runs/ID/` of the store."""
        return self.store.run_folder(self.id)

    def read(self) -> DriverState:
        """The driver's own read-back, in SI; the instrument's clock is remembered for the rows."""
        state = self.instrument.state()
        self._instrument_s = state.time_s
        return state

    def now(self) -> MicroscopeState:
        """Fresh read-back of the instrument."""
        caps = self.capabilities
        return named_state(caps.identity, caps.simulated, self.read(), self.instrument.held())

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
        text = visible(summary, limit=600)
        return self.store.ledger.append(
            self.id, kind, actor, text, body, action_id=action_id, tool=tool, instrument_s=self._instrument_s
        )

    def _load_doses(self, instrument: str, loading: str) -> None:
        kinds = ("intended", "returned", "failed", "in_doubt")
        rows = self.store.ledger.events(kinds=kinds, after=self._heard)
        self.book.load(rows, instrument, loading)
        self._heard = rows[-1].seq if rows else self._heard

    def hear_exposures(self) -> None:
        """Enter what was charged since, by other runs too: the budget is the specimen's, not the run's."""
        self._load_doses(self.capabilities.identity, self.read().loading)

    def _present_stay(self, state: DriverState) -> str:
        """The stay that the last move began, if the stage surely still stands there; else a new one.

        A wrong 'still there' would let two fields pass for apart that overlap.
        """
        rows = self.store.ledger.events(kinds=("intended", "returned"), newest_first=True)
        moves = (row for row in rows if row.body.get("act") == "move_stage")
        last = next((row for row in moves if row.body.get("instrument") == self.capabilities.identity), None)
        if last is not None and "state" in last.body:
            then = MicroscopeState.model_validate(last.body["state"])
            here = from_si(STAGE, state.reported)
            if all(
                abs(then.stage[key].reported - here[key]) < SAME_STAY_UM for key in here if key in then.stage
            ):
                self.arrived_s = then.time_s
                return f"{last.run_id}:{last.action_id}"
        return f"{self.id}:from-event-{self.store.ledger.head()[0]}"

    def check_left_there(self, act: str, args: dict[str, Any], now: MicroscopeState) -> None:
        """Before the first new act of a run taken up again: the instrument must be where the run left it.

        Raises
        ------
        Parked
            Somebody, or another run, moved it; the next frame would be of another place.
        """
        if self._left is None:
            return
        found = self._left.differences(act, args, now, self.capabilities)
        if found:
            raise Parked(
                f"the instrument is not where run {self.id} left it: {'; '.join(found)}",
                "nothing was sent: the next frame would be of another place or at other settings",
                "bring it back there and resume, or start a new run",
            )
        self._left = None

    def expect(self, state: MicroscopeState) -> None:
        """The next act must find the instrument as it was: it stood still meanwhile, and hands may have been at it.

        The probe current is read, not set: it may fall by itself, and has its own bounds. Where a run that was
        taken up again must stand is not forgotten for it.
        """
        if self._left is not None:
            return
        optics = {key: value for key, value in state.optics.items() if key != "probe_current_pa"}
        self._left = LastSeen(state.model_copy(update={"optics": optics}))

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
        if name in self._frames:
            return self._frames[name]
        for event in self.store.ledger.events(kinds=("returned",), newest_first=True):
            for data in event.body.get("frames", ()):
                if data["id"] == name or (name == "last" and data["purpose"] == "image"):
                    frame = Frame.model_validate(data)
                    self._frames[frame.id] = frame
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
        return self.book.before(self._present_place() if frame is None else self._field(frame))

    def reading_at(self, frame: Frame, x_um: float, y_um: float) -> tuple[float, float]:
        """What the stage would read today at a place that a frame's readings name [µm]."""
        return self.book.reading(frame.id, x_um, y_um)

    def dose_in(self, x_um: float, y_um: float, width_um: float, height_um: float) -> float:
        """Upper bound of the dose so far at the deepest place of a field that another stay will image [e/Å²]."""
        size = max(width_um, 1e-3), max(height_um, 1e-3)
        field = Charge(
            x_um=x_um, y_um=y_um, width_um=size[0], height_um=size[1], dose_e_per_a2=0, stay="later",
            time_s=self.read().time_s,
        )  # fmt: skip
        return self.book.before(field, missed=False)

    def dose_of(self, x_um: float | None, y_um: float | None) -> PlaceDose:
        """What dose a spot has had, in the readings of the present stay [µm]; None: at the present place."""
        self.hear_exposures()
        here = self._present_place()
        at = {"x_um": here.x_um if x_um is None else x_um, "y_um": here.y_um if y_um is None else y_um}
        budget = self.specimen.dose_budget_e_per_a2 if self.specimen else None
        return place_dose(self.book, here.model_copy(update=at), budget)

    def notebook(self, specimen: str) -> Notebook | None:
        """The store's notebook of a specimen, with all that its ledger holds; None if nothing was read.

        What people added by hand is put on record before anything is decided on it.
        """
        book = notebook_of(self.store, specimen)
        copied = copy_for(self.store, specimen, book) if book else None
        if copied:
            self.log("changed", f"the notebook of {specimen} as it is now, with entries made by hand", copied)
        return book

    def positions(self) -> dict[str, tuple[float, float]]:
        """Places saved for the present specimen loading, by name: (x, y) [µm]."""
        places = saved_places(self.events(kind="concluded", limit=2000), self.read().loading)
        return {
            name: (at["x_um"], at["y_um"]) for name, at in places.items() if {"x_um", "y_um"} <= at.keys()
        }

    def _present_place(self) -> Charge:
        state = self.read()
        x, y = (
            (state.reported.get(axis, 0.0) + state.optics.get(f"beam_shift_{axis}", 0.0)) * 1e6
            for axis in ("x", "y")
        )
        return Charge(
            x_um=x, y_um=y, width_um=1e-3, height_um=1e-3, dose_e_per_a2=0, stay=self.stay, time_s=state.time_s,
            settled_s=self.settled_s(state.time_s),
        )  # fmt: skip

    def settled_s(self, time_s: float) -> float | None:
        """How long the stage has stood at that time of the instrument's clock; None if nobody knows."""
        return None if self.arrived_s is None or time_s < self.arrived_s else time_s - self.arrived_s

    def _field(self, frame: Frame) -> Charge:
        if frame.x_um is None or frame.y_um is None:
            return self._present_place()
        pixel_um = (frame.pixel_pm or 1.0) * 1e-6
        height, width = frame.shape[0] * pixel_um, frame.shape[1] * pixel_um
        return Charge(
            x_um=frame.x_um,
            y_um=frame.y_um,
            width_um=width,
            height_um=height,
            dose_e_per_a2=0,
            stay=self.book.stay_of(frame.id) or self.stay,
            time_s=(state := self.read()).time_s,
            settled_s=self.settled_s(state.time_s),
        )

    def new_pixels(self, pixels: Image) -> tuple[str, Image]:
        """Store pixels (synced) and return (sha256, array)."""
        array = np.ascontiguousarray(pixels, dtype=np.float32)
        return self.store.put_array(array), array


def _check_names(*names: str) -> None:
    """Dose is accounted by these: a name that can't be recorded as it is would count for nothing."""
    for name in names:
        if redact(name) != name:
            raise Refused(
                f"the instrument names itself, its loading or its holder {visible(name, limit=120)}",
                "that holds a secret, which is never recorded, and dose is accounted by these names",
                "give it another name, or the secret to another variable",
            )
