"""The one door: a tool call is validated, recorded, run with a gated microscope, and its result recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eucentric.agent.acts import GatedMicroscope
from eucentric.agent.permit import Permit
from eucentric.agent.run import Run
from eucentric.core.base import Model
from eucentric.core.calls import Finding, ToolCall, ToolResult
from eucentric.core.errors import (
    ApprovalRefused,
    BadInput,
    BeamHeld,
    Busy,
    CommandTimeout,
    ConnectionLost,
    EucentricError,
    InDoubt,
    LeaseLost,
    NoSpecimenCard,
    Stopped,
    StoreFull,
    from_dict,
)
from eucentric.core.request import SpecimenCard
from eucentric.core.text import visible
from eucentric.tools.base import Context, Tool
from eucentric.tools.catalogue import tool_named

_TAKEN_UP_AGAIN = (Stopped, InDoubt, ConnectionLost, CommandTimeout, LeaseLost, Busy, BeamHeld, StoreFull)
_FREE = ("read", "analyse", "safety")
_NO_CARD = SpecimenCard(name="none", material="unknown", dose_budget_e_per_a2=1e-9)


def validated(tool: Tool[Any, Any], args: dict[str, Any]) -> Model:
    """Arguments as the tool's model.

    Raises
    ------
    BadInput
        Naming the first wrong argument, its bounds, and that nothing was sent.
    """
    try:
        checked: Model = tool.args.model_validate(args)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "arguments"
        raise BadInput(
            f"{tool.name}: {where}: {visible(str(first['msg']), limit=300)} (got {visible(repr(first['input']), limit=80)})",
            "nothing was sent to the instrument",
            "see `eucentric plan --tools` for every argument with its unit and bounds",
        ) from error
    return checked


class Executor:
    """Runs calls for one run. Without a permit only reading, analysis and safety calls pass."""

    def __init__(self, run: Run, report: Callable[[], tuple[Path, Path]]) -> None:
        self.run = run
        self._report = report
        self.permit: Permit | None = None

    def call(self, call: ToolCall) -> ToolResult:
        """Run one call. Errors of the tree are recorded and raised; a finished call is handed back.

        Raises
        ------
        EucentricError
            Whatever refused or failed; the row that says so is written first.
        """
        done = self._concluded(call)
        if done is not None:
            return done
        tool = tool_named(call.tool)
        args = validated(tool, call.args)
        self._allowed(tool)
        self.run.log(
            "called",
            f"{tool.name} {visible(call.reason, limit=160)}".strip(),
            {"call": call.model_dump(mode="json"), "args_sha256": call.args_sha256, "risk": tool.risk},
            action_id=call.id,
            tool=tool.name,
        )
        microscope = GatedMicroscope(self.run, call, self.permit if tool.risk not in _FREE else None)
        started = self.run.instrument.state().time_s
        try:
            value = tool.run(args, self._context(microscope))
        except EucentricError as error:
            self._conclude(
                call, ToolResult(call_id=call.id, ok=False, summary=str(error), error=error.as_dict())
            )
            raise
        result = ToolResult(
            call_id=call.id,
            ok=True,
            value=value.model_dump(mode="json"),
            summary=tool.summary(value),
            frames=tuple(microscope.frames),
            dose_e_per_a2=microscope.dose,
            seconds=self.run.instrument.state().time_s - started,
        )
        self._record_findings(call, value)
        self._conclude(call, result)
        return result

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

    def _context(self, microscope: GatedMicroscope) -> Context:
        folder = self.run.folder / "pictures"
        folder.mkdir(exist_ok=True)
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
        if not rows or rows[0].body.get("args_sha256") != call.args_sha256:
            return None
        result = ToolResult.model_validate(
            {k: v for k, v in rows[0].body.items() if k in ToolResult.model_fields}
        )
        if result.ok:
            return result
        error = from_dict(result.error or {})
        if isinstance(error, _TAKEN_UP_AGAIN):
            return None
        raise error

    def _conclude(self, call: ToolCall, result: ToolResult) -> None:
        body = {**result.model_dump(mode="json"), "args_sha256": call.args_sha256, "step": call.step}
        self.run.log("concluded", visible(result.summary, limit=600), body, action_id=call.id, tool=call.tool)

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
    return f"{finding.what} {text}, {finding.count:.4g} of {finding.of} sites"
