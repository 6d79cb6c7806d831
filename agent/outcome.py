"""How a run ended, for a person and for `--json`."""

from typing import Any, Literal

from eucentric.core.base import Model
from eucentric.core.calls import Finding

Ending = Literal[
    "done", "partial", "answered", "planned", "clarify", "refused", "stopped", "aborted", "parked", "failed"
]
EXIT: dict[str, int] = {
    "done": 0, "partial": 0, "answered": 0, "planned": 0, "failed": 1, "refused": 3, "clarify": 4, "stopped": 5,
    "aborted": 5, "parked": 6,
}  # fmt: skip


class RunOutcome(Model):
    """One JSON object."""

    run: str
    outcome: Ending
    exit_code: int
    say: str = ""
    options: tuple[str, ...] = ()
    plan: dict[str, Any] | None = None
    preview: dict[str, Any] | None = None
    answers: tuple[dict[str, Any], ...] = ()
    """Results of reading steps: tool, summary, value."""
    findings: tuple[Finding, ...] = ()
    skipped: tuple[str, ...] = ()
    gate: str | None = None
    error: dict[str, Any] | None = None
    restored: str = ""
    """Which settings were put back at the end, which stay and why, and where the stage stands if it moved."""
    report: str | None = None
    events: int = 0
    head: str = ""
    verified: bool = False
