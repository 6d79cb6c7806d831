"""How a run ended. What is claimed is checked against the ledger first."""

from eucentric.agent.custody.control import ABORTED
from eucentric.agent.outcome import Ending
from eucentric.agent.recovery import open_doubts
from eucentric.agent.run import Run
from eucentric.core.errors import Defect, EucentricError, InDoubt

_BY_EXIT_CODE: dict[int, Ending] = {3: "refused", 4: "clarify", 5: "stopped", 6: "parked"}
_WITHOUT_WORK: dict[str, Ending] = {
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
GATE_SAYS = {
    "no_channel": _PARKED,
    "timed_out": _PARKED,
    "deferred": _PARKED,
    "escalated": _PARKED,
    "rejected": "Rejected by {by}: {reason}. Nothing was sent to the instrument since the question.",
    "aborted": "Stopped while waiting for an approval. Nothing was sent to the instrument since the question.",
}
"""What a person is told of an outcome at the gate that is no approval."""


def ending_of(
    run: Run, outcome: str, error: EucentricError | None, steps: list[str], *, answer: bool, skipped: bool
) -> tuple[Ending, EucentricError | None]:
    """The ending, and the error that goes with it.

    Parameters
    ----------
    outcome
        The last one of the loop; 'over' is the only one that means that the plan was worked off.
    steps
        Ids of the steps that are claimed as done.
    answer, skipped
        Whether the plan only looked something up, and whether places were left out.
    """
    if error is not None:
        return _failed(run, error)
    if outcome in _WITHOUT_WORK:
        return _WITHOUT_WORK[outcome], None
    if outcome != "over":
        return "failed", Defect(f"the run ended with outcome {outcome!r}, which means nothing")
    missing = unproven(run, steps)
    if missing:
        return "failed", Defect(f"{len(missing)} steps were claimed and are not in the ledger")
    if answer:
        return "answered", None
    return ("partial" if skipped else "done"), None


def _failed(run: Run, error: EucentricError) -> tuple[Ending, EucentricError]:
    """An act in doubt waits for a person, whatever error left it so."""
    doubts = open_doubts(run.store.ledger.events(run=run.id))
    ending = _BY_EXIT_CODE.get(type(error).exit_code, "failed")
    if error.error_code == ABORTED:
        ending = "aborted"
    if doubts and ending != "parked":
        told = InDoubt(
            f"{doubts[0].what}: begun, and nobody knows how it ended",
            str(error),
            f"look at the instrument, then `eucentric resume {run.id}` at a terminal",
        )
        return "parked", told
    return ending, error


def unproven(run: Run, steps: list[str]) -> set[str]:
    """Steps without a row that says they ended well."""
    rows = run.store.ledger.events(run=run.id, kinds=("concluded",))
    return {f"{run.id}/{step}" for step in steps} - {row.action_id for row in rows if row.body.get("ok")}
