"""One request from sentence to report: the steps that the graph wires together."""

import contextlib
import traceback
from typing import Any

from eucentric.agent.acts import GatedMicroscope
from eucentric.agent.agenda import Agenda, Item
from eucentric.agent.card import gate_card
from eucentric.agent.edit import edited
from eucentric.agent.ending import GATE_SAYS, ending_of
from eucentric.agent.executor import Executor
from eucentric.agent.gate import Asked, Channel, decision, held_when_asked, open_gate, wait_for_answer
from eucentric.agent.judge import Judgement, judge, judge_error
from eucentric.agent.observer import Observer as Observer
from eucentric.agent.outcome import EXIT, Ending, RunOutcome
from eucentric.agent.permit import Permit, binding_of
from eucentric.agent.planner import Defaults, Planner, Situation
from eucentric.agent.preview import Preview, envelope_for, preview
from eucentric.agent.readback import named_state
from eucentric.agent.report import write_report
from eucentric.agent.run import Run
from eucentric.core.anchors import frame_anchors, state_anchors
from eucentric.core.calls import Approval, ToolCall
from eucentric.core.chain import verify
from eucentric.core.errors import ApprovalRefused, BadInput, Defect, EucentricError, Stopped
from eucentric.core.instrument import MicroscopeState
from eucentric.core.plan import Plan, Proposal
from eucentric.core.request import Request, SpecimenCard
from eucentric.tools.base import Setting
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
        self.proposal: Proposal | None = None
        self.shown: Preview | None = None
        self.agenda: Agenda | None = None
        self.answers: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self.error: EucentricError | None = None
        self.gate: str | None = None
        self.say = ""
        self._leased = False
        self._loop_start_s: dict[str, float] = {}

    # --- reading --------------------------------------------------------------------------------------

    def state(self) -> MicroscopeState:
        """The instrument as it is."""
        caps, instrument = self.run.capabilities, self.run.instrument
        return named_state(caps.identity, caps.simulated, instrument.state(), instrument.held())

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
        self.proposal = self.planner.propose(self.request, self.situation())
        body: dict[str, Any] = {"proposal": self.proposal.model_dump(mode="json")}
        if self.proposal.plan:
            body["plan_sha256"] = self.proposal.plan.sha256
        title = self.proposal.plan.title if self.proposal.plan else self.proposal.say
        self.run.log("planned", f"{self.proposal.outcome}: {title}"[:400], body, actor=self.planner.name)
        self.observer.proposed(self.proposal)
        self.say = self.proposal.say
        return self.proposal.outcome

    def rehearse(self) -> str:
        """Plan to preview: 'ok', or 'refused' if it can't run as it is."""
        self.shown = self._previewed(self.plan)
        body = {"preview": self.shown.model_dump(mode="json"), "plan_sha256": self.plan.sha256}
        self.run.log("previewed", f"{self.shown.seconds:.0f} s, {self.shown.frames} frames", body)
        self.observer.previewed(self.plan, self.shown)
        if self.shown.problems:
            self.say = f"Refused: {'; '.join(self.shown.problems)}. Nothing was sent to the instrument."
        return "refused" if self.shown.problems else "ok"

    def _previewed(self, plan: Plan) -> Preview:
        setting = Setting(self.run.capabilities, self.state(), self.run.specimen or _no_card())
        shown = preview(plan, setting, self.budget(), self.run.dose_at(None), self.run.dose_in)
        shown = self._with_earlier_reach(shown, plan)
        if not shown.frames or self.run.specimen is not None:
            return shown
        no_card = "no specimen card, no beam: give one with --specimen CARD.toml"
        return shown.model_copy(update={"problems": (*shown.problems, no_card)})

    def _with_earlier_reach(self, shown: Preview, plan: Plan) -> Preview:
        """A run taken up again stands elsewhere than it began; its recorded targets keep their places."""
        for row in self.run.store.ledger.events(run=self.run.id, kinds=("previewed",)):
            if row.body.get("plan_sha256") == plan.sha256:
                shown = shown.joined_with(Preview.model_validate(row.body["preview"]))
        return shown

    def ask(self) -> str:
        """Ask a person; returns the outcome at the gate."""
        while True:
            asked = self._question()
            approval = wait_for_answer(self.run, asked, self.channel)
            self.observer.decided(approval)
            if approval.outcome != "edited":
                return self._answered(approval)
            self._edit(approval.reason)

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
            if approval is not None and approval.outcome not in _VOID_WHEN_RESUMED:
                self.gate = approval.gate
                self.observer.decided(approval)
                return self._answered(approval)
        return self.ask()

    def _question(self) -> Asked:
        if self.shown is None:
            raise Defect("asked before the preview")
        count = len(self.run.store.ledger.events(run=self.run.id, kinds=("asked",)))
        self.gate = f"g{count + 1}"
        state = self.state()
        envelope = envelope_for(self.plan, self.shown)
        card = gate_card(self.plan, self.shown, envelope, self.run.specimen, state, self.gate)
        binding = binding_of(self.plan.sha256, self.run.capabilities.limits_version, state).sha256
        asked = Asked(self.gate, card, binding, envelope, self.plan.model_dump(mode="json"), state.held)
        open_gate(self.run, asked)
        return asked

    def _answered(self, approval: Approval) -> str:
        if approval.outcome != "approved":
            self.say = GATE_SAYS.get(approval.outcome, approval.outcome).format(
                run=self.run.id, gate=approval.gate, by=approval.by, reason=approval.reason
            )
            return approval.outcome
        self.take(approval)
        return "approved"

    def take(self, approval: Approval) -> None:
        """Put an approval in force: take the writer lease, and allow the beam again if it was held.

        Raises
        ------
        ApprovalRefused
            It is not for what is there now, or the beam was stopped after the card was shown: whoever
            approved could not know that.
        """
        state = self.state()
        version = self.run.instrument.capabilities().limits_version
        permit = Permit(approval, self.plan.sha256, version, state.time_s)
        permit.check_state(state)
        self._check_hold(approval, state.held)
        self.run.instrument.lease(f"run {self.run.id}")
        self._leased = True
        if self.run.instrument.held():
            self._check_hold(approval, self.run.instrument.held())
            self.run.log(
                "changed", f"hold of the beam released by {approval.by}: {state.held}", {"held": state.held}
            )
            self.run.instrument.clear_hold(approval.by)
        self.executor.permit = permit

    def _check_hold(self, approval: Approval, held: str | None) -> None:
        if held and held != held_when_asked(self.run, approval.gate):
            raise ApprovalRefused(
                f"the beam was stopped after gate {approval.gate} was asked",
                f"held: {held}; the approval does not cover that",
                "run it again: the next card says that the beam is held",
            )

    def _edit(self, text: str) -> None:
        """Apply 'step.argument=value' and rehearse again; a change that can't run is not taken over."""
        if self.proposal is None:
            raise Defect("no proposal to edit")
        try:
            plan = edited(self.plan, text)
            problems = self._previewed(plan).problems
        except BadInput as error:
            problems = (str(error),)
        if problems:
            self.observer.told(f"Not changed: {'; '.join(problems)}")
            return
        self.proposal = self.proposal.model_copy(update={"plan": plan})
        body = {"proposal": self.proposal.model_dump(mode="json"), "plan_sha256": plan.sha256, "edit": text}
        self.run.log("planned", f"edited: {text}"[:400], body, actor="person")
        self.rehearse()

    def next_call(self) -> str:
        """Make one call; returns 'more', 'over' or 'stop'."""
        if self.agenda is None:
            self.agenda = Agenda(self.run.id, self.plan)
        try:
            self._go_on()
            following = self.agenda.next()
        except EucentricError as error:
            return self._halt(error)
        self._tell_left_out(self.agenda)
        return "over" if following is None else self._make(self.agenda, *following)

    def _go_on(self) -> None:
        """A stopped run reads and analyses no more, either; stopping itself always goes on."""
        safety = self.proposal is not None and self.proposal.outcome == "safety"
        if self.run.stopping.is_set() and not safety:
            raise Stopped("the run was stopped", "the steps that were left were not begun")

    def _make(self, agenda: Agenda, item: Item, call: ToolCall) -> str:
        try:
            self._wait(item, call)
            result = self.executor.call(call)
        except EucentricError as error:
            return self._judged(item, judge_error(error, bool(item.path)), error)
        except Exception as error:  # a bug of ours: stop safely and keep the trace
            self.run.log("failed", f"defect: {error!r}"[:400], {"trace": traceback.format_exc()[-4000:]})
            broke = Defect(f"{call.tool} broke: {error!r}", remedy="report it with the run's folder")
            return self._halt(broke)
        agenda.done(item, result.value)
        self.observer.result(call, result)
        answer = {"step": item.id, "tool": call.tool, "summary": result.summary, "value": result.value}
        self.answers.append(answer)
        return self._judged(item, judge(call, result), None)

    def _tell_left_out(self, agenda: Agenda) -> None:
        while agenda.left_out:
            step, length, rounds = agenda.left_out.pop(0)
            text = f"{step}: {length - rounds} of {length} left out, the plan is for at most {rounds}"
            self.run.log("excluded", text, {"step": step, "length": length, "at_most": rounds})
            self.skipped.append(text)

    def _wait(self, item: Item, call: ToolCall) -> None:
        """For timed repeats: until the round is due. A call begun before a crash has waited already."""
        if not item.due:
            return
        now = self.run.instrument.state().time_s
        begun = self._begun_s(call)
        for loop, _ in item.due:
            start = now if begun is None else min(begun, now)
            self._loop_start_s.setdefault(loop, start)
        rest = max(self._loop_start_s[loop] + after for loop, after in item.due) - now
        if rest > 0 and begun is None:
            stub = call.model_copy(update={"id": f"{call.id}~wait"})
            GatedMicroscope(self.run, stub, self.executor.permit).wait(rest)

    def _begun_s(self, call: ToolCall) -> float | None:
        """Instrument time at which a call first began, if it did."""
        rows = self.run.store.ledger.events(run=self.run.id, kinds=("called",), action_id=call.id, limit=1)
        state = rows[0].body.get("state") if rows else None
        return float(state["time_s"]) if state else None

    def _judged(self, item: Item, judgement: Judgement, error: EucentricError | None) -> str:
        if judgement.verdict == "go on":
            return "more"
        body = {"step": item.id, **judgement.model_dump(mode="json")}
        self.run.log("judged", f"{judgement.verdict}: {judgement.why}"[:400], body)
        if judgement.verdict == "stop" or not item.path:  # outside a loop there is no next place to go to
            return self._halt(error or EucentricError(judgement.why, judgement.rule))
        self._skip(item, judgement)
        return "more"

    def _skip(self, item: Item, judgement: Judgement) -> None:
        dropped = self.agenda.drop_round(item) if self.agenda else 0
        body = {"step": item.id, "calls_dropped": dropped}
        self.run.log("excluded", f"{item.id}: {judgement.why}"[:400], body)
        self.skipped.append(f"{item.id}: {judgement.why}")
        self.observer.skipped(item, judgement)

    def _halt(self, error: EucentricError) -> str:
        self.error = error
        return "stop"

    # --- the end --------------------------------------------------------------------------------------

    def finish(self, outcome: str, *, report: bool) -> RunOutcome:
        """Blank, give the lease back, write the last row and the report, anchor, verify."""
        beam = self._let_go()
        ending = self._ending(outcome)
        what = self.error.what if self.error else self.say or self.request.text
        body = {
            "outcome": ending,
            "error": self.error.as_dict() if self.error else None,
            "skipped": self.skipped,
            "beam": beam,
        }
        if ending == "stopped":
            self.run.log("stopped", what[:400], {"beam": beam})
        self.run.log("finished", f"{ending}: {what}"[:400], body)
        path = self._report() if report else None
        seq, head = self.run.store.anchor()
        return self._outcome(ending, path, seq, head)

    def _let_go(self) -> str:
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

    def _ending(self, outcome: str) -> Ending:
        steps = [str(answer["step"]) for answer in self.answers]
        answer = self.proposal is not None and self.proposal.outcome == "answer"
        ending, self.error = ending_of(
            self.run, outcome, self.error, steps, answer=answer, skipped=bool(self.skipped)
        )
        return ending

    def _report(self) -> str | None:
        """A report that can't be made does not undo the run: everything in it is in the ledger."""
        try:
            path = str(write_report(self.run.store, self.run.id)[1])
        except Exception as error:
            self.run.log("failed", f"no report: {error}"[:400], {"trace": traceback.format_exc()[-4000:]})
            self.observer.told(f"The report could not be made: {error}")
            return None
        self.run.log("reported", f"report {path}", {"path": path})
        return path

    def _outcome(self, ending: Ending, report: str | None, seq: int, head: str) -> RunOutcome:
        ledger = self.run.store.ledger.path
        checked = verify(ledger, [*state_anchors(ledger), *frame_anchors(self.run.store.folder)])
        proposal = self.proposal
        return RunOutcome(
            run=self.run.id,
            outcome=ending,
            exit_code=EXIT[ending] if checked.ok else 1,
            say=self.say,
            options=proposal.options if proposal else (),
            plan=proposal.plan.model_dump(mode="json") if proposal and proposal.plan else None,
            preview=self.shown.model_dump(mode="json") if self.shown else None,
            answers=tuple(self.answers),
            findings=self.run.findings(),
            skipped=tuple(self.skipped),
            gate=self.gate if ending == "parked" else None,
            error=self.error.as_dict() if self.error else None,
            report=report,
            events=seq,
            head=head,
            verified=checked.ok,
        )


def _no_card() -> SpecimenCard:
    return SpecimenCard(name="none", material="unknown")
