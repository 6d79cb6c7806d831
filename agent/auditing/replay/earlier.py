"""What was sent to the instrument by other runs, in the order of the ledger: sent again, so that it stands as it stood.

The instrument's process may have served many runs before the one that is replayed, and others while that one waited.
Their analyses are not repeated; their acts are, with the leases around them, and held against their rows.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from eucentric.agent.acting.exposure import scan_spec
from eucentric.agent.auditing.replay.fate import fate_of, held_before, held_by, touch_cleared
from eucentric.agent.auditing.replay.recording import ENDS, Recording
from eucentric.agent.auditing.replay.twin import Died, Twin
from eucentric.agent.auditing.replay.verdict import Sent
from eucentric.agent.custody.checkpoint import STEP_S
from eucentric.agent.readback import named_state
from eucentric.core.errors import EucentricError, NotAvailable
from eucentric.core.event import Event
from eucentric.core.instrument import Scan
from eucentric.core.store import npy
from eucentric.core.units import OPTICS, STAGE, to_si
from eucentric.instruments.driver import Pixels
from eucentric.instruments.guard import Guard

_HEARD = ("requested", "resumed", "leased", "changed", "called", "intended", "concluded", "paused", "released",
          "finished")  # fmt: skip


class Earlier:
    """The twin of a replay, and what of other runs it has been told."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.twin: Twin | None = None
        self.sent: list[Sent] = []
        self._heard = 0
        """The last row that the twin was told of."""
        self._told_by: dict[str, str | None] = {}
        """By run: the incarnation that it works with."""

    def stand_at(self, incarnation: str | None, seq: int) -> Twin:
        """The twin of an incarnation, after all that it was told before the row `seq`."""
        if self.twin is None or self.twin.incarnation != incarnation:
            self.close()
            self.twin, self._heard = Twin(self.recording.uri, incarnation), 0
            for row in self.recording.ledger.events(kinds=_HEARD):
                if row.seq < seq and row.run_id != self.recording.run:
                    self.hear(row)
        return self.twin

    def close(self) -> None:
        """Let the twin go."""
        if self.twin is not None:
            self.twin.close()

    def hear(self, row: Event) -> None:
        """A row of another run: do to the instrument what it says was done."""
        twin = self.twin
        if twin is None or twin.incarnation is None or row.seq <= self._heard:
            return
        self._heard = row.seq
        if row.kind in ("requested", "resumed") or "incarnation" in row.body:
            self._told_by[row.run_id] = row.body.get("incarnation")
        if self._told_by.get(row.run_id) == twin.incarnation and row.kind in _DOES:
            _DOES[row.kind](self, twin, row)

    # --- by kind of row -----------------------------------------------------------------------------------

    def _lease(self, twin: Twin, row: Event) -> None:
        owner = f"run {row.run_id}"
        if twin.guard.owner != owner:
            twin.hang_up()
            twin.guard.lease(owner)

    def _release_hold(self, twin: Twin, row: Event) -> None:
        if "held" in row.body:
            twin.hold(str(row.body["held"]))
            self._lease(twin, row)
            twin.guard.clear_hold(row.actor)

    def _read(self, twin: Twin, row: Event) -> None:
        """A call saw a hold, or made one."""
        if touch_cleared(row):
            twin.clear_touch()
        for held in (held_before(self.recording.ledger, row), held_by(row)):
            if held:
                twin.hold(held, freezes=row.tool != "blank_beam")

    def _wait(self, twin: Twin, row: Event) -> None:
        for seconds in waits(float(row.body.get("waited_s", 0.0))):
            twin.guard.wait(seconds)

    def _release(self, twin: Twin, row: Event) -> None:
        self._wait(twin, row)
        self._read(twin, row)
        if twin.guard.owner == f"run {row.run_id}":
            twin.guard.release()

    def _act(self, twin: Twin, row: Event) -> None:
        if "commands" not in row.body:
            return
        self._lease(twin, row)
        state = twin.guard.state()
        if state.commands != row.body["commands"]:
            raise NotAvailable(
                f"before event {row.seq} the instrument had counted {row.body['commands']} commands, and this ledger "
                f"accounts for {state.commands}",
                "a hand, or a run that is kept in another store, used it",
            )
        pixels, error = self._carried_out(twin, row)
        self.sent.append(_held_against(row, self._end(row), pixels, error, _state(twin)))

    def _carried_out(self, twin: Twin, row: Event) -> tuple[Pixels, str]:
        fate = fate_of(self.recording.ledger, row, twin.guard.state())
        try:
            return twin.carried_out(fate, lambda: _send(twin.guard, row)), ""
        except EucentricError as error:
            return (), error.what
        except Died:
            twin.hang_up()
            return (), "died"

    def _end(self, row: Event) -> Event | None:
        rows = self.recording.ledger.events(run=row.run_id, action_id=row.action_id)
        return next((one for one in rows if one.seq > row.seq and one.kind in ENDS), None)


_DOES: dict[str, Callable[[Earlier, Twin, Event], None]] = {
    "leased": Earlier._lease,
    "changed": Earlier._release_hold,
    "called": Earlier._read,
    "concluded": Earlier._read,
    "intended": Earlier._act,
    "paused": Earlier._wait,
    "released": Earlier._wait,
    "finished": Earlier._release,
}


def waits(seconds: float) -> list[float]:
    """The waits for a signal that add up to so much."""
    whole = int(seconds // STEP_S)
    rest = seconds - whole * STEP_S
    return [STEP_S] * whole + ([rest] if rest > 0 else [])


def _send(guard: Guard, row: Event) -> Pixels:
    """The command of a row 'intended'; the pixels, if it was a scan."""
    act, args, token = row.body["act"], dict(row.body["args"]), row.hash
    if act == "acquire":
        return guard.acquire(scan_spec(Scan.model_validate(args)), token=token)[1]
    if act == "move_stage":
        guard.move(to_si(STAGE, args), token=token)
    elif act == "set_optics":
        guard.set_optics(to_si(OPTICS, args), token=token)
    elif act == "insert_detector":
        guard.insert(args["detector"], args["inside"], token=token)
    elif act == "wait":
        guard.wait(args["seconds"])
    return ()


def _state(twin: Twin) -> dict[str, Any]:
    guard = twin.guard
    caps = guard.capabilities()
    return named_state(caps.identity, caps.simulated, guard.state(), guard.held()).model_dump(mode="json")


def _held_against(row: Event, end: Event | None, pixels: Pixels, error: str, state: dict[str, Any]) -> Sent:
    """Whether it ended as its row says, with the same bytes."""
    found: list[str] = []
    if end is not None and error != "died":
        told = (end.body.get("error") or {}).get("what", "")
        if told != error:
            found.append(f"ended {told or 'well'!r}, now {error or 'well'!r}")
        if "state" in end.body and end.kind == "returned" and end.body["state"] != state:
            found.append("another read-back")
        frames = [frame["sha256"] for frame in end.body.get("frames", ())]
        now = [hashlib.sha256(npy(np.ascontiguousarray(one, np.float32))).hexdigest() for one in pixels]
        if not error and end.kind == "returned" and frames != now:
            found.append("another frame")
    return Sent(event=row.seq, run=row.run_id, what=row.summary, same=not found, differences=tuple(found))
