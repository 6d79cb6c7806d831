"""The one door: a tool call is validated, recorded, run with a gated microscope, and its result recorded."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eucentric.agent.acting.acts import GatedMicroscope
from eucentric.agent.acting.door import TAKEN_UP_AGAIN
from eucentric.agent.consent.deciding import decision
from eucentric.agent.consent.figures import figures_of
from eucentric.agent.consent.onrecord import lacking
from eucentric.agent.consent.permit import Permit
from eucentric.agent.consent.rules import Rule, satisfied
from eucentric.agent.notebooks import TOOL as NOTES
from eucentric.agent.run import Run
from eucentric.core.base import Model
from eucentric.core.calls import Finding, ToolCall, ToolResult
from eucentric.core.errors import (
    ApprovalRefused,
    Busy,
    EucentricError,
    NoSpecimenCard,
    from_dict,
)
from eucentric.core.request import SpecimenCard
from eucentric.core.text import visible
from eucentric.tools.arguments import validated
from eucentric.tools.base import Context, Setting, Tool
from eucentric.tools.catalogue import tool_named

_FREE = ("read", "analyse", "safety")
BY_RULE = "E-APPROVAL-03"
"""Code of a call that a rule of the site forbids, or asks of somebody else than who approved."""
_NO_CARD = SpecimenCard(name="none", material="unknown", dose_budget_e_per_a2=1e-9)


class Executor:
    """Runs calls for one run. Without a permit only reading, analysis and safety calls pass."""

    def __init__(self, run: Run, report: Callable[[], tuple[Path, Path]]) -> None:
        self.run = run
        self._report = report
        self._permit: Permit | None = None
        self._taken: dict[str, Permit] = {}
        """By gate: a decision grants one permit, or its frames and time could be had twice."""
        self._acting = threading.Lock()

    @property
    def permit(self) -> Permit | None:
        """The approval in force, or None.

        Raises
        ------
        ApprovalRefused
            When it is set: the ledger has no such decision for this run, or it has been used already.
        """
        return self._permit

    @permit.setter
    def permit(self, permit: Permit | None) -> None:
        if permit is not None and self._taken.get(permit.approval.gate) is not permit:
            self._check_on_record(permit)
            self._taken[permit.approval.gate] = permit
        self._permit = permit

    def _check_on_record(self, permit: Permit) -> None:
        """An approval is what a row says that somebody decided, to the letter; an object alone is none."""
        approval = permit.approval
        gate = visible(approval.gate, limit=60)
        if decision(self.run.store, self.run.id, approval.gate) != approval:
            why = f"the ledger has no such decision at gate {gate} of run {self.run.id}"
        elif approval.gate in self._taken:
            why = f"the decision at gate {gate} is in use already"
        elif missing := lacking(self.run.store, self.run.id, approval):
            why = f"the decision at gate {gate} does not count: {missing}"
        else:
            return
        raise ApprovalRefused(
            "this approval is not in force", f"{why}. Nothing was sent", "ask at a new gate"
        )

    def call(self, call: ToolCall) -> ToolResult:
        """Run one call. Errors of the tree are recorded and raised; a finished call is handed back.

        Raises
        ------
        Busy
            Another thread has a call of this run under way; nothing was sent, nothing is queued.
        EucentricError
            Whatever refused or failed; the row that says so is written first.
        """
        done = self._concluded(call)
        if done is not None:
            return done
        tool, args = self._admitted(call)
        if tool.risk == "safety":
            return self._at_once(call, tool, args)
        if tool.risk in _FREE:
            return self._carried_out(call, tool, args)
        with self._alone(call):
            return self._carried_out(call, tool, args)

    @contextmanager
    def _alone(self, call: ToolCall) -> Iterator[None]:
        """What is asked (frames left, dose so far) must still be true when it is sent: one acting call at a time."""
        if not self._acting.acquire(blocking=False):
            error = Busy(
                f"{call.tool}: run {self.run.id} is carrying out another call",
                "one acts at a time; nothing was sent and nothing is queued",
                "try when it has ended",
            )
            self._refused(call, error)
            raise error
        try:
            yield
        finally:
            self._acting.release()

    def _carried_out(self, call: ToolCall, tool: Tool[Any, Any], args: Model) -> ToolResult:
        if tool.risk == "expose":
            self.run.hear_exposures()
        microscope = GatedMicroscope(self.run, call, self.permit if tool.risk not in _FREE else None)
        before = microscope.door.now()
        self._begin(call, tool, {"state": before.model_dump(mode="json")})
        try:
            value = tool.run(args, self._context(microscope, self._pictures()))
        except EucentricError as error:
            failed = ToolResult(call_id=call.id, ok=False, summary=str(error), error=error.as_dict())
            self._conclude(call, failed)
            raise
        self._record_findings(call, value)
        seconds = self.run.read().time_s - before.time_s
        return self._conclude(call, _result(call, tool, value, microscope, seconds))

    def _at_once(self, call: ToolCall, tool: Tool[Any, Any], args: Model) -> ToolResult:
        """Stop and blank wait for no row and no read-back: a full disk must not keep the beam on."""
        microscope = GatedMicroscope(self.run, call, None)
        value = tool.run(args, self._context(microscope, self.run.store.folder))
        self._begin(call, tool, {})
        return self._conclude(call, _result(call, tool, value, microscope, 0.0))

    def _begin(self, call: ToolCall, tool: Tool[Any, Any], more: dict[str, Any]) -> None:
        body = {
            "call": call.model_dump(mode="json"),
            "args_sha256": call.args_sha256,
            "risk": tool.risk,
            **more,
        }
        summary = f"{tool.name} {visible(call.reason, limit=160)}".strip()
        self.run.log("called", summary, body, action_id=call.id, tool=tool.name)

    def _admitted(self, call: ToolCall) -> tuple[Tool[Any, Any], Model]:
        """The tool and its checked arguments; a refusal is a row before it is an error."""
        try:
            tool = tool_named(call.tool)
            args = validated(tool, call.args)
            self._allowed(tool)
            self._within_rules(tool, args)
        except EucentricError as error:
            self._refused(call, error)
            raise
        return tool, args

    def _refused(self, call: ToolCall, error: EucentricError) -> None:
        body = {"act": call.tool, "step": call.step, "sent": False, "error": error.as_dict()}
        self.run.log("failed", f"{visible(call.tool, limit=60)} refused: {error.what}", body)

    def _allowed(self, tool: Tool[Any, Any]) -> None:
        if tool.risk in _FREE:
            return
        if self.permit is None:
            raise ApprovalRefused(
                f"{tool.name} needs an approval",
                "nothing was sent to the instrument",
                "approve the plan first",
            )
        if tool.risk == "expose" and self.run.specimen is None:
            raise NoSpecimenCard(
                "no specimen card, no beam",
                "material, form, dose budget and holder must be known before anything is exposed",
                "give one with --specimen CARD.toml (see examples/specimens/)",
            )

    def _within_rules(self, tool: Tool[Any, Any], args: Model) -> None:
        """The site's rules once more, with the arguments there are now: a plan may bind them to what it finds."""
        rules, approval = self.run.rules, self.permit.approval if self.permit else None
        if not rules.rules.rules or tool.risk == "safety":
            return
        state = self.run.now()
        setting = Setting(self.run.capabilities, state, self.run.specimen or _NO_CARD)
        rule = rules.rate(
            tool.name, tool.risk, figures_of(tool, args, state, tool.cost(args, setting)), self.run.planner
        )
        role, people = (approval.role, 1 + len(approval.consents)) if approval else ("user", 0)
        if not satisfied(rule, role, max(people, tool.risk in _FREE)):
            raise ApprovalRefused(
                f"{tool.name}: rule '{visible(rule.name, limit=80)}' {_wants(rule)}",
                f"policy {rules.label}; nothing was sent to the instrument",
                "ask somebody who may, with a plan that shows this",
                code=BY_RULE,
            )

    def _pictures(self) -> Path:
        folder = self.run.folder / "pictures"
        folder.mkdir(exist_ok=True)
        return folder

    def _context(self, microscope: GatedMicroscope, folder: Path) -> Context:
        return Context(
            microscope=microscope,
            records=self.run,
            specimen=self.run.specimen or _NO_CARD,
            folder=folder,
            note=self.run.note,
            report=self._report,
        )

    def _concluded(self, call: ToolCall) -> ToolResult | None:
        """The recorded result of this very call, if it ended before a crash; its recorded error is raised again.

        Only a call that was stopped or cut off is taken up again: a move that failed is never retried.
        """
        rows = self.run.store.ledger.events(
            run=self.run.id, kinds=("concluded",), action_id=call.id, newest_first=True, limit=1
        )
        if not rows or rows[0].body.get("args_sha256") != _digest_or_none(call):
            return None
        result = ToolResult.model_validate(
            {k: v for k, v in rows[0].body.items() if k in ToolResult.model_fields}
        )
        if result.ok:
            return result
        error = from_dict(result.error or {})
        if isinstance(error, TAKEN_UP_AGAIN):
            return None
        raise error

    def _conclude(self, call: ToolCall, result: ToolResult) -> ToolResult:
        body = {**result.model_dump(mode="json"), "args_sha256": call.args_sha256, "step": call.step}
        self.run.log("concluded", visible(result.summary, limit=600), body, action_id=call.id, tool=call.tool)
        if result.ok and call.tool == NOTES:
            self._file_reading(result)
        return result

    def _file_reading(self, result: ToolResult) -> None:
        """The reading is on record; its notebook takes it now, or with the next one if it can't be written."""
        try:
            self.run.notebook(str(result.value["noted"]["specimen"]))
        except EucentricError as error:
            self.run.note(f"not in the notebook yet: {error.what}")

    def _record_findings(self, call: ToolCall, value: Model) -> None:
        findings: tuple[Finding, ...] = getattr(value, "findings", ())
        for finding in findings:
            self.run.log(
                "found",
                finding_line(finding),
                {"finding": finding.model_dump(mode="json"), "call": call.id},
                action_id=call.id,
                tool=call.tool,
            )
        for reason in (*getattr(value, "excluded", ()), *getattr(value, "rejected", ())):
            self.run.log("excluded", visible(str(reason), limit=400), {"call": call.id}, tool=call.tool)


def _wants(rule: Rule) -> str:
    if rule.decision == "deny":
        return "forbids it"
    return f"takes {'two people, each ' if rule.approvers > 1 else ''}{rule.role}"


def _digest_or_none(call: ToolCall) -> str | None:
    """None for arguments that are no JSON (a NaN, an infinity): no row has them, and validation refuses them."""
    try:
        return call.args_sha256
    except (ValueError, TypeError, RecursionError):
        return None


def _result(
    call: ToolCall, tool: Tool[Any, Any], value: Model, microscope: GatedMicroscope, seconds: float
) -> ToolResult:
    return ToolResult(
        call_id=call.id,
        ok=True,
        value=value.model_dump(mode="json"),
        summary=tool.summary(value),
        frames=tuple(microscope.frames),
        dose_e_per_a2=microscope.dose,
        seconds=seconds,
    )


def finding_line(finding: Finding) -> str:
    """A finding in one line, with interval and denominator."""
    if finding.cannot_tell:
        return f"{finding.what}: cannot tell ({visible(finding.cannot_tell, limit=200)})"
    interval = finding.interval
    scale, unit = (100.0, "%") if finding.unit in ("fraction", "1", "") else (1.0, finding.unit)
    if interval.only_upper or interval.value is None:
        text = f"below {interval.high * scale:.3g} {unit} (95 %: nothing above background seen)"
    else:
        text = f"{interval.value * scale:.3g} {unit} (95 %: {interval.low * scale:.3g} … {interval.high * scale:.3g})"
    return f"{finding.what} {text}, {finding.count:.0f} of {finding.of:,} sites"
