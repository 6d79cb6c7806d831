"""Requests to a run, as rows that any process may write: pause, resume, abort, finish. The run reads them at each act.

The words mean what they mean in Bluesky: *pause* waits between two acts, *resume* releases it, *finish* (Bluesky's
stop) ends in order and counts what was done, *abort* ends in order at once. `eucentric stop` is none of them: it
is never a request, it blanks the beam through the host, freezes and holds (Bluesky's halt, with a dark beam).

Only `core` is imported, so that a pause from another terminal does not wait for anything heavy.
"""

from typing import Literal

from eucentric.core.base import Model
from eucentric.core.errors import BadInput, Busy
from eucentric.core.event import Event
from eucentric.core.ledger import Ledger
from eucentric.core.store import Store
from eucentric.core.text import visible

Verb = Literal["pause", "resume", "abort", "finish"]
When = Literal["now", "after_step", "after_frame"]

ABORTED = "E-STOP-02"
"""Code of a run that was aborted: an orderly end, settings are put back."""
FINISHED = "E-STOP-03"
"""Code of a call that was cut short because a paused run was to finish."""
WAITS = ("paused", "suspended")
_STANDING = (*WAITS, "released", "finished", "requested", "resumed")
_NEWEST = 200
"""Runs looked at when nobody names one."""


class Control(Model):
    """One request."""

    do: Verb
    when: When = "now"
    """For a pause: before the next act, when the step is over, or when the next frame is complete (or the step)."""
    by: str
    reason: str = ""

    @property
    def words(self) -> str:
        """For the row, and for the person who is told."""
        late = {"now": "", "after_step": " after the step", "after_frame": " after the frame"}[self.when]
        reason = f": {visible(self.reason, limit=300)}" if self.reason else ""
        return (
            f"{self.do}{late if self.do == 'pause' else ''}, asked by {visible(self.by, limit=200)}{reason}"
        )


def control_of(row: Event) -> Control:
    """The request in a row. One that can't be read (of another version, say) pauses: that sends nothing."""
    try:
        return Control.model_validate(row.body)
    except ValueError:
        return Control(do="pause", by=row.actor, reason=f"event {row.seq} is a request that can't be read")


class Wishes:
    """What was asked of a run and still holds."""

    def __init__(self) -> None:
        self.pause: Control | None = None
        self.end: Control | None = None
        """An abort or a finish; nothing takes it back, and a finish never replaces an abort."""
        self.released: Control | None = None
        """The newest resume."""

    def take(self, wish: Control) -> None:
        """Add one, in the order of the rows."""
        if wish.do == "pause":
            self.pause = wish
        elif wish.do == "resume":
            self.pause, self.released = None, wish
        elif self.end is None or wish.do == "abort":
            self.end = wish


def ask(store: Store, run_id: str, control: Control) -> Event:
    """Write a request to a run that a process works on.

    Raises
    ------
    BadInput
        No process works on it: nobody would read the request.
    """
    _check_alive(store, run_id)
    return store.ledger.append(run_id, "control", control.by, control.words, control.model_dump(mode="json"))


def waits_for_release(store: Store, run_id: str) -> bool:
    """Whether the run is alive, and paused or about to be.

    Raises
    ------
    Busy
        It is suspended by a rule: it goes on when the rule says so, nobody can hurry it.
    """
    if not store.is_locked(run_id):
        return False
    waits = standing(store.ledger, run_id)
    if waits is not None and waits.kind == "suspended":
        raise Busy(
            f"run {run_id} is {told(waits)}",
            "it goes on by itself when the signal is good again",
            f"`eucentric abort {run_id}` ends it",
        )
    return waits is not None or _pending(store.ledger, run_id) is not None


def release(store: Store, run_id: str, by: str) -> Event | None:
    """Let a paused run go on; the row that says so. None if it does not wait for that.

    Raises
    ------
    Busy
        It is suspended by a rule.
    """
    return ask(store, run_id, Control(do="resume", by=by)) if waits_for_release(store, run_id) else None


def standing(ledger: Ledger, run_id: str) -> Event | None:
    """The row 'paused' or 'suspended' of a run that stands still, or None."""
    rows = ledger.events(run=run_id, kinds=_STANDING, newest_first=True, limit=1)
    return rows[0] if rows and rows[0].kind in WAITS else None


def told(row: Event) -> str:
    """'paused by NAME since 14:03:21 UTC: why', from its row."""
    why = visible(str(row.body.get("reason") or ""), limit=300)
    return f"{row.kind} by {visible(row.actor, limit=120)} since {row.ts[11:19]} UTC" + (
        f": {why}" if why else ""
    )


def only_alive(store: Store, run_id: str | None = None) -> str:
    """The run that is named, or the one that is alive.

    Raises
    ------
    BadInput
        No such run, it is not alive, or none was named and not exactly one is alive.
    """
    if run_id is not None:
        _check_alive(store, run_id)
        return run_id
    rows = store.ledger.events(kinds=("requested",), newest_first=True, limit=_NEWEST)
    alive = [row.run_id for row in rows if store.is_locked(row.run_id)]
    if len(alive) == 1:
        return alive[0]
    if not alive:
        raise BadInput(
            "no run of this store is alive", "there is nothing to control", "see `eucentric status`"
        )
    raise BadInput(f"{len(alive)} runs are alive: {', '.join(alive)}", remedy="name the run")


def _check_alive(store: Store, run_id: str) -> None:
    if not store.ledger.events(run=run_id, kinds=("requested",), limit=1):
        raise BadInput(f"there is no run {visible(run_id, limit=80)!r}", remedy="see `eucentric audit list`")
    if not store.is_locked(run_id):
        raise BadInput(
            f"no process works on run {run_id}",
            "nobody would read the request; nothing was written",
            f"see `eucentric resume {run_id} --explain`",
        )


def began(ledger: Ledger, run_id: str) -> int:
    """Number of the row with which the present process took the run: older requests were for another."""
    rows = ledger.events(run=run_id, kinds=("requested", "resumed"), newest_first=True, limit=1)
    return rows[0].seq if rows else 0


def _pending(ledger: Ledger, run_id: str) -> Control | None:
    """A pause that was asked for and not reached yet."""
    wishes = Wishes()
    for row in ledger.events(run=run_id, kinds=("control",), after=began(ledger, run_id)):
        wishes.take(control_of(row))
    return wishes.pause
