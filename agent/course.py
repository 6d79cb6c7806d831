"""The course of a plan: its calls one by one, each made, judged, and skipped, looked at again or asked about."""

import traceback
from typing import Any

from eucentric.agent.agenda import Agenda, Item
from eucentric.agent.custody.checkpoint import Checkpoint
from eucentric.agent.custody.control import FINISHED
from eucentric.agent.executor import Executor
from eucentric.agent.judge import Judgement, judge, judge_error
from eucentric.agent.observer import Observer
from eucentric.agent.rounds import Rounds
from eucentric.agent.run import Run
from eucentric.agent.second_look import holds
from eucentric.agent.uncounted import Uncounted, is_second
from eucentric.core.calls import ToolCall
from eucentric.core.errors import Defect, EucentricError, Stopped
from eucentric.core.plan import Plan


class Course:
    """Where a run has come to in its plan."""

    def __init__(self, run: Run, executor: Executor, checkpoint: Checkpoint, observer: Observer) -> None:
        self._run, self._executor, self._checkpoint = run, executor, checkpoint
        self._observer = observer
        self._rounds = Rounds(run)
        self._uncounted = Uncounted(run, observer)
        self._agenda: Agenda | None = None
        self._only: str | None = None
        """The step that alone was approved, once it has begun."""
        self._skipped: list[str] = []
        self.answers: list[dict[str, Any]] = []
        """What each call came to."""
        self.asks = ""
        """Why a person is asked in the middle of the plan."""
        self.error: EucentricError | None = None
        """Why it stopped."""

    # --- reading --------------------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """Whether a call was made, or tried."""
        return self._agenda is not None

    @property
    def in_a_loop(self) -> bool:
        """Whether the next call is one of a loop that is under way."""
        return bool(self._agenda and self._agenda.waiting and self._agenda.waiting[0].path)

    @property
    def done_so_far(self) -> str:
        """The calls that were made, in one line."""
        return ", ".join(f"{one['step']} {one['tool']}" for one in self.answers)

    @property
    def left_out(self) -> list[str]:
        """Places that were given up, and frames of places that could not be counted."""
        return self._skipped + self._uncounted.skipped

    def rest_of(self, plan: Plan) -> Plan:
        """What of a plan is still to be done: all of it, or from the step that waits."""
        if self._agenda is None or not self._agenda.waiting:
            return plan
        waiting = self._agenda.waiting[0].step
        begin = next(n for n, step in enumerate(plan.steps) if holds(step, waiting))
        return plan.model_copy(update={"steps": plan.steps[begin:]})

    # --- going on -------------------------------------------------------------------------------------

    def approved(self) -> None:
        """A new approval is in force: what was asked about is settled."""
        self._only, self.asks = None, ""

    def turn_to(self, plan: Plan) -> None:
        """Go on with the rest of a plan that was changed on the way."""
        if self._agenda is not None:
            self._agenda.waiting = [Item(step) for step in self.rest_of(plan).steps]
            self._agenda.plan = plan

    def next_call(self, plan: Plan, *, safety: bool = False) -> str:
        """Make one call.

        Parameters
        ----------
        safety
            The plan stops or blanks: it goes on in a stopped run and listens to nobody.

        Returns
        -------
        str
            'more', 'over', 'stop' (see `error`), or 'ask': only one step was approved, or a person is needed (`asks`).
        """
        agenda = self._agenda = self._agenda or Agenda(self._run.id, plan)
        if self._step_is_over(agenda):
            return "ask"
        try:
            if not safety and self._asked_to_end(agenda):
                return self._finish_early(agenda)
            following = agenda.next()
        except EucentricError as error:
            return self._finish_early(agenda) if error.error_code == FINISHED else self._halt(error)
        self._tell_left_out(agenda)
        return "over" if following is None else self._make(agenda, *following)

    def _step_is_over(self, agenda: Agenda) -> bool:
        """Whether the one step that was approved has been done and others wait."""
        permit = self._executor.permit
        if permit is None or permit.approval.outcome != "stop_after_step" or not agenda.waiting:
            return False
        first, begins = agenda.waiting[0], not agenda.waiting[0].path
        if self._only is None:
            self._only = first.step.id
        return begins and first.step.id != self._only

    def _asked_to_end(self, agenda: Agenda) -> bool:
        """Whether somebody asked to finish. A stopped run reads and analyses no more, either."""
        if self._run.stopping.is_set():
            raise Stopped("the run was stopped", "the steps that were left were not begun")
        return bool(agenda.waiting) and self._checkpoint.before_call()

    def _make(self, agenda: Agenda, item: Item, call: ToolCall) -> str:
        try:
            self._rounds.wait(item, call, self._executor.permit)
            result = self._executor.call(call)
        except EucentricError as error:
            if error.error_code == FINISHED:
                return self._finish_early(agenda, item)
            follows = self._uncounted.broke_off(item, error) or judge_error(error, bool(item.path))
            return self._judged(agenda, item, follows, error)
        except Exception as error:  # a bug of ours: stop safely and keep the trace
            self._run.log("failed", f"defect: {error!r}"[:400], {"trace": traceback.format_exc()[-4000:]})
            broke = Defect(f"{call.tool} broke: {error!r}", remedy="report it with the run's folder")
            return self._halt(broke)
        agenda.done(item, result.value)
        self._checkpoint.suspenders.measured(result.value)
        self._observer.result(call, result)
        answer = {"step": item.id, "tool": call.tool, "summary": result.summary, "value": result.value}
        self.answers.append(answer)
        return self._judged(agenda, item, judge(call, result), None, result.value)

    def _finish_early(self, agenda: Agenda, cut: Item | None = None) -> str:
        """Somebody asked to finish: what is done counts, and what is left is told."""
        left = ([f"{cut.id} (cut short)"] if cut else []) + [item.id for item in agenda.waiting]
        agenda.waiting.clear()
        by = self._checkpoint.wishes.end.by if self._checkpoint.wishes.end else "nobody"
        text = f"finished early by {by}; left out: {', '.join(left)}"[:400]
        self._run.log("excluded", text, {"left_out": left})
        self._skipped.append(text)
        return "over"

    def _tell_left_out(self, agenda: Agenda) -> None:
        while agenda.left_out:
            step, length, rounds = agenda.left_out.pop(0)
            text = f"{step}: {length - rounds} of {length} left out, the plan is for at most {rounds}"
            self._run.log("excluded", text, {"step": step, "length": length, "at_most": rounds})
            self._skipped.append(text)

    def _judged(
        self,
        agenda: Agenda,
        item: Item,
        judgement: Judgement,
        error: EucentricError | None,
        value: dict[str, Any] | None = None,
    ) -> str:
        if judgement.verdict == "go on" and judgement.rule == "default":
            return "more"
        body = {"step": item.id, **judgement.model_dump(mode="json")}
        self._run.log("judged", f"{judgement.verdict}: {judgement.why}"[:400], body)
        second = is_second(item) and error is None
        if second or judgement.verdict in ("go on", "again", "ask"):
            return self._not_counted(agenda, item, judgement, value or {})
        if judgement.verdict == "stop" or not item.path:  # outside a loop there is no next place to go to
            return self._halt(error or EucentricError(judgement.why, judgement.rule))
        self._skip(agenda, item, judgement)
        return "more"

    def _not_counted(self, agenda: Agenda, item: Item, judgement: Judgement, value: dict[str, Any]) -> str:
        """A frame that can't be counted: looked at again, asked about, or said to be so."""
        if judgement.verdict == "again":
            self._uncounted.second_look(agenda.plan, agenda, item, judgement, value)
            return "more"
        self._uncounted.drop(agenda, item)
        self._uncounted.given_up(item, judgement.why)
        acting = self._executor.permit is not None and judgement.verdict == "ask"
        if acting and self._uncounted.may_ask(item, agenda, judgement.rule):
            self.asks = f"{judgement.why}. Go on with the rest? It is not counted until that is put right"
            return "ask"
        return "more"

    def _skip(self, agenda: Agenda, item: Item, judgement: Judgement) -> None:
        dropped = agenda.drop_round(item)
        body = {"step": item.id, "calls_dropped": dropped}
        self._run.log("excluded", f"{item.id}: {judgement.why}"[:400], body)
        self._skipped.append(f"{item.id}: {judgement.why}")
        self._observer.skipped(item, judgement)

    def _halt(self, error: EucentricError) -> str:
        self.error = error
        return "stop"
