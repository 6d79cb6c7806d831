"""Timed repeats: when the next round of a loop is due."""

from eucentric.agent.acting.acts import GatedMicroscope
from eucentric.agent.agenda import Item
from eucentric.agent.consent.permit import Permit
from eucentric.agent.run import Run
from eucentric.core.calls import ToolCall


class Rounds:
    """When the timed loops of one run began, by the instrument's clock."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._start_s: dict[str, float] = {}

    def wait(self, item: Item, call: ToolCall, permit: Permit | None) -> None:
        """Until the round is due. A call begun before a crash has waited already."""
        if not item.due:
            return
        now = self.run.instrument.state().time_s
        begun = self._begun_s(call)
        for loop, _ in item.due:
            start = now if begun is None else min(begun, now)
            self._start_s.setdefault(loop, start)
        rest = max(self._start_s[loop] + after for loop, after in item.due) - now
        if rest > 0 and begun is None:
            stub = call.model_copy(update={"id": f"{call.id}~wait"})
            GatedMicroscope(self.run, stub, permit).wait(rest)

    def _begun_s(self, call: ToolCall) -> float | None:
        """Instrument time at which a call first began, if it did."""
        rows = self.run.store.ledger.events(run=self.run.id, kinds=("called",), action_id=call.id, limit=1)
        state = rows[0].body.get("state") if rows else None
        return float(state["time_s"]) if state else None
