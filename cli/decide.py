"""`eucentric approve` and `eucentric deny`: answer a run's gate from another terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eucentric.cli import options
from eucentric.cli.operator import require_terminal
from eucentric.core.text import visible

if TYPE_CHECKING:
    from eucentric.agent.gate import Answer
    from eucentric.core.calls import Approval
    from eucentric.core.store import Store


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("gate", required=False)
@click.option("--as", "name", required=True, metavar="NAME", help="The operator who decides.")
@options.store_option
@options.json_option
def approve(run_id: str, gate: str | None, name: str, store: Path | None, as_json: bool) -> None:
    """Approve the open GATE of RUN after reading its card. Needs a terminal and the operator's secret."""
    import time

    from eucentric.agent.gate import Answer, decide, question
    from eucentric.core.operators import operators_path, prove

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    require_terminal("approve")
    click.echo(visible(asked.card, one_line=False, limit=100_000), err=True)
    shown = time.monotonic()
    prove(
        name,
        click.prompt(f"\nSecret of {name} to approve (Ctrl-C leaves it open)", hide_input=True, err=True),
    )
    proof = f"proved against {operators_path()}, owner uid {operators_path().stat().st_uid}"
    answer = Answer("approved", f"{name} ({options.who()})", f"at another terminal, {proof}")
    decision = decide(opened, run_id, asked, answer, time.monotonic() - shown)
    _conclude(opened, run_id, answer, decision, as_json)
    if not as_json:
        click.echo(f"A waiting run goes on by itself; a parked one with: eucentric resume {run_id}")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("gate", required=False)
@click.option("--as", "name", required=True, metavar="NAME", help="The person who decides.")
@click.option("--reason", required=True, help="Why; it is shown to the planner and kept.")
@options.store_option
@options.json_option
def deny(run_id: str, gate: str | None, name: str, reason: str, store: Path | None, as_json: bool) -> None:
    """Reject the open GATE of RUN. Anybody may: a denial sends nothing."""
    from eucentric.agent.gate import Answer, decide, question

    opened = options.open_store(store, existing=True)
    asked = question(opened, run_id, gate)
    answer = Answer("rejected", f"{name} (claimed, {options.who()})", reason)
    decision = decide(opened, run_id, asked, answer)
    _conclude(opened, run_id, answer, decision, as_json)


def _conclude(store: "Store", run_id: str, answer: "Answer", decision: "Approval", as_json: bool) -> None:
    """Anchor and say what counts.

    Raises
    ------
    ApprovalRefused
        Somebody else decided while this person was reading: the answer given here does not count.
    """
    from eucentric.core.errors import ApprovalRefused

    store.anchor()
    store.close()
    text = f"gate {decision.gate} of {run_id}: {decision.outcome} by {visible(decision.by)}"
    if decision.outcome != answer.outcome:
        raise ApprovalRefused(text, "it was decided first, and the first decision counts")
    click.echo(decision.model_dump_json() if as_json else text)
