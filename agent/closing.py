"""The last lines of a run: its report, and what a person or `--json` is given."""

import hashlib
import traceback
from pathlib import Path
from typing import Any

from eucentric.agent.observer import Observer
from eucentric.agent.outcome import EXIT, Ending, RunOutcome
from eucentric.agent.report import write_report
from eucentric.agent.run import Run
from eucentric.core.anchors import frame_anchors, state_anchors
from eucentric.core.chain import verify
from eucentric.core.plan import Proposal


def reported(run: Run, observer: Observer) -> str | None:
    """Write the report; one that can't be made does not undo the run: everything in it is in the ledger."""
    try:
        paths = write_report(run.store, run.id)
    except Exception as error:
        run.log("failed", f"no report: {error}"[:400], {"trace": traceback.format_exc()[-4000:]})
        observer.told(f"The report could not be made: {error}")
        return None
    run.log("reported", f"report {paths[1]}", {"path": str(paths[1]), "files": _digests(run, paths)})
    return str(paths[1])


def _digests(run: Run, paths: tuple[Path, ...]) -> dict[str, str]:
    """What was written, so that an auditor sees if it is still that."""
    files = (*paths, *sorted((run.folder / "pictures").glob("report-*.png")))
    return {str(one.relative_to(run.folder)): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def outcome_of(run: Run, ending: Ending, proposal: Proposal | None, **rest: Any) -> RunOutcome:
    """Fold the log away, anchor the ledger's head, verify the chain, and say how it ended.

    Parameters
    ----------
    rest
        Further fields of `RunOutcome`.
    """
    run.store.ledger.fold()
    events, head = run.store.anchor()
    ledger = run.store.ledger.path
    checked = verify(ledger, [*state_anchors(ledger), *frame_anchors(run.store.folder)])
    return RunOutcome(
        run=run.id,
        outcome=ending,
        exit_code=EXIT[ending] if checked.ok else 1,
        options=proposal.options if proposal else (),
        plan=proposal.plan.model_dump(mode="json") if proposal and proposal.plan else None,
        findings=run.findings(),
        events=events,
        head=head,
        verified=checked.ok,
        **rest,
    )
