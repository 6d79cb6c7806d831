"""How a run looks on a terminal: short lines, units always, questions at the gate."""

import re
import sys
from datetime import datetime
from typing import Any

import click

from eucentric.agent.agenda import Item
from eucentric.agent.executor import finding_line
from eucentric.agent.judge import Judgement
from eucentric.agent.outcome import RunOutcome
from eucentric.agent.preview.card import plan_lines
from eucentric.agent.preview.preview import Preview
from eucentric.agent.session import Observer
from eucentric.core.approval import Approval
from eucentric.core.calls import ToolCall, ToolResult
from eucentric.core.plan import Plan, Proposal
from eucentric.core.text import named, quoted, visible


class Console(Observer):
    """Prints what happens; `quiet` (with --json) prints nothing on stdout."""

    def __init__(self, quiet: bool, gate_shows_plan: bool = False) -> None:
        self.quiet, self.gate_shows_plan = quiet, gate_shows_plan

    def say(self, text: str, *, bold: bool = False) -> None:
        """A line."""
        if not self.quiet:
            click.echo(click.style(text, bold=bold) if bold else text)

    def note(self, text: str) -> None:
        """Progress, on stderr, over the same line where that is a terminal."""
        if self.quiet or not sys.stderr.isatty():
            return
        click.echo(f"\r\033[K         … {visible(text, limit=100)}", nl=False, err=True)

    def told(self, text: str) -> None:
        """A line that must be read."""
        self._clear()
        self.say(visible(text, limit=600))

    def _clear(self) -> None:
        if not self.quiet and sys.stderr.isatty():
            click.echo("\r\033[K", nl=False, err=True)

    def proposed(self, proposal: Proposal) -> None:
        """What was understood, or the words instead of a plan."""
        if proposal.plan:
            self.say(
                f"Understood   {quoted(proposal.plan.title, limit=160)}      "
                f"planner: {quoted(proposal.plan.planner, limit=60)}"
            )
        if proposal.pixels_sent:
            self.say(f"Pixels sent  {visible(proposal.pixels_sent, limit=300)}")
        if proposal.say:
            self.say(_quoted(proposal.say))
        for number, option in enumerate(proposal.options, start=1):
            self.say(f"  {number}  {visible(option, limit=300)}")

    def previewed(self, plan: Plan, shown: Preview) -> None:
        """The priced plan, unless the gate's card is going to show it."""
        if shown.asks and not shown.problems and self.gate_shows_plan:
            return
        if shown.asks or shown.problems:
            self.say("\n".join(plan_lines(plan, shown)))

    def decided(self, approval: Approval) -> None:
        """The outcome at the gate."""
        reason = f" ({quoted(approval.reason, limit=400)})" if approval.reason else ""
        by = re.sub(r"(sha256 [0-9a-f]{12})[0-9a-f]{52}", r"\1…", visible(approval.by))
        self.say(f"Gate {named(approval.gate)}: {approval.outcome} by {by}{reason}")
        self.say("")

    def result(self, call: ToolCall, result: ToolResult) -> None:
        """A call ended well."""
        self._clear()
        clock = datetime.now().strftime("%H:%M:%S")
        for number, line in enumerate(result.summary.splitlines() or [""]):
            head = f"{clock}  {call.step:<12}" if number == 0 else " " * 22
            self.say(f"{head} {visible(line, limit=400)}")

    def skipped(self, item: Item, judgement: Judgement) -> None:
        """A place was given up."""
        self._clear()
        self.say(f"{datetime.now():%H:%M:%S}  {item.id:<12} skipped: {visible(judgement.why, limit=400)}")

    def ended(self, outcome: RunOutcome) -> None:
        """The answer first, then what was not counted, then where the evidence is."""
        self.say("")
        density = [finding for finding in outcome.findings if len(finding.evidence) > 1] or list(
            outcome.findings
        )
        for finding in density[-1:]:
            self.say(visible(finding_line(finding), limit=600), bold=True)
            for text in finding.excluded:
                self.say(f"Not counted  {visible(text, limit=300)}")
        for text in outcome.skipped:
            self.say(f"Not imaged   {visible(text, limit=300)}")
        if outcome.error:
            self._error(outcome.error)
        elif outcome.say and (outcome.outcome in ("parked", "stopped") or _refused_late(outcome)):
            self.say(_quoted(outcome.say, first=""))
        if outcome.report:
            self.say(f"Report       {visible(outcome.report, limit=300)}")
        state = "verified" if outcome.verified else "NOT VERIFIED: run `eucentric audit verify`"
        self.say(
            f"Run          {outcome.run} {outcome.outcome}   ledger {outcome.events} events, "
            f"head {outcome.head[:4]}…{outcome.head[-2:]}, {state}"
        )

    def _error(self, error: dict[str, Any]) -> None:
        self.say(f"{error['code']}  {visible(error['what'])}")
        for key in ("why", "remedy"):
            if error.get(key):
                self.say(_quoted(error[key]))


def _quoted(text: str, first: str = "  ") -> str:
    """Words of others, indented: no line of them can pass for one of ours, such as 'Gate g1: approved'."""
    lines = visible(text, one_line=False, limit=4000).splitlines()
    return "\n".join((first if number == 0 else "  ") + line for number, line in enumerate(lines))


def _refused_late(outcome: RunOutcome) -> bool:
    """Refused after the plan was shown: the planner's own refusal has been said already."""
    return outcome.outcome == "refused" and outcome.preview is not None
