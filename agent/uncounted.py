"""A frame that can't be counted, in a run: a second look, a question, or it is said and the run goes on."""

from typing import Any, Final

from eucentric.agent.agenda import Agenda, Item
from eucentric.agent.judge import Judgement
from eucentric.agent.observer import Observer
from eucentric.agent.run import Run
from eucentric.agent.second_look import MARK, reserve, second_look
from eucentric.core.approval import Envelope
from eucentric.core.errors import (
    ApprovalRefused,
    BadInput,
    EucentricError,
    MoveNotReached,
    Refused,
    Unsupported,
)
from eucentric.core.plan import Plan
from eucentric.tools.base import Setting
from eucentric.tools.catalogue import tool_named

_GIVES_UP: Final = (ApprovalRefused, Refused, MoveNotReached, BadInput, Unsupported)
"""A second look that is refused or does not come off ends itself, not the round or the run."""
_SECOND: Final = "this was the second look: the place is given up"
_NONE: Final = "this plan has no room for a second look (it searches for no focus there)"


class Uncounted:
    """What one run does about frames that it can't count."""

    def __init__(self, run: Run, observer: Observer) -> None:
        self.run, self.observer = run, observer
        self.skipped: list[str] = []
        """Places given up, for the end of the run."""

    def second_look(
        self, plan: Plan, agenda: Agenda, item: Item, judgement: Judgement, value: dict[str, Any]
    ) -> None:
        """Put the calls of a second look first, or give the frame up if there is none to take."""
        more = second_look(plan.steps, item, value)
        agenda.waiting[:0] = more
        if not more:
            self.given_up(item, f"{judgement.why}; {_SECOND if is_second(item) else _NONE}")

    def may_ask(self, item: Item, agenda: Agenda, rule: str) -> bool:
        """Whether a person is asked: once a run for a reason, and only while something is left that acts."""
        asked = [row for row in self.run.store.ledger.events(run=self.run.id, kinds=("judged",))
                 if row.body.get("verdict") == "ask" and row.body.get("rule") == rule]  # fmt: skip
        before = [row for row in asked if row.body.get("step") != item.id]
        return not before and len(asked) <= 1 and any(_acts(one) for one in agenda.waiting)

    def given_up(self, item: Item, why: str) -> None:
        """Say that a frame is not counted; in a loop the place counts as left out."""
        self.run.log("excluded", f"{item.id}: {why}"[:400], {"step": item.id, "not_counted": True})
        if item.path:
            self.skipped.append(f"{item.id}: not counted: {why}")
        self.observer.told(f"Not counted  {item.id}: {why}")

    def broke_off(self, item: Item, error: EucentricError) -> Judgement | None:
        """What follows if the failure was that of a second look: it ends that alone; None if it was not."""
        if not is_second(item) or not isinstance(error, _GIVES_UP):
            return None
        other = item.step.args.get("why") in ("more_dose", "shorter_dwell")
        return Judgement(
            verdict="ask" if other else "go on",
            why=f"second look given up: {error}",
            rule="a second look stays inside what was approved; other settings than that are asked for",
        )

    def drop(self, agenda: Agenda, item: Item) -> None:
        """Leave out what else belongs to the second look."""
        agenda.waiting = [one for one in agenda.waiting if not (is_second(one) and one.path == item.path)]


def is_second(item: Item) -> bool:
    """Whether a call belongs to a second look."""
    return item.step.id.endswith(MARK)


def _acts(item: Item) -> bool:
    """Whether something in it moves or exposes."""
    steps = [item.step]
    while steps:
        step = steps.pop()
        if step.tool is not None and tool_named(step.tool).risk in ("control", "expose"):
            return True
        steps += step.do
    return False


def with_second_looks(
    envelope: Envelope, plan: Plan, setting: Setting, budget_e_per_a2: float
) -> tuple[Envelope, str]:
    """The envelope with room for a second look in each round that has one, and the line of the card that says so.

    Its search for focus reaches the place itself, so the dose there may grow by that, if the budget lets it: what
    is planned after it must not lack it.
    """
    count, cost = reserve(plan.steps, setting)
    if not count:
        return envelope, ""
    most = envelope.max_electrons
    often = "once" if count == 1 else f"{count} times"
    wider = envelope.model_copy(
        update={
            "max_frames": envelope.max_frames + cost.frames,
            "max_dose_e_per_a2": max(
                envelope.max_dose_e_per_a2,
                min(budget_e_per_a2, envelope.max_dose_e_per_a2 + 1.05 * cost.dose_e_per_a2),
            ),
            "max_electrons": most + 1.1 * cost.electrons if most else most,
            "max_seconds": envelope.max_seconds + 1.5 * cost.seconds,
        }
    )
    return wider, (
        f"where a frame can't be counted: refocus and take it once more on a fresh area beside, at most "
        f"{often}, {cost.frames // count} frames each, inside the dose bound below"
    )
