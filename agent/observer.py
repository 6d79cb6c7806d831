"""What a person is told while a run goes on."""

from eucentric.agent.agenda import Item
from eucentric.agent.judge import Judgement
from eucentric.agent.preview.preview import Preview
from eucentric.core.calls import Approval, ToolCall, ToolResult
from eucentric.core.plan import Plan, Proposal


class Observer:
    """Told of each turn; this one says nothing."""

    def note(self, text: str) -> None:
        """One line of progress."""

    def told(self, text: str) -> None:
        """One line that must be read, such as why an edit was not taken."""

    def paused(self, text: str) -> None:
        """The run stands still: why, and what releases it. It must be read."""
        self.told(text)

    def released(self, text: str) -> None:
        """The run goes on."""
        self.told(text)

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
