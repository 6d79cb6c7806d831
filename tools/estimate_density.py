"""Combine what was found in single frames into one density with an interval."""

from typing import Literal

from eucentric.core.base import Model
from eucentric.core.calls import Finding
from eucentric.core.errors import BadInput
from eucentric.tools.base import Context, Tool, free
from eucentric.tools.vision import combined_density


class Args(Model):
    """What to combine."""

    kind: Literal["vacancy"] = "vacancy"
    """vacancy: share of column sites that are vacant."""


class Result(Model):
    """One finding over all frames of this run."""

    findings: tuple[Finding, ...]


def run(args: Args, context: Context) -> Result:
    """Pool the single-frame findings of this run; frames that could not be read stay out and are listed.

    Raises
    ------
    BadInput
        If no frame of this run was examined.
    """
    newest = {one.evidence[0]: one for one in context.records.findings() if len(one.evidence) == 1}
    if not newest:
        raise BadInput(
            "no frame of this run was examined",
            "there is nothing to combine: no place was reached and imaged, or none was looked at for defects",
            "try another place, or look for defects in a frame first",
        )
    return Result(findings=(combined_density(tuple(newest.values())),))


def summary(result: Result) -> str:
    """Frames and interval."""
    finding = result.findings[0]
    if finding.cannot_tell:
        return f"cannot tell: {finding.cannot_tell}"
    number = len(finding.evidence)
    frames = f"{number} frame{'' if number == 1 else 's'}"
    return f"{finding.what} from {frames}, {finding.of:,} sites examined"


TOOL: Tool[Args, Result] = Tool(
    "estimate_density",
    "Combine the vacancies found in all frames of this run into one density with a 95 % interval, corrected for recall "
    "and false calls. Frames that could not be read are excluded and named.",
    "analyse",
    Args,
    Result,
    run,
    free,
    summary,
)
