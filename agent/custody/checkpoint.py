"""Where a run listens: before each act that commands the instrument, and before each call.

Here it waits while it is paused or suspended, beam blanked, and here it ends if somebody asked for that. Nothing
is sent from here. What ends a wait: a person (`eucentric resume`, abort, finish), a stop, a rule of a suspender,
or the end of the approval, which parks the run: then no act could follow, and nobody else could use the instrument.
"""

import time

from eucentric.agent.consent.asked import Answer, Asked
from eucentric.agent.custody.control import ABORTED, FINISHED, Control, Wishes, began, control_of
from eucentric.agent.custody.suspenders import Suspenders, Trip, suspenders_of
from eucentric.agent.custody.taking import Taking
from eucentric.agent.gate import Channel
from eucentric.agent.observer import Observer
from eucentric.agent.run import Run
from eucentric.core.clock import utc_now
from eucentric.core.errors import ApprovalRefused, EucentricError, Parked, Stopped
from eucentric.core.instrument import MicroscopeState
from eucentric.core.text import visible

POLL_S = 0.1
"""Wall time between two looks at the ledger while the run stands still [s]."""
STEP_S = 1.0
"""Instrument time between two looks at a signal that is to become good [s]."""
_RULE = "rule"


class Checkpoint:
    """The listening of one process that works on a run."""

    def __init__(self, run: Run, taking: Taking, observer: Observer) -> None:
        self.run, self.taking, self.observer = run, taking, observer
        self.wishes = Wishes()
        self.suspenders = Suspenders()
        self._seen = began(run.store.ledger, run.id)
        self._last_act = ""
        self.waited_s = 0.0
        """Waited for a signal since the last row that says so, in waits of `STEP_S`, the last one shorter [s]."""
        self._over: EucentricError | None = None
        """Why the run ended here: a tool that cleans up on its way out sends nothing more, either."""

    def arm(self) -> None:
        """The instrument was taken: from here on its suspenders count, and drops are measured from now."""
        self.suspenders = suspenders_of(self.run.instrument)
        self.suspenders.refer(self.run.now())

    def before_act(self, act: str) -> None:
        """Nothing is sent before this returns.

        Raises
        ------
        Stopped
            The run was stopped or aborted, or is to finish while it was paused.
        Parked
            The approval expired while the run stood still.
        LedgerError
            Requests can't be read: nothing more is sent.
        """
        if self._over is not None:
            raise self._over
        try:
            self._obey(act, self._last_act == "acquire")
            self._until_good(act)
        except EucentricError as error:
            self._over = error
            raise
        self._last_act = act

    def before_call(self) -> bool:
        """Between two steps; True if the run is to finish here. Raises as `before_act`."""
        self._read()
        if self.wishes.end is not None and self.wishes.end.do == "finish":
            return True
        self._obey("the next step", True, between=True)
        return False

    def at_gate(self, channel: Channel) -> Channel:
        """A channel that takes an abort or a finish for an answer, too: there is nothing yet to finish."""
        return _Interruptible(channel, self)

    def asked_to_end(self) -> Control | None:
        """The request to abort or finish, if there is one."""
        self._read()
        if self.wishes.end is not None and self.taking.permit is None:
            self.wishes.take(self.wishes.end.model_copy(update={"do": "abort"}))
        return self.wishes.end

    # --- requests -----------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Take in what was asked since the last look; rows of others than requests cost next to nothing."""
        ledger = self.run.store.ledger
        head = ledger.head()[0]
        if head <= self._seen:
            return
        for row in ledger.events(run=self.run.id, kinds=("control",), after=self._seen):
            self.wishes.take(control_of(row))
            head = max(head, row.seq)
        self._hear_revocations(self._seen)
        self._seen = head

    def _hear_revocations(self, after: int) -> None:
        """A run that a grant let begin ends before its next act once the grant is revoked."""
        permit = self.taking.permit
        if permit is None or not permit.approval.grant:
            return
        for row in self.run.store.ledger.events(run="-", kinds=("revoked",), after=after):
            if row.body.get("grant") == permit.approval.grant:
                raise Parked(
                    f"{permit.approval.grant} was revoked by {visible(row.actor, limit=120)}",
                    "nothing more is sent with it",
                    f"`eucentric resume {self.run.id}` asks somebody",
                )

    def _obey(self, before: str, frame_over: bool, *, between: bool = False) -> None:
        self._read()
        self.raise_if_aborted()
        pause = self.wishes.pause
        if pause is None:
            return
        if between or pause.when == "now" or (pause.when == "after_frame" and frame_over):
            self._paused(pause, before)

    def raise_if_aborted(self) -> None:
        """Nothing follows an abort."""
        end = self.wishes.end
        if end is not None and end.do == "abort":
            raise Stopped(
                f"aborted by {visible(end.by, limit=200)}",
                visible(end.reason, limit=300) or "no reason given",
                "start a new run: an aborted one is not taken up again",
                code=ABORTED,
            )

    def _raise_if_over(self, held_before: str | None) -> None:
        """While it stands still: an abort, a finish or a stop ends it here, whoever asks."""
        self.raise_if_aborted()
        if self.wishes.end is not None:
            raise Stopped(
                f"finished by {visible(self.wishes.end.by, limit=200)} while it was paused",
                "the step it was in was cut short",
                code=FINISHED,
            )
        if self.run.stopping.is_set():
            raise Stopped("stopped while the run was paused", "nothing was sent after the pause")
        held = self.run.instrument.held()
        if held and held != held_before:
            self.run.stopping.set()
            raise Stopped("stopped while the run was paused", f"held: {visible(held, limit=300)}")

    # --- standing still -----------------------------------------------------------------------------------

    def _paused(self, pause: Control, before: str) -> None:
        held, beam = self.run.instrument.held(), self.taking.darken()
        state, began_at = self.run.now(), time.monotonic()
        body = {"reason": pause.reason, "when": pause.when, "before": before, "beam": beam,
                "released_by": f"eucentric resume {self.run.id}", **self.told_wait(),
                **self.taking.counted()}  # fmt: skip
        self.run.log("paused", f"before {before}, beam {beam}: {pause.words}", body, actor=pause.by)
        self.observer.paused(
            f"Paused before {before} by {visible(pause.by)}, beam {beam}. `eucentric resume {self.run.id}` lets it "
            f"go on; finish or abort end it; stop still works."
        )
        while self.wishes.pause is not None:
            self._raise_if_over(held)
            self._raise_if_expired()
            time.sleep(POLL_S)
            self._read()
        by = self.wishes.released.by if self.wishes.released else "nobody"
        self._go_on(by, state, time.monotonic() - began_at)

    def _go_on(self, by: str, since: MicroscopeState, seconds: float) -> None:
        body = {"seconds": round(seconds, 2), "instrument_s": self._uncounted(since), **self.told_wait()}
        self.run.log("released", f"by {visible(by)} after {seconds:.0f} s", body, actor=by)
        self.observer.released(f"Released by {visible(by)} after {seconds:.0f} s; going on.")

    def _uncounted(self, since: MicroscopeState) -> float:
        """The time it stood still [s], not taken off the approved instrument time: the specimen got no dose."""
        stood_s = self.run.now().time_s - since.time_s
        if self.taking.permit is not None:
            self.taking.permit.started_s += stood_s
            self.run.expect(since)
        return stood_s

    def _raise_if_expired(self) -> None:
        permit = self.taking.permit
        if permit is None or not permit.approval.expires_utc or utc_now() <= permit.approval.expires_utc:
            return
        raise Parked(
            f"the approval expired at {permit.approval.expires_utc} while the run was paused",
            "nothing more can be sent with it; the instrument is free for others",
            f"`eucentric resume {self.run.id}` asks again",
        )

    # --- suspenders ---------------------------------------------------------------------------------------

    def _until_good(self, act: str) -> None:
        while self.suspenders.rules:
            trip = self.suspenders.tripped(self.run.now())
            if trip is None:
                return
            self._suspended(trip, act)

    def _suspended(self, trip: Trip, before: str) -> None:
        """Wait as the rule says; if that does not help, or it says so, for a person."""
        beam = self.taking.darken()
        version = self.run.instrument.capabilities().limits_version
        body = {
            **trip.body(),
            "limits_version": version,
            "before": before,
            "beam": beam,
            **self.taking.counted(),
        }
        self.run.log("suspended", f"before {before}, beam {beam}: {trip.why}", body, actor=_RULE)
        self.suspenders.waited(trip)
        if trip.rule.then == "resume" and self._became_good(trip):
            return
        if self.wishes.pause is None or self.wishes.pause.when != "now":
            self.wishes.take(Control(do="pause", by=_RULE, reason=trip.why))
        self._obey(before, True)
        self.suspenders.accepted(trip)

    def _became_good(self, trip: Trip) -> bool:
        """Whether the signal was good for `hold_s` within `at_most_s` of instrument time, nobody having paused."""
        rule, began_at, first = trip.rule, time.monotonic(), self.run.now()
        self.observer.paused(f"Suspended: {trip.why}. It goes on when that is good for {rule.hold_s:g} s.")
        waited_s, good_since_s = 0.0, None
        while True:
            if self.suspenders.check(rule, self.run.now()):
                good_since_s = None
            elif good_since_s is None:
                good_since_s = waited_s
            if good_since_s is not None and waited_s - good_since_s >= rule.hold_s:
                self._go_on(_RULE, first, time.monotonic() - began_at)
                return True
            if waited_s >= rule.at_most_s or self.wishes.pause is not None:
                self._uncounted(first)
                return False
            self._raise_if_over(first.held)
            waited_s += self._wait(min(STEP_S, rule.at_most_s - waited_s))
            self._read()

    def _wait(self, seconds: float) -> float:
        """Instrument time passes, beam dark; how much was waited [s]. Not every instrument has a clock to ask."""
        try:
            self.run.instrument.wait(seconds)
        except EucentricError as error:
            if isinstance(error, Stopped):
                self.run.stopping.set()
            raise
        self.waited_s += seconds
        return seconds

    def told_wait(self) -> dict[str, float]:
        """For the next row: what was waited for a signal and is in no row yet; nothing, if nothing was."""
        waited, self.waited_s = self.waited_s, 0.0
        return {"waited_s": waited} if waited else {}


class _Interruptible:
    """A channel at the gate, and the requests beside it."""

    def __init__(self, channel: Channel, checkpoint: Checkpoint) -> None:
        self.channel, self.checkpoint = channel, checkpoint

    @property
    def person(self) -> bool:
        """Whether somebody is there."""
        return bool(getattr(self.channel, "person", False))

    def show(self, asked: Asked) -> None:
        """Present the card."""
        self.channel.show(asked)

    def told(self, what: str, why: str) -> None:
        """An answer that did not count."""
        tell = getattr(self.channel, "told", None)
        if tell is None:
            raise ApprovalRefused(what, why)
        tell(what, why)

    def over(self) -> None:
        """The question is decided."""
        getattr(self.channel, "over", lambda: None)()

    def poll(self, asked: Asked, seconds: float) -> Answer | None:
        """An answer of either."""
        end = self.checkpoint.asked_to_end()
        if end is not None:
            return Answer("aborted", end.by, end.words)
        return self.channel.poll(asked, seconds)
