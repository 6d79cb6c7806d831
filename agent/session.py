"""One request from sentence to report: the steps that the graph wires together."""

import contextlib
from typing import Any

from eucentric.agent.asking import Asking
from eucentric.agent.closing import outcome_of, reported
from eucentric.agent.consent.deciding import decision
from eucentric.agent.consent.edit import edited
from eucentric.agent.consent.rejections import IN_A_ROW
from eucentric.agent.course import Course
from eucentric.agent.custody.checkpoint import Checkpoint
from eucentric.agent.custody.restore import put_back
from eucentric.agent.custody.taking import Taking
from eucentric.agent.ending import GATE_SAYS, ending_of
from eucentric.agent.executor import Executor
from eucentric.agent.gate import Channel
from eucentric.agent.observer import Observer as Observer
from eucentric.agent.outcome import Ending, RunOutcome
from eucentric.agent.planner import Defaults, Planner, Situation
from eucentric.agent.preview.changes import plan_changes
from eucentric.agent.preview.foresight import foreseen
from eucentric.agent.preview.preview import Preview
from eucentric.agent.pricing import priced
from eucentric.agent.report import write_report
from eucentric.agent.run import Run
from eucentric.agent.twins import repeats_itself
from eucentric.core.approval import GRANTING, Approval
from eucentric.core.clock import utc_now
from eucentric.core.errors import BadInput, Defect, EucentricError
from eucentric.core.instrument import MicroscopeState
from eucentric.core.plan import Plan, Proposal
from eucentric.core.request import Request
from eucentric.tools.catalogue import CATALOGUE

_VOID_WHEN_RESUMED = ("aborted", "edited")
"""Decisions that a resumed run does not take for an answer to its plan."""


class Session:
    """Holds what one run needs between the nodes of the graph. Nothing here is state of langgraph."""

    def __init__(
        self, run: Run, request: Request, planner: Planner | None, channel: Channel, observer: Observer
    ) -> None:
        self.run, self.request, self.planner = run, request, planner
        self.channel, self.observer = channel, observer
        self.executor = Executor(run, lambda: write_report(run.store, run.id))
        self.taking = Taking(run)
        self.checkpoint = Checkpoint(run, self.taking, observer)
        run.checkpoint = self.checkpoint.before_act
        self.asking = Asking(run, self.taking, self.checkpoint)
        self.course = Course(run, self.executor, self.checkpoint, observer)
        self.proposal: Proposal | None = None
        self.shown: Preview | None = None
        self.error: EucentricError | None = None
        self.gate: str | None = None
        self.rejected: list[str] = []
        """Plans that were rejected one after the other: by whom and why."""
        self.say = ""

    # --- reading --------------------------------------------------------------------------------------

    def state(self) -> MicroscopeState:
        """The instrument as it is."""
        return self.run.now()

    def situation(self) -> Situation:
        """What a planner may know."""
        with contextlib.suppress(BadInput):
            return self._situation(self.run.frame("last"))
        return self._situation(None)

    def _situation(self, last: Any) -> Situation:
        return Situation(
            specimen=self.run.specimen,
            capabilities=self.run.capabilities,
            state=self.state(),
            defaults=Defaults(),
            last_frame=last,
            findings=self.run.findings(),
            positions=self.run.positions(),
            tools=tuple(tool.name for tool in CATALOGUE),
            rejected=tuple(self.rejected),
        )

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        if self.proposal is None or self.proposal.plan is None:
            raise Defect("there is no plan")
        return self.proposal.plan

    def budget(self) -> float:
        """Most any place may receive: the smaller of the card's and the request's [e/Å²]."""
        card = self.run.specimen.dose_budget_e_per_a2 if self.run.specimen else float("inf")
        asked = self.plan.budget_e_per_a2
        return min(card, asked if asked is not None else card, 1e12)

    # --- steps of the graph ---------------------------------------------------------------------------

    def propose(self) -> str:
        """Sentence to proposal; returns its outcome."""
        if self.planner is None:
            raise Defect("no planner")
        self.proposal = self._tied(self._numbered(self.planner.propose(self.request, self.situation())))
        body: dict[str, Any] = {"proposal": self.proposal.model_dump(mode="json")}
        if self.proposal.plan:
            body["plan_sha256"] = self.proposal.plan.sha256
        title = self.proposal.plan.title if self.proposal.plan else self.proposal.say
        self.run.log("planned", f"{self.proposal.outcome}: {title}"[:400], body, actor=self.planner.name)
        self.observer.proposed(self.proposal)
        self.say = self.proposal.say
        if self.proposal.outcome == "answer" and self.proposal.plan is None:
            return "clarify"  # words of a model: nothing was looked up
        return self.proposal.outcome

    def _numbered(self, proposal: Proposal) -> Proposal:
        """A plan after a rejection is a later revision."""
        if proposal.plan is None or not self.rejected:
            return proposal
        plan = proposal.plan.model_copy(update={"revision": 1 + len(self.rejected)})
        return proposal.model_copy(update={"plan": plan})

    def _tied(self, proposal: Proposal) -> Proposal:
        """The plan with the numbers its steps will come to, so that these are what is approved."""
        if proposal.plan is None:
            return proposal
        return proposal.model_copy(update={"plan": foreseen(self.run, proposal.plan).plan})

    def rehearse(self) -> str:
        """Plan to preview: 'ok', or 'refused' if it can't run as it is."""
        self.run.planner = self.plan.planner
        self.shown = priced(self.run, self.plan, self.budget())
        body = {"preview": self.shown.model_dump(mode="json"), "plan_sha256": self.plan.sha256}
        self.run.log("previewed", f"{self.shown.seconds:.0f} s, {self.shown.frames} frames", body)
        self.observer.previewed(self.plan, self.shown)
        if self.shown.problems:
            self.say = f"Refused: {'; '.join(self.shown.problems)}. Nothing was sent to the instrument."
        return "refused" if self.shown.problems else "ok"

    def ask(self) -> str:
        """Ask about the plan, or about what is left of it; returns the outcome at the gate."""
        while True:
            plan, shown = self._left()
            self.gate = None
            approval = self.asking.ask(
                plan,
                shown,
                self.channel,
                plan_sha256=self.plan.sha256,
                done=self.course.done_so_far,
                why=self.course.asks,
            )
            self.gate = approval.gate
            self.observer.decided(approval)
            if approval.outcome != "edited":
                return self._answered(approval)
            self._edit(approval.reason)

    def _left(self) -> tuple[Plan, Preview]:
        """The plan with its price; once a step of it was done, the steps after it."""
        if self.shown is None:
            raise Defect("asked before the preview")
        if not self.course.begun:
            return self.plan, self.shown
        rest = self.course.rest_of(self.plan)
        return rest, priced(self.run, rest, self.budget())

    def ask_again(self) -> str:
        """For a resumed run: use a decision that was given while it was parked, else ask anew.

        An approval that was already used before a crash is not used again: the beam is held and the
        person who resumes has to see why.
        """
        rows = self.run.store.ledger.events(run=self.run.id, kinds=("asked", "intended"))
        asked = [row for row in rows if row.kind == "asked"]
        used = [row for row in rows if row.kind == "intended"]
        if asked and not (used and used[-1].seq > asked[-1].seq):
            approval = decision(self.run.store, self.run.id, asked[-1].body["gate"])
            twin = repeats_itself(self.run.store, self.run, self.plan)  # exposing it again takes a new answer
            if approval is not None and not _void(approval) and not twin:
                self.gate = approval.gate
                self.observer.decided(approval)
                return self._answered(approval)
        return self.ask()

    def _answered(self, approval: Approval) -> str:
        if approval.outcome not in GRANTING:
            self.checkpoint.raise_if_aborted()
            if approval.outcome == "rejected" and self._another_plan(approval):
                return "replan"
            self.say = GATE_SAYS.get(approval.outcome, approval.outcome).format(
                run=self.run.id, gate=approval.gate, by=approval.by, reason=approval.reason
            )
            return approval.outcome
        self.rejected.clear()
        self.take(approval)
        return "approved"

    def _another_plan(self, approval: Approval) -> bool:
        """Whether the planner is asked for another one; after three rejections in a row nobody is."""
        self.rejected.append(f"{approval.by}: {approval.reason or 'no reason given'}")
        left = IN_A_ROW - len(self.rejected)
        revises = getattr(self.planner, "revises", False) and not self.course.begun
        if revises and left > 0:
            self.observer.told(
                f"Rejected by {approval.by}; the planner is asked for another plan ({left} left)."
            )
        return bool(revises and left > 0)

    def take(self, approval: Approval) -> None:
        """Put an approval in force (see `Taking.take`); from now on the instrument's suspenders count."""
        self.executor.permit = self.taking.take(approval, self.plan.sha256)
        self.checkpoint.arm()
        self.course.approved()

    def _edit(self, text: str) -> None:
        """Apply 'step.argument=value' and rehearse again; a change that can't run is not taken over."""
        if self.proposal is None:
            raise Defect("no proposal to edit")
        if self.course.in_a_loop:
            self.observer.told("Not changed: a loop is under way; reject, and ask for the rest anew")
            return
        try:
            plan = edited(self.plan, text)
            problems = priced(self.run, self.course.rest_of(plan), self.budget()).problems
        except BadInput as error:
            problems = (str(error),)
        if problems:
            self.observer.told(f"Not changed: {'; '.join(problems)}")
            return
        before = self.plan
        self.proposal = self.proposal.model_copy(update={"plan": plan})
        body = {
            "proposal": self.proposal.model_dump(mode="json"),
            "plan_sha256": plan.sha256,
            "edit": text,
            "changes": plan_changes(before, plan),
        }
        self.run.log("planned", f"edited: {text}"[:400], body, actor="person")
        if self.course.begun:
            self.course.turn_to(plan)
        else:
            self.rehearse()

    def next_call(self) -> str:
        """Make one call of the plan; what follows from it, as `Course.next_call` says."""
        safety = self.proposal is not None and self.proposal.outcome == "safety"
        follows = self.course.next_call(self.plan, safety=safety)
        self.error = self.course.error or self.error
        return follows

    # --- the end --------------------------------------------------------------------------------------

    def finish(self, outcome: str, *, report: bool) -> RunOutcome:
        """Put settings back, blank, give the lease back, write the last row and the report, anchor, verify."""
        try:
            ending = self._ending(outcome)
            restored = self._put_back(ending)
        finally:
            beam = self.taking.let_go()
        what = self.error.what if self.error else self.say or self.request.text
        body = {
            "outcome": ending,
            "error": self.error.as_dict() if self.error else None,
            "skipped": self.course.left_out,
            "beam": beam,
            "restored": restored,
            **self.checkpoint.told_wait(),
            **self.taking.counted(),
        }
        if ending == "stopped":
            self.run.log("stopped", what[:400], {"beam": beam})
        self.run.log("finished", f"{ending}: {what}"[:400], body)
        path = reported(self.run, self.observer) if report else None
        return outcome_of(
            self.run,
            ending,
            self.proposal,
            say=self.say,
            preview=self.shown.model_dump(mode="json") if self.shown else None,
            answers=tuple(self.course.answers),
            skipped=tuple(self.course.left_out),
            gate=self.gate if ending == "parked" else None,
            error=self.error.as_dict() if self.error else None,
            restored=restored["words"] if restored else "",
            report=path,
        )

    def _put_back(self, ending: Ending) -> dict[str, Any] | None:
        """What was put back and what not, with the snapshot; None if the instrument was never taken."""
        before = self.taking.before
        if before is None:
            return None
        result = put_back(self.run, self.taking.permit, before, self.plan, ending)
        if result.words:
            self.observer.told(f"At the end   {result.words}")
        return {
            "words": result.words,
            "before": before.model_dump(mode="json"),
            **result.model_dump(mode="json"),
        }

    def _ending(self, outcome: str) -> Ending:
        steps = [str(answer["step"]) for answer in self.course.answers]
        answer = self.proposal is not None and self.proposal.outcome == "answer"
        ending, self.error = ending_of(
            self.run, outcome, self.error, steps, answer=answer, skipped=bool(self.course.left_out)
        )
        return ending


def _void(approval: Approval) -> bool:
    """Whether a resumed run asks again although there is a decision."""
    expired = bool(approval.expires_utc) and utc_now() > approval.expires_utc
    return approval.outcome in _VOID_WHEN_RESUMED or (approval.outcome == "approved" and expired)
