"""The instrument in the hands of one run: taken on an approval, kept dark while nothing is sent, given back."""

import contextlib
from typing import Any

from eucentric.agent.acting.counting import reading
from eucentric.agent.consent.permit import Permit, Terms
from eucentric.agent.custody.restore import Snapshot
from eucentric.agent.gate import held_when_asked
from eucentric.agent.run import Run
from eucentric.core.calls import Approval
from eucentric.core.errors import ApprovalRefused, EucentricError


class Taking:
    """Writer lease, approval in force, and how the instrument stood when it was first taken."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.permit: Permit | None = None
        self.before: Snapshot | None = None
        """As it stood when the run first took it, also if that was before a crash."""
        self._leased = False

    def take(self, approval: Approval, plan_sha256: str) -> Permit:
        """Put an approval in force: take the writer lease, and allow the beam again if it was held.

        Raises
        ------
        ApprovalRefused
            It is not for what is there now, or the beam was stopped after the card was shown: whoever
            approved could not know that.
        """
        instrument, state = self.run.instrument, self.run.now()
        terms = Terms.of(plan_sha256, instrument.capabilities(), self.run.rules.label)
        permit = Permit(approval, terms, state.time_s)
        permit.check_state(state)
        self._check_hold(approval, state.held)
        if not self._leased:  # a run may ask again while it holds the instrument
            instrument.lease(f"run {self.run.id}")
            self._leased = True
            self.before = self._first_seen(state.commands)
        if held := instrument.held():
            self._check_hold(approval, held)
            self.run.log(
                "changed", f"hold of the beam released by {approval.by}: {state.held}", {"held": held}
            )
            instrument.clear_hold(approval.by)
        self.permit = permit
        return permit

    def _check_hold(self, approval: Approval, held: str | None) -> None:
        if held and held != held_when_asked(self.run, approval.gate):
            raise ApprovalRefused(
                f"the beam was stopped after gate {approval.gate} was asked",
                f"held: {held}; the approval does not cover that",
                "run it again: the next card says that the beam is held",
            )

    def _first_seen(self, commands: int) -> Snapshot:
        """What a restore puts back: read now, or by the first process that worked on this run.

        Parameters
        ----------
        commands
            The driver's count before the lease was taken, which blanks.
        """
        rows = self.run.store.ledger.events(run=self.run.id, kinds=("leased",), limit=1)
        seen = Snapshot.of(self.run.now())
        body = {**seen.model_dump(mode="json"), **reading(self.run.instrument, commands)}
        self.run.log("leased", f"writer lease taken; {seen.words}", body)
        return Snapshot.of_row(rows[0]) if rows else seen

    def darken(self) -> str:
        """Make sure that the beam is blanked, and say what the blanker says then.

        Between two acts it always is; a hand, or a blanker that fails, may have changed that. A wait of no time
        blanks without a hold; if that does not help, the instrument is stopped, and held.
        """
        instrument = self.run.instrument
        if instrument.state().blanked:
            return "blanked"
        if not self._leased:
            return "not ours"
        with contextlib.suppress(EucentricError):
            instrument.wait(0.0)
        if instrument.state().blanked or instrument.stop(f"run {self.run.id} waits and the beam was on"):
            return "blanked"
        return "NOT VERIFIED"

    def counted(self) -> dict[str, Any]:
        """The driver's count of commands, for a row of what is no act; nothing if the instrument was never taken."""
        return reading(self.run.instrument) if self.before else {}

    def dark_for_question(self, why: str) -> str:
        """Blank: nobody knows how long a person takes. A beam that is not ours is held, too."""
        beam = self.darken()
        if beam == "not ours":
            self.run.instrument.blank(why)
            beam = "blanked" if self.run.instrument.state().blanked else "NOT VERIFIED"
        return beam

    def let_go(self) -> str:
        """Blank and give the lease back; what the blanker says then."""
        if not self._leased:
            return "not ours"
        with contextlib.suppress(EucentricError):
            self.run.instrument.release()
            self._leased = False
        with contextlib.suppress(EucentricError):
            if self.run.instrument.state().blanked or self.run.instrument.stop(f"end of run {self.run.id}"):
                return "blanked"
        return "NOT VERIFIED"
