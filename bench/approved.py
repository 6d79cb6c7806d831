"""An approval on record as a run would have it: asked, then decided. For benches and tests that need no planner."""

from eucentric.agent.consent.asked import Asked
from eucentric.agent.gate import open_gate
from eucentric.agent.run import Run
from eucentric.core.approval import Approval
from eucentric.core.canonical import sha256_text

_CARD = "asked by the bench"


def on_record(run: Run, approval: Approval) -> Approval:
    """Write question and decision; returns the decision as it stands in the ledger."""
    made = approval.model_copy(update={"card_sha256": sha256_text(_CARD)})
    if made.envelope is not None:
        open_gate(run, Asked(made.gate, _CARD, made.binding, made.envelope, {}))
    run.log("decided", f"gate {made.gate}: {made.outcome}", made.model_dump(mode="json"), actor=made.by)
    return made
