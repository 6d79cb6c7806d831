"""One request from sentence to report: the steps that the graph wires together."""

import contextlib
import fcntl
import traceback
from collections.abc import Iterator
from typing import Any

from eucentric.agent.acts import GatedMicroscope, named_state
from eucentric.agent.agenda import Agenda, Item
from eucentric.agent.card import gate_card
from eucentric.agent.executor import Executor
from eucentric.agent.gate import Asked, Channel, decision, open_gate, wait_for_answer
from eucentric.agent.judge import Judgement, judge, judge_error
from eucentric.agent.outcome import EXIT, Ending, RunOutcome
from eucentric.agent.permit import Permit, binding_of
from eucentric.agent.planner import Defaults, Planner, Situation
from eucentric.agent.preview import Preview, envelope_for, preview
from eucentric.agent.report import write_report
from eucentric.agent.run import Run
from eucentric.core.anchors import frame_anchors, state_anchors
from eucentric.core.calls import Approval, ToolCall, ToolResult
from eucentric.core.chain import verify
from eucentric.core.errors import BadInput, Busy, Defect, EucentricError, InDoubt, Parked, Stopped
from eucentric.core.instrument import MicroscopeState
from eucentric.core.plan import Plan, Proposal
from eucentric.core.request import Request, SpecimenCard
from eucentric.tools.base import Setting
from eucentric.tools.catalogue import CATALOGUE


class Observer:
    """What a person is told while a run goes on; the default says nothing."""

    def note(self, text: str) -> None:
        """One line of progress."""

    def proposed(self, proposal: Proposal) -> None:
        """What was understood."""

    def previewed(self, plan: Plan, shown: Preview) -> None:
        """The priced plan."""

    def decided(self, approval: Approval) -> None:
        """The outcome at the gate."""

    def result(self, call: ToolCall, result: ToolResult) -> None:
        """A call ended well."""

    def skipped(self, item: Item, judgement: Judgement) -> None:
        """A place was given up."""


class Session:
    """Holds what one run needs between the nodes of the graph. Nothing here is state of langgraph."""

    def __init__(
        self, run: Run, request: Request, planner: Planner | None, channel: Channel, observer: Observer
    ) -> None:
        self.run, self.request, self.planner, self.channel, self.observer = (
            run,
            request,
            planner,
            channel,
            observer,
        )
        self.executor = Executor(run, lambda: write_report(run.store, run.id))
        self.proposal: Proposal | None = None
        self.shown: Preview | None = None
        self.agenda: Agenda | None = None
        self.answers: list[dict[str, Any]] = []
        self.skipped: list[str] = []
        self.rounds_done = 0
        self.error: EucentricError | None = None
        self.gate: str | None = None
        self.say = ""
        self._loop_start_s: dict[tuple[int, ...], float] = {}

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
        body = {"proposal": self.proposal.model_dump(mode="json")}
        if self.proposal.plan:
            body["plan_sha256"] = self.proposal.plan.sha256
        title = self.proposal.plan.title if self.proposal.plan else self.proposal.say
        self.run.log("planned", f"{self.proposal.outcome}: {title}"[:400], body, actor=self.planner.name)
        self.observer.proposed(self.proposal)
        self.say = self.proposal.say
        return self.proposal.outcome

    def rehearse(self) -> str:
        """Plan to preview: 'ok', or 'refused' if it can't run as it is."""
        setting = Setting(self.run.capabilities, self.state(), self.run.specimen or _no_card())
        self.shown = preview(self.plan, setting, self.budget(), self.run.dose_at(None))
        problems = list(self.shown.problems)
        if self.shown.frames and self.run.specimen is None:
            problems.append("no specimen card, no beam: give one with --specimen CARD.toml")
        self.shown = self.shown.model_copy(update={"problems": tuple(problems)})
        body = {"preview": self.shown.model_dump(mode="json"), "plan_sha256": self.plan.sha256}
        self.run.log("previewed", f"{self.shown.seconds:.0f} s, {self.shown.frames} frames", body)
        self.observer.previewed(self.plan, self.shown)
        if problems:
            self.say = "Refused: " + "; ".join(problems) + ". Nothing was sent to the instrument."
        return "refused" if problems else "ok"

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
            if approval is not None:
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
        asked = Asked(self.gate, card, binding, envelope, self.plan.model_dump(mode="json"))
        open_gate(self.run, asked)
        return asked

    def _answered(self, approval: Approval) -> str:
        if approval.outcome != "approved":
            self.say = _GATE_SAYS.get(approval.outcome, approval.outcome).format(
                run=self.run.id, gate=approval.gate, by=approval.by, reason=approval.reason
            )
            return approval.outcome
        self.take(approval)
        return "approved"

    def take(self, approval: Approval) -> None:
        """Put an approval in force: take the writer lease, and allow the beam again if it was held."""
        state = self.state()
        permit = Permit(approval, self.plan.sha256, self.run.capabilities.limits_version, state.time_s)
        permit.check_state(state)
        self.run.instrument.lease(f"run {self.run.id}")
        if self.run.instrument.held():
            self.run.instrument.clear_hold(approval.by)
        self.executor.permit = permit

    def _edit(self, text: str) -> None:
        """Apply 'step.argument=value' to the plan, rehearse again and show what changed."""
        plan = edited(self.plan, text)
        if self.proposal is None:
            raise Defect("no proposal to edit")
        self.proposal = self.proposal.model_copy(update={"plan": plan})
        body = {"proposal": self.proposal.model_dump(mode="json"), "plan_sha256": plan.sha256, "edit": text}
        self.run.log("planned", f"edited: {text}"[:400], body, actor="person")
        self.rehearse()

    def next_call(self) -> str:
        """Make one call; returns 'more', 'over' or 'stop'."""
        if self.agenda is None:
            self.agenda = Agenda(self.run.id, self.plan)
        try:
            following = self.agenda.next()
        except EucentricError as error:
            return self._halt(error)
        if following is None:
            return "over"
        item, call = following
        try:
            self._wait(item, call)
            result = self.executor.call(call)
        except EucentricError as error:
            return self._judged(item, judge_error(error, bool(item.path)), error)
        except Exception as error:  # a bug of ours: stop safely and keep the trace
            self.run.log("failed", f"defect: {error!r}"[:400], {"trace": traceback.format_exc()[-4000:]})
            return self._halt(
                Defect(f"{call.tool} broke: {error!r}", remedy="report it with the run's folder")
            )
        self.agenda.done(item, result.value)
        self.observer.result(call, result)
        self.answers.append(
            {"step": item.id, "tool": call.tool, "summary": result.summary, "value": result.value}
        )
        return self._judged(item, judge(call, result), None)

    def _wait(self, item: Item, call: ToolCall) -> None:
        if item.wait_until_s is None:
            return
        now = self.run.instrument.state().time_s
        start = self._loop_start_s.setdefault(item.path[:-1], now)
        rest = start + item.wait_until_s - now
        if rest > 0:
            stub = call.model_copy(update={"id": f"{call.id}~wait"})
            GatedMicroscope(self.run, stub, self.executor.permit).wait(rest)

    def _judged(self, item: Item, judgement: Judgement, error: EucentricError | None) -> str:
        if judgement.verdict == "go on":
            return "more"
        body = {"step": item.id, **judgement.model_dump(mode="json")}
        self.run.log("judged", f"{judgement.verdict}: {judgement.why}"[:400], body)
        if judgement.verdict == "stop":
            return self._halt(error or EucentricError(judgement.why))
        dropped = self.agenda.drop_round(item) if self.agenda else 0
        self.run.log(
            "excluded", f"{item.id}: {judgement.why}"[:400], {"step": item.id, "calls_dropped": dropped}
        )
        self.skipped.append(f"{item.id}: {judgement.why}")
        self.observer.skipped(item, judgement)
        return "more"

    def _halt(self, error: EucentricError) -> str:
        self.error = error
        return "stop"

    # --- the end --------------------------------------------------------------------------------------

    def ending(self, outcome: str) -> Ending:
        """How the run ended: what is claimed is checked against the ledger first."""
        if isinstance(self.error, Stopped):
            return "stopped"
        if isinstance(self.error, InDoubt | Parked):
            return "parked"
        if self.error is not None:
            return "refused" if type(self.error).exit_code == 3 else "failed"
        if outcome in _GATE_ENDINGS:
            return _GATE_ENDINGS[outcome]
        kept = self.run.store.ledger.events(run=self.run.id, kinds=("concluded",))
        proven = {row.action_id for row in kept if row.body.get("ok")}
        claimed = {f"{self.run.id}/{answer['step']}" for answer in self.answers}
        if claimed - proven:
            self.error = Defect(f"{len(claimed - proven)} steps were claimed and are not in the ledger")
            return "failed"
        if self.proposal and self.proposal.outcome == "answer":
            return "answered"
        return "partial" if self.skipped else "done"

    def finish(self, outcome: str, *, report: bool) -> RunOutcome:
        """Blank, give the lease back, write the last row and the report, anchor, verify."""
        ending = self.ending(outcome)
        with contextlib.suppress(EucentricError):
            if self.executor.permit is not None:
                self.run.instrument.release()
        body = {
            "outcome": ending,
            "error": self.error.as_dict() if self.error else None,
            "skipped": self.skipped,
        }
        self.run.log(
            "finished",
            f"{ending}: {self.error.what if self.error else self.say or self.request.text}"[:400],
            body,
        )
        path = str(write_report(self.run.store, self.run.id)[1]) if report else None
        if path:
            self.run.log("reported", f"report {path}", {"path": path})
        seq, head = self.run.store.anchor()
        ledger = self.run.store.ledger.path
        checked = verify(ledger, [*state_anchors(ledger), *frame_anchors(self.run.store.folder)])
        return RunOutcome(
            run=self.run.id,
            outcome=ending,
            exit_code=self._exit_code(ending),
            say=self.say,
            options=self.proposal.options if self.proposal else (),
            plan=self.proposal.plan.model_dump(mode="json") if self.proposal and self.proposal.plan else None,
            preview=self.shown.model_dump(mode="json") if self.shown else None,
            answers=tuple(self.answers),
            findings=self.run.findings(),
            skipped=tuple(self.skipped),
            gate=self.gate if ending == "parked" else None,
            error=self.error.as_dict() if self.error else None,
            report=path,
            events=seq,
            head=head,
            verified=checked.ok,
        )

    def _exit_code(self, ending: Ending) -> int:
        """The error's own code, but 2 is for the command line only."""
        code = type(self.error).exit_code if self.error else EXIT[ending]
        return 1 if code == 2 else code


_GATE_ENDINGS: dict[str, Ending] = {
    "no_channel": "parked",
    "timed_out": "parked",
    "deferred": "parked",
    "escalated": "parked",
    "rejected": "refused",
    "aborted": "stopped",
    "refused": "refused",
    "refuse": "refused",
    "clarify": "clarify",
    "planned": "planned",
}
_PARKED = (
    "Parked at gate {gate}: {reason}. Nothing was sent. An operator decides with "
    "`eucentric approve {run} {gate} --as NAME` (or deny), then `eucentric resume {run}`."
)
_GATE_SAYS = {
    "no_channel": _PARKED,
    "timed_out": _PARKED,
    "deferred": _PARKED,
    "escalated": _PARKED,
    "rejected": "Rejected by {by}: {reason}. Nothing was sent to the instrument.",
    "aborted": "Stopped while waiting for an approval. Nothing was sent to the instrument.",
}


def _no_card() -> SpecimenCard:
    return SpecimenCard(name="none", material="unknown")


def edited(plan: Plan, text: str) -> Plan:
    """A plan with one literal argument changed: 'step.argument=value'.

    Raises
    ------
    BadInput
        The text is not of that form, or the step or argument does not exist.
    """
    place, _, value = text.partition("=")
    step_id, _, name = place.strip().partition(".")
    found = False

    def change(step: Any) -> Any:
        nonlocal found
        if step.id == step_id and name in step.args:
            found = True
            return step.model_copy(
                update={"args": {**step.args, name: _literal(value.strip(), step.args[name])}}
            )
        return step.model_copy(update={"do": tuple(change(inner) for inner in step.do)})

    steps = tuple(change(step) for step in plan.steps)
    if not found:
        raise BadInput(
            f"can't edit {text!r}", "write step.argument=value with a step and argument of the plan"
        )
    return plan.model_copy(update={"steps": steps, "revision": plan.revision + 1})


def _literal(text: str, old: Any) -> Any:
    """The new value, of the old one's kind; a quantity may carry a unit and is parsed when it is validated."""
    if isinstance(old, bool):
        return text.lower() in ("true", "yes", "1")
    for kind in (int, float):
        if isinstance(old, int | float):
            with contextlib.suppress(ValueError):
                return kind(text)
    return text


@contextlib.contextmanager
def run_lock(run: Run) -> Iterator[None]:
    """One process per run; the kernel frees the lock when the process dies.

    Raises
    ------
    Busy
        Another process works on this run.
    """
    with open(run.folder / "lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(
                f"run {run.id} is in the hands of another process", remedy="wait, or stop it"
            ) from error
        yield
